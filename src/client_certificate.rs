//! The certificate with which a client authenticated its TLS connection.

use std::fmt;

use crate::digest::sha256;

/// The client certificate of a TLS connection, for tokens that are bound to one (RFC 8705).
///
/// Where the connection is accepted, put it into the extensions of each of its requests. The acceptor must have
/// verified that the client holds the private key. A TLS 1.2 or 1.3 handshake with client authentication verifies this.
/// The gate does not check which authority issued the certificate: the token names the certificate that it is bound to.
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
