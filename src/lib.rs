//! An OAuth 2.1 resource server for MCP servers, as one tower layer: every request must carry a token that
//! was issued for *this* server, is still good, and allows *the very tool being called*.
//!
//! Anything else gets the answer that makes an MCP client recover by itself (RFC 6750, RFC 9728), and
//! nothing reaches the handler.
//!
//! # In one line
//!
//! ```no_run
//! use toolgate::{ScopeMap, Toolgate};
//!
//! # async fn serve(mcp: axum::Router, listener: tokio::net::TcpListener) -> Result<(), Box<dyn std::error::Error>> {
//! let gate = Toolgate::builder("https://mcp.example.com/mcp")
//!     .issuer("https://auth.example.com")
//!     .scopes(ScopeMap::allow_unlisted().every_request("mcp:use").tool("delete_file", "files:write"))
//!     .build()?;
//!
//! let app = mcp.layer(gate.layer()); // the last call on the root router
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The layer goes around any `Service<Request<B>>` alike: an axum router, a bare hyper service, rmcp's
//! `StreamableHttpService`. Handlers find the caller in the request's extensions: [`Principal`].
//!
//! # The path of a request
//!
//! `src/pipeline/request.rs` reads like this list:
//!
//! 1. **metadata**: a well-known path of ours is answered, to everybody.
//! 2. **origin**: a web page that may not talk to the server is refused; the preflight of one that may
//!    is answered.
//! 3. **credentials**: the token is taken off the head. None, malformed and several are three answers. Without a token
//!    the request continues to step 6 only if some operation is open by name ([`without_token`]), and is admitted only if
//!    all it asks for is.
//! 4. **verify**: whose token it is: it becomes a [`Principal`], by its signature or by introspection, or is rejected
//!    (401), or cannot be verified right now (503). This is remembered. **holder**: whether it is theirs to use; this is not.
//! 5. **base rule**: whether the caller may ask at all, and the scopes that every request needs, before a byte of
//!    the body is read.
//! 6. **read the call**: which methods, tools, resources and prompts the body names, and whether the session is the
//!    caller's. What cannot be read with certainty is refused.
//! 7. **call rule**: the scopes those need, all of them in one challenge; and a decision of your own, if you
//!    have one: [`Decide`].
//! 8. **hand over**: without the token, with the principal, and with the same bytes that were judged.
//! 9. **on the way back**: lists are cut down to what the caller may call, where that is asked for
//!    ([`ScopeMap::list_callable`]), the id of a session is bound to whom it is given ([`Sessions`]), a stream
//!    of events ends with its token ([`Streams`]), and browsers are allowed to read the answer.
//!
//! # What is not checked
//!
//! - Revocation at the issuer, unless it is asked ([`Introspection`]): a JWT is believed until it expires, its
//!   key is withdrawn or its issuer is removed. [`Toolgate::revoke`] refuses one at once.
//! - Bound tokens: DPoP and mTLS proofs are not verified, so a token with `cnf` is rejected.
//! - Task ids and other handles in bodies: bind them to their owner by [`Principal::seal`] in your handlers.
//! - Arguments of a call: rules are about names. Whether *this* file may be deleted is for the handler, or for
//!   a [`Decide`] of yours.
//!
//! # Features
//!
//! - `testing`: a development authorization server, a token mint and a clock to set, for tests and
//!   demonstrations. It adds; it changes nothing of the gate.

// What a gate is made from, and the gate: builder → gate → config.
mod builder;
mod config;
mod gate;

// The path of a request, and what the operator sees of it.
mod events;
mod explain;
mod layer;
mod pipeline;

// Whose token is it?
mod token;

// Signed JSON, and the authorization server at the other end of the wire.
mod issuer;
mod jose;

// What do replicas share?
mod store;

// What is asked?
mod call;

// May they?
mod policy;

// Is it theirs to use?
mod holder;

// What goes back, and what becomes of the bodies of responses?
mod answer;
mod stream;

// The nouns they share.
mod binding;
mod clock;
mod config_error;
mod current;
mod digest;
mod grant;
mod log_facts;
mod mcp;
mod media_type;
mod refusal;
mod resource_name;
mod resource_uri;
mod revocation;
mod scope;
mod seal;
mod secret_source;

pub mod docs;
#[cfg(feature = "testing")]
pub mod testing;

pub use answer::{Metadata, MetadataService};
pub use builder::Builder;
pub use call::RequestBody;
pub use config::{Config, Introspection, Issuer, Limits, Secret, Sessions};
pub use config_error::{ConfigError, ConfigProblem, ConfigProblemKind};
pub use explain::{Caller, Check, CheckOutcome, Explanation};
pub use gate::Toolgate;
pub use layer::{ToolgateFuture, ToolgateLayer, ToolgateService};
pub use policy::{
    ArgumentsError, CallInfo, Decide, DecisionFailed, Review, Rule, ScopeMap, Verdict, all_of,
    any_of, base_only, deny, without_token,
};
pub use refusal::{Refusal, RefusalKind};
pub use revocation::Revocation;
pub use scope::Scopes;
pub use stream::{ResponseBody, Streams};
pub use token::{ClaimsError, Identity, IssuerHealth, Principal, RevocationError};

/// The code in the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
