//! The way back: what becomes of the answer of the service inside.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION};
use http::request::Parts;
use http::{HeaderValue, Response};
use http_body::Body;

use super::Gate;
use super::stream_watch::until_refused;
use crate::answer::{self, ListFilter, ResponseBody};
use crate::call::Answering;
use crate::current::Current;
use crate::token::{KeptToken, Principal, Unbindable};

/// What is kept of a request until it is answered.
pub(super) struct WayBack {
    principal: Option<Principal>,
    filter: Option<Box<ListFilter>>,
    /// As it was presented.
    token: Option<HeaderValue>,
    listens: bool,
}

/// An answer, or one that has to be waited for because its lists are filtered.
pub(super) enum Brought<R> {
    Back(Response<ResponseBody<R>>),
    Filtering(Pin<Box<dyn Future<Output = Response<ResponseBody<R>>> + Send>>),
}

impl WayBack {
    /// Takes what is needed from the head of a request, and what the service inside must not see.
    pub(super) fn of(
        gate: &Gate,
        current: &Arc<Current<Gate>>,
        parts: &mut Parts,
        Answering { listens, calls, id }: Answering,
        principal: Option<Principal>,
    ) -> Self {
        let filter = gate.policy.filters_lists().then(|| {
            // What is looked at must not come compressed.
            parts.headers.remove(ACCEPT_ENCODING);
            let (current, principal) = (current.clone(), principal.clone());
            Box::new(ListFilter::new(id, calls, move |list, name| {
                let granted = principal.as_ref().map(Principal::scopes);
                current.look().policy.may_be_listed(granted, list, name)
            }))
        });
        Self { filter, principal, token: parts.headers.remove(AUTHORIZATION), listens }
    }

    /// Sessions are bound to their owners, lists filtered where that is asked for, and streams end with their token.
    pub(super) fn bring<R>(
        mut self,
        gate: &Gate,
        current: &Arc<Current<Gate>>,
        mut answer: Response<R>,
    ) -> Brought<R>
    where
        R: Body<Data = Bytes> + Send + 'static,
    {
        if let Err(Unbindable) = gate.sessions.seal(answer.headers_mut(), self.principal.as_ref()) {
            return Brought::Back(answer::without_session().map(ResponseBody::ours));
        }
        match self.filter.take() {
            None if answer::is_stream(answer.headers()) => {
                Brought::Back(self.end(current.clone(), false, answer.map(ResponseBody::theirs)))
            }
            None => Brought::Back(answer.map(ResponseBody::theirs)),
            Some(filter) => {
                let current = current.clone();
                Brought::Filtering(Box::pin(async { self.end(current, true, filter.apply(answer).await) }))
            }
        }
    }

    /// Ends a stream of events with the token that it was opened with.
    fn end<R>(
        self,
        current: Arc<Current<Gate>>,
        is_filtered: bool,
        answer: Response<ResponseBody<R>>,
    ) -> Response<ResponseBody<R>> {
        let Self { principal: Some(principal), token: Some(line), .. } = self else {
            return answer;
        };
        if !answer::is_stream(answer.headers()) {
            return answer;
        }
        let Some(grace) = current.look().streams.grace(self.listens) else {
            return answer;
        };
        let over = async move {
            if let Some(token) = KeptToken::of(&line) {
                until_refused(current, token, principal, is_filtered).await;
            }
        };
        answer::end(answer, over, grace)
    }
}
