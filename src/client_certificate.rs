//! Noun: the certificate with which a client authenticated its TLS connection.

use std::fmt;

use crate::digest::sha256;

/// The client certificate of a TLS connection, for tokens that are bound to one (RFC 8705).
///
/// Put it into the extensions of every request of the connection, where the connection is accepted. The acceptor must have
/// verified that the client holds the private key: a TLS 1.3 or 1.2 handshake with client authentication does. Whether the
/// certificate comes from an authority that you trust does not matter here: the token says which one it is bound to.
///
/// The gate looks at it only with [`Holder::tls_certificates`](crate::Holder::tls_certificates). A request without this extension
/// has no certificate.
///
/// ```
/// use toolgate::ClientCertificate;
///
/// /// `der` is the first certificate of `rustls::ServerConnection::peer_certificates`.
/// fn of_connection<B>(mut request: http::Request<B>, der: &[u8]) -> http::Request<B> {
///     request.extensions_mut().insert(ClientCertificate::of_der(der));
///     request
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientCertificate {
    thumbprint: [u8; 32],
}

impl ClientCertificate {
    /// Wraps an X.509 certificate in DER. Only its SHA-256 is kept.
    pub fn of_der(certificate: &[u8]) -> Self {
        Self {
            thumbprint: sha256(certificate),
        }
    }

    /// The value that a token has in `cnf` as `x5t#S256`, before it is encoded.
    pub(crate) fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(…)")
    }
}
