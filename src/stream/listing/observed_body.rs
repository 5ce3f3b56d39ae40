//! A body that is passed on as it comes, and in which a list of tools is looked for afterwards.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::first_tools::{MAX_OBSERVED_BYTES, ToolsObserver};
use super::scan::DATA;
use crate::stream::lines::{Lines, Piece};

/// The body of a response that may have a list of tools in it. A frame is looked at only after it was passed on: when the
/// next one is asked for, or the body is dropped.
pub(in crate::stream) struct ObservedBody<R> {
    body: Pin<Box<R>>,
    /// `None` once there is nothing to look for.
    unread: Option<Unread>,
}

struct Unread {
    observer: Box<ToolsObserver>,
    /// The chunks that were passed on and not looked at.
    held: Vec<Bytes>,
    held_bytes: usize,
    /// `None` for a JSON body, which is read once it is complete.
    event: Option<OpenEvent>,
}

/// The event that has not ended yet.
#[derive(Default)]
struct OpenEvent {
    lines: Lines,
    line: Vec<u8>,
    data: Vec<u8>,
}

impl<R> ObservedBody<R> {
    /// `is_stream` tells a stream of events from a JSON body.
    pub(super) fn new(body: R, observer: Box<ToolsObserver>, is_stream: bool) -> Self {
        Self {
            body: Box::pin(body),
            unread: Some(Unread {
                observer,
                held: Vec::new(),
                held_bytes: 0,
                event: is_stream.then(OpenEvent::default),
            }),
        }
    }
}

impl<R: Body<Data = Bytes>> Body for ObservedBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        if let Some(unread) = &mut self.unread {
            unread.read_events();
        }
        let frame = ready!(self.body.as_mut().poll_frame(cx));
        match (&frame, &mut self.unread) {
            (Some(Ok(frame)), Some(unread)) => {
                if let Some(data) = frame.data_ref() {
                    unread.hold(data.clone());
                }
            }
            (None, Some(unread)) => unread.read_rest(),
            _ => {}
        }
        if frame.is_none()
            || self
                .unread
                .as_ref()
                .is_some_and(|unread| unread.observer.has_seen())
        {
            self.unread = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A server may stop asking for frames once it has all bytes that the body announced.
impl<R> Drop for ObservedBody<R> {
    fn drop(&mut self) {
        if let Some(unread) = &mut self.unread {
            unread.read_rest();
        }
    }
}

impl Unread {
    fn hold(&mut self, chunk: Bytes) {
        self.held_bytes += chunk.len();
        if self.held_bytes > MAX_OBSERVED_BYTES {
            return self.observer.give_up();
        }
        self.held.push(chunk);
    }

    /// Reads the events that are complete.
    fn read_events(&mut self) {
        if let Some(event) = &mut self.event {
            self.held_bytes = 0;
            for chunk in self.held.drain(..) {
                event.feed(&chunk, &self.observer);
            }
        }
    }

    fn read_rest(&mut self) {
        self.read_events();
        if self.event.is_none() {
            match self.held.as_slice() {
                [whole] => self.observer.look(whole),
                chunks => self.observer.look(&chunks.concat()),
            }
        }
    }
}

impl OpenEvent {
    fn feed(&mut self, mut chunk: &[u8], observer: &ToolsObserver) {
        while let Some(piece) = self.lines.next(&mut chunk) {
            match piece {
                Piece::Part(text) => self.line.extend_from_slice(text),
                Piece::End { text, .. } => {
                    self.line.extend_from_slice(text);
                    self.end_line(observer);
                }
                Piece::LateLineFeed => {}
            }
            if self.line.len() + self.data.len() > MAX_OBSERVED_BYTES {
                observer.give_up();
            }
            if observer.has_seen() {
                return;
            }
        }
    }

    fn end_line(&mut self, observer: &ToolsObserver) {
        if self.line.is_empty() {
            observer.look(&self.data);
            self.data.clear();
        } else if let Some(value) = self.line.strip_prefix(DATA) {
            self.data.extend_from_slice(value);
            self.data.push(b'\n');
        }
        self.line.clear();
    }
}
