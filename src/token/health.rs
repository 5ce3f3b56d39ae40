//! The health of a trusted issuer: can its tokens be verified?

use std::error::Error;
use std::sync::Arc;

use super::lookup::{Lookups, When};
use super::own_verification::OwnVerification;
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
        let (answers, unanswered) = lookups.authority().condition();
        let is_serving = match lookups.when() {
            // Without keys, a signed response cannot be verified either.
            When::Opaque => has_keys || (answers && !lookups.authority().verifies_responses()),
            When::Always => has_keys && answers,
        };
        Self {
            issuer: issuer.name.clone(),
            is_serving,
            problem: unanswered.or(problem),
        }
    }

    pub(super) fn of_own(verifier: &Lookups<OwnVerification>) -> Self {
        let (is_serving, problem) = verifier.authority().condition();
        Self {
            issuer: verifier.issuer().name.clone(),
            is_serving,
            problem,
        }
    }

    /// The issuer, exactly as configured.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether tokens of this issuer can be verified: the gate has keys of the issuer that are not too old. Otherwise,
    /// a request with a token of this issuer waits for a fetch of the keys, and gets 503 if the fetch fails (or 401, if
    /// the token has expired by its own `exp`).
    ///
    /// If only the opaque tokens of the issuer are introspected, this is `true` if the keys *or* introspection work; if the
    /// responses are signed, the keys must work. If all its tokens are introspected, both must work. Introspection works if its endpoint is known. For a minute
    /// after an introspection without an answer it counts as not working, unless a later one gets an answer. The same holds
    /// for an [`OwnVerifier`](crate::OwnVerifier) that failed.
    pub fn is_serving(&self) -> bool {
        self.is_serving
    }

    /// The error of the last fetch of keys, or of an introspection or a verifier of your own in the last minute. It is for the operator. `None`
    /// if there was no such error. Its [`source`](Error::source)s name each URL that was tried and what was wrong
    /// there.
    ///
    /// An issuer that has a problem may still be [serving](Self::is_serving): the last good keys stay in use for a while.
    pub fn problem(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.problem.as_deref()
    }
}
