//! The body of a stream of events whose lists are filtered.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use super::events::EventFilter;
use super::filter::ListFilter;

pin_project! {
    /// A stream of events with its lists filtered.
    pub(in crate::stream) struct FilteredEvents<R> {
        #[pin]
        body: R,
        filter: ListFilter,
        events: EventFilter,
        ended: bool,
    }
}

impl<R> FilteredEvents<R> {
    pub(super) fn new(body: R, filter: ListFilter) -> Self {
        Self {
            body,
            filter,
            events: EventFilter::default(),
            ended: false,
        }
    }

    pub(in crate::stream) fn has_ended(&self) -> bool {
        self.ended
    }
}

impl<R: Body<Data = Bytes>> Body for FilteredEvents<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let mut this = self.project();
        while !*this.ended {
            let mut out = Vec::new();
            match ready!(this.body.as_mut().poll_frame(cx)?) {
                // Trailers are dropped: they may be untrue of the filtered bytes.
                Some(frame) => this.events.feed(
                    &frame.into_data().unwrap_or_default(),
                    this.filter,
                    &mut out,
                ),
                None => {
                    *this.ended = true;
                    this.events.finish(this.filter, &mut out);
                }
            }
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out.into()))));
            }
        }
        Poll::Ready(None)
    }
}
