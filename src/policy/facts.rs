//! The facts of the checks of callers and calls, for explanations.

use super::callers::Callers;
use super::decide::OwnDecision;
use super::judge::Policy;
use crate::call::Calls;
use crate::refusal::{CheckFacts, Step};
use crate::token::Principal;

/// The caller of a request, as far as it is known, and its calls, if they could be read.
#[derive(Clone, Copy)]
pub(crate) struct ExplainedCalls<'a> {
    /// Whether the request has no token at all.
    pub(crate) is_anonymous: bool,
    pub(crate) principal: Option<&'a Principal>,
    pub(crate) calls: Option<&'a Calls<'a>>,
}

impl ExplainedCalls<'_> {
    fn granted(&self) -> String {
        let granted = self.principal.map(|caller| caller.scopes().to_string());
        granted.unwrap_or_default()
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
            Step::BaseScopes if !asked.is_anonymous => Some(CheckFacts::new(
                self.needs_of(None).to_string(),
                asked.granted(),
            )),
            Step::Rules if asked.is_anonymous => Some(CheckFacts::new(
                "operations that are open without a token",
                asked.named(),
            )),
            Step::Rules => Some(CheckFacts::new(
                self.needs_of(asked.calls).to_string(),
                asked.granted(),
            )),
            _ => None,
        }
    }

    /// The check that found scopes to be missing: the base rule, the call rule, or the operator's own decision.
    pub(crate) fn step_without_scopes(&self, asked: &ExplainedCalls<'_>) -> Step {
        let Some(grant) = asked.principal.map(Principal::grant) else {
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
