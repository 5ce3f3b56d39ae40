//! What the operator sees: typed events with stable fields, and nothing secret in any of them.
//!
//! An event is made by the room that knows its facts, and written here. `decided` is the event of every decision, and
//! `ration` says which of them are put down to DEBUG; `text` is how text that a caller chose is written.
//! `lifecycle` and `issuers` have the events that are no decision about a request.

mod decided;
mod issuers;
mod lifecycle;
mod ration;
mod text;

pub(crate) use decided::{Decided, Events};
pub(crate) use issuers::{DocumentFetch, key_skipped, secret_not_replaced};
pub(crate) use lifecycle::{
    GateBuilt, ResponseWithheld, StreamEnded, TokensRevoked, Weakened, streams_closed,
};
pub(crate) use text::{Names, causes, clean, clean_causes, with_causes};
