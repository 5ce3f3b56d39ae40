//! Whether an issuer's tokens can be judged, for whoever asks without a token in hand.

use std::error::Error;
use std::sync::Arc;

use super::lookup::{Lookups, When};
use super::profile::TrustedIssuer;

/// How it stands with one trusted issuer. [`Toolgate::health`](crate::Toolgate::health) reports one for each.
#[derive(Debug, Clone)]
pub struct IssuerHealth {
    issuer: Arc<str>,
    is_serving: bool,
    problem: Option<Arc<dyn Error + Send + Sync>>,
}

impl IssuerHealth {
    pub(super) fn of(issuer: &TrustedIssuer, lookups: Option<&Arc<Lookups>>) -> Self {
        let (has_keys, problem) = issuer.keys.condition();
        let problem = problem.map(|problem| Arc::new(problem) as Arc<dyn Error + Send + Sync>);
        let Some(lookups) = lookups else {
            return Self {
                issuer: issuer.name.clone(),
                is_serving: has_keys,
                problem,
            };
        };
        let (answers, unanswered) = lookups.introspector().condition();
        let is_serving = match lookups.when() {
            When::Opaque => has_keys || answers,
            When::Always => has_keys && answers,
        };
        Self {
            issuer: issuer.name.clone(),
            is_serving,
            problem: unanswered.or(problem),
        }
    }

    /// The issuer, exactly as configured.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether its tokens can be judged: its keys are here, and not too old to be believed. If not, its tokens
    /// wait for a fetch, and are answered with 503 where it fails.
    ///
    /// Of an issuer with introspection one way must be open, keys or introspection, and both where every token
    /// is introspected. That introspection works is believed as soon as it is known where to ask, but for a
    /// minute after a question that had no answer.
    pub fn is_serving(&self) -> bool {
        self.is_serving
    }

    /// Why no newer keys came of the last attempt, or no answer to the last introspection, for the operator.
    /// Its [`source`](Error::source)s name each URL that was tried and what was wrong there.
    ///
    /// An issuer can have a problem and be served all the same: the last good keys serve on for a while.
    pub fn problem(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.problem.as_deref()
    }
}
