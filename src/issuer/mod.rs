//! The authorization server at the other end of the wire.
//!
//! `fetch` speaks HTTP to it, and alone does; `discovery` finds what it publishes, and `kept` keeps that as new as it need
//! be: its `keys`, and the `endpoint` where it introspects. `introspector` asks there about a token, as a `client` with a
//! `secret`; a `single_flight` makes one question of many.
//!
//! What is fetched here is not judged here: whose token it is, and whether it is good, is for `token` to say.

mod client;
mod discovery;
mod endpoint;
mod failure;
mod fetch;
mod freshness;
mod introspector;
mod kept;
mod keys;
mod last_outcome;
mod response;
mod secret;
mod single_flight;
mod state;
mod unavailable;

pub(crate) use client::{AssertionSigner, Client};
pub(crate) use discovery::{Location, metadata_urls};
pub(crate) use endpoint::{Endpoint, EndpointFetch};
pub(crate) use failure::IntrospectionFailure;
pub(crate) use fetch::{Fetcher, HttpClientBuilder};
pub(crate) use introspector::Introspector;
pub(crate) use kept::{Fetch, Kept, MAX_WAIT};
pub(crate) use keys::{KeyFetch, KeySource};
pub(crate) use response::IntrospectionResponse;
pub(crate) use secret::{FileSecret, NoSecret, SecretSource};
pub(crate) use single_flight::{Lane, NoOutcome, SingleFlight};
pub(crate) use state::Lifetimes;
