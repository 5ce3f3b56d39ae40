//! Is it theirs to use? A bound token is not a bearer token: each request must prove possession of the key or certificate.
//!
//! A proof belongs to one request, so its outcome is never cached. This version verifies no proofs yet, and refuses bound
//! tokens.

use crate::binding::Binding;
use crate::refusal::{Reason, Refusal};

/// Succeeds if the request may use a token with this binding (RFC 8705 §3, RFC 9449 §7).
pub(crate) fn prove(binding: Binding) -> Result<(), Refusal> {
    match binding {
        Binding::None => Ok(()),
        Binding::DpopKey => Err(Refusal::from(Reason::DpopRequired).got("cnf: jkt")),
        Binding::Certificate => Err(Refusal::from(Reason::MtlsBinding).got("cnf: x5t#S256")),
        Binding::Unknown => Err(Refusal::from(Reason::UnknownBinding).got("cnf: another member")),
    }
}
