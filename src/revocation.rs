//! Noun: which tokens are revoked.

/// Tokens to be refused from now on, whatever their signature or their issuer says. For
/// [`Toolgate::revoke`](crate::Toolgate::revoke).
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

/// What the name of a revocation is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RevocationKind {
    Token,
    Subject,
    Client,
}

impl Revocation {
    /// One token: its `jti`, or the `token_id` that the decision events have for it.
    pub fn token(issuer: impl Into<String>, token_id: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            kind: RevocationKind::Token,
            name: token_id.into(),
        }
    }

    /// All tokens of a subject that were issued until now.
    pub fn subject(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            kind: RevocationKind::Subject,
            name: subject.into(),
        }
    }

    /// All tokens of a client that were issued until now, for any of its users.
    pub fn client(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            kind: RevocationKind::Client,
            name: client_id.into(),
        }
    }
}
