//! Ends all streams of a gate, so that a server with open ones can shut down.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::events;
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
        events::streams_closed();
    }

    /// Refuses to open another stream to listen on.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.has_begun.load(Ordering::SeqCst) {
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
