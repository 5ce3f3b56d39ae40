//! The introspection endpoint of an issuer, from its metadata.

use std::sync::Arc;

use super::discovery::discover;
use super::fetch::Fetcher;
use super::source::Fetch;
use super::state::{Fetched, Refresh};
use super::unavailable::Unavailable;
use crate::clock::Timestamp;
use crate::refusal::Reason;

/// The URL of the introspection endpoint.
pub(crate) struct Endpoint(pub(crate) String);

/// Everything that a fetch of the endpoint needs.
pub(crate) struct EndpointFetch {
    pub(crate) issuer: Arc<str>,
    pub(crate) metadata_urls: Vec<String>,
    pub(crate) fetcher: Fetcher,
}

impl Fetch for EndpointFetch {
    type Item = Endpoint;
    const WHAT: &str = "introspection endpoint";
    const MISSING: Reason = Reason::IntrospectionUnavailable;

    fn issuer(&self) -> &str {
        &self.issuer
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.issuer, &self.metadata_urls) == (&other.issuer, &other.metadata_urls)
    }

    async fn fetch(&self, now: Timestamp) -> Result<Fetched<Endpoint>, Unavailable> {
        let (urls, member) = (&self.metadata_urls, "introspection_endpoint");
        let Fetched {
            item,
            lifetime,
            age,
        } = discover(urls, &self.issuer, member, &self.fetcher, now).await?;
        Ok(Fetched {
            item: Endpoint(item),
            lifetime,
            age,
        })
    }
}

impl Refresh for Endpoint {
    fn replace(&mut self, _: &Self) {}
}
