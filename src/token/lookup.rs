//! Looks tokens up at the authority on them. Concurrent requests with the same token share one look-up, and its outcome is
//! cached.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::authority::{Authority, ToldClaims};
use super::cache_entry::KeyProof;
use super::claims::{CLIENT_CLAIMS, ClaimSource, Claims, keep_binding};
use super::credentials::PresentedToken;
use super::fingerprint::{Fingerprint, Fingerprinted};
use super::memory::TokenCaches;
use super::principal::Principal;
use super::profile::TrustedIssuer;
use crate::clock::{Clock, Timestamp};
use crate::issuer::{Introspector, Lane, MAX_WAIT, NoOutcome, SingleFlight};
use crate::jose::Object;
use crate::refusal::Refusal;

/// Looks up the tokens of one issuer, and keeps track of the look-ups under way.
pub(crate) struct Lookups<A = Introspector> {
    spec: LookupSpec<A>,
    under_way: SingleFlight<Fingerprint, Result<Principal, Refusal>>,
}

/// Everything that look-ups at one issuer need.
pub(crate) struct LookupSpec<A> {
    pub(crate) issuer: Arc<TrustedIssuer>,
    /// The prefix of the issuer's opaque tokens; `None` if it has none.
    pub(crate) token_prefix: Option<String>,
    pub(crate) when: When,
    /// How long an answer with a good token is cached.
    pub(crate) active_for: Duration,
    pub(crate) authority: A,
    pub(crate) memory: Arc<TokenCaches>,
    pub(crate) clock: Clock,
}

/// The tokens of an issuer that are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Opaque tokens, which only their issuer can read.
    Opaque,
    /// JWTs too, once their signature held. A revocation at the issuer takes effect when the cache entry ends.
    Always,
}

/// The claims of a JWT that is introspected too, once its signature held.
#[derive(Clone)]
pub(super) struct SignedClaims {
    pub(super) claims: Arc<Object<'static>>,
    pub(super) proof: KeyProof,
    /// When the token expires by its own claims, leeway included.
    pub(super) dies_at: Timestamp,
}

/// One look-up, which runs in a task of its own.
struct Lookup<A> {
    lookups: Arc<Lookups<A>>,
    text: String,
    fingerprint: Fingerprint,
    signed: Option<SignedClaims>,
    is_known: bool,
}

impl<A: Authority> Lookups<A> {
    pub(crate) fn new(spec: LookupSpec<A>) -> Self {
        Self {
            spec,
            under_way: SingleFlight::new(),
        }
    }

    pub(crate) fn issuer(&self) -> &Arc<TrustedIssuer> {
        &self.spec.issuer
    }

    pub(crate) fn authority(&self) -> &A {
        &self.spec.authority
    }

    pub(crate) fn when(&self) -> When {
        self.spec.when
    }

    pub(crate) fn token_prefix(&self) -> Option<&str> {
        self.spec.token_prefix.as_deref()
    }

    /// Whether the token has the prefix of this issuer, if there is one.
    pub(super) fn has_prefix_of(&self, token: &str) -> bool {
        let prefix = self.token_prefix();
        prefix.is_some_and(|prefix| token.starts_with(prefix))
    }

    /// Whether the issuer may have issued this opaque token. A token must never be sent to a server that did not issue it.
    pub(super) fn may_have_issued(&self, token: &str) -> bool {
        self.spec.token_prefix.is_none() || self.has_prefix_of(token)
    }

    /// Looks up a token and returns its principal. Waits at most [`MAX_WAIT`].
    pub(super) async fn look_up(
        self: &Arc<Self>,
        text: &str,
        token: Fingerprinted<'_>,
        signed: Option<&SignedClaims>,
    ) -> Result<Principal, Refusal> {
        let LookupSpec {
            issuer,
            memory,
            clock,
            ..
        } = &self.spec;
        memory
            .revocations
            .check_unread(&issuer.name, token.token, clock.now())?;
        let runtime = Handle::try_current().map_err(|_| A::no_runtime())?;
        // A stranger cannot make a token whose signature holds, or one that was valid a moment ago.
        let is_known = signed.is_some() || memory.recently_good.has(token.token, clock.now());
        let known = || memory.recall(token, clock.now()).transpose();
        let work = || {
            let (lookups, text, signed) = (self.clone(), text.to_owned(), signed.cloned());
            Lookup {
                lookups,
                text,
                fingerprint: token.fingerprint,
                signed,
                is_known,
            }
            .run()
        };
        let lane = if is_known {
            Lane::Known
        } else {
            Lane::Strangers
        };
        let shared = self
            .under_way
            .share(&runtime, token.fingerprint, lane, known, work);
        let outcome = timeout(MAX_WAIT, shared)
            .await
            .unwrap_or(Err(NoOutcome::Full));
        let failed = |why| Err(A::no_outcome(why));
        let principal = outcome.unwrap_or_else(failed).map_err(|refusal| {
            if is_known {
                refusal.of(&issuer.name, None, None)
            } else {
                refusal
            }
        })?;
        // A request that joined the look-up late may have come after a revocation that the look-up did not see.
        memory
            .revocations
            .check(&principal, token.token, clock.now())?;
        Ok(principal)
    }
}

