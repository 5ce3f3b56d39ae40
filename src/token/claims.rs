//! The claims of a token whose signature held: do they make an access token for this server, now?

use std::time::Duration;

use super::credentials::PresentedToken;
use super::principal::{Facts, Principal};
use super::profile::{Profile, TrustedIssuer};
use super::token_hash::{TokenHash, is_shown_whole, token_id};
use super::token_type::TokenType;
use crate::binding::Binding;
use crate::clock::Timestamp;
use crate::jose::{Json, Object, WrongType};
use crate::refusal::{Reason, Refusal};
use crate::scope::{Scope, Scopes};

/// How far ahead of our clock an issuer's may be before its `iat` is not believed.
const MAX_ISSUED_AHEAD: Duration = Duration::from_secs(5 * 60);

/// Which claim names the client: the standard's, Keycloak's and Entra's, Okta's, Entra's older one.
pub(crate) const CLIENT_CLAIMS: &[&str] = &["client_id", "azp", "cid", "appid"];

/// A longer list of scopes is refused: every request would have to search it.
const MAX_SCOPE_BYTES: usize = 8 * 1024;

/// Where claims come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimSource {
    /// A signed token of this type.
    Jwt(TokenType),
    /// A signed token that is introspected as well, whose response may add an audience.
    JwtToIntrospect(TokenType),
    /// An introspection response (RFC 7662 §2.2); absent members are optional.
    Introspection,
    /// A signed token's, with those of the introspection response put over them.
    Merged { end_is_told: bool },
}

/// The claims as read, and as the text they were read from.
pub(crate) struct Claims<'a> {
    pub(crate) object: Object<'a>,
    pub(crate) text: &'a str,
}

