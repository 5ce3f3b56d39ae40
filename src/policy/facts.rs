//! The facts of the checks of callers and calls, for explanations.

use super::callers::Callers;
use super::decide::OwnDecision;
use super::judge::Policy;
use crate::call::Calls;
use crate::clock::Timestamp;
use crate::grant::Grant;
use crate::refusal::{CheckFacts, Step};
use crate::token::Principal;

/// The caller of a request, as far as it is known, and its calls, if they could be read.
#[derive(Clone, Copy)]
pub(crate) struct ExplainedCalls<'a> {
    pub(crate) now: Timestamp,
    /// Whether the request has no token at all.
    pub(crate) is_anonymous: bool,
    pub(crate) principal: Option<&'a Principal>,
    pub(crate) calls: Option<&'a Calls<'a>>,
}

impl ExplainedCalls<'_> {
    fn grant(&self) -> Option<Grant<'_>> {
        Some(self.principal?.grant(self.now))
    }

    fn named(&self) -> String {
        self.calls.map(Calls::named).unwrap_or_default()
    }
}

impl Callers {
    /// The facts of a check of the caller; `None` if there is no such check.
    pub(crate) fn facts(&self, step: Step, asked: &ExplainedCalls<'_>) -> Option<CheckFacts> {
        let client = || asked.principal.and_then(Principal::client_id);
        (step == Step::Caller && !asked.is_anonymous)
            .then(|| CheckFacts::new(self.to_string(), client().unwrap_or("no client")))
    }
}

impl Policy {
    /// The facts of a check of scopes; `None` if there is no such check.
    pub(crate) fn facts(&self, step: Step, asked: &ExplainedCalls<'_>) -> Option<CheckFacts> {
        match step {
            Step::BaseScopes if !asked.is_anonymous => Some(self.facts_of(None, asked)),
            Step::Rules if asked.is_anonymous => Some(CheckFacts::new(
                "operations that are open without a token",
                asked.named(),
            )),
            Step::Rules => Some(self.facts_of(asked.calls, asked)),
            _ => None,
        }
    }

    /// The needs of these calls, and the caller's share of them: scopes, and a login if any rule is about one.
    fn facts_of(&self, calls: Option<&Calls<'_>>, asked: &ExplainedCalls<'_>) -> CheckFacts {
        let (scopes, login) = self.needs_of(calls);
        let got = asked
            .grant()
            .map(|grant| joined(&grant.scopes.to_string(), &login.held_by(grant)));
        let expected = joined(&scopes.to_string(), &login.to_string());
        CheckFacts::new(expected, got.unwrap_or_default())
    }

    /// The check that found scopes or the login to fall short: the base rule, the call rule, or the operator's own decision.
    pub(crate) fn step_of_shortfall(&self, asked: &ExplainedCalls<'_>) -> Step {
        let Some(grant) = asked.grant() else {
            return Step::Rules;
        };
        match (self.admit(grant), asked.calls) {
            (Err(_), _) => Step::BaseScopes,
            (Ok(admitted), Some(calls))
                if self.authorize(Some(admitted.grant(grant)), calls).is_ok() =>
            {
                Step::Decision
            }
            (Ok(_), _) => Step::Rules,
        }
    }
}

impl OwnDecision {
    /// The facts of the decision; `None` for any other check.
    pub(crate) fn facts(&self, step: Step) -> Option<CheckFacts> {
        (step == Step::Decision).then(|| CheckFacts::new("your own decision", ""))
    }
}

/// Two facts with a comma between them; either may be empty.
fn joined(scopes: &str, login: &str) -> String {
    let comma = if scopes.is_empty() || login.is_empty() {
        ""
    } else {
        ", "
    };
    format!("{scopes}{comma}{login}")
}
