//! Collects the bytes of a body.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use tokio::time::timeout;

use super::arriving::Held;
use crate::refusal::{Reason, Refusal};

/// Reads the whole body, without trailers.
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
    // Most bodies come with their head. They need no timer, and no room for one.
    if let Poll::Ready(whole) = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await
    {
        return whole;
    }
    Box::pin(timeout(within, reading))
        .await
        .unwrap_or_else(|_| {
            let expected = format!("all of it within {} s", within.as_secs_f64());
            Err(Refusal::from(Reason::BodyTooSlow).expected(expected))
        })
}

async fn read_whole<B>(body: B, max_bytes: usize, mut held: Held<'_>) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
{
    let fits = |bytes: u64| bytes <= u64::try_from(max_bytes).unwrap_or(u64::MAX);
    let announced = body.size_hint().lower();
    if !fits(announced) {
        return Err(too_large(max_bytes).got(format!("{announced} bytes")));
    }
    let mut body = pin!(body);
    let mut whole = Whole::One(Bytes::new());
    loop {
        let next = poll_fn(|context| match body.as_mut().poll_frame(context) {
            Poll::Ready(next) => Poll::Ready(Ok(next)),
            // The bytes that came so far are held until the rest arrives.
            Poll::Pending => match held.hold(whole.len()) {
                Ok(()) => Poll::Pending,
                Err(refusal) => Poll::Ready(Err(refusal)),
            },
        });
        let data = match next.await? {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(_)) => {
                let got = format!("{} bytes, and no end", whole.len());
                return Err(Refusal::from(Reason::BodyIncomplete).got(got));
            }
            None => break,
        };
        if data.len() > max_bytes - whole.len() {
            return Err(too_large(max_bytes).got("more"));
        }
        whole.push(data);
        if body.is_end_stream() {
            break;
        }
        // Without this, a body that is always ready would keep the timeout from being checked.
        tokio::task::coop::consume_budget().await;
    }
    Ok(whole.into_bytes())
}

fn too_large(max_bytes: usize) -> Refusal {
    Refusal::from(Reason::BodyTooLarge).expected(format!("at most {max_bytes} bytes"))
}

/// The bytes of a body. They are copied only if they came in several pieces.
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
