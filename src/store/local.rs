//! The store of a gate that has no replicas.

use std::future::ready;
use std::time::Duration;

use super::verbs::{Appending, Store};
use crate::clock::Timestamp;
use crate::revocation::Revocation;

/// A store that does nothing: a gate remembers its own revocations, and here no replica follows them. It spawns no task, so
/// it needs no runtime.
pub(crate) struct LocalStore;

impl Store for LocalStore {
    fn append(&self, _: &Revocation, _: Duration, _: Timestamp) -> Appending {
        Box::pin(ready(Ok(())))
    }
}
