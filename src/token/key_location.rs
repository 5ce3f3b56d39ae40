//! Where an issuer's keys are, and getting them from there.

use std::sync::Arc;
use std::time::Duration;

use super::algorithm::Algorithms;
use super::discovery::{self, NotItsMetadata};
use super::fetch::{FetchFailure, Fetcher};
use super::keys::{KeySet, NoUsableKeys};
use crate::clock::Timestamp;
use crate::refusal::Reason;

/// Where an issuer's keys are.
#[derive(Debug)]
pub(crate) enum KeyLocation {
    /// Named by the first of these metadata documents that is the issuer's.
    Discovered(Vec<String>),
    At(String),
}

/// A key set just fetched, and how long its server lets us keep it.
pub(crate) struct Fetched {
    pub(crate) keys: KeySet,
    pub(crate) lifetime: Option<Duration>,
    /// How old it was already when it came.
    pub(crate) age: Duration,
}

impl KeyLocation {
    /// Metadata is read anew each time: an issuer may move its keys.
    pub(crate) async fn fetch(
        &self,
        issuer: &str,
        fetcher: &Fetcher,
        algorithms: &Algorithms,
        now: Timestamp,
    ) -> Result<Fetched, KeysUnavailable> {
        let discovered;
        let uri = match self {
            Self::At(uri) => uri,
            Self::Discovered(urls) => {
                discovered = discover(urls, issuer, fetcher, now).await?;
                &discovered
            }
        };
        let document = fetcher.get(uri, now).await?;
        let keys = KeySet::read(&document.bytes, algorithms)?;
        Ok(Fetched { keys, lifetime: document.lifetime, age: document.age })
    }
}

/// Any failure of one form moves on to the next.
async fn discover(
    urls: &[String],
    issuer: &str,
    fetcher: &Fetcher,
    now: Timestamp,
) -> Result<String, KeysUnavailable> {
    let mut mismatch = None;
    for url in urls {
        let Ok(document) = fetcher.get(url, now).await else {
            continue;
        };
        match discovery::jwks_uri(&document.bytes, issuer) {
            Ok(uri) => return Ok(uri),
            Err(why @ NotItsMetadata::OtherIssuer(_)) => mismatch = Some(why),
            Err(_) => {}
        }
    }
    Err(mismatch.map_or(KeysUnavailable::Undiscovered, KeysUnavailable::OtherIssuer))
}

/// Why an issuer's keys could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum KeysUnavailable {
    #[error("no metadata document of the issuer was found at its well-known URLs")]
    Undiscovered,
    #[error("the metadata at its well-known URLs is not the issuer's")]
    OtherIssuer(#[source] NotItsMetadata),
    #[error("its key set could not be fetched")]
    Unfetched(#[source] Arc<FetchFailure>),
    #[error("its key set cannot be used")]
    Unusable(#[from] NoUsableKeys),
    #[error("the fetch ended without an outcome: its runtime was shut down, or it panicked")]
    Lost,
    #[error("there is no Tokio runtime here to fetch on")]
    NoRuntime,
}

impl KeysUnavailable {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Undiscovered => Reason::DiscoveryFailed,
            Self::OtherIssuer(_) => Reason::DiscoveryIssuerMismatch,
            Self::Unfetched(_) | Self::Lost | Self::NoRuntime => Reason::JwksUnavailable,
            Self::Unusable(_) => Reason::JwksUnusable,
        }
    }
}

impl From<FetchFailure> for KeysUnavailable {
    fn from(failure: FetchFailure) -> Self {
        Self::Unfetched(Arc::new(failure))
    }
}
