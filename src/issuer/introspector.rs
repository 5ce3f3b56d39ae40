//! Introspects tokens at the authorization server (RFC 7662).

use std::error::Error;
use std::sync::Arc;

use super::client::Client;
use super::endpoint::EndpointFetch;
use super::failure::IntrospectionFailure;
use super::fetch::Fetcher;
use super::flight::Awaited;
use super::last_outcome::LastOutcome;
use super::response::IntrospectionResponse;
use super::response_verifier::{ResponseVerifier, SIGNED_RESPONSE};
use super::source::Source;
use crate::clock::{Clock, Timestamp};
use crate::media_type::JSON;
use crate::refusal::Refusal;

/// Introspects the tokens of one issuer, and keeps the last outcome.
pub(crate) struct Introspector {
    endpoint: Arc<Source<EndpointFetch>>,
    client: Client,
    /// `None` if responses are not signed.
    verifier: Option<ResponseVerifier>,
    fetcher: Fetcher,
    clock: Clock,
    last: LastOutcome<IntrospectionFailure>,
}

impl Introspector {
    pub(crate) fn new(
        endpoint: Arc<Source<EndpointFetch>>,
        client: Client,
        verifier: Option<ResponseVerifier>,
        fetcher: Fetcher,
        clock: Clock,
    ) -> Self {
        Self {
            endpoint,
            client,
            verifier,
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
        let response = self.ask(&url.0, token, now).await;
        self.last
            .end(number, response.as_ref().err().cloned(), self.clock.now());
        Ok(response?)
    }

    /// Whether a response is accepted only if the issuer signed it.
    pub(crate) fn verifies_responses(&self) -> bool {
        self.verifier.is_some()
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
    ) -> Result<IntrospectionResponse, IntrospectionFailure> {
        let accept = self.verifier.as_ref().map_or(JSON, |_| SIGNED_RESPONSE);
        let form = self.client.form(token, accept, now).await?;
        let answered = self.fetcher.post(url, form).await?;
        match &self.verifier {
            Some(verifier) => verifier.read(&answered, now, self.clock.now()).await,
            None => IntrospectionResponse::read(&answered),
        }
    }
}
