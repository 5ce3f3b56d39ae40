//! Noun: why a request was refused.
//!
//! `reason` is the one table of reasons. `value` carries a reason through the rooms, with what the answer needs and the facts
//! for the log.

mod reason;
mod value;

pub use reason::RefusalKind;
pub(crate) use reason::{Reason, Severity, Step};
pub use value::Refusal;
