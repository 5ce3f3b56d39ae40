//! The body of a response: the gate's own, or the inner service's.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use pin_project_lite::pin_project;

use super::ending::Ending;
use super::held::HeldBody;
use super::listing::{FilteredEvents, LongAnswer, ObservedBody};

pin_project! {
    /// The body of a response: the one that the inner service sent, or an answer of the gate itself.
    ///
    /// The inner service's body is passed on unchanged, except that lists may be filtered and that a stream of events
    /// may end early.
    pub struct ResponseBody<R> {
        #[pin]
        source: BodySource<R>,
    }
}

pin_project! {
    #[project = BodySourceProjection]
    enum BodySource<R> {
        Ours { #[pin] body: Full<Bytes> },
        Theirs { #[pin] body: R },
        // It is boxed, so that the other variants need no room for it.
        Filtered { body: Pin<Box<FilteredEvents<R>>> },
        Long { body: Pin<Box<LongAnswer<R>>> },
        Observed { body: Pin<Box<ObservedBody<R>>> },
        Ending { body: Pin<Box<Ending<ResponseBody<R>>>> },
        Held { body: Pin<Box<HeldBody<ResponseBody<R>>>> },
    }
}

impl<R> ResponseBody<R> {
    pub(crate) fn ours(bytes: Bytes) -> Self {
        Self {
            source: BodySource::Ours {
                body: Full::new(bytes),
            },
        }
    }

    pub(crate) fn theirs(body: R) -> Self {
        Self {
            source: BodySource::Theirs { body },
        }
    }

    pub(super) fn filtered(body: FilteredEvents<R>) -> Self {
        Self {
            source: BodySource::Filtered {
                body: Box::pin(body),
            },
        }
    }

    pub(super) fn long(body: LongAnswer<R>) -> Self {
        Self {
            source: BodySource::Long {
                body: Box::pin(body),
            },
        }
    }

    pub(super) fn observed(body: ObservedBody<R>) -> Self {
        Self {
            source: BodySource::Observed {
                body: Box::pin(body),
            },
        }
    }

    pub(crate) fn held(body: HeldBody<Self>) -> Self {
        Self {
            source: BodySource::Held {
                body: Box::pin(body),
            },
        }
    }

    pub(super) fn ending(body: Ending<Self>) -> Self {
        Self {
            source: BodySource::Ending {
                body: Box::pin(body),
            },
        }
    }
}

impl<R: Body<Data = Bytes>> Body for ResponseBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match self.project().source.project() {
            BodySourceProjection::Ours { body } => body
                .poll_frame(cx)
                .map_err(|never: Infallible| match never {}),
            BodySourceProjection::Theirs { body } => body.poll_frame(cx),
            BodySourceProjection::Filtered { body } => body.as_mut().poll_frame(cx),
            BodySourceProjection::Long { body } => body.as_mut().poll_frame(cx),
            BodySourceProjection::Observed { body } => body.as_mut().poll_frame(cx),
            BodySourceProjection::Ending { body } => body.as_mut().poll_frame(cx),
            BodySourceProjection::Held { body } => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            BodySource::Ours { body } => body.is_end_stream(),
            BodySource::Theirs { body } => body.is_end_stream(),
            BodySource::Filtered { body } => body.has_ended(),
            BodySource::Long { body } => body.has_ended(),
            BodySource::Observed { body } => body.is_end_stream(),
            BodySource::Ending { body } => body.is_end_stream(),
            BodySource::Held { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            BodySource::Ours { body } => body.size_hint(),
            BodySource::Theirs { body } => body.size_hint(),
            BodySource::Observed { body } => body.size_hint(),
            BodySource::Filtered { .. }
            | BodySource::Long { .. }
            | BodySource::Ending { .. }
            | BodySource::Held { .. } => SizeHint::default(),
        }
    }
}

impl<R> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
