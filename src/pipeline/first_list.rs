//! Knows whether a configuration still waits for the first list of tools that is passed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::policy::Policy;

/// The most responses that are observed at once, since each may hold a list in memory until its client has read it.
const MAX_OBSERVED_RESPONSES: usize = 8;

/// The comparison of a configuration's rules with the tools that are listed first. It is made once.
#[derive(Debug)]
pub(crate) struct FirstList {
    is_over: AtomicBool,
    observed: AtomicUsize,
}

/// A response that is observed for the first list.
pub(super) struct ObservedList(Arc<FirstList>);

impl FirstList {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            is_over: AtomicBool::new(!policy.concerns_tools()),
            observed: AtomicUsize::new(0),
        }
    }

    /// Whether one more response should be observed.
    pub(super) fn is_awaited(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
            && self.observed.load(Ordering::Relaxed) < MAX_OBSERVED_RESPONSES
    }
}

impl ObservedList {
    pub(super) fn of(list: &Arc<FirstList>) -> Self {
        list.observed.fetch_add(1, Ordering::Relaxed);
        Self(list.clone())
    }

    /// Whether it is to be compared: `true` once for each configuration, and only while that is in force.
    pub(super) fn is_first(&self, in_force: &Arc<FirstList>) -> bool {
        Arc::ptr_eq(&self.0, in_force) && !self.0.is_over.swap(true, Ordering::Relaxed)
    }
}

impl Drop for ObservedList {
    fn drop(&mut self) {
        self.0.observed.fetch_sub(1, Ordering::Relaxed);
    }
}
