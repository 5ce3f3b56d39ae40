//! One look-up for all who ask about a token, and what is remembered of its outcome.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::answer::Answer;
use super::endpoint::EndpointFetch;
use super::flights::{Flights, Landing};
use super::{Client, Introspection, IntrospectionFailure, When};
use crate::clock::{Clock, Timestamp};
use crate::refusal::Refusal;
use crate::token::cache::KeyProof;
use crate::token::fingerprint::Fingerprint;
use crate::token::issuer::TrustedIssuer;
use crate::token::memory::Memory;
use crate::token::principal::Principal;
use crate::token::source::{Answered, Fetcher, Flight, MAX_WAIT, Source};

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

/// What a look-up needs, in a task of its own.
struct LookUp {
    issuer: Arc<TrustedIssuer>,
    introspection: Arc<Introspection>,
    memory: Arc<Memory>,
    fingerprint: Fingerprint,
    token: String,
    signed: Option<SignedClaims>,
}

impl Introspection {
    pub(crate) fn new(
        (token_prefix, when, active_for): (Option<String>, When, Duration),
        endpoint: Source<EndpointFetch>,
        client: Client,
        fetcher: Fetcher,
        clock: Clock,
    ) -> Self {
        let (endpoint, flights) = (Arc::new(endpoint), Flights::new(MAX_QUESTIONS));
        let problem = Mutex::default();
        Self { token_prefix, when, active_for, endpoint, client, fetcher, clock, flights, problem }
    }

    /// Whose token it is, by the issuer's own word. Waits a bounded time.
    pub(crate) async fn look_up(
        self: &Arc<Self>,
        issuer: &Arc<TrustedIssuer>,
        memory: &Arc<Memory>,
        (token, fingerprint): (&str, Fingerprint),
        signed: Option<&SignedClaims>,
    ) -> Result<Principal, Refusal> {
        let known = || memory.recall(&fingerprint, self.clock.now()).transpose();
        let work = || {
            let look_up = LookUp {
                issuer: issuer.clone(),
                introspection: self.clone(),
                memory: memory.clone(),
                fingerprint,
                token: token.to_owned(),
                signed: signed.cloned(),
            };
            look_up.run()
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
        self.endpoint.warm_up()
    }

    /// Whether questions are answered, as far as anybody has asked; if not, why.
    pub(crate) fn condition(&self) -> (bool, Option<Arc<dyn Error + Send + Sync>>) {
        if let Some(problem) = self.problem().clone() {
            return (false, Some(Arc::new(problem)));
        }
        let (is_serving, problem) = self.endpoint.condition();
        (is_serving, problem.map(|problem| Arc::new(problem) as _))
    }

    async fn ask(&self, url: &str, token: &str, now: Timestamp) -> Result<Answered, IntrospectionFailure> {
        let form = self.client.ask_about(token, now).await?;
        Ok(self.fetcher.post(url, form).await?)
    }

    fn problem(&self) -> MutexGuard<'_, Option<IntrospectionFailure>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LookUp {
    async fn run(self) -> Result<Principal, Refusal> {
        let Self { issuer, introspection, memory, fingerprint, token, signed } = self;
        let asked_at = introspection.clock.now();
        let url = introspection.endpoint.current().await?.item;
        let answered = introspection.ask(&url.0, &token, asked_at).await;
        let answer = answered.as_ref().map_err(Clone::clone).and_then(Answer::read);
        *introspection.problem() = answer.as_ref().err().cloned();

        let now = introspection.clock.now();
        let claims = signed.as_ref().map(|signed| &*signed.text);
        let principal = answer?.judge(&issuer, claims, now);
        let principal = principal.inspect_err(|refusal| memory.reject(fingerprint, refusal, asked_at))?;
        // The answer is as old as the question, and nothing outlives its own end (RFC 7662 §4).
        let mut dies_at = asked_at.plus(introspection.active_for);
        for end in [principal.expiry(), signed.as_ref().map(|signed| signed.dies_at)].into_iter().flatten() {
            dies_at = dies_at.min(end);
        }
        memory.keep(fingerprint, &principal, dies_at, signed.map(|signed| signed.proof), now)?;
        Ok(principal)
    }
}
