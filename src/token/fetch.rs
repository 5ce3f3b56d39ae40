//! The one place that speaks HTTP to authorization servers. Every fetch is bounded in time, size and reach.

use std::time::Duration;

use http::StatusCode;
use http::header::ACCEPT;

use super::freshness;
use crate::clock::Timestamp;
use crate::resource_uri::HttpUrl;

/// For one document, from connecting to its last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// No key set or metadata document comes near this.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// The user's own settings for the HTTP client.
pub(crate) use reqwest::ClientBuilder as HttpClientBuilder;

/// Fetches small public documents.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher(reqwest::Client);

/// What was fetched, and how long its server lets us keep it.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lifetime: Option<Duration>,
    /// How long ago its server said it, where a cache in between repeats it.
    pub(crate) age: Duration,
}

impl Fetcher {
    /// Takes the user's own client settings (custom CA, proxy, client certificate), but redirects stay
    /// off and the time stays bounded: a redirect would let a compromised path choose whose keys we trust.
    pub(crate) fn new(client: HttpClientBuilder) -> Result<Self, NoClient> {
        let client = client.redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT);
        client.build().map(Self).map_err(NoClient)
    }

    pub(crate) async fn get(&self, url: &str, now: Timestamp) -> Result<Document, FetchFailure> {
        HttpUrl::parse(url).map_err(FetchFailure::Url)?;
        let mut response = self.0.get(url).header(ACCEPT, "application/json").send().await?;
        if response.status() != StatusCode::OK {
            return Err(FetchFailure::Status(response.status().as_u16()));
        }
        let lifetime = freshness::lifetime(response.headers(), now);
        let age = freshness::age(response.headers());
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if bytes.len() + chunk.len() > MAX_DOCUMENT_BYTES {
                return Err(FetchFailure::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Document { bytes, lifetime, age })
    }
}

/// The HTTP client could not be built from the settings given.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built from the settings given")]
pub(crate) struct NoClient(#[source] reqwest::Error);

/// Why a document did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchFailure {
    #[error("its URL is unfit: {0}")]
    Url(&'static str),
    #[error("the server answered {0}")]
    Status(u16),
    #[error("it is longer than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    #[error("it did not arrive")]
    Transport(#[from] reqwest::Error),
}
