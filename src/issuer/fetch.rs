//! The one place that speaks HTTP to authorization servers. Every fetch is bounded in time, size and reach.

use std::error::Error;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::fetch_failure::{FetchFailure, NotFetched};
use super::freshness;
use crate::clock::Timestamp;
use crate::events::causes;
use crate::media_type::{self, MediaType};
use crate::resource_uri::HttpUrl;

/// For one document, from connecting to its last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// No key set or metadata document comes near this.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// The one name that [`HttpUrl`] takes for this machine.
const LOCALHOST: &str = "localhost";

/// In an address that a name is resolved to, reqwest puts the URL's port in the place of this.
const PORT_OF_THE_URL: u16 = 0;

/// The user's own settings for the HTTP client.
pub(crate) use reqwest::ClientBuilder as HttpClientBuilder;

/// Fetches small documents, and asks questions with small answers.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    /// Has the user's own settings, and fetches by https only.
    remote: reqwest::Client,
    /// Fetches by plain http, which must not leave this machine: no proxy and no resolver can divert it.
    loopback: reqwest::Client,
}

/// What was fetched, and how long its server lets us keep it.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lifetime: Option<Duration>,
    /// How long ago its server said it, where a cache in between repeats it.
    pub(crate) age: Duration,
}

/// A question: a form, which says nothing of itself, and who asks it.
pub(crate) struct Form {
    pub(crate) body: String,
    pub(crate) authorization: Option<HeaderValue>,
}

/// What was answered, whatever it was.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) is_json: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Fetcher {
    /// Takes the user's own client settings (custom CA, proxy, client certificate) for https. Redirects stay
    /// off and the time stays bounded: a redirect would let a compromised path choose whose keys we trust.
    pub(crate) fn new(client: HttpClientBuilder) -> Result<Self, NoClient> {
        // A proxy would see tokens and our secret in the clear, and any name can be resolved to anywhere.
        let this_machine = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let this_machine = this_machine.map(|address| SocketAddr::new(address, PORT_OF_THE_URL));
        let loopback = HttpClientBuilder::new()
            .no_proxy()
            .resolve_to_addrs(LOCALHOST, &this_machine);
        Ok(Self {
            remote: bounded(client)?,
            loopback: bounded(loopback)?,
        })
    }

    pub(crate) async fn get(&self, url: &str, now: Timestamp) -> Result<Document, FetchFailure> {
        let document = self.document(url, now).await;
        document.map_err(|why| FetchFailure::new(url, why))
    }

    /// The token is in the body: a URL is logged all over the place (RFC 7662 §4).
    pub(crate) async fn post(&self, url: &str, form: Form) -> Result<Answered, FetchFailure> {
        let answered = self.answer(url, form).await;
        answered.map_err(|why| FetchFailure::new(url, why))
    }

    async fn document(&self, url: &str, now: Timestamp) -> Result<Document, NotFetched> {
        let request = self.client(url)?.get(url);
        let request = request.header(ACCEPT, "application/json");
        let response = request.send().await.map_err(classified)?;
        if response.status() != StatusCode::OK {
            return Err(NotFetched::Status(response.status().as_u16()));
        }
        let lifetime = freshness::lifetime(response.headers(), now);
        let age = freshness::age(response.headers());
        Ok(Document {
            bytes: whole(response).await?,
            lifetime,
            age,
        })
    }

    async fn answer(&self, url: &str, form: Form) -> Result<Answered, NotFetched> {
        let request = self
            .client(url)?
            .post(url)
            .header(ACCEPT, "application/json");
        let mut request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = form.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.body(form.body).send().await.map_err(classified)?;
        let (status, is_json) = (response.status().as_u16(), is_json(response.headers()));
        Ok(Answered {
            status,
            is_json,
            bytes: whole(response).await?,
        })
    }

    fn client(&self, url: &str) -> Result<&reqwest::Client, NotFetched> {
        let url = HttpUrl::parse(url).map_err(NotFetched::Url)?;
        Ok(if url.is_https() {
            &self.remote
        } else {
            &self.loopback
        })
    }
}

fn bounded(client: HttpClientBuilder) -> Result<reqwest::Client, NoClient> {
    let client = client
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT);
    client.build().map_err(NoClient)
}

async fn whole(mut response: reqwest::Response) -> Result<Vec<u8>, NotFetched> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(classified)? {
        if bytes.len() + chunk.len() > MAX_DOCUMENT_BYTES {
            return Err(NotFetched::TooLarge(MAX_DOCUMENT_BYTES));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let line = headers
        .get(CONTENT_TYPE)
        .filter(|line| line.to_str().is_ok());
    line.is_some_and(|line| MediaType::of(line).is(media_type::JSON))
}

/// The HTTP client could not be built from the settings given.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built from the settings given")]
pub(crate) struct NoClient(#[source] reqwest::Error);

/// Hyper and rustls keep their error types to themselves or are no dependency of ours, so some are told by their text,
/// which stays in the chain of causes in any case.
fn classified(error: reqwest::Error) -> NotFetched {
    let error = error.without_url();
    let tells = |text: &str| causes(&error).any(|cause| cause.to_string().contains(text));
    let is_refused = |cause: &(dyn Error + 'static)| {
        let io = cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == ErrorKind::ConnectionRefused)
    };
    if error.is_timeout() {
        NotFetched::TimedOut(TIMEOUT, error.into())
    } else if error.is_dns() {
        NotFetched::UnknownHost(error.into())
    } else if causes(&error).any(is_refused) {
        NotFetched::Refused(error.into())
    } else if tells("invalid peer certificate: UnknownIssuer") {
        NotFetched::UntrustedCertificate(error.into())
    } else if tells("invalid peer certificate") {
        NotFetched::BadCertificate(error.into())
    } else if tells("received corrupt message") {
        NotFetched::NoTls(error.into())
    } else {
        NotFetched::Other(error.into())
    }
}
