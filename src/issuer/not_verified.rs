//! The reason why a response is not accepted as a signed introspection response (RFC 9701), in words that an operator can act
//! on.

use crate::events::clean;
use crate::jose::{BadJws, Json, Unreadable};
use crate::log_facts::Fact;
use crate::refusal::Refusal;

/// The first check of a signed response that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotVerified {
    #[error("it is not a JWT")]
    NotAJwt,
    #[error(transparent)]
    Jws(BadJws),
    #[error("its {0} cannot be read")]
    Unreadable(&'static str, #[source] Unreadable),
    #[error("its {name} is {got}, and not {expected}")]
    Other {
        name: &'static str,
        got: String,
        expected: String,
    },
    #[error("by its exp or nbf it is not valid now")]
    NotValidNow,
    #[error("its signature is not one of {expected}: {reason}, {got}")]
    Signature {
        expected: String,
        reason: &'static str,
        got: String,
    },
}

impl NotVerified {
    pub(super) fn other(
        name: &'static str,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Other {
            name,
            got: got.into(),
            expected: expected.into(),
        }
    }

    /// Shows the value of a member, which comes from the network.
    pub(super) fn shown(value: Option<&Json<'_>>) -> String {
        match value {
            None => "missing".to_owned(),
            Some(Json::Text(text)) => clean(text),
            Some(_) => "of another type".to_owned(),
        }
    }

    /// Takes over the facts of the refusal of a key.
    pub(super) fn by_key(refusal: &Refusal) -> Self {
        let fact = |fact| clean(refusal.log_fact(fact).unwrap_or_default());
        Self::Signature {
            expected: fact(Fact::Expected),
            reason: refusal.code(),
            got: fact(Fact::Got),
        }
    }
}

impl From<BadJws> for NotVerified {
    fn from(why: BadJws) -> Self {
        match why {
            BadJws::Algorithm { allowed, named } => {
                Self::other("alg", clean(&named), format!("one of {allowed}"))
            }
            BadJws::Header(why) => Self::Unreadable("header", why),
            why => Self::Jws(why),
        }
    }
}
