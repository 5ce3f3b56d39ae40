//! Validates the usage of a token: is it an access token, and nothing else that its issuer signs or introspects?

use super::read::{ClaimSource, Claims};
use crate::jose::Json;
use crate::refusal::{Reason, Refusal};
use crate::token::profile::{Profile, TrustedIssuer};
use crate::token::token_type::TokenType;

impl Claims<'_> {
    pub(super) fn validate_usage(
        &self,
        source: ClaimSource,
        issuer: &TrustedIssuer,
    ) -> Result<(), Refusal> {
        self.refuse_other_uses()?;
        self.refuse_events()?;
        match source {
            ClaimSource::Jwt(kind) | ClaimSource::JwtToIntrospect(kind) => {
                self.refuse_id_tokens(kind, issuer)?;
            }
            ClaimSource::Introspection | ClaimSource::Merged { .. } => self.refuse_other_types()?,
        }
        self.require_profile(source, issuer.rules.profile)
    }

    /// Refuses tokens of another `token_use`. Refresh tokens are active too, and some servers sign them (RFC 8725bis §3.12).
    fn refuse_other_uses(&self) -> Result<(), Refusal> {
        let got = match self.object.get("token_use") {
            None => return Ok(()),
            Some(Json::Text(usage)) if matches!(usage.as_ref(), "access" | "access_token") => {
                return Ok(());
            }
            Some(Json::Text(usage)) => usage.as_ref(),
            Some(_) => "not a text",
        };
        Err(Refusal::from(Reason::TokenUseNotAccess)
            .expected("token_use: access")
            .got(format!("token_use: {got}")))
    }

    /// Refuses logout tokens and security events (RFC 8417 §2.2). They often have the type `JWT` and a client as audience.
    fn refuse_events(&self) -> Result<(), Refusal> {
        if self.object.has("events") {
            Err(Refusal::from(Reason::SecurityEvent).got("a claim `events`"))
        } else {
            Ok(())
        }
    }

    /// Refuses other values of `token_type`. RFC 7662 §2.2 means the type of RFC 6749 §7.1; some servers name the kind of token
    /// instead.
    fn refuse_other_types(&self) -> Result<(), Refusal> {
        let Some(kind) = self.text("token_type")? else {
            return Ok(());
        };
        match kind.to_ascii_lowercase().as_str() {
            "bearer" | "access_token" => Ok(()),
            // RFC 9449 §6.2: the type of a bound token. The request must then prove possession of the key.
            "dpop" if self.binding().dpop_key().is_some() => Ok(()),
            "dpop" => Err(Refusal::from(Reason::UnknownBinding)
                .expected("token_type: DPoP, and cnf: jkt")
                .got("token_type: DPoP alone")),
            _ => Err(Refusal::from(Reason::TokenUseNotAccess)
                .expected("token_type: Bearer, DPoP or access_token")
                .got(format!("token_type: {kind}"))),
        }
    }

    /// Refuses ID tokens, which an authorization server signs with the same keys.
    fn refuse_id_tokens(&self, kind: TokenType, issuer: &TrustedIssuer) -> Result<(), Refusal> {
        if kind == TokenType::AccessToken {
            return Ok(());
        }
        let has_scopes = issuer
            .rules
            .scope_claims
            .iter()
            .any(|name| self.object.has(name));
        let got = if let Some(hash) = ["at_hash", "c_hash"]
            .into_iter()
            .find(|name| self.object.has(name))
        {
            format!("a claim `{hash}`")
        } else if self.object.has("nonce") && !has_scopes {
            "a claim `nonce`, and no claim of scopes".to_owned()
        } else {
            return Ok(());
        };
        Err(Refusal::from(Reason::IdToken).got(got))
    }

    /// Requires what the profile demands of a JWT. Profiles do not apply to introspection responses.
    fn require_profile(&self, source: ClaimSource, profile: Profile) -> Result<(), Refusal> {
        let (ClaimSource::Jwt(kind) | ClaimSource::JwtToIntrospect(kind)) = source else {
            return Ok(());
        };
        if profile == Profile::Compatible {
            return Ok(());
        }
        if kind != TokenType::AccessToken {
            return Err(Refusal::from(Reason::WrongTyp)
                .expected("typ: at+jwt")
                .got("typ: JWT, or none"));
        }
        let required: &[&str] = if profile == Profile::Rfc9068 {
            &["sub", "client_id", "iat", "jti"]
        } else {
            &[]
        };
        match required.iter().find(|name| !self.object.has(name)) {
            Some(name) => Err(Refusal::from(Reason::ClaimMissing)
                .expected(*name)
                .got(format!("no {name}"))),
            None => Ok(()),
        }
    }
}
