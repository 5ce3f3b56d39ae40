//! The gate's behaviour, through its public layer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod calls;
mod challenge;
mod config;
mod keys;
mod logs;
mod metadata;
mod origins;
mod policy;
mod presentation;
mod tokens;
mod transports;
mod world;
