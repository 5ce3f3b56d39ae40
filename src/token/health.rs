//! Whether an issuer's tokens can be judged, for whoever asks without a token in hand.

use std::error::Error;
use std::sync::Arc;

use super::issuer::TrustedIssuer;
use super::unavailable::Unavailable;

/// How it stands with one trusted issuer. [`Toolgate::health`](crate::Toolgate::health) reports one for each.
#[derive(Debug, Clone)]
pub struct IssuerHealth {
    issuer: Arc<str>,
    is_serving: bool,
    problem: Option<Unavailable>,
}

impl IssuerHealth {
    pub(super) fn of(issuer: &TrustedIssuer) -> Self {
        let (is_serving, problem) = issuer.keys.condition();
        Self { issuer: issuer.name.clone(), is_serving, problem }
    }

    /// The issuer, exactly as configured.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether its keys are here, and not too old to be believed. If not, its tokens wait for a fetch, and are
    /// answered with 503 where it fails.
    pub fn is_serving(&self) -> bool {
        self.is_serving
    }

    /// Why no newer keys came of the last attempt, for the operator. An issuer can have a problem and be
    /// served all the same: the last good keys serve on for a while.
    pub fn problem(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        Some(self.problem.as_ref()?)
    }
}
