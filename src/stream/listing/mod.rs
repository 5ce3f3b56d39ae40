//! Filters lists in responses, by a predicate that says whether an element may be shown.
//!
//! Responses are filtered by what is in them, and not by what was asked: servers route answers by ids that callers
//! choose, so a list may come as the answer to any request, or on a stream that only listens.
//!
//! `apply` applies the `filter` of a request to its response: it reads the format from the `head`, and holds a JSON
//! body (`collected`). `message` filters one JSON text, in which `json` locates values. `events` does it in a stream of
//! server-sent events, and `filtered_events` is its body. No text is parsed and written anew: elements that may be
//! shown keep their bytes (`edit`). `describe` adds to tools what each needs. A text that cannot be filtered with certainty (`error`) is withheld. One that is too long to
//! be held is passed on as it comes, and ends early if a list begins in it (`scan`, `long`).
//!
//! `first_tools` looks for a list of tools, whether lists are filtered or not. If they are not, `observed_body` has it
//! look at a body that is passed on.

mod apply;
mod collected;
mod describe;
mod edit;
mod error;
mod events;
mod filter;
mod filtered_events;
mod first_tools;
mod head;
mod json;
mod long;
mod message;
mod observed_body;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use filter::ListFilter;
pub(super) use filtered_events::FilteredEvents;
pub(crate) use first_tools::{SeenTools, ToolsObserver};
pub(super) use long::LongAnswer;
pub(super) use observed_body::ObservedBody;
