//! Claims as they were read, each by its name and of its type.

use crate::clock::Timestamp;
use crate::jose::{Json, Object};
use crate::refusal::{Reason, Refusal};
use crate::token::token_type::TokenType;

/// Which claim names the client: the standard's, Keycloak's and Entra's, Okta's, Entra's older one.
pub(crate) const CLIENT_CLAIMS: &[&str] = &["client_id", "azp", "cid", "appid"];

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
    /// The issuer that the token names: nothing to be believed before its signature held.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.object.text("iss").ok().flatten()
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

/// All items of a list, if they are texts.
pub(super) fn texts<'a>(list: &'a [Json<'_>]) -> Option<Vec<&'a str>> {
    list.iter()
        .map(|item| match item {
            Json::Text(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect()
}

/// The refusal of a claim that is of another type than `wanted`.
pub(super) fn bad_claim(name: &str, wanted: &str) -> Refusal {
    Refusal::from(Reason::BadClaim)
        .expected(format!("`{name}`: {wanted}"))
        .got(format!("`{name}` of another type"))
}
