//! The HTTP client for authorization servers; no other file speaks HTTP to them. Every request is bounded in time and in size,
//! and follows no redirect.

use std::error::Error;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::fetch_failure::{FetchFailure, NotFetched};
use super::freshness;
use crate::clock::Timestamp;
use crate::events::causes;
use crate::media_type::{JSON, MediaType};
use crate::resource_uri::HttpUrl;

/// The time limit for one document, from connecting to its last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest document or response. No real key set or metadata document comes near this.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// The only host name that [`HttpUrl`] accepts for this machine.
const LOCALHOST: &str = "localhost";

/// A placeholder: in an address to which a name resolves, reqwest replaces this by the port of the URL.
const PORT_OF_THE_URL: u16 = 0;

/// The user's own settings for the HTTP client.
pub(crate) use reqwest::ClientBuilder as HttpClientBuilder;

/// Fetches small documents, and posts forms to which the response is small.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    /// The client for https, with the user's own settings.
    remote: reqwest::Client,
    /// The client for plain http, which must not leave this machine: no proxy and no resolver can divert it.
    loopback: reqwest::Client,
}

/// A fetched document, and how long it may be kept.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    /// The lifetime that its headers allow; `None` if they have none.
    pub(crate) lifetime: Option<Duration>,
    /// How long the document was in a cache on the way.
    pub(crate) age: Duration,
}

/// A form to post, and its headers. It has no `Debug`, since it contains a token.
pub(crate) struct Form {
    pub(crate) accept: &'static str,
    pub(crate) body: String,
    pub(crate) authorization: Option<HeaderValue>,
}

/// The response to a form, of any status.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) bytes: Vec<u8>,
}

impl Answered {
    /// Whether the response has this media type.
    pub(super) fn is(&self, media_type: &str) -> bool {
        let line = self.content_type.as_ref();
        line.filter(|line| line.to_str().is_ok())
            .is_some_and(|line| MediaType::of(line).is(media_type))
    }
}

impl Fetcher {
    /// Makes a fetcher with the user's own settings (custom CA, proxy, client certificate) for https. Redirects stay off and
    /// the time limit stays: with redirects, one compromised path of a server could choose whose keys are trusted.
    pub(crate) fn new(client: HttpClientBuilder) -> Result<Self, NoClient> {
        // A proxy would see tokens and our secret in plain text, and a resolver can map any name to any address.
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

    /// Posts a form. The token is in the body, because URLs end up in logs (RFC 7662 §4).
    pub(crate) async fn post(&self, url: &str, form: Form) -> Result<Answered, FetchFailure> {
        let answered = self.answer(url, form).await;
        answered.map_err(|why| FetchFailure::new(url, why))
    }

    async fn document(&self, url: &str, now: Timestamp) -> Result<Document, NotFetched> {
        let request = self.client(url)?.get(url);
        let request = request.header(ACCEPT, JSON);
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
        let request = self.client(url)?.post(url).header(ACCEPT, form.accept);
        let mut request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = form.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.body(form.body).send().await.map_err(classified)?;
        let content_type = response.headers().get(CONTENT_TYPE).cloned();
        Ok(Answered {
            status: response.status().as_u16(),
            content_type,
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

/// The error of client settings from which no HTTP client can be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built from the settings given")]
pub(crate) struct NoClient(#[source] reqwest::Error);

/// Classifies an error of the HTTP client. Some are recognised by their text, because the error types of hyper and rustls are
/// private or not a dependency of this crate. The text stays in the chain of sources in any case.
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
