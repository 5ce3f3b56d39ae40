//! A JSON response that is too long to be held. It is passed on as it comes, and ends early if lists are filtered and one begins in it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::error::log_withheld;
use super::scan::Scan;

/// The response behind a start in which no list begins.
pub(in crate::stream) struct LongAnswer<R> {
    start: Option<Bytes>,
    rest: Pin<Box<R>>,
    /// `None` if a list may be in it.
    scan: Option<Scan>,
    ended: bool,
}

impl<R> LongAnswer<R> {
    pub(super) fn new(start: Bytes, rest: Pin<Box<R>>, scan: Option<Scan>) -> Self {
        Self {
            start: Some(start),
            rest,
            scan,
            ended: false,
        }
    }

    pub(in crate::stream) fn has_ended(&self) -> bool {
        self.ended
    }
}

impl<R: Body<Data = Bytes>> Body for LongAnswer<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        if let Some(start) = self.start.take() {
            return Poll::Ready(Some(Ok(Frame::data(start))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        // Trailers are dropped: they may be digests of bytes that are not passed on.
        let data = match ready!(self.rest.as_mut().poll_frame(cx)?).map(Frame::into_data) {
            Some(Ok(data)) => data,
            Some(Err(_)) | None => {
                self.ended = true;
                return Poll::Ready(None);
            }
        };
        if let Some(scan) = &mut self.scan
            && let Err(why) = scan.read(&data)
        {
            log_withheld(&why.into());
            self.ended = true;
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}
