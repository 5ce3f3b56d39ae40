//! Explains decisions, check by check, for operators and their tests.
//!
//! `verdict` sends the request along the real path. A refusal has one reason, and the table of reasons says which
//! check that belongs to, and so which checks passed before (`order` says which come before others). Afterwards,
//! `facts` asks the rooms what each of them expected and got.

mod explanation;
mod facts;
mod order;
mod verdict;

pub use explanation::{Caller, Check, CheckOutcome, Explanation};
