//! The key or certificate that a token is bound to (RFC 7800 `cnf`).

/// The key or certificate whose possession a request must prove before it may use a token. Each is named by its
/// SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    /// A bearer token: it is bound to nothing.
    None,
    /// A DPoP key (RFC 9449 §6.1): the `jkt`, which is the thumbprint of its JWK.
    DpopKey([u8; 32]),
    /// A client certificate (RFC 8705 §3.1): the `x5t#S256`.
    Certificate([u8; 32]),
    /// Both: each must be proved.
    Both {
        dpop_key: [u8; 32],
        certificate: [u8; 32],
    },
    /// A `cnf` that cannot be read, or that names something that this crate cannot check.
    Unknown,
}

impl Binding {
    pub(crate) fn dpop_key(&self) -> Option<&[u8; 32]> {
        match self {
            Self::DpopKey(dpop_key) | Self::Both { dpop_key, .. } => Some(dpop_key),
            Self::None | Self::Certificate(_) | Self::Unknown => None,
        }
    }

    pub(crate) fn certificate(&self) -> Option<&[u8; 32]> {
        match self {
            Self::Certificate(certificate) | Self::Both { certificate, .. } => Some(certificate),
            Self::None | Self::DpopKey(_) | Self::Unknown => None,
        }
    }
}
