//! The way back of a request, step 9.

use std::sync::Arc;

use bytes::Bytes;
use http::header::ACCEPT_ENCODING;
use http::request::Parts;
use http::{HeaderValue, Response};
use http_body::Body;

use super::rooms::Pipeline;
use super::session::InvalidSessionId;
use super::stream_watch::until_refused;
use super::visit::Visit;
use crate::answer::{self, ListFilter, ResponseBody};
use crate::call::Answering;
use crate::current::Current;
use crate::token::{Credentials, Principal};

/// What is kept of a request until it is answered.
pub(super) struct ResponsePlan {
    origin: Option<HeaderValue>,
    credentials: Option<Credentials>,
    principal: Option<Principal>,
    filter: Option<Box<ListFilter>>,
    listens: bool,
}

impl ResponsePlan {
    pub(super) fn new(
        pipeline: &Pipeline,
        current: &Arc<Current<Pipeline>>,
        parts: &mut Parts,
        Answering { listens, calls, id }: Answering,
        Visit { origin, credentials, caller, .. }: Visit,
    ) -> Self {
        let principal = caller.map(|caller| caller.principal);
        let filter = pipeline.policy.filters_lists().then(|| {
            // What is looked at must not come compressed.
            parts.headers.remove(ACCEPT_ENCODING);
            let (current, principal) = (current.clone(), principal.clone());
            Box::new(ListFilter::new(id, calls, move |list, name| {
                let granted = principal.as_ref().map(Principal::scopes);
                current.look().policy.may_be_listed(granted, list, name)
            }))
        });
        Self { origin, credentials, principal, filter, listens }
    }

    /// Binds sessions to their owners, filters lists where that is asked for, ends streams with what let them in, and lets
    /// browsers read the answer.
    pub(super) async fn apply<R>(
        mut self,
        pipeline: &Pipeline,
        current: Arc<Current<Pipeline>>,
        mut answer: Response<R>,
    ) -> Response<ResponseBody<R>>
    where
        R: Body<Data = Bytes> + Send + 'static,
    {
        let origin = self.origin.take();
        let sealed = pipeline.sessions.seal(answer.headers_mut(), self.principal.as_ref());
        let mut answer = match (sealed, self.filter.take()) {
            (Err(InvalidSessionId), _) => answer::without_session().map(ResponseBody::ours),
            (Ok(()), None) => self.watch(current, false, answer.map(ResponseBody::theirs)),
            // Boxed: most answers are not filtered, and need no room for this.
            (Ok(()), Some(filter)) => self.watch(current, true, Box::pin(filter.apply(answer)).await),
        };
        pipeline.cors.make_readable(origin, answer.headers_mut());
        answer
    }

    /// Ends a stream of events as soon as a new request with its token would be refused.
    fn watch<R>(
        self,
        current: Arc<Current<Pipeline>>,
        is_filtered: bool,
        answer: Response<ResponseBody<R>>,
    ) -> Response<ResponseBody<R>> {
        if !answer::is_stream(answer.headers()) {
            return answer;
        }
        let Self { principal: Some(principal), credentials: Some(credentials), .. } = self else {
            return answer;
        };
        let Some(grace) = current.look().streams.grace(self.listens) else {
            return answer;
        };
        answer::end(answer, until_refused(current, credentials, principal, is_filtered), grace)
    }
}
