//! Noun: the key or certificate that a token is bound to (RFC 7800 `cnf`).

/// The kind of key or certificate that a request must prove to hold before it may use a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    /// A bearer token: it is bound to nothing.
    None,
    /// A DPoP key (RFC 9449 §6): `jkt`.
    DpopKey,
    /// A client certificate (RFC 8705 §3.1): `x5t#S256`.
    Certificate,
    /// A `cnf` that cannot be read, or that names a kind of key unknown to this crate.
    Unknown,
}
