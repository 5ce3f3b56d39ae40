//! The identity of a caller, which stays the same from token to token.

use std::sync::Arc;

/// The identity of a caller across its tokens: issuer and subject of a user, issuer and client of a machine.
///
/// Use it to compare callers, and as a key under which you store data. Two issuers may use the same subject, and a user
/// may have the same name as a client: their identities are still different. A refreshed token of the same caller has
/// the same identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    issuer: Arc<str>,
    kind: Kind,
    name: Arc<str>,
}

impl Identity {
    pub(super) fn new(issuer: Arc<str>, kind: Kind, name: &str) -> Self {
        let name = name.into();
        Self { issuer, kind, name }
    }

    /// The issuer that issued the tokens of this caller.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether the caller is a client itself and no user.
    pub fn is_machine(&self) -> bool {
        self.kind == Kind::Machine
    }

    /// The subject of a user, or the client id of a machine. It is unique only together with [`issuer`](Self::issuer) and
    /// [`is_machine`](Self::is_machine): store all three.
    pub fn name(&self) -> &str {
        &self.name
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    User,
    Machine,
}
