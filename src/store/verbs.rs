//! The operations of a store.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::revocation::Revocation;

/// The state that the replicas of a server share.
pub(crate) trait Store: Send + Sync {
    /// Appends a revocation to the log that all replicas follow. The entry is kept for `longest_life`, the longest life of
    /// the tokens that it covers. It contains `revoked_at`, since a replica that reads it late must not refuse newer tokens.
    ///
    /// Appending begins with the call; the future only waits for the outcome, and dropping it cancels nothing. A store
    /// that has to wait for a network does so in a task of its own.
    fn append(
        &self,
        revocation: &Revocation,
        longest_life: Duration,
        revoked_at: Timestamp,
    ) -> Appending;
}

pub(crate) type Appending = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// The reason why the other replicas were not told. The local store tells none, so it cannot fail.
#[derive(Debug)]
pub(crate) enum StoreError {}
