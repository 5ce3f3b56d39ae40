//! A stream of events that ends on demand, at the end of an event.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

use super::lines::{Lines, Piece};

/// The longest time in which an event may be completed that was begun before the stream had to end.
pub(super) const COMPLETION_TIME: Duration = Duration::from_secs(5);

pin_project! {
    /// A stream of events that ends once `over` completes.
    pub(super) struct Ending<B> {
        #[pin]
        body: B,
        // The mutex is never locked. It makes the body `Sync`, as the inner service's own may be.
        over: Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>,
        state: EndingState,
        place: StreamPosition,
        lines: Lines,
    }
}

impl<B> Ending<B> {
    /// Ends `body` once `over` completes. In a body that `is_encoded`, the ends of events are not found.
    pub(super) fn new(
        body: B,
        over: impl Future<Output = ()> + Send + 'static,
        is_encoded: bool,
    ) -> Self {
        let place = if is_encoded {
            StreamPosition::Unknown
        } else {
            StreamPosition::Between
        };
        let over = Mutex::new(Box::pin(over) as Pin<Box<dyn Future<Output = ()> + Send>>);
        Self {
            body,
            over,
            state: EndingState::Open,
            place,
            lines: Lines::default(),
        }
    }
}

enum EndingState {
    Open,
    /// The stream ends with this event, or at this time.
    Completing(Pin<Box<Sleep>>),
    Ended,
}

/// The position in the stream behind the last byte that was passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamPosition {
    /// Between two events.
    Between,
    /// Inside an event, at the start of a line.
    LineStart,
    InLine,
    /// In a compressed stream, which is not read.
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
        if matches!(this.state, EndingState::Open) && over.as_mut().poll(cx).is_ready() {
            *this.state = match this.place {
                StreamPosition::LineStart | StreamPosition::InLine
                    if Handle::try_current().is_ok() =>
                {
                    EndingState::Completing(Box::pin(sleep(COMPLETION_TIME)))
                }
                _ => EndingState::Ended,
            };
        }
        match this.state {
            EndingState::Ended => return Poll::Ready(None),
            EndingState::Open => {}
            EndingState::Completing(time) => {
                if time.as_mut().poll(cx).is_ready() {
                    *this.state = EndingState::Ended;
                    return Poll::Ready(None);
                }
            }
        }
        let Some(frame) = ready!(this.body.as_mut().poll_frame(cx)?) else {
            *this.state = EndingState::Ended;
            return Poll::Ready(None);
        };
        let Some(data) = frame.data_ref() else {
            return Poll::Ready(Some(Ok(frame)));
        };
        if matches!(this.state, EndingState::Open) {
            this.place.move_over(this.lines, data);
            return Poll::Ready(Some(Ok(frame)));
        }
        let rest = this.place.move_to_end_of_event(this.lines, data);
        if *this.place == StreamPosition::Between {
            *this.state = EndingState::Ended;
        }
        Poll::Ready(Some(Ok(Frame::data(data.slice(..rest)))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, EndingState::Ended) || self.body.is_end_stream()
    }
}

impl StreamPosition {
    fn move_over(&mut self, lines: &mut Lines, mut data: &[u8]) {
        while let Some(piece) = lines.next(&mut data) {
            *self = self.behind(&piece);
        }
    }

    /// The number of bytes that belong to the event that was begun.
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
