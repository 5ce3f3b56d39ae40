//! The HTTP client for authorization servers; no other file speaks HTTP to them. Every request is bounded in time and in size,
//! and follows no redirect.

use std::error::Error;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::fetch_failure::{FetchFailure, NotFetched};
use super::freshness;
use crate::clock::Timestamp;
use crate::events::causes;
use crate::media_type::{JSON, MediaType};
use crate::network::is_public;
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
    reach: Reach,
}

/// The addresses to which requests may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Anywhere,
    /// Those of the public Internet, by https. For URLs that the operator did not choose.
    Public,
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
    pub(crate) fn new(client: HttpClientBuilder, reach: Reach) -> Result<Self, NoClient> {
        let client = match reach {
            Reach::Anywhere => client,
            // A name is resolved by the client itself, so no second answer of its server can differ from the one checked.
            Reach::Public => client.dns_resolver(Arc::new(PublicNames)),
        };
        // A proxy would see tokens and our secret in plain text, and a resolver can map any name to any address.
        let this_machine = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let this_machine = this_machine.map(|address| SocketAddr::new(address, PORT_OF_THE_URL));
        let loopback = HttpClientBuilder::new()
            .no_proxy()
            .resolve_to_addrs(LOCALHOST, &this_machine);
        Ok(Self {
            remote: bounded(client)?,
            loopback: bounded(loopback)?,
            reach,
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
        if self.reach == Reach::Public && is_private(url) {
            return Err(NotFetched::Private);
        }
        let url = HttpUrl::parse(url).map_err(NotFetched::Url)?;
        Ok(if url.is_https() {
            &self.remote
        } else {
            &self.loopback
        })
    }
}

/// Whether a URL names no host of the public Internet, or is not `https`. The HTTP client reads it, because it takes more texts
/// for addresses than one would think: `https://0x7f.1`.
pub(crate) fn is_private(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let is_this_machine = host == LOCALHOST || host.ends_with(".localhost");
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<IpAddr>();
    url.scheme() != "https" || is_this_machine || address.is_ok_and(|address| !is_public(address))
}

/// Resolves names, and leaves out the addresses that are not public.
struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let look_up = move || (host.as_str(), PORT_OF_THE_URL).to_socket_addrs();
            let found = tokio::task::spawn_blocking(look_up).await??;
            let public: Vec<_> = found.filter(|found| is_public(found.ip())).collect();
            if public.is_empty() {
                return Err(NotFetched::Private.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_fetcher_for_public_addresses_connects_to_no_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fetcher = Fetcher::new(HttpClientBuilder::new(), Reach::Public).unwrap();
        for origin in [
            "http://localhost",
            "http://127.0.0.1",
            "https://localhost",
            "https://LOCALHOST.",
            "https://a.localhost",
            "https://127.0.0.1",
            "https://127.1",
            "https://2130706433",
            "https://0x7f.0.0.1",
            "https://[::1]",
            "https://[::ffff:127.0.0.1]",
        ] {
            let url = format!("{origin}:{port}/jwks");
            let fetched = fetcher.document(&url, Timestamp::EPOCH).await;
            assert!(matches!(fetched, Err(NotFetched::Private)), "{url}");
        }
        let waiting = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(waiting.is_err(), "a connection was opened");
        assert!(!is_private("https://auth.example.com/jwks"));
        assert!(!is_private("https://1.1.1.1"));
    }

    #[tokio::test]
    async fn a_name_resolves_to_its_public_addresses_alone() {
        let resolved = PublicNames.resolve("localhost".parse().unwrap()).await;
        let why = resolved.err().expect("its addresses are private");
        assert!(why.is::<NotFetched>(), "{why}");
        let resolved = PublicNames.resolve("1.1.1.1".parse().unwrap()).await;
        assert_eq!(resolved.expect("it is public").count(), 1);
    }

    #[tokio::test]
    async fn the_client_of_such_a_fetcher_resolves_by_it() {
        let fetcher = Fetcher::new(HttpClientBuilder::new().no_proxy(), Reach::Public).unwrap();
        // Beyond the check of the URL, as a name would be that resolves to this machine.
        let request = fetcher.remote.get("https://localhost:1/jwks");
        let why = request.send().await.map_err(classified).unwrap_err();
        let NotFetched::UnknownHost(why) = why else {
            panic!("{why}");
        };
        let told: Vec<_> = causes(&*why).map(ToString::to_string).collect();
        let private = NotFetched::Private.to_string();
        assert!(told.contains(&private), "{told:?}");
    }
}
