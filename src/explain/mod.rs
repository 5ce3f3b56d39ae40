//! Explains decisions, check by check, for operators and their tests.
//!
//! `verdict` sends the request along the real path. A refusal has one reason, and the table of reasons says which
//! check that belongs to (`place` has those that are about HTTP alone), and so which checks passed before. Afterwards,
//! `facts` asks the rooms what each of them expected and got.

mod explanation;
mod facts;
mod place;
mod verdict;

pub use explanation::{Caller, Check, CheckOutcome, Explanation};
