//! A value that is replaced as a whole while others use it.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The value of now. A reader keeps the one it took, however often it is replaced.
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

    /// Borrows the value without counting a reference: for a moment only, and never across an await.
    pub(crate) fn look(&self) -> Guard<Arc<T>> {
        self.value.load()
    }

    pub(crate) fn replace(&self, value: Arc<T>) {
        self.value.store(value);
        self.replaced.notify_waiters();
    }

    /// Completes with the next replacement after this call, whenever it is polled first.
    pub(crate) fn replaced(&self) -> Notified<'_> {
        self.replaced.notified()
    }
}
