//! The authorization server at the other end of the wire.
//!
//! `fetch` speaks HTTP to it, and alone does; `discovery` finds what it publishes, and a `source` keeps that as new as it
//! need be: its `keys`, and the `endpoint` where it introspects. `introspector` introspects a token there, as a `client` with
//! a secret; `single_flight` makes one request of many. Fetches and introspections run in a task of their own: a `flight`.
//!
//! What is fetched here is not judged here: whose token it is, and whether it is good, is for `token` to say.

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
mod response;
mod single_flight;
mod source;
mod state;
mod unavailable;

pub(crate) use client::{AssertionSigner, Client};
pub(crate) use discovery::{Location, metadata_urls};
pub(crate) use endpoint::{Endpoint, EndpointFetch};
pub(crate) use failure::IntrospectionFailure;
pub(crate) use fetch::{Fetcher, HttpClientBuilder};
pub(crate) use introspector::Introspector;
pub(crate) use keys::{KeyFetch, KeySource};
pub(crate) use response::IntrospectionResponse;
pub(crate) use single_flight::{Lane, NoOutcome, SingleFlight};
pub(crate) use source::{Fetch, MAX_WAIT, Source};
pub(crate) use state::Lifetimes;
