//! Discards the rest of a body whose request is refused.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Buf;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// The most bytes of a refused request's body that are read and dropped, so that the client sees the answer.
const DISCARD_BODY_BYTES: usize = 1024 * 1024;

/// The longest time for that.
pub(super) const DISCARD_BODY_TIME: Duration = Duration::from_secs(5);

/// Reads the rest of a body and drops it, beside the answer and within limits. If a body is left unfinished, hyper
/// resets the stream or closes the connection, and some clients then never see the answer.
pub(crate) fn discard_body<B: Body + Send + 'static>(body: B) {
    let mut body = Box::pin(body);
    // Most bodies come with their head, and need no task.
    let first = body
        .as_mut()
        .poll_frame(&mut Context::from_waker(Waker::noop()));
    if matches!(first, Poll::Ready(None | Some(Err(_)))) || body.is_end_stream() {
        return;
    }
    // Without a runtime there is no connection either.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async { timeout(DISCARD_BODY_TIME, rest(body)).await });
    }
}

/// Reads to the end of the body, or to the limit.
pub(super) async fn rest<B: Body>(body: B) {
    let mut body = pin!(body);
    let mut left = DISCARD_BODY_BYTES;
    loop {
        let bytes = match body.frame().await {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Buf::remaining),
            Some(Err(_)) | None => return,
        };
        // An empty frame counts as a byte, or a body of empty frames would never end.
        match left.checked_sub(bytes.max(1)) {
            Some(rest) => left = rest,
            None => return,
        }
        tokio::task::coop::consume_budget().await;
    }
}
