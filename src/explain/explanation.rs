//! An explanation: checks and their outcomes.

use std::fmt;

use http::StatusCode;

use crate::refusal::Refusal;
use crate::token::Principal;

/// The caller of an explained request; see [`Toolgate::explain`](crate::Toolgate::explain).
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Caller<'a> {
    /// A caller that presents this token.
    Token(&'a str),
    /// A caller that is verified already. The checks of the token are left out.
    Principal(&'a Principal),
    /// A caller without a token.
    Anonymous,
}

/// The gate's decision about a request, and the reason: each check in order, and whether it passed.
///
/// It is for operators, and contains facts that callers must not see. It never contains a token or a secret. `Display`
/// writes a line for each check, and one for the decision:
///
/// ```text
/// ok    credentials   expects one token; got a token of 412 bytes
/// …
/// ok    body          expects one JSON-RPC message, or a batch; got tools/call delete_file
/// FAIL  rules         expects mcp:use files:write; got mcp:use
/// refused: insufficient_scope
/// ```
#[derive(Debug, Clone)]
pub struct Explanation {
    pub(super) checks: Vec<Check>,
    pub(super) conclusion: Conclusion,
}

/// How a request ends at the gate.
#[derive(Debug, Clone)]
pub(super) enum Conclusion {
    /// It would reach the inner service.
    Admitted,
    /// The gate itself would answer it, with this status.
    Answered(StatusCode),
    Refused(Refusal),
}

/// One check on the path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub(super) name: &'static str,
    pub(super) outcome: CheckOutcome,
    pub(super) expected: String,
    pub(super) got: String,
    pub(super) causes: Vec<String>,
}

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckOutcome {
    /// The check passed.
    Passed,
    /// The check failed, so the request is refused.
    Failed,
    /// The request ended at an earlier check, so this outcome is not known.
    NotReached,
}

impl Explanation {
    /// Whether the request would reach the inner service.
    pub fn is_allowed(&self) -> bool {
        matches!(self.conclusion, Conclusion::Admitted)
    }

    /// The refusal that the caller would get; `None` if the request is allowed or [answered](Self::answered).
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.conclusion {
            Conclusion::Refused(refusal) => Some(refusal),
            Conclusion::Admitted | Conclusion::Answered(_) => None,
        }
    }

    /// The status with which the gate itself would answer the request, without a check of its token: a request for the
    /// metadata document, or the preflight of an allowed page. `None` for any other request.
    pub fn answered(&self) -> Option<StatusCode> {
        match self.conclusion {
            Conclusion::Answered(status) => Some(status),
            Conclusion::Admitted | Conclusion::Refused(_) => None,
        }
    }

    /// Lists every check that applies to this request, in order.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }
}

impl Check {
    /// The stable name of the check, such as `audience`, `time` or `rules`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The outcome of the check.
    pub fn outcome(&self) -> CheckOutcome {
        self.outcome
    }

    /// The values that the check accepts.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// The value that the request had; empty if the check was not reached. It never contains a token.
    pub fn got(&self) -> &str {
        &self.got
    }

    /// The causes of a failure, the outermost first, if there are any: after an outage, each URL and what was wrong
    /// there; after a 401 without a token, why the request is not open. They never contain a token or a secret.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }
}

/// Does not show the token.
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
        match &self.conclusion {
            Conclusion::Admitted => f.write_str("allowed"),
            Conclusion::Answered(status) => write!(f, "answered by the gate: {status}"),
            Conclusion::Refused(refusal) => write!(f, "{refusal}"),
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
            ("", "") => {}
            (expected, "") => write!(f, "  expects {expected}")?,
            ("", got) => write!(f, "  got {got}")?,
            (expected, got) => write!(f, "  expects {expected}; got {got}")?,
        }
        match self.causes.as_slice() {
            [] => Ok(()),
            causes => write!(f, "  because {}", causes.join(": ")),
        }
    }
}
