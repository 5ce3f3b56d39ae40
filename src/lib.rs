//! An embeddable OAuth 2.1 resource server for MCP servers.

mod refusal;
mod scope;

pub use refusal::{Refusal, RefusalKind};
pub use scope::Scopes;

#[cfg(feature = "testing")]
pub mod testing;
