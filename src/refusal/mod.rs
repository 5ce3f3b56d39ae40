//! Noun: why a request was refused.
//!
//! `reason` is the one table of reasons. `value` carries a reason through the rooms, with what the answer needs and the facts
//! for the log. `check_facts` are what a room tells of a check that it makes, whether it fails or not.

mod check_facts;
mod reason;
mod value;

pub(crate) use check_facts::CheckFacts;
pub use reason::RefusalKind;
pub(crate) use reason::{Reason, Severity, Step};
pub use value::Refusal;
