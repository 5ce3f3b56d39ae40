//! The gate of both tests.

use toolgate::{Builder, ScopeMap, Toolgate};

pub const RESOURCE: &str = "https://mcp.example.com/mcp";

pub fn gate(issuer: &str) -> Builder {
    Toolgate::builder(RESOURCE)
        .issuer(issuer)
        .scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
}
