//! An OAuth 2.1 resource server for MCP servers, as one tower layer. Every request must carry a token that was issued for
//! *this* server, is still valid, and allows *the very tool being called*. Only operations that you open by name
//! ([`without_token`]) need no token.
//!
//! Any other request does not reach the handler. Its answer tells an MCP client what to do (RFC 6750, RFC 9728).
//!
//! The manual is in [`docs`]. Start with [`docs::connecting`] for your authorization server and [`docs::scopes`] for
//! your rules.
//!
//! # Example
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
//! let app = mcp.layer(gate.layer()); // on the root router, after every route that it must protect
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The layer wraps any `Service<Request<B>>`: an axum router, a bare hyper service, rmcp's `StreamableHttpService`.
//! Handlers find the caller in the extensions of the request: [`Principal`]. A gate can also be built from a file:
//! [`Config`]. [`Gates`] puts several resources behind one layer.
//!
//! # The path of a request
//!
//! The gate takes each request through nine steps. `src/pipeline/request.rs` has these steps in this order;
//! [`docs::design`] gives the reasons.
//!
//! 1. **metadata**: a request for the metadata document (RFC 9728), at `/.well-known/…`, is answered without a token.
//! 2. **origin**: a request that a web page sends is refused unless the origin of the page is allowed. A preflight, which
//!    is the browser's question before such a request (CORS), is answered if the page is allowed.
//! 3. **credentials**: the token and the proof of possession, if there is one, are removed from the request headers. A
//!    missing, a malformed and a repeated token get three different answers. A request without a token is refused here,
//!    unless the scope map opens at least one operation by name. In that case the request goes on to step 6, and is
//!    admitted only if every operation in it is open.
//! 4. **verify**: the token is verified: by its signature, by introspection, by [a verifier of your own](docs::own_verifier),
//!    or, for an [API key](docs::api_keys), by its hash. There are three outcomes: a [`Principal`], a rejected token (401), or
//!    a token that cannot be verified right now (503). A verified token is cached. A token that introspection or your verifier
//!    rejected is cached too, for 10 s by default. A JWT that fails the gate's own checks is not cached, and neither is an
//!    outage. **proof**: a token that is bound to a key needs a proof of possession for this one request ([`Holder`]). The
//!    result of checking a proof is never cached.
//! 5. **base rule**: the rules about clients and claims are checked, then the scopes of [`ScopeMap::every_request`], and how
//!    and when the user logged in, if a rule asks for that ([`docs::step_up`]). The body is not read before that.
//! 6. **read the call**: the gate reads which methods, tools, resources and prompts the body names, and checks that the
//!    session belongs to the caller. A message that two JSON parsers could read differently is refused.
//! 7. **call rule**: the token must have the scopes, and its login the strength and the age, that the rules for these
//!    operations require. If something is missing, one challenge names all that the operations need. Then the gate calls
//!    your [`Decide`], if you have one.
//! 8. **hand over**: the inner service gets the request without the token, with the principal, and with the same bytes
//!    that were checked.
//! 9. **on the way back**: if your handler asked for more scopes ([`StepUp`]), its response is dropped, and the caller gets the
//!    challenge; lists are filtered to what the caller may call, if you ask for that ([`ScopeMap::list_callable`]); a session id is bound to the caller ([`Sessions`]); a stream of events ends when its
//!    token is no longer valid, or a while later ([`Streams`]); and CORS headers let an allowed web page read the response.
//!
//! # What is not checked
//!
//! - Revocation at the issuer, unless the token is introspected ([`Introspection`]). A JWT is accepted until it expires,
//!   its key is withdrawn or its issuer is removed. [`Toolgate::revoke`] makes the gate refuse it at once.
//! - Client certificates themselves: their issuer, their expiry, their names. A token that is bound to a certificate is
//!   rejected, unless your server or a proxy of yours has verified that the client holds its key, and [passes it
//!   on](docs::proof_of_possession#client-certificates).
//! - Task ids and other handles in bodies: bind them to their owner in your handlers with [`Principal::seal`].
//! - Arguments of a call: rules are about names. Whether the caller may delete *this* file is a decision for your handler,
//!   or for a [`Decide`]. A handler that needs more scopes can ask for them: [`StepUp`].
//! - The number of requests: put a rate limit in front of the gate.
//!
//! # Features
//!
//! - `testing`: a development authorization server, a token mint, a clock to set, and an assertion that a router is gated,
//!   for tests and demonstrations. The feature adds items and does not change the behaviour of the gate.
//! - `fips`: [all cryptography by the FIPS module of AWS-LC](docs::deploying#fips). Its build needs CMake and Go.

// Each group of modules below is a "room": it answers one question, and imports point one way. See CONTRIBUTING.md.

// The gate, and the settings it is made from: builder → gate → config.
mod builder;
mod config;
mod gate;
mod gates;
mod installed;

// The path of a request, and what the operator sees of it.
mod address;
mod events;
mod explain;
mod layer;
mod metadata_service;
mod pipeline;

// Which resource is it for?
mod routing;
mod tenants;

// Whose token is it?
mod token;

// Signed JSON, and the authorization server at the other end of the wire.
mod issuer;
mod jose;

// What do replicas share?
mod store;

// What is asked?
mod call;

// Authorization by policy.
mod policy;

// Proof of possession.
mod holder;

// Responses and their bodies.
mod answer;
mod stream;

// The nouns they share.
mod binding;
mod client_certificate;
mod clock;
mod config_error;
mod current;
mod digest;
#[cfg(feature = "fips")]
mod fips;
mod followed_file;
mod grant;
mod header_name;
mod html;
mod log_facts;
mod login;
mod mcp;
mod media_type;
mod network;
mod peer;
mod refusal;
mod resource;
mod resource_name;
mod resource_uri;
mod revocation;
mod scheme;
mod scope;
mod seal;
mod secret_source;
mod step_up;

pub mod docs;
#[cfg(feature = "testing")]
pub mod testing;

pub use answer::{Challenges, Metadata};
pub use builder::Builder;
pub use call::RequestBody;
pub use client_certificate::ClientCertificate;
pub use config::{
    ApiKey, ApiKeys, Config, Holder, Introspection, Issuer, Limits, Secret, Sessions,
};
pub use config_error::{ConfigError, ConfigProblem, ConfigProblemKind};
pub use explain::{Caller, Check, CheckOutcome, Explanation};
pub use gate::Toolgate;
pub use gates::Gates;
pub use holder::CertificateFormat;
pub use layer::{ToolgateFuture, ToolgateLayer, ToolgateService};
pub use metadata_service::MetadataService;
pub use peer::{Peer, PeerLayer, PeerService};
pub use policy::{
    ArgumentsError, CallInfo, Decide, DecisionFailed, Review, Rule, ScopeMap, Verdict, all_of,
    any_of, base_only, deny, without_token,
};
pub use refusal::{Refusal, RefusalKind};
pub use resource::Resource;
pub use revocation::Revocation;
pub use scheme::Dpop;
pub use scope::Scopes;
pub use step_up::{StepUp, StepUpError};
pub use stream::{ResponseBody, Streams};
pub use tenants::Tenants;
pub use token::{
    ClaimsError, Identity, IssuerHealth, OwnVerifier, Principal, RevocationError, TokenClaims,
    TokenVerdict, UnverifiedToken, VerificationFailed, VerifyToken,
};

/// The code in the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
