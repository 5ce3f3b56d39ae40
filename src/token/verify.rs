//! Token in, principal out: the one path on which a presented token becomes a believed one.

use aws_lc_rs::digest::{SHA256, digest};

use super::claims::Claims;
use super::issuer::TrustedIssuer;
use super::json::{Object, Unreadable};
use super::jws::{Header, Jws};
use super::present::PresentedToken;
use super::principal::Principal;
use crate::clock::Clock;
use crate::refusal::{Reason, Refusal};

/// Believes the tokens of the issuers it was given, and no others.
pub(crate) struct Verifier {
    pub(crate) issuers: Vec<TrustedIssuer>,
    pub(crate) clock: Clock,
}

impl Verifier {
    /// Three outcomes, never two: a principal, a refusal of the token (401), or "cannot tell right now" (503).
    pub(crate) async fn verify(&self, token: PresentedToken<'_>) -> Result<Principal, Refusal> {
        let judged = match Jws::cut(token.as_str()) {
            Ok(Some(jws)) => self.verify_jwt(&jws).await,
            Ok(None) => Err(Reason::NotAJwt.into()),
            Err(refusal) => Err(refusal),
        };
        judged.map_err(|refusal| refusal.token_id(fingerprint(token)))
    }

    async fn verify_jwt(&self, jws: &Jws<'_>) -> Result<Principal, Refusal> {
        let payload = jws.payload()?;
        let claims = Claims {
            object: read(&payload)?,
            text: std::str::from_utf8(&payload).unwrap_or_default(),
        };
        let issuer = self.issuer_of(&claims)?;
        let header = Header::read(&read(&jws.header)?, &issuer.algorithms)?;
        let signature = jws.signature()?;
        issuer
            .keys
            .prove(&header, jws.signed.as_bytes(), &signature, claims.issued_at())
            .await?;
        claims.judge(header.kind, issuer, self.clock.now())
    }

    /// By the unverified `iss`, among the issuers configured: an unknown one causes no fetch at all.
    fn issuer_of(&self, claims: &Claims<'_>) -> Result<&TrustedIssuer, Refusal> {
        let named = claims.issuer();
        self.issuers
            .iter()
            .find(|issuer| named == Some(&issuer.name))
            .ok_or_else(|| {
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

/// Names a token in the log without telling it: the first 8 bytes of its hash.
fn fingerprint(token: PresentedToken<'_>) -> String {
    let hash = digest(&SHA256, token.as_str().as_bytes());
    hash.as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
