//! Reads single claims, each by its name and as its type.

use crate::clock::Timestamp;
use crate::jose::{Json, Object};
use crate::refusal::{Reason, Refusal};
use crate::token::token_type::TokenType;

/// The claims that may name the client: that of RFC 9068, of Keycloak and Entra, of Okta, and of older Entra tokens.
pub(crate) const CLIENT_CLAIMS: &[&str] = &["client_id", "azp", "cid", "appid"];

/// The source of claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimSource {
    /// A JWT of this type.
    Jwt(TokenType),
    /// A JWT of this type that is introspected as well: the response may add an audience.
    JwtToIntrospect(TokenType),
    /// An introspection response (RFC 7662 §2.2), or the claims that an operator's own verifier tells; absent members are
    /// optional.
    Introspection,
    /// A JWT, with the claims of an introspection response put over its own.
    Merged { response_has_exp: bool },
}

/// The claims of a token, and the JSON text from which they were parsed.
pub(crate) struct Claims<'a> {
    pub(crate) object: Object<'a>,
    pub(crate) text: &'a str,
}

impl Claims<'_> {
    /// The issuer that the token names. It is not to be relied on before the signature held.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.object.text("iss").ok().flatten()
    }

    /// Whether `iss` is a text or absent.
    pub(crate) fn names_issuer_if_any(&self) -> bool {
        self.object.text("iss").is_ok()
    }

    pub(crate) fn issued_at(&self) -> Option<Timestamp> {
        self.time("iat").ok().flatten()
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        self.object
            .text(name)
            .map_err(|_| bad_claim(name, "a text"))
    }

    pub(super) fn first_text(&self, names: &[&str]) -> Result<Option<&str>, Refusal> {
        for name in names {
            if let Some(text) = self.text(name)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        match self.object.number(name) {
            Ok(seconds) => Ok(seconds.and_then(Timestamp::from_seconds)),
            Err(_) => Err(bad_claim(name, "a number")),
        }
    }
}

/// Returns the items of a list if all of them are texts.
pub(super) fn texts<'a>(list: &'a [Json<'_>]) -> Option<Vec<&'a str>> {
    list.iter()
        .map(|item| match item {
            Json::Text(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect()
}

/// The refusal of a claim that is not of the `wanted` type.
pub(super) fn bad_claim(name: &str, wanted: &str) -> Refusal {
    Refusal::from(Reason::BadClaim)
        .expected(format!("`{name}`: {wanted}"))
        .got(format!("`{name}` of another type"))
}
