//! The one generic part: from a body to bytes, and what the service inside gets instead of it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::bodies::Held;
use crate::refusal::{Reason, Refusal};

/// How much of a refused request's body is read and dropped, so that the client sees the answer.
pub(crate) const DISCARD_BYTES: usize = 1024 * 1024;

/// How long that may take.
pub(crate) const DISCARD_TIME: Duration = Duration::from_secs(5);

/// The whole body, without trailers.
pub(super) async fn collect<B>(
    body: B,
    max_bytes: usize,
    within: Duration,
    held: Held<'_>,
) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
{
    let mut reading = pin!(read_whole(body, max_bytes, held));
    // Most bodies came along with their head; these cost no timer, and no room for one.
    if let Poll::Ready(whole) = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await {
        return whole;
    }
    Box::pin(timeout(within, reading)).await.unwrap_or_else(|_| Err(Reason::BodyTooSlow.into()))
}

async fn read_whole<B>(body: B, max_bytes: usize, mut held: Held<'_>) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
{
    let fits = |bytes: u64| bytes <= u64::try_from(max_bytes).unwrap_or(u64::MAX);
    if !fits(body.size_hint().lower()) {
        return Err(Reason::BodyTooLarge.into());
    }
    let mut body = pin!(body);
    let mut whole = Whole::One(Bytes::new());
    loop {
        let next = poll_fn(|context| match body.as_mut().poll_frame(context) {
            Poll::Ready(next) => Poll::Ready(Ok(next)),
            // What came so far is held as long as this takes.
            Poll::Pending => match held.hold(whole.len()) {
                Ok(()) => Poll::Pending,
                Err(refusal) => Poll::Ready(Err(refusal)),
            },
        });
        let data = match next.await? {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(_)) => return Err(Reason::BodyIncomplete.into()),
            None => break,
        };
        if data.len() > max_bytes - whole.len() {
            return Err(Reason::BodyTooLarge.into());
        }
        whole.push(data);
        if body.is_end_stream() {
            break;
        }
        // A body that is always ready would never let the time-out be looked at.
        tokio::task::coop::consume_budget().await;
    }
    Ok(whole.into_bytes())
}

/// Copies only what came in several pieces.
enum Whole {
    One(Bytes),
    Several(BytesMut),
}

impl Whole {
    fn len(&self) -> usize {
        match self {
            Self::One(bytes) => bytes.len(),
            Self::Several(bytes) => bytes.len(),
        }
    }

    fn push(&mut self, data: Bytes) {
        match self {
            Self::One(bytes) if bytes.is_empty() => *bytes = data,
            Self::One(bytes) => {
                let mut several = BytesMut::with_capacity(bytes.len() + data.len());
                several.extend_from_slice(bytes);
                several.extend_from_slice(&data);
                *self = Self::Several(several);
            }
            Self::Several(bytes) => bytes.extend_from_slice(&data),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::One(bytes) => bytes,
            Self::Several(bytes) => bytes.freeze(),
        }
    }
}

/// A body that is all there.
pub(crate) fn whole(bytes: Bytes) -> impl Body<Data = Bytes> + Send + 'static {
    Full::new(bytes)
}

/// Reads on for a while, beside the answer: hyper resets a stream, or closes a connection, whose body is left
/// unfinished, and some clients then never see the answer.
pub(crate) fn read_on<B: Body + Send + 'static>(body: B) {
    let mut body = Box::pin(body);
    // Most bodies came along with their head, and cost no task.
    let first = body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
    if matches!(first, Poll::Ready(None | Some(Err(_)))) || body.is_end_stream() {
        return;
    }
    // Without a runtime there is no connection either.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async { timeout(DISCARD_TIME, discard(body)).await });
    }
}

async fn discard<B: Body>(body: B) {
    let mut body = pin!(body);
    let mut left = DISCARD_BYTES;
    loop {
        let bytes = match body.frame().await {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Buf::remaining),
            Some(Err(_)) | None => return,
        };
        // An empty frame counts as well, or a body of nothing else would have no end.
        match left.checked_sub(bytes.max(1)) {
            Some(rest) => left = rest,
            None => return,
        }
        tokio::task::coop::consume_budget().await;
    }
}

pin_project! {
    /// The body that the service inside the gate gets.
    ///
    /// Either the request's own body, untouched, when no rule depended on it; or exactly the bytes that
    /// were judged. Nothing that the gate has not seen can reach the service in the second case:
    /// trailers are dropped.
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
        Self { body: Inner::Untouched { body } }
    }

    pub(crate) fn judged(bytes: Bytes) -> Self {
        Self { body: Inner::Judged { bytes } }
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
            InnerProjection::Judged { bytes } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
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
            Inner::Judged { bytes } => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
        }
    }
}

/// Without contents: arguments of calls are the caller's.
impl<B> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Inner::Untouched { .. } => f.write_str("RequestBody(untouched)"),
            Inner::Judged { bytes } => write!(f, "RequestBody(judged, {} bytes)", bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests;
