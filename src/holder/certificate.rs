//! Compares the client certificate of a request with the one that its token is bound to (RFC 8705 §3).

use http::request::Parts;
use serde::Deserialize;

use crate::client_certificate::ClientCertificate;
use crate::refusal::{Reason, Refusal};

/// The source of client certificates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CertificateSource {
    /// Tokens that are bound to a certificate are refused.
    #[default]
    Off,
    /// The extension [`ClientCertificate`] of each request.
    Tls,
}

pub(super) fn check_certificate(thumbprint: &[u8; 32], parts: &Parts) -> Result<(), Refusal> {
    let refused = |reason: Reason, got| {
        Err(Refusal::from(reason)
            .expected("the certificate that the token is bound to")
            .got(got))
    };
    match parts.extensions.get::<ClientCertificate>() {
        Some(certificate) if certificate.thumbprint() == thumbprint => Ok(()),
        Some(_) => refused(Reason::CertificateMismatch, "another client certificate"),
        None => refused(Reason::CertificateMissing, "no client certificate"),
    }
}
