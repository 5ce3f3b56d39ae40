//! When streams of events end.

use std::future::Future;
use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response};
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::body::ResponseBody;
use super::ending::Ending;
use crate::media_type::{self, MediaType};

/// When a stream of events ends whose token is not good any more: expired, revoked, or whatever else would have a
/// request with it refused.
///
/// Requests are judged when they come, and a stream may go on for days after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Streams {
    /// At once, whatever it was opened for. A call that takes longer than its token lives is not answered, unless the
    /// client takes the stream up again.
    EndWithToken,
    /// At once, where the client listens (GET, and `subscriptions/listen`). The answer to any other call may finish,
    /// for as long as [`Sessions::grace_seconds`](crate::Sessions::grace_seconds) says. This is the default.
    #[default]
    FinishCalls,
    /// When the client or the service inside ends it. A client that listens goes on listening, revoked or not.
    OutliveToken,
}

/// When streams end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamPolicy {
    pub(crate) streams: Streams,
    pub(crate) grace: Duration,
}

impl StreamPolicy {
    /// How long a stream goes on after its token is not good any more; `None` if it may outlive it.
    pub(crate) fn grace(self, is_listening: bool) -> Option<Duration> {
        match self.streams {
            Streams::OutliveToken => None,
            Streams::FinishCalls | Streams::EndWithToken => Some(self.closing_grace(is_listening)),
        }
    }

    /// How long a stream goes on while all are closed.
    pub(crate) fn closing_grace(self, is_listening: bool) -> Duration {
        match self.streams {
            Streams::EndWithToken => Duration::ZERO,
            Streams::FinishCalls | Streams::OutliveToken if is_listening => Duration::ZERO,
            Streams::FinishCalls | Streams::OutliveToken => self.grace,
        }
    }
}

/// Whether the answer is a stream of events.
pub(crate) fn is_stream(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    lines.any(|line| MediaType::of(line).is(media_type::EVENT_STREAM))
}

/// Ends the answer's stream once `over` is: at the end of an event, and none is lost that ended before.
pub(crate) fn end<R>(
    answer: Response<ResponseBody<R>>,
    over: impl Future<Output = ()> + Send + 'static,
) -> Response<ResponseBody<R>> {
    let over = async move {
        // Without a runtime there is no time to wait for, and no stream may stay for ever.
        if Handle::try_current().is_ok() {
            over.await;
        }
    };
    let (mut head, body) = answer.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    let body = Ending::new(body, over, head.headers.contains_key(CONTENT_ENCODING));
    Response::from_parts(head, ResponseBody::ending(body))
}

/// Waits for the grace after `over`.
pub(crate) async fn with_grace(over: impl Future<Output = ()>, grace: Duration) {
    over.await;
    if !grace.is_zero() {
        sleep(grace).await;
    }
}

#[cfg(test)]
mod tests;
