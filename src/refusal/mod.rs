//! Why a request was refused.
//!
//! `reason` is the one table of reasons, and `step` is the table of the checks that they belong to. `value` carries a reason
//! through the rooms, with what the answer needs and the facts for the log. `check_facts` are what a room tells of a check
//! that it makes, whether it fails or not.

mod check_facts;
mod reason;
mod step;
mod value;

pub(crate) use check_facts::CheckFacts;
pub use reason::RefusalKind;
pub(crate) use reason::{Reason, Severity};
pub(crate) use step::Step;
pub use value::Refusal;
