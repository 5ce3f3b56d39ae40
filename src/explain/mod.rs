//! Why is it so? The path of a request, check by check, for operators and their tests.
//!
//! The verdict is that of the real path (`verdict`). A refusal has one reason, a `step` knows which reasons are its own,
//! and so which steps were taken before. What each expected and what it got is read afterwards, as `facts`.

mod explanation;
mod facts;
mod step;
mod verdict;

pub use explanation::{Caller, Check, CheckOutcome, Explanation};
