//! A shared value that is replaced as a whole while it is in use.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Holds the current value. A reader keeps the value that it got, even after a replacement.
#[derive(Debug)]
pub(crate) struct Current<T> {
    value: ArcSwap<T>,
    replaced: Notify,
}

impl<T> Current<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Self {
            value: ArcSwap::new(value),
            replaced: Notify::new(),
        }
    }

    pub(crate) fn get(&self) -> Arc<T> {
        self.value.load_full()
    }

    /// Borrows the value without counting a reference. Drop the guard soon, and never hold it across an await: each thread has
    /// few of them.
    pub(crate) fn look(&self) -> Guard<Arc<T>> {
        self.value.load()
    }

    pub(crate) fn replace(&self, value: Arc<T>) {
        self.value.store(value);
        self.replaced.notify_waiters();
    }

    /// Completes at the first replacement after this call, even if that happens before the future is first polled.
    pub(crate) fn replaced(&self) -> Notified<'_> {
        self.replaced.notified()
    }
}
