//! What do the replicas of a server share?
//!
//! `verbs` are what a store can do for them. `local` is the store of a gate that has no replicas.
//!
//! A store tells replicas; it judges nothing. What a request is held against is always in the memory of its own gate, so
//! that the path of a request never waits for a store.

mod local;
mod verbs;

pub(crate) use local::LocalStore;
pub(crate) use verbs::{Appending, Store, StoreError};
