//! The gate in front of other MCP servers than rmcp's.
#![cfg(test)]
#![deny(warnings)]

mod caller;
#[expect(dead_code, reason = "it is shared with the tests of toolgate")]
#[path = "../../it/challenge.rs"]
mod challenge;
mod client;
mod pmcp;
mod rust_mcp_sdk;
mod world;
