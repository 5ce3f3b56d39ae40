//! The policy for the end of streams of events.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response};
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::body::ResponseBody;
use super::ending::Ending;
use crate::media_type::{self, MediaType};

/// The treatment of a stream of events when its token is no longer valid: because it expired, was revoked, or would be
/// refused for another reason.
///
/// A request is checked when it arrives, but a stream may stay open for days. So the token of an open stream is checked
/// again: see [`docs::sessions`](crate::docs::sessions).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Streams {
    /// Every stream ends at once. If the token expires while a call is running, the client gets no answer to this call,
    /// unless it resumes the stream.
    EndWithToken,
    /// A stream that the client listens on (`GET`, `subscriptions/listen`) ends at once. The response to any other call
    /// may continue for [`Sessions::grace_seconds`](crate::Sessions::grace_seconds). This is the default.
    #[default]
    FinishCalls,
    /// Every stream continues until the client or the inner service ends it, even after a revocation.
    /// [`Toolgate::close_streams`](crate::Toolgate::close_streams) still ends it.
    OutliveToken,
}

/// The policy for streams, with the grace for calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamPolicy {
    pub(crate) streams: Streams,
    pub(crate) grace: Duration,
}

/// Shows the word that a configuration file has for it.
impl fmt::Display for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndWithToken => "end_with_token",
            Self::FinishCalls => "finish_calls",
            Self::OutliveToken => "outlive_token",
        })
    }
}

impl StreamPolicy {
    /// How long a stream continues after its token ceased to be valid; `None` if it may outlive its token.
    pub(crate) fn grace(self, is_listening: bool) -> Option<Duration> {
        match self.streams {
            Streams::OutliveToken => None,
            Streams::FinishCalls | Streams::EndWithToken => Some(self.closing_grace(is_listening)),
        }
    }

    /// How long a stream continues while all streams are being closed.
    pub(crate) fn closing_grace(self, is_listening: bool) -> Duration {
        match self.streams {
            Streams::EndWithToken => Duration::ZERO,
            Streams::FinishCalls | Streams::OutliveToken if is_listening => Duration::ZERO,
            Streams::FinishCalls | Streams::OutliveToken => self.grace,
        }
    }
}

/// Whether the response is a stream of events.
pub(crate) fn is_stream(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    lines.any(|line| MediaType::of(line).is(media_type::EVENT_STREAM))
}

/// Ends the stream of a response once `over` completes, at the end of an event. Events that ended before are all passed
/// on.
pub(crate) fn end<R>(
    answer: Response<ResponseBody<R>>,
    over: impl Future<Output = ()> + Send + 'static,
) -> Response<ResponseBody<R>> {
    let (mut head, body) = answer.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    let body = Ending::new(body, over, head.headers.contains_key(CONTENT_ENCODING));
    Response::from_parts(head, ResponseBody::ending(body))
}

/// Waits for `over`, and then for the grace.
pub(crate) async fn with_grace(over: impl Future<Output = ()>, grace: Duration) {
    over.await;
    // Without a runtime there is no timer, and a stream must not stay open for ever.
    if !grace.is_zero() && Handle::try_current().is_ok() {
        sleep(grace).await;
    }
}

#[cfg(test)]
mod tests;
