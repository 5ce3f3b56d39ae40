//! Token in, principal out: the one path on which a presented token becomes a believed one.

use tokio::time::timeout;

use super::cache::{Verified, VerifiedCache};
use super::claims::Claims;
use super::fingerprint::Fingerprint;
use super::health::IssuerHealth;
use super::issuer::TrustedIssuer;
use super::json::{Object, Unreadable};
use super::jws::{Header, Jws};

use super::present::PresentedToken;
use super::principal::Principal;
use super::source::MAX_WAIT;
use crate::clock::{Clock, Timestamp};
use crate::refusal::{Reason, Refusal};

/// Believes the tokens of the issuers it was given, and no others.
pub(crate) struct Verifier {
    pub(crate) issuers: Vec<TrustedIssuer>,
    pub(crate) verified: VerifiedCache,
    pub(crate) clock: Clock,
}

/// A caller who is known now, and whether they were before.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) principal: Principal,
    pub(crate) remembered: bool,
    fingerprint: Fingerprint,
}

impl Known {
    /// What the log calls the token: its `jti`, or the beginning of its hash.
    pub(crate) fn token_id(&self) -> String {
        self.principal.token_id().map_or_else(|| self.fingerprint.to_string(), str::to_owned)
    }
}

impl Verifier {
    /// Three outcomes, never two: a caller, a refusal of the token (401), or "cannot tell right now" (503).
    pub(crate) async fn verify(&self, token: PresentedToken<'_>, now: Timestamp) -> Result<Known, Refusal> {
        let fingerprint = Fingerprint::of(token);
        let named = |refusal: Refusal| refusal.token_id(fingerprint.to_string());
        if let Some(principal) = self.verified.get(&fingerprint, now).map_err(named)? {
            return Ok(Known { principal, remembered: true, fingerprint });
        }
        // What was remembered was well-formed.
        let token = token.well_formed()?;
        // Boxed: what a new token needs is much, and room would have to be made for it on every request.
        let principal = Box::pin(self.judge(token, fingerprint)).await.map_err(named)?;
        Ok(Known { principal, remembered: false, fingerprint })
    }

    /// Fetches keys where it is time to, and waits where tokens would wait too.
    pub(crate) async fn warm_up(&self) {
        let flights: Vec<_> = self.issuers.iter().filter_map(|issuer| issuer.keys.warm_up()).collect();
        if flights.is_empty() {
            return;
        }
        let all = async {
            for flight in flights {
                flight.landed().await;
            }
        };
        let _ = timeout(MAX_WAIT, all).await;
    }

    pub(crate) fn health(&self) -> Vec<IssuerHealth> {
        self.issuers.iter().map(IssuerHealth::of).collect()
    }

    async fn judge(&self, token: &str, fingerprint: Fingerprint) -> Result<Principal, Refusal> {
        let Some(jws) = Jws::cut(token)? else {
            return Err(Reason::NotAJwt.into());
        };
        match jws.header()? {
            Some(header) => self.judge_jwt(&jws, &header, fingerprint).await,
            None => Err(Reason::NotAJwt.into()),
        }
    }

    async fn judge_jwt(
        &self,
        jws: &Jws<'_>,
        header: &Object<'_>,
        fingerprint: Fingerprint,
    ) -> Result<Principal, Refusal> {
        let payload = jws.payload()?;
        let claims =
            Claims { object: read(&payload)?, text: std::str::from_utf8(&payload).unwrap_or_default() };
        let issuer = self.issuer_of(&claims)?;
        let header = Header::read(header, &issuer.algorithms)?;
        let signature = jws.signature()?;
        let key = issuer.keys.prove(&header, jws.signed.as_bytes(), &signature, claims.issued_at()).await?;
        let now = self.clock.now();
        let principal = claims.judge(header.kind, issuer, now)?;
        let dies_at = principal.expiry().plus(issuer.leeway);
        let verified = Verified { principal: principal.clone(), dies_at, key, source: issuer.keys.clone() };
        self.verified.insert(fingerprint, verified, now);
        Ok(principal)
    }

    /// By the unverified `iss`, among the issuers configured: an unknown one causes no fetch at all.
    fn issuer_of(&self, claims: &Claims<'_>) -> Result<&TrustedIssuer, Refusal> {
        let named = claims.issuer();
        self.issuers.iter().find(|issuer| named == Some(&issuer.name)).ok_or_else(|| {
            let expected: Vec<&str> = self.issuers.iter().map(|issuer| issuer.name.as_ref()).collect();
            let refusal = Refusal::from(Reason::IssuerMismatch).expected(expected.join(" "));
            refusal.got(named.unwrap_or("no iss"))
        })
    }
}

fn read(bytes: &[u8]) -> Result<Object<'_>, Refusal> {
    Object::read(bytes).map_err(|why| match why {
        Unreadable::Syntax => Reason::BadJson.into(),
        Unreadable::Duplicate => Reason::DuplicateClaim.into(),
    })
}
