//! The documents in use, each fetched once, however many gates and configurations need it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::source::{Fetch, Source};
use super::state::Lifetimes;
use crate::clock::Clock;

/// The sources of one kind of document. A source is shared where all that decides its document is equal. It is dropped with
/// the last configuration that uses it.
pub(crate) struct SharedSources<F: Fetch>(Mutex<Vec<Weak<Source<F>>>>);

impl<F: Fetch> SharedSources<F> {
    /// Returns the source in use that fetches the same document in the same way, and otherwise a new one.
    pub(crate) fn source(&self, fetch: F, lifetimes: &Lifetimes, clock: &Clock) -> Arc<Source<F>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|source| source.strong_count() > 0);
        let mut in_use = held.iter().filter_map(Weak::upgrade);
        if let Some(found) = in_use.find(|source| source.fetches(&fetch, lifetimes)) {
            return found;
        }
        let source = Arc::new(Source::fetched(fetch, lifetimes.clone(), clock.clone()));
        held.push(Arc::downgrade(&source));
        source
    }
}

impl<F: Fetch> Default for SharedSources<F> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
