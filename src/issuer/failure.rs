//! The failure of an introspection. It tells nothing about the token.

use std::sync::Arc;

use super::fetch_failure::FetchFailure;
use super::not_verified::NotVerified;
use super::single_flight::NoOutcome;
use crate::jose::Unreadable;
use crate::refusal::{Reason, Refusal};

/// The reason why an introspection gave no usable response, for the operator.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum IntrospectionFailure {
    #[error("the introspection endpoint could not be reached")]
    Unreached(#[source] Arc<FetchFailure>),
    #[error("the introspection endpoint refused our credentials with {0}")]
    Unauthorized(u16),
    #[error("the introspection endpoint answered {0}")]
    Status(u16),
    #[error("the response of the introspection endpoint cannot be used: {0}")]
    Unusable(&'static str),
    #[error("the response of the introspection endpoint cannot be read")]
    Unreadable(#[source] Arc<Unreadable>),
    #[error("the response of the introspection endpoint is not signed for this server")]
    NotVerified(#[source] Arc<NotVerified>),
    #[error("the keys that verify the response of the introspection endpoint are not available")]
    NoKeys(#[source] Refusal),
    #[error("no client assertion could be signed")]
    Unsigned,
    #[error("too many introspections are under way, or the response took too long")]
    Busy,
    #[error(
        "the introspection ended without an outcome: its runtime was shut down, or it panicked"
    )]
    Lost,
    #[error("there is no Tokio runtime here to introspect on")]
    NoRuntime,
}

impl IntrospectionFailure {
    /// Whether introspection fails for every token. A response that cannot be used may be caused by the one token in the
    /// request, which anyone could have sent.
    pub(super) fn is_an_outage(&self) -> bool {
        match self {
            Self::Unreached(_) | Self::Unauthorized(_) | Self::Unsigned => true,
            Self::Status(status) => *status >= 500,
            // The health of the keys is reported as such.
            Self::NoKeys(_) => false,
            Self::Unusable(_)
            | Self::Unreadable(_)
            | Self::NotVerified(_)
            | Self::Busy
            | Self::Lost
            | Self::NoRuntime => false,
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Unauthorized(_) | Self::Unsigned => Reason::IntrospectionUnauthorized,
            Self::Unusable(_) | Self::Unreadable(_) | Self::NotVerified(_) => {
                Reason::IntrospectionUnusable
            }
            Self::NoKeys(refusal) => refusal.reason(),
            Self::Busy => Reason::IntrospectionBusy,
            Self::Unreached(_) | Self::Status(_) | Self::Lost | Self::NoRuntime => {
                Reason::IntrospectionUnavailable
            }
        }
    }
}

/// Makes a 503, and never a 401: the token may be valid.
impl From<IntrospectionFailure> for Refusal {
    fn from(why: IntrospectionFailure) -> Self {
        match why {
            IntrospectionFailure::NoKeys(refusal) => refusal,
            why => Refusal::from(why.reason()).because(why),
        }
    }
}

impl From<NoOutcome> for IntrospectionFailure {
    fn from(why: NoOutcome) -> Self {
        match why {
            NoOutcome::Full => Self::Busy,
            NoOutcome::Lost => Self::Lost,
        }
    }
}

impl From<FetchFailure> for IntrospectionFailure {
    fn from(why: FetchFailure) -> Self {
        Self::Unreached(Arc::new(why))
    }
}

impl From<NotVerified> for IntrospectionFailure {
    fn from(why: NotVerified) -> Self {
        Self::NotVerified(Arc::new(why))
    }
}

impl From<Unreadable> for IntrospectionFailure {
    fn from(why: Unreadable) -> Self {
        Self::Unreadable(Arc::new(why))
    }
}
