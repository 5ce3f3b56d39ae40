//! May they? This room compares what an operation needs with what the token grants.
//!
//! `scope_map` and `rule` are what an operator writes. `compile` parses them into the [`Policy`], whose `judge`
//! compares each `requirement` with the scopes granted, and by `login` with the login behind the token (`login_rule` is what
//! an operator writes of it). It finds rules by `names` (with `pattern`, `prefixes` and
//! `template`), and knows by `hierarchy` which scopes include others. `open` decides what needs no token (`not_open`
//! tells the log why not), `listing` what a filtered list may show (and `shown` what it always shows), `access` what
//! a list of tools says of each, `review` which
//! rules and tools do not fit each other, and `decide` is the operator's own decision. `callers` checks clients and
//! claims, before any scope (a denied client also by its `client_host`). `facts` tells explanations what each of these
//! checks is about. Only this room can make a `permit`, and nothing reaches the inner service without one.

mod access;
mod callers;
mod client_host;
mod compile;
mod decide;
mod display;
mod facts;
mod hierarchy;
mod judge;
mod listing;
mod login;
mod login_rule;
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

pub(crate) use access::ToolAccess;
pub(crate) use callers::{CallerRules, Callers, ClaimRule, Clients};
pub(crate) use client_host::NormalHost;
pub(crate) use compile::published_scopes;
pub use decide::{ArgumentsError, CallInfo, Decide, DecisionFailed, Verdict};
pub(crate) use decide::{Decider, OwnDecision};
pub(crate) use facts::ExplainedCalls;
pub(crate) use judge::Policy;
pub(crate) use not_open::NotOpen;
pub(crate) use permit::{Admitted, AdmittedGrant, Permit};
pub use review::Review;
pub use rule::{Rule, all_of, any_of, base_only, deny, without_token};
pub use scope_map::ScopeMap;
