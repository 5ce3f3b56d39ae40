//! Explains decisions, check by check, for operators and their tests.
//!
//! `verdict` sends the request along the real path. A refusal has one reason, and the table of reasons names the check
//! for it. The checks before this one have passed; `order` has their order. Afterwards, `facts` asks the rooms what
//! each check expected and got.

mod explanation;
mod facts;
mod order;
mod verdict;

pub use explanation::{Caller, Check, CheckOutcome, Explanation};
