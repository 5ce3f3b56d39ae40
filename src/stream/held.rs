//! Holds the beginning of a stream of events, so that its response can still be replaced.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::lines::{Lines, Piece};

/// The longest time for which the head of a stream of events is held, until its first message.
const MAX_HELD_TIME: Duration = Duration::from_secs(10);

/// The most bytes of events without a message that are held.
const MAX_HELD_BYTES: usize = 4 * 1024;

/// A body whose first pieces were held.
pub(crate) struct HeldBody<B> {
    first: VecDeque<Bytes>,
    rest: Pin<Box<B>>,
}

/// Holds a stream of events until its first message, until `over` completes, or until a limit is reached. Events without
/// data, with which servers open a stream and keep it open, are no message. Returns `false` if the stream broke.
pub(crate) async fn hold<B>(body: B, over: impl Future<Output = ()>) -> (HeldBody<B>, bool)
where
    B: Body<Data = Bytes>,
{
    let (mut first, mut bytes, mut scan) = (VecDeque::new(), 0, FirstMessage::default());
    let mut rest = Box::pin(body);
    let whole = {
        let held = async {
            while let Some(frame) = rest.frame().await {
                let Ok(frame) = frame else { return false };
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                bytes += data.len();
                let is_message = scan.begins_in(&data);
                first.push_back(data);
                if is_message || bytes > MAX_HELD_BYTES {
                    break;
                }
            }
            true
        };
        let until = async {
            tokio::select! {
                whole = held => whole,
                () = over => true,
            }
        };
        timeout(MAX_HELD_TIME, until).await.unwrap_or(true)
    };
    (HeldBody { first, rest }, whole)
}

/// Looks for the data of an event.
#[derive(Default)]
struct FirstMessage {
    lines: Lines,
    /// The beginning of a line that has not ended.
    line: Vec<u8>,
}

impl FirstMessage {
    /// Whether data of an event begins in this piece of the stream.
    fn begins_in(&mut self, mut piece: &[u8]) -> bool {
        while let Some(part) = self.lines.next(&mut piece) {
            let (text, ends) = match part {
                Piece::Part(text) => (text, false),
                Piece::End { text, .. } => (text, true),
                Piece::LateLineFeed => continue,
            };
            self.line.extend_from_slice(text);
            let data = self.line.strip_prefix(b"data:");
            if data.is_some_and(|data| !data.trim_ascii().is_empty()) {
                return true;
            }
            if ends {
                self.line.clear();
            }
        }
        false
    }
}

impl<B: Body<Data = Bytes>> Body for HeldBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.first.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => self.rest.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_data_begins_a_message_however_the_stream_is_cut() {
        for (stream, begins) in [
            ("id: 0\nretry: 3000\ndata:\n\n", false),
            (": data: x\r\n\r\nevent: data:x\n", false),
            ("data: \r\rdata:\n", false),
            ("data: {\n", true),
            ("id: 0\ndata: \n\ndata:x", true),
        ] {
            let mut whole = FirstMessage::default();
            assert_eq!(whole.begins_in(stream.as_bytes()), begins, "{stream:?}");
            let mut cut = FirstMessage::default();
            let found = stream.as_bytes().chunks(1).any(|byte| cut.begins_in(byte));
            assert_eq!(found, begins, "{stream:?}");
        }
    }
}
