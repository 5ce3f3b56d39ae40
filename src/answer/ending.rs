//! Streams of events that end when they must, with the end of an event.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

use super::body::ResponseBody;
use super::lines::{Lines, Piece};
use crate::media_type::{self, MediaType};

/// How long the rest of an event may take that was begun before the stream had to end.
const COMPLETION_TIME: Duration = Duration::from_secs(5);

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
    /// When the client or the service inside ends it. Whoever listens goes on listening, revoked or not.
    OutliveToken,
}

/// When streams end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamPolicy {
    pub(crate) streams: Streams,
    pub(crate) grace: Duration,
}

impl StreamPolicy {
    /// How long a stream goes on after its token; nothing, where that is nobody's concern.
    pub(crate) fn grace(self, is_listening: bool) -> Option<Duration> {
        match self.streams {
            Streams::EndWithToken => Some(Duration::ZERO),
            Streams::FinishCalls if is_listening => Some(Duration::ZERO),
            Streams::FinishCalls => Some(self.grace),
            Streams::OutliveToken => None,
        }
    }
}

/// Whether the answer is a stream of events.
pub(crate) fn is_stream(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    lines.any(|line| MediaType::of(line).is(media_type::EVENT_STREAM))
}

/// Ends the answer's stream once `over` is and `grace` after it: at the end of an event, and none is lost that ended
/// before.
pub(crate) fn end<R>(
    answer: Response<ResponseBody<R>>,
    over: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> Response<ResponseBody<R>> {
    let over = async move {
        // Without a runtime there is no time to wait for, and nobody may stay for ever.
        if Handle::try_current().is_err() {
            return;
        }
        over.await;
        if !grace.is_zero() {
            sleep(grace).await;
        }
    };
    let (mut head, body) = answer.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    let place = if head.headers.contains_key(CONTENT_ENCODING) { Place::Unknown } else { Place::Between };
    let body =
        Ending { body, over: Mutex::new(Box::pin(over)), state: State::Open, place, lines: Lines::default() };
    Response::from_parts(head, ResponseBody::ending(body))
}

pin_project! {
    /// A stream of events with an end to it.
    pub(super) struct Ending<B> {
        #[pin]
        body: B,
        // Nobody locks it: it makes the body one that threads may share, as the service's own may be.
        over: Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>,
        state: State,
        place: Place,
        lines: Lines,
    }
}

enum State {
    Open,
    /// Over, but for the rest of an event, which has until then.
    Completing(Pin<Box<Sleep>>),
    Ended,
}

/// Where in the stream the last byte was that was passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between two events.
    Between,
    /// Inside an event, at the beginning of a line.
    LineStart,
    InLine,
    /// In something compressed, of which nobody here knows.
    Unknown,
}

impl<B: Body<Data = Bytes>> Body for Ending<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let over = this.over.get_mut().unwrap_or_else(PoisonError::into_inner);
        if matches!(this.state, State::Open) && over.as_mut().poll(cx).is_ready() {
            *this.state = match this.place {
                Place::Between | Place::Unknown => State::Ended,
                Place::LineStart | Place::InLine => State::Completing(Box::pin(sleep(COMPLETION_TIME))),
            };
        }
        match this.state {
            State::Ended => return Poll::Ready(None),
            State::Open => {}
            State::Completing(time) => {
                if time.as_mut().poll(cx).is_ready() {
                    *this.state = State::Ended;
                    return Poll::Ready(None);
                }
            }
        }
        let Some(frame) = ready!(this.body.as_mut().poll_frame(cx)?) else {
            *this.state = State::Ended;
            return Poll::Ready(None);
        };
        let Some(data) = frame.data_ref() else {
            return Poll::Ready(Some(Ok(frame)));
        };
        if matches!(this.state, State::Open) {
            this.place.move_over(this.lines, data);
            return Poll::Ready(Some(Ok(frame)));
        }
        let rest = this.place.move_to_end_of_event(this.lines, data);
        if *this.place == Place::Between {
            *this.state = State::Ended;
        }
        Poll::Ready(Some(Ok(Frame::data(data.slice(..rest)))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended) || self.body.is_end_stream()
    }
}

impl Place {
    fn move_over(&mut self, lines: &mut Lines, mut data: &[u8]) {
        while let Some(piece) = lines.next(&mut data) {
            *self = self.behind(&piece);
        }
    }

    /// How many bytes of the data belong to the event that was begun.
    fn move_to_end_of_event(&mut self, lines: &mut Lines, data: &[u8]) -> usize {
        let mut rest = data;
        while let Some(piece) = lines.next(&mut rest) {
            *self = self.behind(&piece);
            if *self == Self::Between {
                break;
            }
        }
        data.len() - rest.len()
    }

    fn behind(self, piece: &Piece<'_>) -> Self {
        match (self, piece) {
            (Self::Unknown, _) => Self::Unknown,
            (place, Piece::LateLineFeed) => place,
            (_, Piece::Part(_)) => Self::InLine,
            (Self::Between | Self::LineStart, Piece::End { text: b"", .. }) => Self::Between,
            (_, Piece::End { .. }) => Self::LineStart,
        }
    }
}

#[cfg(test)]
mod tests;
