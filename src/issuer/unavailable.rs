//! The failure of a fetch from an issuer.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::at_url::AtUrl;
use super::fetch_failure::{FetchFailure, NotFetched};
use crate::events::causes;
use crate::jose::{NoUsableKeys, Unreadable};
use crate::refusal::Reason;

/// The reason why the keys of an issuer, or its introspection endpoint, could not be fetched.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unavailable {
    #[error("its metadata could not be fetched")]
    NoMetadata(#[source] Arc<NoMetadata>),
    #[error("its key set could not be fetched")]
    FetchFailed(#[source] Arc<FetchFailure>),
    #[error("its key set cannot be used")]
    Unusable(#[source] Arc<AtUrl<NoUsableKeys>>),
    #[error("the fetch ended without an outcome: its runtime was shut down, or it panicked")]
    Lost,
    #[error("there is no Tokio runtime here to fetch on")]
    NoRuntime,
}

impl Unavailable {
    /// The reason of a refusal because of this failure. `missing` is the reason for a failure that is the same for keys and
    /// endpoints.
    pub(crate) fn reason(&self, missing: Reason) -> Reason {
        match self {
            Self::NoMetadata(why) if why.is_of_another_issuer() => Reason::DiscoveryIssuerMismatch,
            Self::NoMetadata(_) => Reason::DiscoveryFailed,
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

/// Each URL that was tried for metadata, with the reason why it gave none.
#[derive(Debug)]
pub(crate) struct NoMetadata(pub(super) Vec<AtUrl<MetadataError>>);

/// The reason why a well-known URL gave no usable metadata.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error(transparent)]
    NotFetched(NotFetched),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("it has no {0}")]
    Lacks(&'static str),
    #[error("its {0} is unfit: {1}")]
    Unfit(&'static str, &'static str),
    #[error("it is the metadata of another issuer: {0}")]
    OtherIssuer(String),
}

impl From<FetchFailure> for MetadataError {
    fn from(failure: FetchFailure) -> Self {
        Self::NotFetched(failure.why)
    }
}

impl NoMetadata {
    fn is_of_another_issuer(&self) -> bool {
        self.0
            .iter()
            .any(|url| matches!(url.why, MetadataError::OtherIssuer(_)))
    }
}

/// Shows the root cause of each failure too, since only one of them could be the `source()`.
impl fmt::Display for NoMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, url) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{url}")?;
            if let Some(root) = causes(url).skip(1).last() {
                write!(f, " ({root})")?;
            }
        }
        Ok(())
    }
}

impl Error for NoMetadata {}
