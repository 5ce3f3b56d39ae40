//! Why a question about a token had no answer. None of this says anything about the token.

use std::sync::Arc;

use super::fetch_failure::FetchFailure;
use crate::jose::Unreadable;
use crate::refusal::{Reason, Refusal};

/// Why the authorization server did not tell, for the operator.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum IntrospectionFailure {
    #[error("the introspection endpoint could not be reached")]
    Unreached(#[source] Arc<FetchFailure>),
    #[error("the introspection endpoint refused our credentials with {0}")]
    Unauthorized(u16),
    #[error("the introspection endpoint answered {0}")]
    Status(u16),
    #[error("the introspection endpoint's answer cannot be used: {0}")]
    Unusable(&'static str),
    #[error("the introspection endpoint's answer cannot be read")]
    Unreadable(#[source] Arc<Unreadable>),
    #[error("no client assertion could be signed")]
    Unsigned,
    #[error("too many questions are under way, or the answer took too long")]
    Busy,
    #[error("the question ended without an answer: its runtime was shut down, or it panicked")]
    Lost,
    #[error("there is no Tokio runtime here to ask on")]
    NoRuntime,
}

impl IntrospectionFailure {
    /// Whether it says that the issuer answers nobody: a token that it chokes on does not, whoever sent it.
    pub(super) fn is_an_outage(&self) -> bool {
        match self {
            Self::Unreached(_) | Self::Unauthorized(_) | Self::Unsigned => true,
            Self::Status(status) => *status >= 500,
            Self::Unusable(_) | Self::Unreadable(_) | Self::Busy | Self::Lost | Self::NoRuntime => {
                false
            }
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Unauthorized(_) | Self::Unsigned => Reason::IntrospectionUnauthorized,
            Self::Unusable(_) | Self::Unreadable(_) => Reason::IntrospectionUnusable,
            Self::Busy => Reason::IntrospectionBusy,
            Self::Unreached(_) | Self::Status(_) | Self::Lost | Self::NoRuntime => {
                Reason::IntrospectionUnavailable
            }
        }
    }
}

/// Never a verdict: the token may well be good.
impl From<IntrospectionFailure> for Refusal {
    fn from(why: IntrospectionFailure) -> Self {
        Refusal::from(why.reason()).because(why)
    }
}

impl From<FetchFailure> for IntrospectionFailure {
    fn from(why: FetchFailure) -> Self {
        Self::Unreached(Arc::new(why))
    }
}

impl From<Unreadable> for IntrospectionFailure {
    fn from(why: Unreadable) -> Self {
        Self::Unreadable(Arc::new(why))
    }
}
