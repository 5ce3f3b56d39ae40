//! What an authorization server says of a token (RFC 7662 §2.2). Pure on (answer, issuer, now).

use serde_json::{Map, Value};

use super::failure::IntrospectionFailure;
use crate::clock::Timestamp;
use crate::refusal::{Reason, Refusal};
use crate::token::claims::{CLIENT_CLAIMS, Claims, Word};
use crate::token::issuer::TrustedIssuer;
use crate::token::json::{Json, Object};
use crate::token::present::PresentedToken;
use crate::token::principal::Principal;
use crate::token::source::Answered;

/// An answer that says whether the token is active.
pub(super) struct Answer<'a> {
    claims: Claims<'a>,
    active: bool,
}

impl<'a> Answer<'a> {
    /// Fails where nothing is said about the token: then nothing is known about it either.
    pub(super) fn read(answered: &'a Answered) -> Result<Self, IntrospectionFailure> {
        match answered.status {
            200 => {}
            // RFC 7662 §2.3. Some say it like RFC 6749 §5.2.
            status @ (401 | 403) => return Err(IntrospectionFailure::Unauthorized(status)),
            status if is_about_us(&answered.bytes) => return Err(IntrospectionFailure::Unauthorized(status)),
            status => return Err(IntrospectionFailure::Status(status)),
        }
        if !answered.is_json {
            return Err(IntrospectionFailure::Unusable("it is not application/json"));
        }
        let unusable = |_| IntrospectionFailure::Unusable("it is not one JSON object, each member once");
        let object = Object::read(&answered.bytes).map_err(unusable)?;
        // The JSON value, and nothing that looks like it.
        let active = match object.get("active") {
            Some(value) => *value == Json::Bool(true),
            None => return Err(IntrospectionFailure::Unusable("it has no `active`")),
        };
        let text = std::str::from_utf8(&answered.bytes).unwrap_or_default();
        Ok(Self { claims: Claims { object, text }, active })
    }

    /// Whether it says when the token ends.
    pub(super) fn tells_the_end(&self) -> bool {
        self.claims.object.has("exp")
    }

    /// Whose token it is. `signed` are the claims of a token whose signature held: what the answer is silent
    /// about they say, and where both speak, the answer is newer.
    pub(super) fn judge(
        &self,
        issuer: &TrustedIssuer,
        signed: Option<&str>,
        token: PresentedToken<'_>,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        if !self.active {
            return Err(Refusal::from(Reason::Inactive).got(&*issuer.name));
        }
        let Some(signed) = signed else {
            return self.claims.judge(Word::Told, issuer, token, now);
        };
        let text = self.completing(signed, issuer).ok_or(Reason::BadJson)?;
        let object = Object::read(text.as_bytes()).map_err(|_| Reason::BadJson)?;
        let word = Word::Completed { end_is_told: self.tells_the_end() };
        Claims { object, text: &text }.judge(word, issuer, token, now)
    }

    /// Of claims that say one thing under several names the first counts, so all of them give way together.
    fn completing(&self, signed: &str, issuer: &TrustedIssuer) -> Option<String> {
        let mut all: Map<String, Value> = serde_json::from_str(signed).ok()?;
        let told: Map<String, Value> = serde_json::from_str(self.claims.text).ok()?;
        let scope_claims: Vec<&str> = issuer.scope_claims.iter().map(String::as_str).collect();
        for names in [&scope_claims, CLIENT_CLAIMS] {
            if names.iter().any(|name| told.contains_key(*name)) {
                all.retain(|name, _| !names.contains(&name.as_str()));
            }
        }
        all.extend(told);
        Some(Value::from(all).to_string())
    }
}

/// Whether an error is about the client that asked, and not about the question.
fn is_about_us(body: &[u8]) -> bool {
    let error = serde_json::from_slice::<Value>(body).ok();
    let error = error.as_ref().and_then(|body| body.get("error")).and_then(Value::as_str);
    matches!(error, Some("invalid_client" | "unauthorized_client"))
}
