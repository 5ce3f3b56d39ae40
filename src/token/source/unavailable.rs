//! Why something of an issuer's could not be had.

use std::error::Error;
use std::sync::Arc;

use super::discovery::NotItsMetadata;
use super::fetch::FetchFailure;
use crate::refusal::Reason;

/// Why an issuer's keys, or the place where it introspects, could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unavailable {
    #[error("no metadata document of the issuer was found at its well-known URLs")]
    Undiscovered,
    #[error("the metadata at its well-known URLs cannot be used")]
    Undiscoverable(#[source] NotItsMetadata),
    #[error("its key set could not be fetched")]
    Unfetched(#[source] Arc<FetchFailure>),
    #[error("its key set cannot be used")]
    Unusable(#[source] Arc<dyn Error + Send + Sync>),
    #[error("the fetch ended without an outcome: its runtime was shut down, or it panicked")]
    Lost,
    #[error("there is no Tokio runtime here to fetch on")]
    NoRuntime,
}

impl Unavailable {
    /// `missing` is for what says nothing about what is missing.
    pub(crate) fn reason(&self, missing: Reason) -> Reason {
        match self {
            Self::Undiscoverable(NotItsMetadata::OtherIssuer(_)) => Reason::DiscoveryIssuerMismatch,
            Self::Undiscovered | Self::Undiscoverable(_) => Reason::DiscoveryFailed,
            Self::Unfetched(_) | Self::Lost | Self::NoRuntime => missing,
            Self::Unusable(_) => Reason::JwksUnusable,
        }
    }
}

impl From<FetchFailure> for Unavailable {
    fn from(failure: FetchFailure) -> Self {
        Self::Unfetched(Arc::new(failure))
    }
}
