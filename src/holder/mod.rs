//! Is it theirs to use? A bound token is not a bearer token: each request with it must prove possession.
//!
//! Nothing of this is ever remembered, since a proof is of one request. No proof is verified yet, so bound tokens are
//! refused.

use crate::binding::Binding;
use crate::refusal::{Reason, Refusal};

/// Holds where the request may use a token that is bound so (RFC 8705 §3, RFC 9449 §7).
pub(crate) fn prove(binding: Binding) -> Result<(), Refusal> {
    match binding {
        Binding::None => Ok(()),
        Binding::DpopKey => Err(Refusal::from(Reason::DpopRequired).got("cnf: jkt")),
        Binding::Certificate => Err(Refusal::from(Reason::MtlsBinding).got("cnf: x5t#S256")),
        Binding::Unknown => Err(Refusal::from(Reason::UnknownBinding).got("cnf: another member")),
    }
}
