//! Waits for the handler of a call, which may find out that more scopes are needed.

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;

use super::rooms::Pipeline;
use super::visit::Visit;
use crate::call::Calls;
use crate::refusal::Refusal;
use crate::scheme::Scheme;
use crate::scope::Scopes;
use crate::step_up::StepUp;
use crate::stream::{self, ResponseBody};

/// A call whose handler may ask for more scopes.
pub(super) struct RequiredSoFar {
    /// All scopes that the rules require of it.
    pub(super) required: Scopes,
    /// The id to answer by the result of a tool, as JSON text; `None` if a refusal is sent by a status.
    pub(super) call: Option<String>,
}

/// A call that was handed over, and all that its refusal would need.
pub(super) struct AwaitedStepUp {
    handle: OwnHandle,
    asking: RequiredSoFar,
    visit: Visit,
    scheme: Option<Scheme>,
    head: Parts,
}

/// The handle, as the gate has it. If a request ends without a response, it is too late to ask.
struct OwnHandle(StepUp);

impl Drop for OwnHandle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Pipeline {
    /// Notes what a handler that asks for more scopes adds them to. `None` if handlers do not ask.
    pub(super) fn before_step_up(
        &self,
        parts: &Parts,
        calls: Option<&Calls<'_>>,
    ) -> Option<Box<RequiredSoFar>> {
        self.steps_up_in_handlers.then(|| {
            let read = self.tool_results.are_read_by(parts);
            Box::new(RequiredSoFar {
                required: self.policy.needs_of(calls).0,
                call: calls
                    .filter(|_| read)
                    .and_then(|calls| calls.tool_call_id()),
            })
        })
    }
}

impl AwaitedStepUp {
    /// Gives the handle to the handler.
    pub(super) fn begin(asking: RequiredSoFar, parts: &mut Parts, visit: &mut Visit) -> Box<Self> {
        let handle = StepUp::new();
        let (mut head, ()) = Request::new(()).into_parts();
        head.method.clone_from(&parts.method);
        head.uri.clone_from(&parts.uri);
        head.headers.clone_from(&parts.headers);
        parts.extensions.insert(handle.clone());
        Box::new(Self {
            handle: OwnHandle(handle),
            asking,
            scheme: visit.scheme(),
            visit: visit.for_later_refusal(),
            head,
        })
    }

    /// Refuses the request if its handler has asked for more. A stream of events is held until its first message.
    pub(super) async fn settle<R>(
        self: Box<Self>,
        pipeline: &Pipeline,
        answer: Response<ResponseBody<R>>,
    ) -> Response<ResponseBody<R>>
    where
        R: Body<Data = Bytes> + Send + 'static,
    {
        let (head, mut body) = answer.into_parts();
        // No event can be found in a compressed stream.
        let is_whole =
            !stream::is_stream(&head.headers) || head.headers.contains_key(CONTENT_ENCODING);
        let held = is_whole || {
            let (held, passed) = Box::pin(stream::hold(body, self.handle.0.asked())).await;
            body = ResponseBody::held(held);
            passed
        };
        match self.handle.0.close() {
            Some(scopes) => {
                let grant = self.visit.grant();
                let refusal: Refusal =
                    pipeline
                        .policy
                        .refuse_handled(grant, &self.asking.required, scopes);
                let refusal = match self.scheme {
                    Some(scheme) => refusal.presented_as(scheme),
                    None => refusal,
                };
                let Self {
                    visit,
                    head,
                    asking,
                    ..
                } = *self;
                let call = asking.call.as_deref();
                let answer = pipeline.refuse_handled(refusal, visit, &head, call);
                answer.map(ResponseBody::ours)
            }
            None if held => Response::from_parts(head, body),
            None => stream::broken_off().map(ResponseBody::ours),
        }
    }
}
