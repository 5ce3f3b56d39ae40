//! The authorization server at the other end of the wire.
//!
//! `fetch` alone speaks HTTP to it. `discovery` finds the URLs in its metadata. A `source` fetches a document and keeps it as
//! fresh as needed: the issuer's `keys`, or the `endpoint` for introspection. `shared_sources` has one source for all who need
//! the same document. `introspector` introspects a token at that endpoint, authenticated as a `client` with a secret.
//! `response` parses what comes back; if it must be signed, `response_verifier` verifies it with the issuer's keys.
//! `single_flight` shares one introspection among concurrent
//! requests. Fetches and introspections run in tasks of their own: a `flight` each.
//!
//! This room fetches and does not decide: `token` validates the claims.

mod at_url;
mod client;
mod discovery;
mod endpoint;
mod failure;
mod fetch;
mod fetch_failure;
mod flight;
mod freshness;
mod introspector;
mod keys;
mod last_outcome;
mod not_verified;
mod response;
mod response_verifier;
mod shared_sources;
mod single_flight;
mod source;
mod state;
mod unavailable;

pub(crate) use client::{AssertionSigner, Client};
pub(crate) use discovery::{Location, metadata_urls};
pub(crate) use endpoint::{Endpoint, EndpointFetch};
pub(crate) use failure::IntrospectionFailure;
pub(crate) use fetch::{Fetcher, HttpClientBuilder, Reach, is_private};
pub(crate) use introspector::Introspector;
pub(crate) use keys::{KeyFetch, KeySource};
pub(crate) use last_outcome::LastOutcome;
pub(crate) use response_verifier::ResponseVerifier;
pub(crate) use shared_sources::SharedSources;
pub(crate) use single_flight::{Lane, NoOutcome, SingleFlight};
pub(crate) use source::{Fetch, MAX_WAIT, Source};
pub(crate) use state::Lifetimes;