impl Claims<'_> {
    /// Whose token it says it is: nothing to be believed before its signature held.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.object.text("iss").ok().flatten()
    }

    pub(crate) fn issued_at(&self) -> Option<Timestamp> {
        self.object
            .number("iat")
            .ok()
            .flatten()
            .and_then(Timestamp::from_seconds)
    }

    /// The refusal of what is over by its own word. Nobody need have proved that: either way it is good for nobody.
    pub(crate) fn over(&self, issuer: &TrustedIssuer, now: Timestamp) -> Option<Refusal> {
        let end = self
            .object
            .number("exp")
            .ok()
            .flatten()
            .and_then(Timestamp::from_seconds)?;
        (now >= end.plus(issuer.leeway)).then(|| apart(Reason::Expired, end, now))
    }

    /// The one way to a [`Principal`]. Pure on (source, claims, issuer, now).
    pub(crate) fn validate(
        &self,
        source: ClaimSource,
        issuer: &TrustedIssuer,
        token: PresentedToken<'_>,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        self.accept(source, issuer, token, now).map_err(|refusal| {
            let subject = self.object.text("sub").ok().flatten();
            let client_id = self.first_text(CLIENT_CLAIMS).ok().flatten();
            let refusal = refusal.of(&issuer.name, subject, client_id);
            refusal.token_id(token_id(
                self.object.text("jti").ok().flatten(),
                token.as_bytes(),
            ))
        })
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
        self.refuse_other_uses()?;
        self.refuse_events()?;
        match source {
            ClaimSource::Jwt(kind) | ClaimSource::JwtToIntrospect(kind) => {
                self.refuse_id_tokens(kind, issuer)?
            }
            ClaimSource::Introspection | ClaimSource::Merged { .. } => self.refuse_other_types()?,
        }
        if issuer.profile != Profile::Compatible {
            self.require_profile(source, issuer.profile)?;
        }
        let (subject, jti) = (self.text("sub")?, self.text("jti")?);
        let is_nameless =
            (subject.is_none() && client_id.is_none()) || !jti.is_some_and(is_shown_whole);
        Ok(Principal::new(Facts {
            issuer: issuer.name.clone(),
            request_prefix: issuer.request_prefix.clone(),
            seal: issuer.seal.clone(),
            binding: self.binding(),
            hash: is_nameless.then(|| Box::new(TokenHash::of(token.as_bytes()))),
            subject: subject.map(str::to_owned),
            client_id: client_id.map(str::to_owned),
            is_machine: issuer.is_machine(self.text("sub")?, client_id),
            actor: self.actor()?,
            token_id: jti.map(str::to_owned),
            scopes: self.scopes(issuer)?,
            audience,
            issued_at: self.issued_at(),
            expires_at,
            claims: self.text.to_owned(),
        }))
    }

    fn audience(
        &self,
        source: ClaimSource,
        client_id: Option<&str>,
        issuer: &TrustedIssuer,
    ) -> Result<Vec<String>, Refusal> {
        let audience = match self.object.get("aud") {
            None => Vec::new(),
            Some(Json::Text(one)) => vec![one.as_ref()],
            Some(Json::List(list)) => texts(list).ok_or(bad_claim("aud"))?,
            Some(_) => return Err(bad_claim("aud")),
        };
        if audience.is_empty() {
            let is_unbound = |client| {
                issuer
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
            return Err(Refusal::from(Reason::AudienceMissing).expected(issuer.resource.as_str()));
        }
        if !audience
            .iter()
            .any(|audience| issuer.accepts_audience(audience))
        {
            let refusal =
                Refusal::from(Reason::AudienceMismatch).expected(issuer.resource.as_str());
            return Err(refusal.got(audience.join(" ")));
        }
        Ok(audience.into_iter().map(str::to_owned).collect())
    }

    /// Some servers tell of refresh tokens too, and their having no audience is all that gives them away.
    fn require_type(&self, source: ClaimSource) -> Result<(), Refusal> {
        if source == ClaimSource::Introspection
            && !self.object.has("token_type")
            && !self.object.has("token_use")
        {
            return Err(Refusal::from(Reason::TokenUseNotAccess)
                .expected("a token_type, where there is no aud"));
        }
        Ok(())
    }

    /// Wrong types are refused before any comparison: they would be wrong in the past too.
    fn validate_time(
        &self,
        source: ClaimSource,
        issuer: &TrustedIssuer,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refusal> {
        let time = |name| match self.object.number(name) {
            Ok(seconds) => Ok(seconds.and_then(Timestamp::from_seconds)),
            Err(WrongType) => Err(bad_claim(name)),
        };
        let (expires_at, not_before, issued_at) = (time("exp")?, time("nbf")?, time("iat")?);
        // Who is asked has looked at a clock already, and need not say how late it is.
        let leeway = match source {
            ClaimSource::Introspection | ClaimSource::Merged { end_is_told: true } => {
                Duration::ZERO
            }
            ClaimSource::Jwt(_)
            | ClaimSource::JwtToIntrospect(_)
            | ClaimSource::Merged { end_is_told: false } => issuer.leeway,
        };
        if source != ClaimSource::Introspection && expires_at.is_none() {
            return Err(Reason::ExpMissing.into());
        }
        match expires_at {
            Some(end) if now >= end.plus(leeway) => return Err(apart(Reason::Expired, end, now)),
            _ => {}
        }
        match not_before {
            Some(start) if start > now.plus(issuer.leeway) => {
                return Err(apart(Reason::NotYetValid, start, now));
            }
            _ => {}
        }
        match issued_at {
            Some(issued) if issued > now.plus(MAX_ISSUED_AHEAD) => {
                Err(apart(Reason::IssuedInFuture, issued, now))
            }
            _ => Ok(expires_at),
        }
    }

    /// Refresh tokens are active too, and some servers sign them (RFC 8725bis §3.12).
    fn refuse_other_uses(&self) -> Result<(), Refusal> {
        match self.object.get("token_use") {
            None => Ok(()),
            Some(Json::Text(usage)) if matches!(usage.as_ref(), "access" | "access_token") => {
                Ok(())
            }
            Some(_) => Err(Reason::TokenUseNotAccess.into()),
        }
    }

    /// Logout tokens and security events (RFC 8417 §2.2) often have the type `JWT`, and the audience of a client.
    fn refuse_events(&self) -> Result<(), Refusal> {
        if self.object.has("events") {
            Err(Reason::SecurityEvent.into())
        } else {
            Ok(())
        }
    }

    /// RFC 7662 §2.2 means the type of RFC 6749 §7.1, and some servers name the kind of token instead.
    fn refuse_other_types(&self) -> Result<(), Refusal> {
        let Some(kind) = self.text("token_type")? else {
            return Ok(());
        };
        match kind.to_ascii_lowercase().as_str() {
            "bearer" | "access_token" => Ok(()),
            "dpop" => Err(Reason::DpopRequired.into()),
            _ => Err(Refusal::from(Reason::TokenUseNotAccess)
                .expected("Bearer or access_token")
                .got(kind)),
        }
    }

    /// An authorization server signs ID tokens with the same keys.
    fn refuse_id_tokens(&self, kind: TokenType, issuer: &TrustedIssuer) -> Result<(), Refusal> {
        if kind == TokenType::AccessToken {
            return Ok(());
        }
        let has_scopes = issuer.scope_claims.iter().any(|name| self.object.has(name));
        let hashes = self.object.has("at_hash") || self.object.has("c_hash");
        if hashes || (self.object.has("nonce") && !has_scopes) {
            return Err(Reason::IdToken.into());
        }
        Ok(())
    }

    /// Read here, and proved for each request.
    fn binding(&self) -> Binding {
        match self.object.get("cnf") {
            None => Binding::None,
            Some(Json::Object(members)) if members.has("jkt") => Binding::DpopKey,
            Some(Json::Object(members)) if members.has("x5t#S256") => Binding::Certificate,
            Some(_) => Binding::Unknown,
        }
    }

    /// Profiles are about JWTs, and say nothing of what an issuer answers.
    fn require_profile(&self, source: ClaimSource, profile: Profile) -> Result<(), Refusal> {
        match source {
            ClaimSource::Introspection | ClaimSource::Merged { .. } => return Ok(()),
            ClaimSource::Jwt(TokenType::AccessToken)
            | ClaimSource::JwtToIntrospect(TokenType::AccessToken) => {}
            ClaimSource::Jwt(_) | ClaimSource::JwtToIntrospect(_) => {
                return Err(Refusal::from(Reason::WrongTyp).expected("at+jwt"));
            }
        }
        let required: &[&str] = if profile == Profile::Rfc9068 {
            &["sub", "client_id", "iat", "jti"]
        } else {
            &[]
        };
        match required.iter().find(|name| !self.object.has(name)) {
            Some(name) => Err(Refusal::from(Reason::ClaimMissing).expected(*name)),
            None => Ok(()),
        }
    }

    /// The first claim present, never a union: Auth0's `permissions` lists what the user could have,
    /// `scope` what was asked for. No such claim at all means no scopes.
    fn scopes(&self, issuer: &TrustedIssuer) -> Result<Scopes, Refusal> {
        for name in &issuer.scope_claims {
            let scopes: Scopes = match self.object.get(name) {
                None => continue,
                Some(Json::Text(list)) if list.len() <= MAX_SCOPE_BYTES => Scopes::from_claim(list),
                Some(Json::List(list)) => {
                    let words = texts(list).ok_or(bad_claim(name))?;
                    if words.iter().map(|word| word.len() + 1).sum::<usize>() > MAX_SCOPE_BYTES {
                        return Err(Reason::ScopeTooLong.into());
                    }
                    words
                        .into_iter()
                        .filter_map(|word| Scope::parse(word).ok())
                        .collect()
                }
                Some(Json::Text(_)) => return Err(Reason::ScopeTooLong.into()),
                Some(_) => return Err(bad_claim(name)),
            };
            return Ok(scopes);
        }
        Ok(Scopes::default())
    }

    /// RFC 8693 §4.1: of a chain of actors only the outermost counts.
    fn actor(&self) -> Result<Option<String>, Refusal> {
        let actor = match self.object.get("act") {
            None => return Ok(None),
            Some(Json::Object(actor)) => actor,
            Some(_) => return Err(bad_claim("act")),
        };
        for name in ["sub", "client_id"] {
            if let Some(text) = actor.text(name).map_err(|_| bad_claim("act"))? {
                return Ok(Some(text.to_owned()));
            }
        }
        Ok(None)
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        self.object.text(name).map_err(|_| bad_claim(name))
    }

    fn first_text(&self, names: &[&str]) -> Result<Option<&str>, Refusal> {
        for name in names {
            if let Some(text) = self.text(name)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }
}

fn apart(reason: Reason, limit: Timestamp, now: Timestamp) -> Refusal {
    let (limit, now) = (limit.seconds() as i64, now.seconds() as i64);
    let refusal = Refusal::from(reason).expected(format!("{limit}"));
    refusal.got(format!("{now}, {} s apart", now.saturating_sub(limit)))
}

fn bad_claim(name: &str) -> Refusal {
    Refusal::from(Reason::BadClaim).got(format!("`{name}` of another type"))
}

fn texts<'a>(list: &'a [Json<'_>]) -> Option<Vec<&'a str>> {
    list.iter()
        .map(|item| {
            if let Json::Text(text) = item {
                Some(text.as_ref())
            } else {
                None
            }
        })
        .collect()
}
