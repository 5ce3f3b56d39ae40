//! What goes back? One table from the kind of a refusal to the wire.
//!
//! `wire` is the table, and `answers` makes a response of a refusal by it. `challenge` renders `WWW-Authenticate`,
//! `metadata` the document it points to, from the same values, so that they cannot disagree; `well_known` serves the
//! document.

mod answers;
mod challenge;
mod metadata;
mod well_known;
mod wire;

pub(crate) use answers::Answers;
pub(crate) use challenge::requested;
pub use metadata::Metadata;
pub(crate) use metadata::Publication;
pub use well_known::MetadataService;
pub(crate) use well_known::WellKnown;
