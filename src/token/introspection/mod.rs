//! Asking the authorization server whether it still stands by a token (RFC 7662).
//!
//! `Introspection` asks: `endpoint` says where, `client` proves who we are, `answer` reads what comes back.
//! Who asks, how often and what becomes of the answer is `lookup`'s part.

mod answer;
mod assertion;
mod client;
mod endpoint;
mod failure;
mod flights;
mod lookup;
mod record;
mod secret;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use assertion::AssertionKey;
pub(crate) use client::{AssertionSigner, Client};
pub(crate) use endpoint::{Endpoint, EndpointFetch};
pub(crate) use failure::IntrospectionFailure;
pub(crate) use lookup::SignedClaims;
pub(crate) use secret::{FileSecret, Secret};

use super::issuer::TrustedIssuer;
use super::memory::Memory;
use super::principal::Principal;
use super::source::{Fetcher, Source};
use crate::clock::Clock;
use crate::refusal::Refusal;
use flights::Flights;
use record::Record;

/// How one issuer's tokens are introspected, and what is being asked just now.
pub(crate) struct Introspection {
    asked: Asked,
    flights: Flights<Result<Principal, Refusal>>,
    record: Record,
}

/// Everything that questions to an issuer need.
pub(crate) struct Asked {
    pub(crate) issuer: Arc<TrustedIssuer>,
    /// Only opaque tokens that begin like this are the issuer's.
    pub(crate) token_prefix: Option<String>,
    pub(crate) when: When,
    /// For how long an answer is believed.
    pub(crate) active_for: Duration,
    pub(crate) endpoint: Arc<Source<EndpointFetch>>,
    pub(crate) client: Client,
    pub(crate) fetcher: Fetcher,
    pub(crate) memory: Arc<Memory>,
    pub(crate) clock: Clock,
}

/// Which tokens are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Those that only their issuer can read.
    Opaque,
    /// JWTs too, once their signature held: a revocation is noticed as soon as what is remembered ends.
    Always,
}
