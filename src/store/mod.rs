//! What do the replicas of a server share?
//!
//! `verbs` lists the operations of a store. `local` is the store of a gate that has no replicas.
//!
//! A store tells replicas of changes and decides nothing. Each gate keeps everything that it checks requests against in its
//! own memory, so that the path of a request never waits for a store.

mod local;
mod verbs;

pub(crate) use local::LocalStore;
pub(crate) use verbs::{Appending, Store, StoreError};