impl<A: Authority> Lookup<A> {
    async fn run(self) -> Result<Principal, Refusal> {
        let Self {
            lookups,
            text,
            fingerprint,
            signed,
            is_known,
        } = self;
        let token = Fingerprinted {
            token: PresentedToken::of_well_formed(&text),
            fingerprint,
        };
        let LookupSpec {
            issuer,
            active_for,
            authority,
            memory,
            clock,
            ..
        } = &lookups.spec;
        let asked_at = clock.now();
        let told = authority.ask(&issuer.name, &text, asked_at).await?;
        let now = clock.now();
        let is_told = |told: &ToldClaims| (told.object.has("exp"), told.remembered_for);
        let (response_has_exp, told_time) = told.as_ref().map(is_told).unwrap_or_default();
        let remember = |refusal: &Refusal| memory.reject(fingerprint, refusal, asked_at);
        let claims = signed.as_ref().map(|signed| &*signed.claims);
        let named = |refusal: Refusal| match claims {
            Some(claims) => Claims {
                object: claims.clone(),
                text: "",
            }
            .name_caller(refusal, issuer, token.token),
            None if is_known => refusal.of(&issuer.name, None, None),
            None => refusal,
        };
        let principal = told
            .and_then(|told| validate(told, issuer, claims, token.token, now))
            .map_err(named)
            .inspect_err(remember)?;
        // The response counts from when the request was sent, and no entry outlives the token (RFC 7662 §4).
        let ends = [
            principal.expiry().filter(|_| response_has_exp),
            told_time.map(|time| asked_at.plus(time)),
            signed.as_ref().map(|signed| signed.dies_at),
        ];
        let dies_at = ends
            .into_iter()
            .flatten()
            .fold(asked_at.plus(*active_for), Timestamp::min);
        let proof = signed.map(|signed| signed.proof);
        memory
            .keep(token, &principal, dies_at, proof, now)
            .inspect_err(remember)?;
        memory.recently_good.note(token.token, now);
        Ok(principal)
    }
}

/// Validates a response. For a token with signed claims of its own, those fill in claims that the response leaves out; where
/// both have a claim, that of the response is newer and counts.
fn validate(
    response: ToldClaims,
    issuer: &TrustedIssuer,
    signed: Option<&Object<'static>>,
    token: PresentedToken<'_>,
    now: Timestamp,
) -> Result<Principal, Refusal> {
    let ToldClaims {
        object: claims,
        text,
        ..
    } = response;
    let Some(signed) = signed else {
        return Claims {
            object: claims,
            text: &text,
        }
        .validate(ClaimSource::Introspection, issuer, token, now);
    };
    let source = ClaimSource::Merged {
        response_has_exp: claims.has("exp"),
    };
    let object = merged(signed, claims, issuer);
    let text = object.to_string();
    Claims {
        object,
        text: &text,
    }
    .validate(source, issuer, token, now)
}

/// Puts the claims of a response over the signed ones. Scopes and the client may each be in one of several claims, of which the
/// first counts, so a response that has one of them replaces them all.
fn merged(
    signed: &Object<'static>,
    mut response: Object<'static>,
    issuer: &TrustedIssuer,
) -> Object<'static> {
    keep_binding(signed, &mut response);
    let scope_claims: Vec<&str> = issuer
        .rules
        .scope_claims
        .iter()
        .map(String::as_str)
        .collect();
    let mut all = signed.clone();
    for names in [&scope_claims, CLIENT_CLAIMS] {
        if names.iter().any(|name| response.has(name)) {
            all.retain(|name| !names.contains(&name));
        }
    }
    all.retain(|name| !response.has(name));
    all.extend(response);
    all
}
