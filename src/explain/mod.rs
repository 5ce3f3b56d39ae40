//! Why is it so? The path of a request, check by check, for operators and their tests.
//!
//! The verdict is that of the real path. A refusal has one reason, a `step` knows which reasons are its own, and
//! so which steps were taken before. What each expected and what it got is read afterwards, as `facts`.

mod facts;
mod step;

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request};

use crate::call;
use crate::decision::Decision;
use crate::path::Gate;
use crate::refusal::{Reason, Refusal};
use crate::token::Principal;
use facts::Seen;
use step::Step;

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
    checks: Vec<Check>,
    refusal: Option<Refusal>,
}

/// One check on the path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    step: Step,
    outcome: CheckOutcome,
    expected: String,
    got: String,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckOutcome {
    /// It held.
    Passed,
    /// It is why the request is refused.
    Failed,
    /// An earlier one failed, so that nobody knows.
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

impl Gate {
    /// Sends a body that nobody sent along the path that every request takes, up to the service inside.
    pub(crate) async fn explain(&self, caller: Caller<'_>, body: Bytes) -> Explanation {
        let mut decision = self.log.begin(self.resource.as_str());
        let verdict = self.verdict(caller, &body, &mut decision).await;
        let principal = match caller {
            Caller::Principal(principal) => Some(principal),
            Caller::Token(_) | Caller::Anonymous => decision.principal(),
        };
        let (parts, seen) = (head(&body), Seen::new(self, caller, principal));
        let seen = seen.asking(&parts, &body);
        let refusal = verdict.err();
        let failed = refusal.as_ref().map(|refusal| (seen.step_of(refusal), own(refusal)));
        let check = |step: Step| {
            let facts = seen.facts(step);
            let (outcome, expected, got) = match &failed {
                Some((failing, refusal)) if *failing == step => {
                    let (expected, got) = facts.refused_by(refusal);
                    (CheckOutcome::Failed, expected, got)
                }
                Some((failing, _)) if *failing < step => {
                    (CheckOutcome::NotReached, facts.expected, String::new())
                }
                _ => (CheckOutcome::Passed, facts.expected, facts.got),
            };
            Check { step, outcome, expected, got }
        };
        let met =
            |step: &Step| seen.meets(*step) || failed.as_ref().is_some_and(|(failing, _)| failing == step);
        Explanation { checks: Step::ALL.into_iter().filter(met).map(check).collect(), refusal }
    }

    async fn verdict(
        &self,
        caller: Caller<'_>,
        body: &Bytes,
        decision: &mut Decision<'_>,
    ) -> Result<(), Refusal> {
        let (mut parts, body) = (head(body), call::whole(body.clone()));
        match caller {
            Caller::Principal(principal) => {
                self.let_ask(principal)?;
                if self.depends_on_calls() {
                    self.judge_calls(Some(principal), Ok(()), &parts, body, decision).await?;
                }
                Ok(())
            }
            Caller::Token(token) => {
                let line = HeaderValue::from_str(&format!("Bearer {token}"));
                parts.headers.insert(AUTHORIZATION, line.map_err(|_| Reason::MalformedHeader)?);
                self.judge(&mut parts, body, decision).await.map(drop)
            }
            Caller::Anonymous => self.judge(&mut parts, body, decision).await.map(drop),
        }
    }
}

/// The head of a request as a right client sends it with this body.
fn head(body: &[u8]) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::POST;
    parts.headers = call::mirroring(body);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts
}

/// Who came without a token is told nothing but that; what it was about is behind it.
fn own(refusal: &Refusal) -> &Refusal {
    refusal.source().and_then(|source| source.downcast_ref()).unwrap_or(refusal)
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
        self.checks.iter().try_for_each(|check| writeln!(f, "{check}"))?;
        match &self.refusal {
            None => f.write_str("allowed"),
            Some(refusal) => write!(f, "{refusal}"),
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
