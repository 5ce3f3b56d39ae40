//! Sends a hypothetical request through the same checks, up to the inner service.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request};

use super::explanation::{Caller, Check, CheckOutcome, Explanation};
use super::facts::ExplainedRequest;
use crate::call;
use crate::pipeline::{IncomingBody, Pipeline, Visit, visible_refusal};
use crate::refusal::{Reason, Refusal, Step};

impl Pipeline {
    pub(crate) async fn explain(&self, caller: Caller<'_>, body: Bytes) -> Explanation {
        let mut visit = Visit::default();
        let refusal = self.verdict(caller, &body, &mut visit).await.err();
        let principal = match caller {
            Caller::Principal(principal) => Some(principal),
            Caller::Token(_) | Caller::Anonymous => visit.principal(),
        };
        let (parts, request) = (head(&body), ExplainedRequest::new(self, caller, principal));
        let request = request.asking(&parts, &body);
        let failed = refusal
            .as_ref()
            .map(|refusal| (request.step_of(refusal), refusal));
        let check = |step: Step| {
            let facts = request.facts(step);
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
            request.meets(*step) || failed.as_ref().is_some_and(|(failing, _)| failing == step)
        };
        let checks = Step::ALL.into_iter().filter(met).map(check).collect();
        Explanation {
            checks,
            refusal: refusal.map(|refusal| visible_refusal(refusal, &visit).0),
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
                visit.assume_caller(principal.clone(), self.admit(principal)?);
                return self
                    .authorize_call(visit, &parts, &mut body)
                    .await
                    .map(drop);
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
        self.authorize(visit, &parts, &mut body).await.map(drop)
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
