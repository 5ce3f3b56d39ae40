//! What becomes of the bodies of responses?
//!
//! `body` is the body of every response. `listing` filters lists, and `streams` ends streams of events with the token
//! that opened them (`ending` is the body that does it; both read streams by their `lines`). `held` holds the
//! beginning of a stream. `bad_gateway` replaces a
//! response of the inner service that must not be passed on.

mod bad_gateway;
mod body;
mod ending;
mod held;
mod lines;
mod listing;
mod streams;

pub(crate) use bad_gateway::{broken_off, without_session};
pub use body::ResponseBody;
pub(crate) use held::hold;
pub(crate) use listing::{ListFilter, SeenTools, ToolsObserver};
pub use streams::Streams;
pub(crate) use streams::{StreamPolicy, end, is_stream, with_grace};
