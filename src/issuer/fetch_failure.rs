//! The failure of a fetch, in words that an operator can act on.

use std::error::Error;
use std::time::Duration;

use super::at_url::AtUrl;

/// The failure of a fetch, with its URL.
pub(crate) type FetchFailure = AtUrl<NotFetched>;

/// The reason why a URL gave no document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotFetched {
    #[error("the URL is unfit: {0}")]
    Url(&'static str),
    #[error("a tenant's issuer may not be at a private address, or at one without https")]
    Private,
    #[error("the server answered {0}")]
    Status(u16),
    #[error("the document is longer than {0} bytes")]
    TooLarge(usize),
    #[error("its host name cannot be resolved")]
    UnknownHost(#[source] Transport),
    #[error("the connection was refused: no server listens there")]
    Refused(#[source] Transport),
    #[error(
        "its certificate is not trusted by this machine: install its CA here, or name it by `Builder::http_client`"
    )]
    UntrustedCertificate(#[source] Transport),
    #[error("its certificate is not valid")]
    BadCertificate(#[source] Transport),
    #[error("the server does not speak TLS there")]
    NoTls(#[source] Transport),
    #[error("it did not arrive within {0:?}")]
    TimedOut(Duration, #[source] Transport),
    #[error("it did not arrive")]
    Other(#[source] Transport),
}

/// The error of the HTTP client.
pub(super) type Transport = Box<dyn Error + Send + Sync>;
