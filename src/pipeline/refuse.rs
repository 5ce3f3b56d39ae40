//! Answers refused requests: by a status, or for a call of a tool by its result.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body::Body;

use super::incoming::IncomingBody;
use super::rooms::Pipeline;
use super::visit::Visit;
use crate::answer::{Page, ToolResults};
use crate::call::{Calls, Head};
use crate::refusal::{Reason, Refusal, RefusalKind};
use crate::token::Principal;

impl Pipeline {
    /// Refuses a request that may be for this gate or for another one.
    pub(crate) fn refuse_unrouted(&self, refusal: Refusal, parts: &Parts) -> Response<Bytes> {
        self.refuse(refusal, Visit::default(), parts)
    }

    /// Refuses a request whose client reads results of tools: by a result if it is a call of a tool that lacks a token or
    /// scopes, and otherwise as any other. Boxed here, so that the future of every request has no room for it.
    pub(super) fn refuse_call<'p, B>(
        &'p self,
        refusal: Refusal,
        visit: &'p mut Visit,
        parts: &'p Parts,
        body: &'p mut IncomingBody<B>,
    ) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send + 'p>>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        Box::pin(async move {
            let (visible, hidden) = visible_refusal(refusal.clone(), visit);
            let id = self.refused_call(visible.kind(), visit, parts, body);
            let id = id.await;
            let visit = std::mem::take(visit);
            let Some(id) = id else {
                return self.refuse(refusal, visit, parts);
            };
            self.record_refused(&visit, parts, &visible, hidden.as_ref());
            self.answer_call(visible, visit, &id)
        })
    }

    /// The result of a tool that refuses the call of this id.
    fn answer_call(&self, visible: Refusal, visit: Visit, id: &str) -> Response<Bytes> {
        let prefix = visit.principal().map(Principal::request_prefix);
        let mut answer = self.answers.refuse_call(visible, id, prefix);
        self.cors.make_readable(visit.origin, answer.headers_mut());
        answer
    }

    /// Refuses a request that was handed over already, since its handler needs more. `call` is the id to answer by the
    /// result of a tool.
    pub(super) fn refuse_handled(
        &self,
        refusal: Refusal,
        visit: Visit,
        parts: &Parts,
        call: Option<&str>,
    ) -> Response<Bytes> {
        match call {
            Some(id) if ToolResults::can_have(refusal.kind()) => {
                self.record_refused(&visit, parts, &refusal, None);
                self.answer_call(refusal, visit, id)
            }
            _ => self.refuse(refusal, visit, parts),
        }
    }

    pub(super) fn refuse(&self, refusal: Refusal, visit: Visit, parts: &Parts) -> Response<Bytes> {
        let (refusal, hidden) = visible_refusal(refusal, &visit);
        self.record_refused(&visit, parts, &refusal, hidden.as_ref());
        let scheme = visit.scheme_of(&refusal);
        let Visit { origin, caller, .. } = visit;
        if caller.is_none()
            && let Some(prepared) = self.prepared.of(refusal.kind(), scheme)
        {
            let is_read_by_a_person = Page::is_for(refusal.kind(), parts);
            let answer = prepared.to_response(refusal, origin);
            return if is_read_by_a_person {
                self.page.put_into(answer)
            } else {
                answer
            };
        }
        let caller = caller.as_ref().map(|caller| &caller.principal);
        let prefix = caller.map(Principal::request_prefix);
        let mut answer = self.answers.refuse(refusal, scheme, prefix);
        self.cors.make_readable(origin, answer.headers_mut());
        answer
    }

    /// The id of the call that is refused by the result of its tool, as JSON text. `None` if it is refused by a status: if
    /// anything but a token or scopes is missing, if the body is not one call of a tool, and if it cannot be read.
    ///
    /// A body that was not read yet is read under the limits for callers without a token.
    async fn refused_call<B>(
        &self,
        visible: RefusalKind,
        visit: &mut Visit,
        parts: &Parts,
        body: &mut IncomingBody<B>,
    ) -> Option<String>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        // The rest of a body whose beginning could not be read is no message.
        if !ToolResults::can_have(visible) || matches!(body, IncomingBody::Begun(_)) {
            return None;
        }
        let bytes = body.read(&self.bodies, false).await.ok()?;
        let calls = Calls::read(&Head::read(&parts.headers), bytes).ok()?;
        let id = calls.tool_call_id()?;
        if visit.asked.is_none() {
            visit.note(&calls);
        }
        Some(id)
    }
}

/// Splits a refusal into the one that the caller sees and the one that is only logged. From step 4 on, a request
/// without a token gets the plain 401, except for an outage (503) and an unknown session (404).
pub(crate) fn visible_refusal(refusal: Refusal, visit: &Visit) -> (Refusal, Option<Refusal>) {
    let is_anonymous =
        visit.began.is_some() && visit.credentials.is_none() && visit.caller.is_none();
    match refusal.kind() {
        RefusalKind::NoToken | RefusalKind::Unavailable | RefusalKind::SessionNotFound => {
            (refusal, None)
        }
        _ if is_anonymous => (Reason::NoToken.into(), Some(refusal)),
        _ => (refusal, None),
    }
}
