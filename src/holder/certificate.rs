//! Compares the client certificate of a request with the one that its token is bound to (RFC 8705 §3).

use std::fmt;

use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::certificate_header::{BadCertificateLine, CertificateFormat};
use crate::client_certificate::ClientCertificate;
use crate::header_name::is_alike;
use crate::network::Network;
use crate::peer::Peer;
use crate::refusal::{Reason, Refusal};

/// The source of client certificates.
#[derive(Debug, Clone, Default)]
pub(crate) enum CertificateSource {
    /// Tokens that are bound to a certificate are refused.
    #[default]
    Off,
    /// The extension [`ClientCertificate`] of each request.
    Tls,
    Header(CertificateHeader),
}

/// The header in which listed peers forward the certificates of their clients.
#[derive(Debug, Clone)]
pub(crate) struct CertificateHeader {
    pub(crate) name: HeaderName,
    pub(crate) format: CertificateFormat,
    pub(crate) peers: Vec<Network>,
}

impl CertificateSource {
    /// Succeeds if the request comes with the certificate that has this thumbprint.
    pub(super) fn check(&self, thumbprint: &[u8; 32], parts: &Parts) -> Result<(), Refusal> {
        let presented = match self {
            Self::Off => return Err(missing("no client certificate, since they are off")),
            Self::Tls => {
                let certificate = parts.extensions.get::<ClientCertificate>();
                let certificate = certificate.ok_or_else(|| missing("no client certificate"))?;
                *certificate.thumbprint()
            }
            Self::Header(header) => header.read(parts)?,
        };
        if presented == *thumbprint {
            Ok(())
        } else {
            Err(Refusal::from(Reason::CertificateMismatch)
                .expected(BOUND)
                .got("another client certificate"))
        }
    }

    /// Takes the header off a request, with every name that could be taken for its own: whichever peer sent it, the inner
    /// service would have to trust it.
    pub(super) fn remove_from(&self, headers: &mut HeaderMap) {
        let Self::Header(CertificateHeader { name, .. }) = self else {
            return;
        };
        let own = name.as_str().as_bytes();
        let is_own = |name: &&HeaderName| is_alike(name.as_str().as_bytes(), own);
        let found: Vec<_> = headers.keys().filter(is_own).cloned().collect();
        for name in &found {
            headers.remove(name);
        }
    }
}

impl CertificateHeader {
    /// Returns the thumbprint of the certificate that a listed peer forwards.
    fn read(&self, parts: &Parts) -> Result<[u8; 32], Refusal> {
        let name = &self.name;
        let mut lines = parts.headers.get_all(name).iter();
        let line = lines.next();
        let line = line.ok_or_else(|| missing(format!("no {name} line")))?;
        self.check_peer(parts.extensions.get())?;
        let expected = format!("one certificate in {name}, as {}", self.format.name());
        if lines.next().is_some() {
            return Err(Refusal::from(Reason::CertificatesSeveral)
                .expected(expected)
                .got(format!("several {name} lines")));
        }
        match self.format.read(line.as_bytes()) {
            Ok(Some(thumbprint)) => Ok(thumbprint),
            Ok(None) => Err(missing(format!("an empty {name} line"))),
            Err(BadCertificateLine::Several) => Err(Refusal::from(Reason::CertificatesSeveral)
                .expected(expected)
                .got("several certificates in one line")),
            Err(BadCertificateLine::Unreadable(why)) => {
                Err(Refusal::from(Reason::CertificateUnreadable)
                    .expected(expected)
                    .got(why))
            }
        }
    }

    /// The header of a peer that is not listed counts as missing.
    fn check_peer(&self, peer: Option<&Peer>) -> Result<(), Refusal> {
        let name = &self.name;
        let got = match peer.map(Peer::address) {
            Some(address) if self.peers.iter().any(|peers| peers.contains(address)) => {
                return Ok(());
            }
            Some(address) => format!("{name} from a peer that is not listed: {address}"),
            None => format!("{name} in a request without the extension Peer"),
        };
        Err(missing(got).expected(format!("{name} from a listed peer: {}", self.listed())))
    }

    fn listed(&self) -> String {
        let listed: Vec<_> = self.peers.iter().map(Network::to_string).collect();
        listed.join(" ")
    }
}

/// Shows the setting, for the event at start-up.
impl fmt::Display for CertificateHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, format) = (&self.name, self.format.name());
        write!(f, "{name} ({format}) from {}", self.listed())
    }
}

const BOUND: &str = "the certificate that the token is bound to";

fn missing(got: impl Into<String>) -> Refusal {
    Refusal::from(Reason::CertificateMissing)
        .expected(BOUND)
        .got(got)
}
