//! The health of a trusted issuer: can its tokens be verified?

use std::error::Error;
use std::sync::Arc;

use super::lookup::{Lookups, When};
use super::profile::TrustedIssuer;

/// The health of one trusted issuer, at the time of the call. [`Toolgate::health`](crate::Toolgate::health) returns one for
/// each.
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

    /// Whether tokens of this issuer can be verified: its keys are known, and not too old to be relied on. If not, a
    /// request with one of its tokens waits for a fetch, and is answered with 503 if that fails.
    ///
    /// If the issuer's opaque tokens are introspected, keys or introspection must work; if all of its tokens are
    /// introspected, both must. Introspection counts as working once its endpoint is known, except for a minute after an
    /// introspection that had no answer.
    pub fn is_serving(&self) -> bool {
        self.is_serving
    }

    /// The error of the last fetch of keys, or of an introspection in the last minute, for the operator. `None` if there
    /// was none. Its [`source`](Error::source)s name each URL that was tried and what was wrong there.
    ///
    /// An issuer that has a problem may still be [serving](Self::is_serving): the last good keys stay in use for a while.
    pub fn problem(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.problem.as_deref()
    }
}
