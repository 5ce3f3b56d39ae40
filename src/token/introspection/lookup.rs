//! One look-up for all who ask about a token, and what is remembered of its outcome.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::timeout;

use super::answer::Answer;
use super::flights::{Flights, Landing};
use super::{Asked, Introspection, IntrospectionFailure, When};
use crate::clock::Timestamp;
use crate::refusal::Refusal;
use crate::token::cache::KeyProof;
use crate::token::fingerprint::Fingerprint;
use crate::token::issuer::TrustedIssuer;
use crate::token::principal::Principal;
use crate::token::source::{Answered, Flight, MAX_WAIT};

/// Questions under way at one issuer. Who has another one waits, and is told to come back after that.
const MAX_QUESTIONS: usize = 64;

/// What a JWT says that is introspected too, once its signature held.
#[derive(Clone)]
pub(crate) struct SignedClaims {
    pub(crate) text: Arc<str>,
    pub(crate) proof: KeyProof,
    /// When the token is over by its own word, leeway included.
    pub(crate) dies_at: Timestamp,
}

/// A look-up, in a task of its own.
struct LookUp {
    introspection: Arc<Introspection>,
    fingerprint: Fingerprint,
    token: String,
    signed: Option<SignedClaims>,
}

impl Introspection {
    pub(crate) fn new(asked: Asked) -> Self {
        Self { asked, flights: Flights::new(MAX_QUESTIONS), problem: Mutex::default() }
    }

    pub(crate) fn issuer(&self) -> &Arc<TrustedIssuer> {
        &self.asked.issuer
    }

    pub(crate) fn when(&self) -> When {
        self.asked.when
    }

    /// Whether an opaque token can be the issuer's: it must never be shown to a server that did not issue it.
    pub(crate) fn may_be_asked_about(&self, token: &str) -> bool {
        self.asked.token_prefix.as_ref().is_none_or(|prefix| token.starts_with(prefix.as_str()))
    }

    /// Whose token it is, by the issuer's own word. Waits a bounded time.
    pub(crate) async fn look_up(
        self: &Arc<Self>,
        token: &str,
        fingerprint: Fingerprint,
        signed: Option<&SignedClaims>,
    ) -> Result<Principal, Refusal> {
        let known = || self.asked.memory.recall(&fingerprint, self.asked.clock.now()).transpose();
        let work = || {
            let (token, signed) = (token.to_owned(), signed.cloned());
            LookUp { introspection: self.clone(), fingerprint, token, signed }.run()
        };
        match timeout(MAX_WAIT, self.flights.share(fingerprint, known, work)).await {
            Ok(Landing::Done(verdict)) => verdict,
            Ok(Landing::Lost) => Err(IntrospectionFailure::Lost.into()),
            Ok(Landing::NoRuntime) => Err(IntrospectionFailure::NoRuntime.into()),
            Err(_) => Err(IntrospectionFailure::Busy.into()),
        }
    }

    /// Finds out where to ask, where it is time to. What is returned is to be waited for.
    pub(crate) fn warm_up(&self) -> Option<Flight> {
        self.asked.endpoint.warm_up()
    }

    /// Whether questions are answered, as far as anybody has asked; if not, why.
    pub(crate) fn condition(&self) -> (bool, Option<Arc<dyn Error + Send + Sync>>) {
        if let Some(problem) = self.problem().clone() {
            return (false, Some(Arc::new(problem)));
        }
        let (is_serving, problem) = self.asked.endpoint.condition();
        (is_serving, problem.map(|problem| Arc::new(problem) as _))
    }

    async fn ask(&self, url: &str, token: &str, now: Timestamp) -> Result<Answered, IntrospectionFailure> {
        let form = self.asked.client.ask_about(token, now).await?;
        Ok(self.asked.fetcher.post(url, form).await?)
    }

    fn problem(&self) -> MutexGuard<'_, Option<IntrospectionFailure>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LookUp {
    async fn run(self) -> Result<Principal, Refusal> {
        let Self { introspection, fingerprint, token, signed } = self;
        let Asked { issuer, active_for, endpoint, memory, clock, .. } = &introspection.asked;
        let asked_at = clock.now();
        let url = endpoint.current().await?.item;
        let answered = introspection.ask(&url.0, &token, asked_at).await;
        let answer = answered.as_ref().map_err(Clone::clone).and_then(Answer::read);
        *introspection.problem() = answer.as_ref().err().cloned();

        let now = clock.now();
        let principal = answer?.judge(issuer, signed.as_ref().map(|signed| &*signed.text), now);
        let principal = principal.inspect_err(|refusal| memory.reject(fingerprint, refusal, asked_at))?;
        // The answer is as old as the question, and nothing outlives its own end (RFC 7662 §4).
        let mut dies_at = asked_at.plus(*active_for);
        for end in [principal.expiry(), signed.as_ref().map(|signed| signed.dies_at)].into_iter().flatten() {
            dies_at = dies_at.min(end);
        }
        memory.keep(fingerprint, &principal, dies_at, signed.map(|signed| signed.proof), now)?;
        Ok(principal)
    }
}
