//! Validates the audience: is the token for this server?

use super::read::{ClaimSource, Claims, bad_claim, texts};
use crate::jose::Json;
use crate::refusal::{Reason, Refusal};
use crate::token::profile::TrustedIssuer;

impl Claims<'_> {
    /// Returns the token's audiences if this server is one of them. Empty only if the token may come without an audience.
    pub(super) fn audience(
        &self,
        source: ClaimSource,
        client_id: Option<&str>,
        issuer: &TrustedIssuer,
    ) -> Result<Vec<String>, Refusal> {
        let bad = || bad_claim("aud", "a text, or a list of them");
        let audience = match self.object.get("aud") {
            None => Vec::new(),
            Some(Json::Text(one)) => vec![one.as_ref()],
            Some(Json::List(list)) => texts(list).ok_or_else(bad)?,
            Some(_) => return Err(bad()),
        };
        if audience.is_empty() {
            let is_unbound = |client| {
                issuer
                    .rules
                    .unbound_clients
                    .iter()
                    .any(|allowed| allowed == client)
            };
            if matches!(source, ClaimSource::JwtToIntrospect(_))
                || client_id.is_some_and(is_unbound)
            {
                self.require_type(source)?;
                return Ok(Vec::new());
            }
            return Err(refused(Reason::AudienceMissing, issuer).got("no audience"));
        }
        if !audience
            .iter()
            .any(|audience| issuer.accepts_audience(audience))
        {
            return Err(refused(Reason::AudienceMismatch, issuer).got(audience.join(" ")));
        }
        if issuer.rules.only_this_resource
            && !audience
                .iter()
                .all(|audience| issuer.accepts_audience(audience))
        {
            return Err(refused(Reason::AudienceNotAlone, issuer).got(audience.join(" ")));
        }
        Ok(audience.into_iter().map(str::to_owned).collect())
    }

    /// Requires a token type of a token without audience. Some servers introspect refresh tokens too, and often nothing but the
    /// absent audience shows that it is one.
    fn require_type(&self, source: ClaimSource) -> Result<(), Refusal> {
        if source == ClaimSource::Introspection
            && !self.object.has("token_type")
            && !self.object.has("token_use")
        {
            return Err(Refusal::from(Reason::TokenUseNotAccess)
                .expected("a token_type, where there is no aud")
                .got("no aud, token_type or token_use"));
        }
        Ok(())
    }
}

/// The refusal of an audience. It names every audience that would have been accepted.
fn refused(reason: Reason, issuer: &TrustedIssuer) -> Refusal {
    let accepted: Vec<&str> = issuer.accepted_audiences().collect();
    Refusal::from(reason).expected(accepted.join(" "))
}
