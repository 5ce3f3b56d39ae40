//! Token in, principal out: the only way from a presented token to a verified caller.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::api_keys::{API_KEYS_ISSUER, ApiKeyJudge};
use super::cache_entry::KeyProof;
use super::claims::{ClaimSource, Claims};
use super::credentials::PresentedToken;
use super::defects::{unreadable_claims, unusable};
use super::fingerprint::{FingerprintKey, Fingerprinted};
use super::health::IssuerHealth;
use super::lookup::{Lookups, SignedClaims, When};
use super::memory::TokenCaches;
use super::own_verification::OwnVerification;
use super::principal::Principal;
use super::profile::TrustedIssuer;
use super::revocations::RevocationError;
use super::token_hash::TokenHash;
use super::token_type::TokenType;
use crate::clock::{Clock, Timestamp};
use crate::issuer::MAX_WAIT;
use crate::jose::{Header, Jws, Object};
use crate::refusal::{Reason, Refusal, RefusalKind};
use crate::revocation::Revocation;

/// Verifies tokens of the configured issuers, and rejects all others.
pub(crate) struct Verifier {
    pub(crate) issuers: Vec<Arc<TrustedIssuer>>,
    /// One for each issuer whose tokens are introspected.
    pub(crate) lookups: Vec<Arc<Lookups>>,
    pub(crate) api_keys: Option<ApiKeyJudge>,
    /// The verifiers of the operator's own.
    pub(crate) own_verifiers: Vec<Arc<Lookups<OwnVerification>>>,
    pub(crate) memory: Arc<TokenCaches>,
    pub(crate) fingerprints: FingerprintKey,
    pub(crate) clock: Clock,
}

/// A caller whose token was verified, now or before.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) principal: Principal,
    pub(crate) from_cache: bool,
}

impl Verifier {
    /// Verifies a token. There are three outcomes, never two: a caller, a rejected token (401), or a token that cannot be
    /// verified right now (503).
    pub(crate) async fn verify(
        &self,
        token: PresentedToken<'_>,
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        let named =
            |refusal: Refusal| refusal.token_id(TokenHash::of(token.as_bytes()).to_string());
        // Before all else: no cache keeps a key that is taken out, and no issuer may see one.
        if let Some(keys) = self.api_keys.as_ref().filter(|keys| keys.claims(token)) {
            let verifying = keys.verify(token, now, &self.memory.revocations);
            return Ok(Verified {
                principal: verifying.await.map_err(named)?,
                from_cache: false,
            });
        }
        let token = self.fingerprints.fingerprint(token)?;
        if let Some(principal) = self.memory.recall(token, now).map_err(named)? {
            return Ok(Verified {
                principal,
                from_cache: true,
            });
        }
        // A token in the cache is well-formed, so this check comes after the look-up.
        let text = token.token.well_formed()?;
        // Boxed: the future for a new token is large, and would make that of every request as large.
        let principal = Box::pin(self.verify_new(text, token))
            .await
            .map_err(named)?;
        Ok(Verified {
            principal,
            from_cache: false,
        })
    }

    /// Has all keys and endpoints fetched again, at their next use.
    pub(crate) fn make_due(&self) {
        for issuer in &self.issuers {
            issuer.keys.make_due();
        }
        for lookups in &self.lookups {
            lookups.authority().endpoint().make_due();
        }
    }

    /// Fetches the keys and endpoints that are due, and waits for those without which tokens would have to wait.
    pub(crate) async fn warm_up(&self) {
        let of_keys = self
            .issuers
            .iter()
            .filter_map(|issuer| issuer.keys.warm_up());
        let of_endpoints = self
            .lookups
            .iter()
            .filter_map(|lookups| lookups.authority().warm_up());
        let fetches: Vec<_> = of_keys.chain(of_endpoints).collect();
        if fetches.is_empty() {
            return;
        }
        let all = async {
            for fetch in fetches {
                fetch.outcome().await;
            }
        };
        let _ = timeout(MAX_WAIT, all).await;
    }

    pub(crate) fn health(&self) -> Vec<IssuerHealth> {
        let issuers = self.issuers.iter();
        let issuers = issuers.map(|issuer| IssuerHealth::of(issuer, self.lookups_of(issuer)));
        let own = self.own_verifiers.iter();
        issuers
            .chain(own.map(|own| IssuerHealth::of_own(own)))
            .collect()
    }

    pub(crate) async fn revoke(
        &self,
        revocation: Revocation,
        longest_life: Duration,
    ) -> Result<(), RevocationError> {
        let is_known = self.issuer_named(&revocation.issuer).is_some()
            || (self.api_keys.is_some() && revocation.issuer == API_KEYS_ISSUER);
        if !is_known {
            return Err(RevocationError::UnknownIssuer(revocation.issuer));
        }
        self.memory
            .revocations
            .revoke(revocation, longest_life, self.clock.now())
            .await
    }

    async fn verify_new(&self, text: &str, token: Fingerprinted<'_>) -> Result<Principal, Refusal> {
        let mut own = self.own_verifiers.iter();
        if let Some(own) = own.find(|own| own.has_prefix_of(text)) {
            return own.look_up(text, token, None).await;
        }
        if let Some(jws) = Jws::cut(text).map_err(unusable)?
            && let Some(header) = jws.header().map_err(unusable)?
        {
            return self.verify_jwt(&jws, &header, text, token).await;
        }
        let mut lookups = self.lookups.iter();
        if let Some(lookups) = lookups.find(|lookups| lookups.may_have_issued(text)) {
            return lookups.look_up(text, token, None).await;
        }
        match self.verifier_of_the_rest() {
            Some(own) => own.look_up(text, token, None).await,
            None => Err(self.not_a_jwt(text)),
        }
    }

