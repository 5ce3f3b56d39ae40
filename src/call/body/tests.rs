use std::cell::Cell;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use proptest::prelude::*;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep};

use super::arriving::{Arriving, Held};
use super::discard::{DISCARD_BODY_TIME, discard_body, rest};
use super::request_body::RequestBody;
use crate::refusal::{Reason, Refusal};

const SOON: Duration = Duration::from_secs(10);

type Polled = Poll<Option<Result<Frame<Bytes>, io::Error>>>;

/// A body that does what it is told to, and does not know its length.
struct Scripted<F>(F);

impl<F: FnMut(&mut Context<'_>) -> Polled + Unpin> Body for Scripted<F> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        (self.0)(context)
    }
}

fn frames(
    frames: Vec<Result<Frame<Bytes>, io::Error>>,
) -> impl Body<Data = Bytes, Error = io::Error> {
    let mut frames = frames.into_iter();
    Scripted(move |_: &mut Context<'_>| Poll::Ready(frames.next()))
}

fn silence() -> impl Body<Data = Bytes, Error = io::Error> {
    Scripted(|_: &mut Context<'_>| Poll::Pending)
}

fn data(text: &'static str) -> Result<Frame<Bytes>, io::Error> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// Reads bodies without a limit on what is held.
async fn collect<B: Body<Data = Bytes>>(
    body: B,
    max_bytes: usize,
    within: Duration,
) -> Result<Bytes, Refusal> {
    super::collect::collect(
        body,
        max_bytes,
        within,
        Held::nothing(&Arriving::default(), usize::MAX),
    )
    .await
}

fn reason<T: fmt::Debug>(result: Result<T, Refusal>) -> Reason {
    result.unwrap_err().reason()
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together_and_its_trailers_are_dropped() {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("authorization", "Bearer x".parse().unwrap());
    let sent = vec![
        data("ab"),
        data(""),
        data("c"),
        Ok(Frame::trailers(trailers)),
        data("d"),
    ];
    assert_eq!(collect(frames(sent), 4, SOON).await.unwrap(), "abcd");
}

#[tokio::test]
async fn a_body_that_came_in_one_piece_is_not_copied() {
    let bytes = Bytes::from(vec![b'x'; 64]);
    let collected = collect(Full::new(bytes.clone()), 64, SOON).await.unwrap();
    assert_eq!(collected.as_ptr(), bytes.as_ptr());
}

#[tokio::test]
async fn an_empty_body_is_no_bytes() {
    assert!(collect(Empty::new(), 0, SOON).await.unwrap().is_empty());
    assert!(collect(frames(vec![]), 0, SOON).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_body_one_byte_too_long_is_refused_and_one_that_just_fits_is_not() {
    for (max, fits) in [(3, true), (2, false), (0, false)] {
        let counted = collect(frames(vec![data("ab"), data("c")]), max, SOON).await;
        let announced = collect(Full::new(Bytes::from_static(b"abc")), max, SOON).await;
        for collected in [counted, announced] {
            match collected {
                Ok(bytes) => assert!(fits && bytes == "abc", "{max}"),
                Err(refusal) => assert!(!fits && refusal.reason() == Reason::BodyTooLarge, "{max}"),
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_is_read() {
    struct Announced;
    impl Body for Announced {
        type Data = Bytes;
        type Error = io::Error;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
            panic!("read");
        }
        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(5)
        }
    }
    assert_eq!(
        reason(collect(Announced, 4, SOON).await),
        Reason::BodyTooLarge
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_incomplete() {
    let sent = vec![data("{}"), Err(io::ErrorKind::ConnectionReset.into())];
    assert_eq!(
        reason(collect(frames(sent), 9, SOON).await),
        Reason::BodyIncomplete
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_too_slow_however_often_it_moves() {
    let mut pause: Pin<Box<Sleep>> = Box::pin(sleep(Duration::from_secs(1)));
    let trickle = Scripted(move |context: &mut Context<'_>| {
        if pause.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        pause = Box::pin(sleep(Duration::from_secs(1)));
        Poll::Ready(Some(data(" ")))
    });
    let began = Instant::now();
    assert_eq!(
        reason(collect(trickle, 1000, SOON).await),
        Reason::BodyTooSlow
    );
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(
        reason(collect(silence(), 1000, SOON).await),
        Reason::BodyTooSlow
    );
}

#[tokio::test]
async fn a_body_that_is_always_ready_and_never_ends_is_too_slow_as_well() {
    let endless = Scripted(|_: &mut Context<'_>| Poll::Ready(Some(data(""))));
    let short = Duration::from_millis(20);
    assert_eq!(
        reason(collect(endless, 1, short).await),
        Reason::BodyTooSlow
    );
}

#[tokio::test(start_paused = true)]
async fn discarding_ends_at_the_end_at_an_error_at_a_mebibyte_and_after_five_seconds() {
    rest(frames(vec![data("x")])).await;
    rest(Scripted(|_: &mut Context<'_>| {
        Poll::Ready(Some(Err(io::ErrorKind::Other.into())))
    }))
    .await;

    let read = Cell::new(0);
    rest(Scripted(|_: &mut Context<'_>| {
        read.set(read.get() + 1);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 64 * 1024])))))
    }))
    .await;
    assert_eq!(read.get(), 17);

    rest(Scripted(|_: &mut Context<'_>| Poll::Ready(Some(data(""))))).await;

    let (kept, dropped) = tokio::sync::oneshot::channel::<()>();
    let began = Instant::now();
    discard_body(Scripted(move |_: &mut Context<'_>| {
        let _ = &kept;
        Poll::Pending
    }));
    dropped.await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), DISCARD_BODY_TIME.as_secs());
}

#[tokio::test]
async fn discarding_a_body_that_has_arrived_starts_no_task() {
    discard_body(Full::new(Bytes::from_static(b"x")));
    discard_body(frames(Vec::new()));
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test]
async fn an_untouched_body_passes_its_frames_and_its_hints_on() {
    let body = RequestBody::untouched(Full::new(Bytes::from_static(b"abc")));
    assert_eq!(body.size_hint().exact(), Some(3));
    assert!(!body.is_end_stream());
    assert_eq!(format!("{body:?}"), "RequestBody(untouched)");
    assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
}

#[test]
fn a_checked_body_shows_only_its_length() {
    let body = RequestBody::<Full<Bytes>>::judged(Bytes::from_static(b"secret"));
    assert_eq!(format!("{body:?}"), "RequestBody(judged, 6 bytes)");
}

proptest! {
    #[test]
    fn a_checked_body_has_the_same_bytes_as_were_collected(pieces in any::<Vec<Vec<u8>>>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let sent = pieces.concat();
            let pieces = pieces.into_iter().map(|piece| Ok(Frame::data(piece.into()))).collect();
            let collected = collect(frames(pieces), sent.len(), SOON).await.unwrap();
            let mut body = RequestBody::<Full<Bytes>>::judged(collected);
            assert_eq!(body.size_hint().exact(), Some(sent.len() as u64));
            assert_eq!(body.is_end_stream(), sent.is_empty());
            let mut replayed = Vec::new();
            while let Some(frame) = body.frame().await {
                replayed.extend_from_slice(&frame.unwrap().into_data().unwrap());
            }
            assert_eq!(replayed, sent);
            assert!(body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
        });
    }
}
