//! Sends a request along the real path, up to the inner service, and explains how it ended.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};

use super::explanation::{Caller, Check, CheckOutcome, Conclusion, Explanation};
use super::facts::ExplainedRequest;
use crate::call;
use crate::events::{clean, shown_cause};
use crate::log_facts::Fact;
use crate::pipeline::{IncomingBody, Pipeline, Visit, causes_of, visible_refusal};
use crate::refusal::{Reason, Refusal, Step};
use crate::scope::Scopes;
use crate::token::{Principal, ProofUse};

impl Pipeline {
    /// Explains a call, as a correct client would send it for this caller.
    pub(crate) async fn explain(&self, caller: Caller<'_>, body: Bytes) -> Explanation {
        let (mut visit, mut parts) = (Visit::default(), head(&body));
        let sent = match caller {
            Caller::Principal(principal) => {
                self.send_as(principal, &mut visit, &parts, &body).await
            }
            Caller::Anonymous => {
                self.send(&mut visit, &mut parts, &body, ProofUse::Assume)
                    .await
            }
            Caller::Token(token) => match HeaderValue::from_str(&format!("Bearer {token}")) {
                Ok(line) => {
                    parts.headers.insert(AUTHORIZATION, line);
                    self.send(&mut visit, &mut parts, &body, ProofUse::Assume)
                        .await
                }
                Err(_) => Err(Reason::MalformedHeader.into()),
            },
        };
        let presents_token = matches!(caller, Caller::Token(_));
        let request =
            ExplainedRequest::new(self, Some(caller), &parts, &body, &visit, presents_token);
        explained(&request, sent, &visit)
    }

    /// Explains a whole request.
    pub(crate) async fn explain_request(&self, request: Request<Bytes>) -> Explanation {
        let (mut parts, body) = request.into_parts();
        let mut visit = Visit::default();
        let presents_token = parts.headers.contains_key(AUTHORIZATION);
        let sent = self
            .send(&mut visit, &mut parts, &body, ProofUse::Look)
            .await;
        let request = ExplainedRequest::new(self, None, &parts, &body, &visit, presents_token);
        explained(&request, sent, &visit)
    }

    /// Takes steps 1 to 7. Returns the status of the gate's own answer; `None` if the request would be handed over.
    async fn send(
        &self,
        visit: &mut Visit,
        parts: &mut Parts,
        body: &Bytes,
        proof_use: ProofUse,
    ) -> Result<Option<StatusCode>, Refusal> {
        if let Some(answer) = self.check_head(visit, parts)? {
            return Ok(Some(answer.status()));
        }
        visit.set_proof_use(proof_use);
        let mut body = IncomingBody::Unread(call::whole(body.clone()));
        self.authorize(visit, parts, &mut body).await?;
        Ok(None)
    }

    /// Takes steps 5 to 7 for a caller that is verified already.
    async fn send_as(
        &self,
        principal: &Principal,
        visit: &mut Visit,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Option<StatusCode>, Refusal> {
        let now = self.events.now();
        visit.assume_caller(principal.clone(), self.admit(principal, now)?, now);
        let mut body = IncomingBody::Unread(call::whole(body.clone()));
        let permitted = self.authorize_call(visit, parts, &mut body).await?;
        self.check_closing(&permitted, parts)?;
        Ok(None)
    }
}

/// The head of the request that a correct client sends with this body.
fn head(body: &[u8]) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::POST;
    parts.headers = call::mirroring(body);
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts
}

fn explained(
    request: &ExplainedRequest<'_>,
    sent: Result<Option<StatusCode>, Refusal>,
    visit: &Visit,
) -> Explanation {
    match sent {
        Ok(None) => Explanation {
            checks: passed(request, request.steps()).collect(),
            conclusion: Conclusion::Admitted,
        },
        Ok(Some(status)) => {
            let step = if visit.origin().is_some() {
                Step::Origin
            } else {
                Step::Metadata
            };
            let mut steps = request.steps();
            steps.truncate(behind(&steps, step));
            let mut checks: Vec<Check> = passed(request, steps).collect();
            if let Some(last) = checks.last_mut() {
                last.got.push_str(": the gate answers it");
            }
            Explanation {
                checks,
                conclusion: Conclusion::Answered(status),
            }
        }
        Err(refusal) => refused(request, refusal, visit),
    }
}

fn refused(request: &ExplainedRequest<'_>, refusal: Refusal, visit: &Visit) -> Explanation {
    let step = request.step_of(&refusal);
    let mut steps = request.steps();
    let after = steps.split_off(behind(&steps, step));
    steps.pop();
    let facts = request.facts(step).unwrap_or_default();
    // Facts of a login leave out the scopes that are missing as well.
    let has_all = refusal.required().is_none_or(Scopes::is_empty);
    let exact = |fact, otherwise: &str| {
        let fact = refusal.log_fact(fact).filter(|_| has_all);
        clean(fact.unwrap_or(otherwise))
    };
    let failed = Check {
        name: step.name(),
        outcome: CheckOutcome::Failed,
        // The facts of the refusal are more exact.
        expected: exact(Fact::Expected, &facts.expected),
        got: exact(Fact::Got, &facts.got),
        causes: Vec::new(),
    };
    let (visible, hidden) = visible_refusal(refusal, visit);
    let causes = causes_of(&visible, hidden.as_ref());
    let failed = Check {
        causes: causes.iter().map(|text| shown_cause(text)).collect(),
        ..failed
    };
    let not_reached = after.into_iter().filter_map(|step| {
        Some(Check {
            name: step.name(),
            outcome: CheckOutcome::NotReached,
            expected: clean(&request.facts(step)?.expected),
            got: String::new(),
            causes: Vec::new(),
        })
    });
    let before = passed(request, steps).chain([failed]);
    Explanation {
        checks: before.chain(not_reached).collect(),
        conclusion: Conclusion::Refused(visible),
    }
}

/// Those of these checks that apply to the request, each as passed.
fn passed(request: &ExplainedRequest<'_>, steps: Vec<Step>) -> impl Iterator<Item = Check> {
    steps.into_iter().filter_map(move |step| {
        let facts = request.facts(step)?;
        Some(Check {
            name: step.name(),
            outcome: CheckOutcome::Passed,
            expected: clean(&facts.expected),
            got: clean(&facts.got),
            causes: Vec::new(),
        })
    })
}

/// The index after this check.
fn behind(steps: &[Step], step: Step) -> usize {
    let position = steps.iter().position(|other| *other == step);
    position.map_or(steps.len(), |position| position + 1)
}
