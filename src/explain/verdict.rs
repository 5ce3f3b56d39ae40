//! Sends a hypothetical request through the same checks, up to the inner service.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request};

use super::explanation::{Caller, Check, CheckOutcome, Explanation};
use super::facts::Seen;
use super::step::Step;
use crate::call;
use crate::pipeline::{IncomingBody, Pipeline, Visit, told};
use crate::refusal::{Reason, Refusal};

impl Pipeline {
    pub(crate) async fn explain(&self, caller: Caller<'_>, body: Bytes) -> Explanation {
        let mut visit = Visit::default();
        let refusal = self.verdict(caller, &body, &mut visit).await.err();
        let principal = match caller {
            Caller::Principal(principal) => Some(principal),
            Caller::Token(_) | Caller::Anonymous => visit.principal(),
        };
        let (parts, seen) = (head(&body), Seen::new(self, caller, principal));
        let seen = seen.asking(&parts, &body);
        let failed = refusal
            .as_ref()
            .map(|refusal| (seen.step_of(refusal), refusal));
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
            Check {
                step,
                outcome,
                expected,
                got,
            }
        };
        let met = |step: &Step| {
            seen.meets(*step) || failed.as_ref().is_some_and(|(failing, _)| failing == step)
        };
        let checks = Step::ALL.into_iter().filter(met).map(check).collect();
        Explanation {
            checks,
            refusal: refusal.map(|refusal| told(refusal, &visit).0),
        }
    }

    async fn verdict(
        &self,
        caller: Caller<'_>,
        body: &Bytes,
        visit: &mut Visit,
    ) -> Result<(), Refusal> {
        let (mut parts, mut body) = (head(body), IncomingBody::Unread(call::whole(body.clone())));
        match caller {
            Caller::Principal(principal) => {
                visit.arrive_as(principal.clone(), self.admit(principal)?);
                return self.judge_call(visit, &parts, &mut body).await.map(drop);
            }
            Caller::Token(token) => {
                let line = HeaderValue::from_str(&format!("Bearer {token}"));
                parts
                    .headers
                    .insert(AUTHORIZATION, line.map_err(|_| Reason::MalformedHeader)?);
            }
            Caller::Anonymous => {}
        }
        visit.present(self.take_credentials(&mut parts.headers)?);
        self.judge(visit, &parts, &mut body).await.map(drop)
    }
}

/// The head of a request as a right client sends it with this body.
fn head(body: &[u8]) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::POST;
    parts.headers = call::mirroring(body);
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts
}
