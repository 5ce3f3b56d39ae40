//! Step 9: the way back of a request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header::ACCEPT_ENCODING;
use http::request::Parts;
use http_body::Body;

use super::awaited_step_up::AwaitedStepUp;
use super::rooms::Pipeline;
use super::session::InvalidSessionId;
use super::stream_watch::until_refused;
use super::visit::Visit;
use crate::answer;
use crate::call::ExpectedResponse;
use crate::current::Current;
use crate::policy::ToolAccess;
use crate::stream::{self, ListFilter, ResponseBody, ToolsObserver};
use crate::token::{Credentials, Principal};

/// The treatment of the response, as far as the request decides it.
pub(super) struct ResponsePlan {
    body: BodyPlan,
    listens: bool,
    /// The handler that may ask for more scopes, if handlers do.
    step_up: Option<Box<AwaitedStepUp>>,
}

/// The treatment of the body.
enum BodyPlan {
    PassOn,
    Observe(Box<ToolsObserver>),
    Filter(Box<ListFilter>),
}

/// A response that is ready, or one whose lists must be filtered first. Most are ready, and need no box.
pub(super) enum Planned<R> {
    Ready(Response<ResponseBody<R>>),
    Pending(Pin<Box<dyn Future<Output = Response<ResponseBody<R>>> + Send>>),
}

impl ResponsePlan {
    pub(super) fn new(
        pipeline: &Pipeline,
        current: &Arc<Current<Pipeline>>,
        parts: &mut Parts,
        ExpectedResponse {
            listens,
            calls,
            id,
            shows_tools,
            is_described,
        }: ExpectedResponse,
        visit: &Visit,
    ) -> Self {
        let observer = shows_tools.then(|| pipeline.tools_observer(current));
        let filters = pipeline.policy.filters_lists();
        let body = if filters || is_described {
            // A compressed response could not be filtered.
            parts.headers.remove(ACCEPT_ENCODING);
            let mut filter = if filters {
                let (current, principal) = (current.clone(), visit.principal().cloned());
                ListFilter::new(id, calls, move |list, name| {
                    let gate = current.look();
                    let now = gate.events.now();
                    let grant = principal.as_ref().map(|principal| principal.grant(now));
                    gate.policy.may_be_listed(grant, list, name)
                })
            } else {
                ListFilter::of_nothing()
            };
            if is_described {
                let current = current.clone();
                filter = filter.describing(move |tool| current.look().security_of(tool));
            }
            BodyPlan::Filter(Box::new(filter.observed(observer)))
        } else {
            observer.map_or(BodyPlan::PassOn, BodyPlan::Observe)
        };
        Self {
            body,
            listens,
            step_up: None,
        }
    }

    pub(super) fn awaiting(self, step_up: Option<Box<AwaitedStepUp>>) -> Self {
        Self { step_up, ..self }
    }

    /// Makes the response, or its refusal if the handler asks for more scopes.
    pub(super) fn apply<R>(
        mut self,
        pipeline: &Arc<Pipeline>,
        current: Arc<Current<Pipeline>>,
        visit: Visit,
        answer: Response<R>,
    ) -> Planned<R>
    where
        R: Body<Data = Bytes> + Send + 'static,
    {
        let Some(step_up) = self.step_up.take() else {
            return self.apply_allowed(pipeline, current, visit, answer);
        };
        let pipeline = pipeline.clone();
        Planned::Pending(Box::pin(async move {
            let answer = match self.apply_allowed(&pipeline, current, visit, answer) {
                Planned::Ready(answer) => answer,
                Planned::Pending(answer) => answer.await,
            };
            step_up.settle(&pipeline, answer).await
        }))
    }

    /// Binds the session to its owner, filters lists if that is configured, watches over streams, and lets browsers
    /// read the response.
    fn apply_allowed<R>(
        self,
        pipeline: &Arc<Pipeline>,
        current: Arc<Current<Pipeline>>,
        visit: Visit,
        mut answer: Response<R>,
    ) -> Planned<R>
    where
        R: Body<Data = Bytes> + Send + 'static,
    {
        let Visit {
            origin,
            credentials,
            caller,
            next_nonce,
            ..
        } = visit;
        if let Some(nonce) = next_nonce {
            answer::offer_nonce(*nonce, answer.headers_mut());
        }
        let caller = caller.map(|caller| caller.principal);
        if let Err(InvalidSessionId) = pipeline
            .sessions
            .seal(answer.headers_mut(), caller.as_ref())
        {
            let mut answer = stream::without_session().map(ResponseBody::ours);
            pipeline.cors.make_readable(origin, answer.headers_mut());
            return Planned::Ready(answer);
        }
        let Self { body, listens, .. } = self;
        let watched = Watched {
            current,
            credentials,
            caller,
            listens,
            is_filtered: matches!(&body, BodyPlan::Filter(filter) if filter.withholds()),
        };
        let answer = match body {
            BodyPlan::PassOn => answer.map(ResponseBody::theirs),
            BodyPlan::Observe(observer) => observer.observe(answer),
            BodyPlan::Filter(filter) => {
                let pipeline = pipeline.clone();
                return Planned::Pending(Box::pin(async move {
                    let mut answer = watched.end(filter.apply(answer).await);
                    pipeline.cors.make_readable(origin, answer.headers_mut());
                    answer
                }));
            }
        };
        let mut answer = watched.end(answer);
        pipeline.cors.make_readable(origin, answer.headers_mut());
        Planned::Ready(answer)
    }
}

impl Pipeline {
    /// The security schemes of a tool, as JSON text; `None` if nothing opens it.
    fn security_of(&self, tool: &str) -> Option<String> {
        let scopes = match self.policy.access_to(tool)? {
            ToolAccess::Open => None,
            ToolAccess::Scopes(scopes) => Some(scopes),
        };
        Some(self.answers.security_schemes(scopes.as_ref()))
    }
}

/// The facts that decide whether a stream may continue.
struct Watched {
    current: Arc<Current<Pipeline>>,
    credentials: Option<Credentials>,
    caller: Option<Principal>,
    listens: bool,
    is_filtered: bool,
}

impl Watched {
    /// Ends a stream of events as soon as a new request with its token would be refused, or all streams are closed.
    fn end<R>(self, answer: Response<ResponseBody<R>>) -> Response<ResponseBody<R>> {
        if !stream::is_stream(answer.headers()) {
            return answer;
        }
        let Self {
            current,
            credentials,
            caller,
            listens,
            is_filtered,
        } = self;
        let (policy, closing) = {
            let now = current.look();
            (now.streams, now.closing.clone())
        };
        let closed = async move {
            stream::with_grace(closing.begun(), policy.closing_grace(listens)).await;
        };
        let (Some(credentials), Some(caller), Some(grace)) =
            (credentials, caller, policy.grace(listens))
        else {
            return stream::end(answer, closed);
        };
        let refused = until_refused(current, credentials, caller, is_filtered);
        let refused = stream::with_grace(refused, grace);
        let over = async move {
            tokio::select! {
                () = refused => {}
                () = closed => {}
            }
        };
        stream::end(answer, over)
    }
}
