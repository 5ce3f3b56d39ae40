//! The log: typed events with stable fields, none of which contains a secret.
//!
//! The room that knows the facts makes the event, and this room writes it. `decided` is the event of every decision about a
//! request, and `ration` determines which of these are lowered to DEBUG. `text` escapes text that a caller chose.
//! `lifecycle`, `issuers` and `tenants` have the other events.

mod decided;
mod issuers;
mod lifecycle;
mod ration;
mod tenants;
mod text;

pub(crate) use decided::{Decided, Events};
pub(crate) use issuers::{
    DocumentFetch, api_keys_not_replaced, api_keys_replaced, key_skipped, secret_not_replaced,
};
pub(crate) use lifecycle::{
    GateBuilt, GatesBuilt, LoginUnchanged, ResponseWithheld, StreamEnded, TokensRevoked,
    ToolsReviewed, Weakened, streams_closed, tools_not_reviewed,
};
pub(crate) use tenants::{TenantKept, TenantRemoved};
pub(crate) use text::{Names, causes, clean, clean_causes, listed, shown_cause, texts_of_causes};
