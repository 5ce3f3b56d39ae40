//! May they? What an operation needs, held against what the token grants.
//!
//! `scope_map` and `rule` are what an operator writes; `compile` parses them into the [`Policy`], whose `judge` holds each
//! `requirement` against the scopes granted; `names` (with `pattern`, `prefixes` and `template`) and `hierarchy` are how it
//! looks things up. `open` says what needs no token, `listing` what a filtered list may show (and `shown` what it shows in
//! any case), `review` which rules and tools do not fit each other, and `decide` is where an operator's own decision comes in.
//! `callers` checks who may ask at all, whatever their scopes (a denied client also by its `client_host`). What lets a
//! request through is a `permit`, and only this room can make one.

mod callers;
mod client_host;
mod compile;
mod decide;
mod display;
mod hierarchy;
mod judge;
mod listing;
mod names;
mod not_open;
mod open;
mod pattern;
mod permit;
mod prefixes;
mod requirement;
mod review;
mod rule;
mod scope_map;
mod shown;
mod template;
#[cfg(test)]
mod tests;

pub(crate) use callers::{CallerRules, Callers, ClaimRule, Clients};
pub(crate) use client_host::NormalHost;
pub(crate) use compile::published_scopes;
pub use decide::{ArgumentsError, CallInfo, Decide, DecisionFailed, Verdict};
pub(crate) use decide::{Decider, OwnDecision};
pub(crate) use judge::Policy;
pub(crate) use not_open::NotOpen;
pub(crate) use permit::{Admitted, AdmittedGrant, Permit};
pub use review::Review;
pub use rule::{Rule, all_of, any_of, base_only, deny, without_token};
pub use scope_map::ScopeMap;
