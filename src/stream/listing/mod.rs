//! Lists, cut down to what may be shown. Whether something may is for a predicate to say.
//!
//! Answers are judged by what is in them and not by what was asked: servers route answers by ids that callers choose,
//! so that a list may come as the answer to anything, or on a stream that only listens.
//!
//! `apply` has the `filter` of a request work on its answer. `message` cuts one JSON text, `json` finds what to cut, and
//! `events` does it in a stream of server-sent events, of which `filtered_events` is the body. Nothing is parsed and written anew: what may be shown keeps its
//! bytes. What cannot be filtered with certainty (`error`) is not passed on. What is too long to be held (`collected`) is
//! passed on as it comes, and breaks off where a list begins (`scan`, `long`).

mod apply;
mod collected;
mod error;
mod events;
mod filter;
mod filtered_events;
mod head;
mod json;
mod long;
mod message;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use filter::ListFilter;
pub(super) use filtered_events::FilteredEvents;
pub(super) use long::LongAnswer;
