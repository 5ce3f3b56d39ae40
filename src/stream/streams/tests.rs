use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::poll;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::*;
use crate::stream::ending::COMPLETION_TIME;

type Chunks = mpsc::UnboundedSender<Result<Frame<Bytes>, Infallible>>;

/// Events with every kind of end, and a comment.
const EVENTS: [&str; 6] = [
    "event: message\ndata: {\"a\":1}\n\n",
    ": ping\n\n",
    "id: 2\r\ndata: x\r\ndata:\r\n\r\n",
    "data: 3\r\r",
    "retry: 5\n\r",
    "data: last\n\n",
];

/// A stream that is fed by hand, and that is over when it is said.
fn stream(
    encoding: Option<&'static str>,
) -> (
    Chunks,
    oneshot::Sender<()>,
    impl Body<Data = Bytes, Error = Infallible> + Unpin,
) {
    let (chunks, mut receiver) = mpsc::unbounded_channel();
    let (over, is_over) = oneshot::channel();
    let body = StreamBody::new(futures_util::stream::poll_fn(move |cx| {
        receiver.poll_recv(cx)
    }));
    let mut answer = Response::new(ResponseBody::theirs(body));
    if let Some(encoding) = encoding {
        answer
            .headers_mut()
            .insert(CONTENT_ENCODING, encoding.parse().unwrap());
    }
    let is_over = async move {
        let _ = is_over.await;
    };
    (chunks, over, end(answer, is_over).into_body())
}

fn send(chunks: &Chunks, bytes: &[u8]) {
    // The reader may be gone by now.
    let _ = chunks.send(Ok(Frame::data(Bytes::copy_from_slice(bytes))));
}

async fn next(body: &mut (impl Body<Data = Bytes, Error = Infallible> + Unpin)) -> Option<Bytes> {
    Some(body.frame().await?.unwrap().into_data().unwrap())
}

#[tokio::test]
async fn wherever_a_stream_is_cut_it_ends_with_the_event_that_was_begun() {
    let text = EVENTS.concat();
    let ends = EVENTS.iter().scan(0, |end, event| {
        *end += event.len();
        Some(*end)
    });
    let ends: Vec<usize> = std::iter::once(0).chain(ends).collect();
    for cut in 0..=text.len() {
        // An event ends with the CR of a CRLF already, whenever the LF comes.
        let is_end = |at: usize| ends.contains(&at) || text.as_bytes()[..at].ends_with(b"\r\n\r");
        let end = (cut..=text.len()).find(|at| is_end(*at)).unwrap();
        let whole = (cut..=text.len()).find(|at| ends.contains(at)).unwrap();
        for chunk in [1, 2, 3, text.len()] {
            let (chunks, over, mut body) = stream(None);
            send(&chunks, &text.as_bytes()[..cut]);
            let mut read = if cut > 0 {
                next(&mut body).await.unwrap().to_vec()
            } else {
                Vec::new()
            };
            over.send(()).unwrap();
            text.as_bytes()[cut..]
                .chunks(chunk)
                .for_each(|bytes| send(&chunks, bytes));
            while let Some(bytes) = next(&mut body).await {
                read.extend_from_slice(&bytes);
            }
            assert!(text.as_bytes().starts_with(&read), "cut at {cut}: {read:?}");
            assert!([end, whole].contains(&read.len()), "cut at {cut}: {read:?}");
            assert!(body.is_end_stream());
        }
    }
}

#[tokio::test]
async fn until_it_is_over_everything_passes_as_it_comes() {
    let text = EVENTS.concat();
    let (chunks, _over, mut body) = stream(None);
    for bytes in text.as_bytes().chunks(3) {
        send(&chunks, bytes);
        assert_eq!(next(&mut body).await.unwrap(), bytes);
    }
    assert!(!body.is_end_stream());
    drop(chunks);
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn a_reader_that_waits_for_the_next_event_sees_the_end_at_once() {
    let (chunks, over, mut body) = stream(None);
    send(&chunks, b"data: 1\n\n");
    next(&mut body).await.unwrap();
    let mut waiting = pin!(body.frame());
    assert!(poll!(&mut waiting).is_pending());
    over.send(()).unwrap();
    assert!(waiting.await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_an_event_is_not_waited_for_for_ever() {
    let (chunks, over, mut body) = stream(None);
    send(&chunks, b"data: 1\n\ndata: 2");
    next(&mut body).await.unwrap();
    over.send(()).unwrap();
    let began = Instant::now();
    // Bytes that never make an event win no time.
    for _ in 0..4 {
        assert!(poll!(pin!(body.frame())).is_pending());
        tokio::time::advance(Duration::from_secs(1)).await;
        send(&chunks, b"x");
        assert_eq!(next(&mut body).await.unwrap(), "x");
    }
    assert_eq!(next(&mut body).await, None);
    assert!((COMPLETION_TIME..COMPLETION_TIME * 2).contains(&began.elapsed()));
}

#[tokio::test]
async fn a_compressed_stream_ends_at_once() {
    let (chunks, over, mut body) = stream(Some("gzip"));
    send(&chunks, b"\x1f\x8b\x08");
    next(&mut body).await.unwrap();
    over.send(()).unwrap();
    send(&chunks, b"\n\n");
    assert_eq!(next(&mut body).await, None);
}

#[test]
fn without_a_runtime_an_unfinished_event_is_not_waited_for() {
    let (chunks, over, mut body) = stream(None);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    send(&chunks, b"data: 1");
    let begun = pin!(body.frame()).poll(&mut cx);
    assert!(matches!(begun, Poll::Ready(Some(Ok(_)))));
    over.send(()).unwrap();
    let ended = pin!(body.frame()).poll(&mut cx);
    assert!(matches!(ended, Poll::Ready(None)));
}

#[test]
fn a_stream_is_known_by_its_type() {
    for (content_type, is) in [
        ("text/event-stream", true),
        ("Text/Event-Stream;charset=utf-8", true),
        (" text/event-stream ; x", true),
        ("text/event-stream2", false),
        ("application/json", false),
        ("", false),
    ] {
        let mut headers = HeaderMap::new();
        assert!(!is_stream(&headers));
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        assert_eq!(is_stream(&headers), is, "{content_type}");
    }
}
