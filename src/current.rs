//! A value that is replaced as a whole while others use it.

use std::sync::{Arc, PoisonError, RwLock};

/// Whoever took the value keeps what they took, however often it is replaced.
#[derive(Debug)]
pub(crate) struct Current<T>(RwLock<Arc<T>>);

impl<T> Current<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Self(RwLock::new(value))
    }

    pub(crate) fn get(&self) -> Arc<T> {
        // Held for as long as it takes to count one more.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn replace(&self, value: Arc<T>) {
        let older = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), value);
        // Not under the lock: it may be much that goes with it.
        drop(older);
    }
}
