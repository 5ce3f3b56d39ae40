//! What goes back? One table maps the kind of a refusal to its response.
//!
//! `wire` is the table, and `answers` makes responses by it. `challenge` renders `WWW-Authenticate`, and `metadata` the
//! document that it points to. Both are made from one resource and one policy. `well_known` serves the
//! document. `not_found` answers at all other paths that no
//! gate has. `page` is what a person with a browser sees of a refusal. `tool_result` decides which
//! clients get a refusal as the result of a tool.

mod answers;
mod challenge;
mod metadata;
mod not_found;
mod page;
mod tool_result;
mod well_known;
mod wire;

pub(crate) use answers::{Answers, offer_nonce};
pub(crate) use challenge::requested;
pub use metadata::Metadata;
pub(crate) use metadata::Publication;
pub(crate) use not_found::not_found;
pub(crate) use page::Page;
pub use tool_result::Challenges;
pub(crate) use tool_result::ToolResults;
pub(crate) use well_known::WellKnown;
