//! The type of a token, from the `typ` of its header (RFC 9068 §2.1).

use crate::jose::{Object, is_type};
use crate::refusal::{Reason, Refusal};

/// The type of a JWT that may be an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenType {
    /// `at+jwt`: an access token.
    AccessToken,
    /// `JWT` or absent: it may also be an ID token.
    Unspecified,
}

impl TokenType {
    pub(super) fn read(header: &Object<'_>) -> Result<Self, Refusal> {
        let typ = header.text("typ").map_err(|_| refused("not a text"))?;
        match typ {
            None => Ok(Self::Unspecified),
            Some(typ) if is_type(typ, "at+jwt") => Ok(Self::AccessToken),
            Some(typ) if is_type(typ, "jwt") => Ok(Self::Unspecified),
            Some(typ) => Err(refused(typ)),
        }
    }
}

fn refused(typ: &str) -> Refusal {
    Refusal::from(Reason::WrongTyp)
        .expected("typ: at+jwt or JWT")
        .got(format!("typ: {typ}"))
}