    async fn verify_jwt(
        &self,
        jws: &Jws<'_>,
        header: &Object<'_>,
        text: &str,
        token: Fingerprinted<'_>,
    ) -> Result<Principal, Refusal> {
        let payload = jws.payload().map_err(unusable)?;
        let claims = Claims {
            object: Object::read(&payload).map_err(unreadable_claims)?,
            text: std::str::from_utf8(&payload).unwrap_or_default(),
        };
        let issuer = match (self.issuer_of(&claims), self.verifier_of_the_rest()) {
            (Ok(issuer), _) => issuer,
            // Not if its `iss` cannot be read: it may be that of a configured issuer.
            (Err(_), Some(own)) if claims.names_issuer_if_any() => {
                return own.look_up(text, token, None).await;
            }
            (Err(refusal), _) => return Err(refusal),
        };
        let (header, kind) = (
            Header::read(header, &issuer.rules.algorithms).map_err(unusable)?,
            TokenType::read(header)?,
        );
        let signature = jws.signature().map_err(unusable)?;
        let proved = issuer
            .keys
            .prove(
                &header,
                jws.signed.as_bytes(),
                &signature,
                claims.issued_at(),
            )
            .await;
        let key = proved.map_err(|refusal| match refusal.kind() {
            // The client of an expired token should get a new one, and not be told to wait.
            RefusalKind::Unavailable => claims
                .refused_as_expired(issuer, self.clock.now())
                .unwrap_or(refusal),
            _ => refusal,
        })?;
        let proof = KeyProof {
            key,
            source: issuer.keys.clone(),
        };
        let now = self.clock.now();
        let lookups = self
            .lookups_of(issuer)
            .filter(|lookups| lookups.when() == When::Always);
        let source = match lookups {
            None => ClaimSource::Jwt(kind),
            Some(_) => ClaimSource::JwtToIntrospect(kind),
        };
        let principal = claims.validate(source, issuer, token.token, now)?;
        let dies_at = principal
            .expiry()
            .map_or(now, |expiry| expiry.plus(issuer.rules.leeway));
        if let Some(lookups) = lookups {
            self.memory
                .revocations
                .check(&principal, token.token, now)?;
            let claims = Arc::new(claims.object.into_owned());
            let looked_up = lookups
                .look_up(
                    text,
                    token,
                    Some(&SignedClaims {
                        claims,
                        proof,
                        dies_at,
                    }),
                )
                .await;
            // The signature held, so the log may name the caller, whatever the response contains.
            return looked_up.map_err(|refusal| {
                refusal.of(&issuer.name, principal.subject(), principal.client_id())
            });
        }
        self.memory
            .keep(token, &principal, dies_at, Some(proof), now)?;
        Ok(principal)
    }

    /// The refusal of an opaque token that no issuer introspects. It names the configured prefixes, and nothing of the token.
    fn not_a_jwt(&self, text: &str) -> Refusal {
        let mut expected = "a JWT".to_owned();
        let of_lookups = self.lookups.iter().filter_map(|one| one.token_prefix());
        let of_own = self
            .own_verifiers
            .iter()
            .filter_map(|own| own.token_prefix());
        let of_keys = self.api_keys.iter().map(ApiKeyJudge::prefix);
        for prefix in of_lookups.chain(of_own).chain(of_keys) {
            expected.push_str(" or ");
            expected.push_str(prefix);
            expected.push('…');
        }
        Refusal::from(Reason::NotAJwt)
            .expected(expected)
            .got(format!("an opaque token of {} bytes", text.len()))
    }

    /// The verifier that is called for every token that nothing else claims.
    pub(super) fn verifier_of_the_rest(&self) -> Option<&Arc<Lookups<OwnVerification>>> {
        let mut own = self.own_verifiers.iter();
        own.find(|own| own.token_prefix().is_none())
    }

    /// The issuer of this name, also if it is that of an operator's own verifier.
    pub(super) fn issuer_named(&self, name: &str) -> Option<&Arc<TrustedIssuer>> {
        let own = self.own_verifiers.iter().map(|own| own.issuer());
        self.issuers
            .iter()
            .chain(own)
            .find(|issuer| *issuer.name == *name)
    }

    fn lookups_of(&self, issuer: &Arc<TrustedIssuer>) -> Option<&Arc<Lookups>> {
        self.lookups
            .iter()
            .find(|lookups| Arc::ptr_eq(lookups.issuer(), issuer))
    }

    /// Finds the configured issuer that the unverified `iss` names. An unknown issuer never causes a fetch.
    fn issuer_of(&self, claims: &Claims<'_>) -> Result<&Arc<TrustedIssuer>, Refusal> {
        let named = claims.issuer();
        self.issuers
            .iter()
            .find(|issuer| named == Some(&issuer.name))
            .ok_or_else(|| {
                let expected: Vec<&str> = self
                    .issuers
                    .iter()
                    .map(|issuer| issuer.name.as_ref())
                    .collect();
                let refusal = Refusal::from(Reason::IssuerMismatch).expected(expected.join(" "));
                refusal.got(named.unwrap_or("no iss"))
            })
    }
}
