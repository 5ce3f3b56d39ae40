//! Noun: what a token is bound to (RFC 7800 `cnf`).

/// The key or certificate that a request with a token must prove to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    /// A bearer token.
    None,
    /// A DPoP key (RFC 9449 §6).
    DpopKey,
    /// A client certificate (RFC 8705 §3.1).
    Certificate,
    /// Something that cannot be read, or that is not known here.
    Unknown,
}
