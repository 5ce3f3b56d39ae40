//! An embeddable OAuth 2.1 resource server for MCP servers.

#[cfg(feature = "testing")]
pub mod testing;
