//! Introspects tokens: concurrent requests with one token share a look-up, and its outcome is remembered for a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::cache_entry::KeyProof;
use super::claims::{CLIENT_CLAIMS, ClaimSource, Claims};
use super::credentials::PresentedToken;
use super::fingerprint::{Fingerprint, Fingerprinted};
use super::memory::TokenCaches;
use super::principal::Principal;
use super::profile::TrustedIssuer;
use crate::clock::{Clock, Timestamp};
use crate::issuer::{
    IntrospectionFailure, IntrospectionResponse, Introspector, Lane, MAX_WAIT, NoOutcome,
    SingleFlight,
};
use crate::jose::Object;
use crate::refusal::{Reason, Refusal};

/// How one issuer's tokens are introspected, and which of them just now.
pub(crate) struct Lookups {
    spec: LookupSpec,
    under_way: SingleFlight<Fingerprint, Result<Principal, Refusal>>,
}

/// All that look-ups at an issuer need.
pub(crate) struct LookupSpec {
    pub(crate) issuer: Arc<TrustedIssuer>,
    /// Only opaque tokens that begin like this are the issuer's.
    pub(crate) token_prefix: Option<String>,
    pub(crate) when: When,
    /// For how long a response is believed.
    pub(crate) active_for: Duration,
    pub(crate) introspector: Introspector,
    pub(crate) memory: Arc<TokenCaches>,
    pub(crate) clock: Clock,
}

/// Which tokens are introspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Those that only their issuer can read.
    Opaque,
    /// JWTs too, once their signature held: a revocation is noticed as soon as what is remembered ends.
    Always,
}

/// The claims of a JWT that is introspected too, once its signature held.
#[derive(Clone)]
pub(super) struct SignedClaims {
    pub(super) claims: Arc<Object<'static>>,
    pub(super) proof: KeyProof,
    /// When the token is over by its own claims, leeway included.
    pub(super) dies_at: Timestamp,
}

/// A look-up, in a task of its own.
struct Lookup {
    lookups: Arc<Lookups>,
    text: String,
    fingerprint: Fingerprint,
    signed: Option<SignedClaims>,
    is_known: bool,
}

impl Lookups {
    pub(crate) fn new(spec: LookupSpec) -> Self {
        Self {
            spec,
            under_way: SingleFlight::new(),
        }
    }

    pub(crate) fn issuer(&self) -> &Arc<TrustedIssuer> {
        &self.spec.issuer
    }

    pub(crate) fn introspector(&self) -> &Introspector {
        &self.spec.introspector
    }

    pub(crate) fn when(&self) -> When {
        self.spec.when
    }

    pub(crate) fn token_prefix(&self) -> Option<&str> {
        self.spec.token_prefix.as_deref()
    }

    /// Whether an opaque token can be the issuer's: it must never be shown to a server that did not issue it.
    pub(super) fn may_have_issued(&self, token: &str) -> bool {
        self.spec
            .token_prefix
            .as_ref()
            .is_none_or(|prefix| token.starts_with(prefix.as_str()))
    }

    /// Whose token it is, by its issuer's response. Waits a bounded time.
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
        let runtime = Handle::try_current().map_err(|_| IntrospectionFailure::NoRuntime)?;
        // A stranger cannot make a token whose signature holds, or one that was good a moment ago.
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
        let failed = |why| {
            Err(Refusal::from(match why {
                NoOutcome::Full => IntrospectionFailure::Busy,
                NoOutcome::Lost => IntrospectionFailure::Lost,
            }))
        };
        let principal = outcome.unwrap_or_else(failed).map_err(|refusal| {
            if is_known {
                refusal.of(&issuer.name, None, None)
            } else {
                refusal
            }
        })?;
        // A caller that joined late may have asked after a revocation that the look-up was too early for.
        memory
            .revocations
            .check(&principal, token.token, clock.now())?;
        Ok(principal)
    }
}

impl Lookup {
    async fn run(self) -> Result<Principal, Refusal> {
        let Self {
            lookups,
            text,
            fingerprint,
            signed,
            is_known,
        } = self;
        let token = Fingerprinted {
            token: PresentedToken::again(&text),
            fingerprint,
        };
        let LookupSpec {
            issuer,
            active_for,
            introspector,
            memory,
            clock,
            ..
        } = &lookups.spec;
        let asked_at = clock.now();
        let response = introspector.introspect(&text, asked_at).await?;
        let (tells_the_end, now) = (response.claims.has("exp"), clock.now());
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
        let principal = judge(response, issuer, claims, token.token, now)
            .map_err(named)
            .inspect_err(remember)?;
        // The response is as old as the question, and nothing outlives its own end (RFC 7662 §4).
        let told = principal.expiry().filter(|_| tells_the_end);
        let ends = [told, signed.as_ref().map(|signed| signed.dies_at)];
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

/// Judges a response. Where the token's own claims are signed, what the response is silent about they say, and where
/// both speak, the response is newer.
fn judge(
    response: IntrospectionResponse,
    issuer: &TrustedIssuer,
    signed: Option<&Object<'static>>,
    token: PresentedToken<'_>,
    now: Timestamp,
) -> Result<Principal, Refusal> {
    let IntrospectionResponse {
        claims,
        text,
        is_active,
    } = response;
    if !is_active {
        let refusal = Refusal::from(Reason::Inactive);
        return Err(refusal.got(format!("not active, by {}", issuer.name)));
    }
    let Some(signed) = signed else {
        return Claims {
            object: claims,
            text: &text,
        }
        .validate(ClaimSource::Introspection, issuer, token, now);
    };
    let source = ClaimSource::Merged {
        end_is_told: claims.has("exp"),
    };
    let object = merged(signed, claims, issuer);
    let text = object.to_string();
    Claims {
        object,
        text: &text,
    }
    .validate(source, issuer, token, now)
}

/// Of claims that say one thing under several names the first counts, so all of them give way together.
fn merged(
    signed: &Object<'static>,
    told: Object<'static>,
    issuer: &TrustedIssuer,
) -> Object<'static> {
    let scope_claims: Vec<&str> = issuer
        .rules
        .scope_claims
        .iter()
        .map(String::as_str)
        .collect();
    let mut all = signed.clone();
    for names in [&scope_claims, CLIENT_CLAIMS] {
        if names.iter().any(|name| told.has(name)) {
            all.retain(|name| !names.contains(&name));
        }
    }
    all.retain(|name| !told.has(name));
    all.extend(told);
    all
}
