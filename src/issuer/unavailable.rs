//! Why something of an issuer's could not be had.

use std::error::Error;
use std::sync::Arc;

use super::fetch::FetchFailure;
use crate::refusal::Reason;

/// Why an issuer's keys, or the place where it introspects, could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unavailable {
    #[error("no metadata document of the issuer was found at its well-known URLs")]
    NoMetadata,
    #[error("the metadata at its well-known URLs cannot be used")]
    BadMetadata(#[source] MetadataError),
    #[error("its key set could not be fetched")]
    FetchFailed(#[source] Arc<FetchFailure>),
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
            Self::BadMetadata(MetadataError::OtherIssuer(_)) => Reason::DiscoveryIssuerMismatch,
            Self::NoMetadata | Self::BadMetadata(_) => Reason::DiscoveryFailed,
            Self::FetchFailed(_) | Self::Lost | Self::NoRuntime => missing,
            Self::Unusable(_) => Reason::JwksUnusable,
        }
    }
}

impl From<FetchFailure> for Unavailable {
    fn from(failure: FetchFailure) -> Self {
        Self::FetchFailed(Arc::new(failure))
    }
}

/// Why a document found at a well-known URL does not say where something of the issuer's is; the more
/// telling, the later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error("the metadata is not JSON")]
    NotJson,
    #[error("the metadata has no {0}")]
    Lacks(&'static str),
    #[error("the {0} in the metadata is unfit: {1}")]
    Unfit(&'static str, &'static str),
    #[error("the metadata is of another issuer: {0}")]
    OtherIssuer(String),
}
