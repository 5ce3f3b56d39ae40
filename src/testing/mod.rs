//! A development authorization server, a token mint and a clock that a test can set.
//!
//! **For development and tests only: everyone may log in as anyone.** There are no passwords, the confidential client's
//! secret is a known default, and nothing is kept when the process ends. The server listens only on loopback addresses.
//!
//! It supports what MCP clients use: RFC 8414 and OpenID discovery, dynamic client registration (RFC 7591),
//! client id metadata documents, the authorization code flow with PKCE and `resource` (RFC 8707), refresh
//! tokens that rotate, tokens that are bound to a key by DPoP (RFC 9449), requests for a newer or a stronger login (RFC 9470),
//! and introspection (RFC 7662), signed if that is requested (RFC 9701). So a browser, an editor or an SDK can go through the
//! whole flow:
//!
//! ```no_run
//! # async fn quickstart() {
//! use toolgate::testing::AuthorizationServer;
//!
//! let authorization_server = AuthorizationServer::builder()
//!     .listen(([127, 0, 0, 1], 4000).into())
//!     .scopes(["mcp:use", "files:read", "files:write"])
//!     .start()
//!     .await;
//! eprintln!("{authorization_server}"); // says where, and that it is for development only
//! # }
//! ```
//!
//! Tests need less: tokens of any shape, keys that rotate, endpoints that fail on demand.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use toolgate::testing::{AuthorizationServer, Endpoint, Fault};
//!
//! let authorization_server = AuthorizationServer::start().await;
//! let good = authorization_server.token().audience("http://127.0.0.1:3000/mcp").scope("mcp:use").mint();
//! let expired = authorization_server.token().audience("http://127.0.0.1:3000/mcp").expires_in(-1).mint();
//!
//! authorization_server.fail(Endpoint::Jwks, Some(Fault::Status(503)));
//! // … send the tokens to the server under test …
//! assert_eq!(authorization_server.hits(Endpoint::Jwks), 0);
//! # assert_ne!(good, expired);
//! # }
//! ```
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a fixture that is misused should fail the test, at the line that misuses it"
)]

mod api_key;
mod builder;
mod clock;
mod endpoint;
mod fault;
mod gated;
mod grants;
mod key;
mod key_ring;
mod listener;
mod logins;
mod mint;
mod proofs;
mod random;
mod scripted_verifier;
mod server;
mod shared;
#[cfg(test)]
mod tests;
mod traffic;

pub use api_key::api_key;
pub use builder::AuthorizationServerBuilder;
pub use clock::Clock;
pub use fault::Fault;
pub use gated::assert_gated;
pub use key::{Algorithm, SigningKey};
pub use mint::TokenBuilder;
pub use scripted_verifier::ScriptedVerifier;
pub use server::{AuthorizationServer, NOTICE};
pub use traffic::{Endpoint, Recorded};
