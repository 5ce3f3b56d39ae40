//! The tokens that a revocation covers.

/// The tokens that a gate must refuse from now on, although their signature is valid or their issuer says that they are
/// active. Pass it to [`Toolgate::revoke`](crate::Toolgate::revoke).
///
/// The issuer must be written exactly as configured. Making a `Revocation` has no effect by itself.
///
/// ```
/// use toolgate::Revocation;
///
/// let stolen = Revocation::token("https://auth.example.com", "the jti of a token");
/// let dismissed = Revocation::subject("https://auth.example.com", "alice");
/// let leaky = Revocation::client("https://auth.example.com", "agent-7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revocation {
    pub(crate) issuer: String,
    pub(crate) kind: RevocationKind,
    pub(crate) name: String,
}

/// The kind of name in a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RevocationKind {
    Token,
    Subject,
    Client,
}

impl Revocation {
    /// Covers one token, by its `jti` or by the `token_id` that decision events show for it.
    pub fn token(issuer: impl Into<String>, token_id: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            kind: RevocationKind::Token,
            name: token_id.into(),
        }
    }

    /// Covers all tokens of a subject that are issued before [`Toolgate::revoke`](crate::Toolgate::revoke) is called,
    /// or within a minute after it. Newer tokens are accepted.
    pub fn subject(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            kind: RevocationKind::Subject,
            name: subject.into(),
        }
    }

    /// Covers all tokens of a client, for any of its users, that are issued before
    /// [`Toolgate::revoke`](crate::Toolgate::revoke) is called, or within a minute after it. Newer tokens are accepted.
    pub fn client(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            kind: RevocationKind::Client,
            name: client_id.into(),
        }
    }
}
