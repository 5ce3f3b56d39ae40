//! Tokens that are to be refused although their issuer's word for them still holds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use super::fingerprint::Fingerprint;
use super::principal::Principal;
use crate::clock::Timestamp;
use crate::refusal::{Reason, Refusal};

/// Revocations that are remembered at once.
const MAX_REVOCATIONS: usize = 100_000;

/// How much later than the revocation a token may be dated and still be older than it: clocks differ, and
/// seconds are whole.
const REVOCATION_DOUBT: Duration = Duration::from_secs(60);

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
    pub(super) issuer: String,
    kind: Kind,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Token,
    Subject,
    Client,
}

impl Revocation {
    /// One token: its `jti`, or the `token_id` that the decision events have for it.
    pub fn token(issuer: impl Into<String>, token_id: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), kind: Kind::Token, name: token_id.into() }
    }

    /// All tokens of a subject that were issued until now.
    pub fn subject(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), kind: Kind::Subject, name: subject.into() }
    }

    /// All tokens of a client that were issued until now, whoever its users are.
    pub fn client(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), kind: Kind::Client, name: client_id.into() }
    }
}

/// Why a revocation was not taken. The tokens concerned are accepted as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// The gate does not trust the issuer in the first place, or its name is spelt otherwise.
    #[error("{0} is none of the issuers this gate trusts: write it exactly as configured")]
    UnknownIssuer(String),
    /// So many are remembered already, and none of them is over.
    #[error("{MAX_REVOCATIONS} revocations are remembered, and none of them is over yet")]
    Full,
}

/// The revocations of one gate.
#[derive(Debug, Default)]
pub(crate) struct Revocations {
    /// Counts them, so that whoever has seen them all need not look.
    generation: AtomicU64,
    entries: RwLock<HashMap<Revocation, Revoked>>,
}

#[derive(Debug, Clone, Copy)]
struct Revoked {
    at: Timestamp,
    /// Every token concerned is over by then.
    until: Timestamp,
}

impl Revocations {
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn add(
        &self,
        revocation: Revocation,
        longest_life: Duration,
        now: Timestamp,
    ) -> Result<(), RevocationError> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_REVOCATIONS {
            entries.retain(|_, revoked| now < revoked.until);
        }
        if entries.len() >= MAX_REVOCATIONS && !entries.contains_key(&revocation) {
            return Err(RevocationError::Full);
        }
        let revoked = Revoked { at: now, until: now.plus(longest_life) };
        let entry = entries.entry(revocation).or_insert(revoked);
        entry.at = now;
        if entry.until < revoked.until {
            entry.until = revoked.until;
        }
        // After it is there: who sees the new number finds the entry.
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Refuses whom a revocation concerns.
    pub(super) fn judge(
        &self,
        principal: &Principal,
        token: &Fingerprint,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if self.generation() == 0 {
            return Ok(());
        }
        let token_id = principal.token_id().map_or_else(|| token.to_string(), str::to_owned);
        let candidates = [
            Some(Revocation::token(principal.issuer(), token_id)),
            principal.subject().map(|subject| Revocation::subject(principal.issuer(), subject)),
            principal.client_id().map(|client| Revocation::client(principal.issuer(), client)),
        ];
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let concerns = |candidate: &Revocation| {
            let revoked = entries.get(candidate).filter(|revoked| now < revoked.until);
            revoked.is_some_and(|revoked| candidate.kind == Kind::Token || revoked.is_older(principal))
        };
        if candidates.iter().flatten().any(concerns) {
            let refusal = Refusal::from(Reason::Revoked);
            return Err(refusal.of(principal.issuer(), principal.subject(), principal.client_id()));
        }
        Ok(())
    }
}

impl Revoked {
    /// Whether the token was issued before. One that does not say when may have been.
    fn is_older(&self, principal: &Principal) -> bool {
        principal.issued_at().is_none_or(|issued| issued <= self.at.plus(REVOCATION_DOUBT))
    }
}
