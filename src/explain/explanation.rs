//! What an explanation says.

use std::fmt;

use super::step::Step;
use crate::events::with_causes;
use crate::refusal::Refusal;
use crate::token::Principal;

/// Who would ask; see [`Toolgate::explain`](crate::Toolgate::explain).
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Caller<'a> {
    /// Somebody with this token.
    Token(&'a str),
    /// Somebody who is known already.
    Principal(&'a Principal),
    /// Somebody without a token.
    Anonymous,
}

/// What the gate does with a request, and why: each check in order, and whether it held.
///
/// It is for operators, and says what no caller may be told. Printed, it is a line for each check:
///
/// ```text
/// ok    credentials   expects one bearer token; got a token of 412 bytes
/// …
/// ok    body          expects one JSON-RPC message, or a batch; got tools/call delete_file
/// FAIL  rules         expects mcp:use files:write; got mcp:use
/// refused: insufficient_scope
/// ```
#[derive(Debug, Clone)]
pub struct Explanation {
    pub(super) checks: Vec<Check>,
    pub(super) refusal: Option<Refusal>,
}

/// One check on the path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub(super) step: Step,
    pub(super) outcome: CheckOutcome,
    pub(super) expected: String,
    pub(super) got: String,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckOutcome {
    /// It held.
    Passed,
    /// It is why the request is refused.
    Failed,
    /// An earlier one failed, so that this is not known.
    NotReached,
}

impl Explanation {
    /// Whether the request would reach the service inside.
    pub fn is_allowed(&self) -> bool {
        self.refusal.is_none()
    }

    /// What would be answered instead.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Every check that such a request meets, in order.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }
}

impl Check {
    /// What is checked, in a word that stays the same: `audience`, `time`, `rules`.
    pub fn name(&self) -> &'static str {
        self.step.name()
    }

    /// What came of it.
    pub fn outcome(&self) -> CheckOutcome {
        self.outcome
    }

    /// What would have been let pass.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What came instead, or fitted; nothing where the check was not reached. Never a token.
    pub fn got(&self) -> &str {
        &self.got
    }
}

/// Without the token.
impl fmt::Debug for Caller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(…)"),
            Self::Principal(principal) => f.debug_tuple("Principal").field(principal).finish(),
            Self::Anonymous => f.write_str("Anonymous"),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.checks
            .iter()
            .try_for_each(|check| writeln!(f, "{check}"))?;
        match &self.refusal {
            None => f.write_str("allowed"),
            Some(refusal) => f.write_str(&with_causes(refusal)),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            CheckOutcome::Passed => "ok",
            CheckOutcome::Failed => "FAIL",
            CheckOutcome::NotReached => "-",
        };
        write!(f, "{outcome:4}  {:12}", self.name())?;
        match (self.expected.as_str(), self.got.as_str()) {
            ("", "") => Ok(()),
            (expected, "") => write!(f, "  expects {expected}"),
            ("", got) => write!(f, "  got {got}"),
            (expected, got) => write!(f, "  expects {expected}; got {got}"),
        }
    }
}
