//! The body that the inner service gets instead of the request's.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use pin_project_lite::pin_project;

/// Makes a body of bytes that are all there.
pub(crate) fn whole(bytes: Bytes) -> impl Body<Data = Bytes> + Send + 'static {
    Full::new(bytes)
}

pin_project! {
    /// The body of the request that the inner service gets.
    ///
    /// It is the request's own body, untouched, if no rule depends on the body. Otherwise it is exactly the bytes that
    /// the gate has checked, and trailers are dropped: the inner service gets nothing that the gate has not seen.
    pub struct RequestBody<B> {
        #[pin]
        body: Inner<B>,
    }
}

pin_project! {
    #[project = InnerProjection]
    enum Inner<B> {
        Untouched { #[pin] body: B },
        Judged { bytes: Bytes },
    }
}

impl<B> RequestBody<B> {
    pub(crate) fn untouched(body: B) -> Self {
        Self {
            body: Inner::Untouched { body },
        }
    }

    pub(crate) fn judged(bytes: Bytes) -> Self {
        Self {
            body: Inner::Judged { bytes },
        }
    }
}

impl<B: Body<Data = Bytes>> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().body.project() {
            InnerProjection::Untouched { body } => body.poll_frame(context),
            InnerProjection::Judged { bytes } if bytes.is_empty() => Poll::Ready(None),
            InnerProjection::Judged { bytes } => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Inner::Untouched { body } => body.is_end_stream(),
            Inner::Judged { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Inner::Untouched { body } => body.size_hint(),
            Inner::Judged { bytes } => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
        }
    }
}

/// Shows the length only: the arguments of calls are the caller's.
impl<B> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Inner::Untouched { .. } => f.write_str("RequestBody(untouched)"),
            Inner::Judged { bytes } => write!(f, "RequestBody(judged, {} bytes)", bytes.len()),
        }
    }
}
