//! Validates claims, and makes a principal from them.

use super::read::{CLIENT_CLAIMS, ClaimSource, Claims, bad_claim};
use crate::clock::Timestamp;
use crate::jose::Json;
use crate::refusal::{Reason, Refusal};
use crate::token::credentials::PresentedToken;
use crate::token::principal::{Principal, PrincipalParts};
use crate::token::profile::TrustedIssuer;
use crate::token::token_hash::{TokenHash, is_shown_whole, token_id};

impl Claims<'_> {
    /// Validates the claims and makes the [`Principal`]; there is no other way to one. It does no I/O and reads no clock.
    pub(crate) fn validate(
        &self,
        source: ClaimSource,
        issuer: &TrustedIssuer,
        token: PresentedToken<'_>,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        self.accept(source, issuer, token, now)
            .map_err(|refusal| self.name_caller(refusal, issuer, token))
    }

    /// Adds the caller to a refusal. Only for claims that a signature or the issuer's response proved.
    pub(crate) fn name_caller(
        &self,
        refusal: Refusal,
        issuer: &TrustedIssuer,
        token: PresentedToken<'_>,
    ) -> Refusal {
        let subject = self.object.text("sub").ok().flatten();
        let client_id = self.first_text(CLIENT_CLAIMS).ok().flatten();
        let jti = self.object.text("jti").ok().flatten();
        refusal
            .of(&issuer.name, subject, client_id)
            .token_id(token_id(jti, token.as_bytes()))
    }

    fn accept(
        &self,
        source: ClaimSource,
        issuer: &TrustedIssuer,
        token: PresentedToken<'_>,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        if self.issuer() != Some(&issuer.name)
            && (source != ClaimSource::Introspection || self.object.has("iss"))
        {
            let refusal = Refusal::from(Reason::IssuerMismatch).expected(&*issuer.name);
            return Err(refusal.got(self.issuer().unwrap_or("no iss")));
        }
        let client_id = self.first_text(CLIENT_CLAIMS)?;
        let audience = self.audience(source, client_id, issuer)?;
        let expires_at = self.validate_time(source, issuer, now)?;
        self.validate_usage(source, issuer)?;
        let (subject, jti) = (self.text("sub")?, self.text("jti")?);
        let is_nameless =
            (subject.is_none() && client_id.is_none()) || !jti.is_some_and(is_shown_whole);
        Ok(Principal::new(PrincipalParts {
            issuer: issuer.name.clone(),
            request_prefix: issuer.rules.request_prefix.clone(),
            seal: issuer.seal.clone(),
            binding: self.binding(),
            hash: is_nameless.then(|| Box::new(TokenHash::of(token.as_bytes()))),
            subject: subject.map(str::to_owned),
            client_id: client_id.map(str::to_owned),
            is_machine: issuer.is_machine(subject, client_id),
            actor: self.actor()?,
            token_id: jti.map(str::to_owned),
            scopes: self.scopes(issuer)?,
            login: self.login(issuer),
            audience,
            issued_at: self.issued_at(),
            expires_at,
            claims: self.text.to_owned(),
        }))
    }

    /// The actor of the token. Only the outermost one of a chain may be considered (RFC 8693 §4.1).
    fn actor(&self) -> Result<Option<String>, Refusal> {
        let bad = || bad_claim("act", "an object that names the actor by texts");
        let actor = match self.object.get("act") {
            None => return Ok(None),
            Some(Json::Object(actor)) => actor,
            Some(_) => return Err(bad()),
        };
        for name in ["sub", "client_id"] {
            if let Some(text) = actor.text(name).map_err(|_| bad())? {
                return Ok(Some(text.to_owned()));
            }
        }
        Ok(None)
    }
}
