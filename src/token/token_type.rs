//! What the `typ` of a header says a token is (RFC 9068 §2.1).

use crate::jose::{Object, is_type};
use crate::refusal::{Reason, Refusal};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenType {
    /// `at+jwt`: an access token.
    AccessToken,
    /// `JWT` or absent: could be an ID token too.
    Unspecified,
}

impl TokenType {
    pub(super) fn read(header: &Object<'_>) -> Result<Self, Refusal> {
        let typ = header.text("typ").map_err(|_| refused("no text"))?;
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
