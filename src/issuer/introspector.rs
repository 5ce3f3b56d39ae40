//! Introspects tokens at the authorization server (RFC 7662).

use std::error::Error;
use std::sync::Arc;

use super::client::Client;
use super::endpoint::EndpointFetch;
use super::failure::IntrospectionFailure;
use super::fetch::{Answered, Fetcher};
use super::flight::Awaited;
use super::last_outcome::LastOutcome;
use super::response::IntrospectionResponse;
use super::source::Source;
use crate::clock::{Clock, Timestamp};
use crate::refusal::Refusal;

/// Introspects the tokens of one issuer, and keeps the last outcome.
pub(crate) struct Introspector {
    endpoint: Arc<Source<EndpointFetch>>,
    client: Client,
    fetcher: Fetcher,
    clock: Clock,
    last: LastOutcome,
}

impl Introspector {
    pub(crate) fn new(
        endpoint: Arc<Source<EndpointFetch>>,
        client: Client,
        fetcher: Fetcher,
        clock: Clock,
    ) -> Self {
        Self {
            endpoint,
            client,
            fetcher,
            clock,
            last: LastOutcome::default(),
        }
    }

    pub(crate) fn endpoint(&self) -> &Arc<Source<EndpointFetch>> {
        &self.endpoint
    }

    /// Introspects a token. A failure tells nothing about the token, which may be valid.
    pub(crate) async fn introspect(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<IntrospectionResponse, Refusal> {
        let url = self.endpoint.current().await?.item;
        let number = self.last.begin();
        let answered = self.ask(&url.0, token, now).await;
        let response = answered.and_then(|answered| IntrospectionResponse::read(&answered));
        self.last
            .end(number, response.as_ref().err().cloned(), self.clock.now());
        Ok(response?)
    }

    /// Discovers the endpoint if that is due. Returns the fetch if tokens have to wait for it, and otherwise `None`.
    pub(crate) fn warm_up(&self) -> Option<Awaited<()>> {
        self.endpoint.warm_up()
    }

    /// Returns whether introspection works as far as is known, and the last failure.
    pub(crate) fn condition(&self) -> (bool, Option<Arc<dyn Error + Send + Sync>>) {
        let (knows_where, unknown) = self.endpoint.condition();
        let unanswered = self.last.problem(self.clock.now());
        let answers = unanswered
            .as_ref()
            .is_none_or(|problem| !problem.is_an_outage());
        let unanswered =
            unanswered.map(|problem| Arc::new(problem) as Arc<dyn Error + Send + Sync>);
        (
            knows_where && answers,
            unanswered.or(unknown.map(|problem| Arc::new(problem) as _)),
        )
    }

    async fn ask(
        &self,
        url: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Answered, IntrospectionFailure> {
        let form = self.client.form(token, now).await?;
        Ok(self.fetcher.post(url, form).await?)
    }
}
