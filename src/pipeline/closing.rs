//! Ends all streams of a gate, so that a server with open ones can shut down.

use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use http::header::ACCEPT;
use http::request::Parts;
use tokio::sync::Notify;

use crate::refusal::{Reason, Refusal};

/// Whether streams are being closed. It is kept when the configuration changes.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    has_begun: AtomicBool,
    begins: Notify,
}

impl Closing {
    pub(crate) fn begin(&self) {
        // The order matters: a stream that does not see the flag yet is notified.
        self.has_begun.store(true, Ordering::SeqCst);
        self.begins.notify_waiters();
    }

    /// Refuses a request that listens, once streams are being closed. A `GET` that does not ask for events fetches something
    /// else; if it is answered with a stream after all, the stream ends at once.
    pub(super) fn check(&self, parts: &Parts) -> Result<(), Refusal> {
        if self.has_begun.load(Ordering::SeqCst)
            && (parts.method != Method::GET || asks_for_events(parts))
        {
            return Err(Reason::ShuttingDown.into());
        }
        Ok(())
    }

    /// Completes once streams are being closed.
    pub(super) async fn begun(&self) {
        let begins = self.begins.notified();
        if !self.has_begun.load(Ordering::SeqCst) {
            begins.await;
        }
    }
}

fn asks_for_events(parts: &Parts) -> bool {
    let lines = parts.headers.get_all(ACCEPT).iter();
    let mut ranges = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    ranges.any(|range| {
        let range = range.split(|byte| *byte == b';').next().unwrap_or_default();
        range
            .trim_ascii()
            .eq_ignore_ascii_case(b"text/event-stream")
    })
}
