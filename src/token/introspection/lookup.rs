//! One look-up for all who ask about a token, and what is remembered of its outcome.

use std::error::Error;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::answer::Answer;
use super::flights::{Flights, Lane, NoOutcome};
use super::record::Record;
use super::{Asked, EndpointFetch, Introspection, IntrospectionFailure, When};
use crate::clock::Timestamp;
use crate::refusal::Refusal;
use crate::token::cache::KeyProof;
use crate::token::fingerprint::{Fingerprint, Fingerprinted};
use crate::token::issuer::TrustedIssuer;
use crate::token::present::PresentedToken;
use crate::token::principal::Principal;
use crate::token::source::{Answered, Flight, MAX_WAIT, Source};

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
    text: String,
    fingerprint: Fingerprint,
    signed: Option<SignedClaims>,
}

impl Introspection {
    pub(crate) fn new(asked: Asked) -> Self {
        Self { asked, flights: Flights::new(), record: Record::default() }
    }

    pub(crate) fn issuer(&self) -> &Arc<TrustedIssuer> {
        &self.asked.issuer
    }

    pub(crate) fn endpoint(&self) -> &Arc<Source<EndpointFetch>> {
        &self.asked.endpoint
    }

    pub(crate) fn when(&self) -> When {
        self.asked.when
    }

    pub(crate) fn token_prefix(&self) -> Option<&str> {
        self.asked.token_prefix.as_deref()
    }

    /// Whether an opaque token can be the issuer's: it must never be shown to a server that did not issue it.
    pub(crate) fn may_be_asked_about(&self, token: &str) -> bool {
        self.asked.token_prefix.as_ref().is_none_or(|prefix| token.starts_with(prefix.as_str()))
    }

    /// Whose token it is, by the issuer's own word. Waits a bounded time.
    pub(crate) async fn look_up(
        self: &Arc<Self>,
        text: &str,
        token: Fingerprinted<'_>,
        signed: Option<&SignedClaims>,
    ) -> Result<Principal, Refusal> {
        let Asked { issuer, memory, clock, .. } = &self.asked;
        memory.revocations.judge_unread(&issuer.name, token.token, clock.now())?;
        let runtime = Handle::try_current().map_err(|_| IntrospectionFailure::NoRuntime)?;
        let known = || memory.recall(token, clock.now()).transpose();
        let work = || {
            let (introspection, text, signed) = (self.clone(), text.to_owned(), signed.cloned());
            LookUp { introspection, text, fingerprint: token.fingerprint, signed }.run()
        };
        // A stranger cannot make a token whose signature holds.
        let is_known = signed.is_some() || memory.recently_good.has(token.token, clock.now());
        let lane = if is_known { Lane::Known } else { Lane::Strangers };
        let shared = self.flights.share(&runtime, token.fingerprint, lane, known, work);
        let outcome = timeout(MAX_WAIT, shared).await.unwrap_or(Err(NoOutcome::Full));
        let principal = outcome.map_err(|why| match why {
            NoOutcome::Full => IntrospectionFailure::Busy,
            NoOutcome::Lost => IntrospectionFailure::Lost,
        })??;
        // Whoever joined late may have asked after a revocation that the look-up was too early for.
        memory.revocations.judge(&principal, token.token, clock.now())?;
        Ok(principal)
    }

    /// Finds out where to ask, where it is time to. What is returned is to be waited for.
    pub(crate) fn warm_up(&self) -> Option<Flight> {
        self.asked.endpoint.warm_up()
    }

    /// Whether questions are answered, as far as anybody has asked; if not, why.
    pub(crate) fn condition(&self) -> (bool, Option<Arc<dyn Error + Send + Sync>>) {
        let (knows_where, unknown) = self.asked.endpoint.condition();
        let unanswered = self.record.problem(self.asked.clock.now());
        let answers = unanswered.as_ref().is_none_or(|problem| !problem.is_an_outage());
        let unanswered = unanswered.map(|problem| Arc::new(problem) as Arc<dyn Error + Send + Sync>);
        (knows_where && answers, unanswered.or(unknown.map(|problem| Arc::new(problem) as _)))
    }

    async fn ask(&self, url: &str, token: &str, now: Timestamp) -> Result<Answered, IntrospectionFailure> {
        let form = self.asked.client.ask_about(token, now).await?;
        Ok(self.asked.fetcher.post(url, form).await?)
    }
}

impl LookUp {
    async fn run(self) -> Result<Principal, Refusal> {
        let Self { introspection, text, fingerprint, signed } = self;
        let token = Fingerprinted { token: PresentedToken::again(&text), fingerprint };
        let Asked { issuer, active_for, endpoint, memory, clock, .. } = &introspection.asked;
        let asked_at = clock.now();
        let url = endpoint.current().await?.item;
        let number = introspection.record.ask();
        let answered = introspection.ask(&url.0, &text, asked_at).await;
        let answer = answered.as_ref().map_err(Clone::clone).and_then(Answer::read);
        let now = clock.now();
        introspection.record.outcome(number, answer.as_ref().err().cloned(), now);

        let answer = answer?;
        let claims = signed.as_ref().map(|signed| &*signed.text);
        let remember = |refusal: &Refusal| memory.reject(fingerprint, refusal, asked_at);
        let principal = answer.judge(issuer, claims, token.token, now).inspect_err(remember)?;
        // The answer is as old as the question, and nothing outlives its own end (RFC 7662 §4).
        let told = principal.expiry().filter(|_| answer.tells_the_end());
        let ends = [told, signed.as_ref().map(|signed| signed.dies_at)];
        let dies_at = ends.into_iter().flatten().fold(asked_at.plus(*active_for), Timestamp::min);
        let proof = signed.map(|signed| signed.proof);
        memory.keep(token, &principal, dies_at, proof, now).inspect_err(remember)?;
        memory.recently_good.note(token.token, now);
        Ok(principal)
    }
}
