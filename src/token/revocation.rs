//! Tokens that are to be refused although their issuer's word for them still holds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::credentials::PresentedToken;
use super::principal::Principal;
use super::token_hash::{TokenHash, token_id};
use crate::clock::Timestamp;
use crate::refusal::{Reason, Refusal};

/// Revocations that are remembered at once.
const MAX_REVOCATIONS: usize = 100_000;

/// How much later than the revocation a token may be dated and still be older than it: clocks differ, and
/// seconds are whole. It is more where tokens were seen that were dated further ahead.
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
        Self {
            issuer: issuer.into(),
            kind: Kind::Token,
            name: token_id.into(),
        }
    }

    /// All tokens of a subject that were issued until now.
    pub fn subject(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            kind: Kind::Subject,
            name: subject.into(),
        }
    }

    /// All tokens of a client that were issued until now, whoever its users are.
    pub fn client(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            kind: Kind::Client,
            name: client_id.into(),
        }
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
    /// Tells whoever waits of the next one.
    added: Notify,
    /// How far ahead of our clock accepted tokens were dated at most, in milliseconds.
    furthest_ahead: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Revoked {
    /// Tokens dated until then are concerned.
    dated_until: Timestamp,
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
        let ahead = Duration::from_millis(self.furthest_ahead.load(Ordering::Acquire));
        let dated_until = now.plus(ahead.max(REVOCATION_DOUBT));
        let revoked = Revoked {
            dated_until,
            until: now.plus(longest_life),
        };
        // A clock that was set back must not make it concern less.
        let entry = entries.entry(revocation).or_insert(revoked);
        entry.dated_until = entry.dated_until.max(revoked.dated_until);
        entry.until = entry.until.max(revoked.until);
        // After it is there: who sees the new number finds the entry.
        self.generation.fetch_add(1, Ordering::Release);
        self.added.notify_waiters();
        Ok(())
    }

    /// Completes with the next one after this call, whenever it is polled first.
    pub(crate) fn next(&self) -> Notified<'_> {
        self.added.notified()
    }

    /// Refuses whom a revocation concerns; or says which generation of them it has looked at.
    pub(super) fn judge(
        &self,
        principal: &Principal,
        token: PresentedToken<'_>,
        now: Timestamp,
    ) -> Result<u64, Refusal> {
        // Seen before it is looked up: who revokes later is not in it, and makes a newer one.
        let generation = self.generation();
        self.note(principal, now);
        if generation == 0 {
            return Ok(generation);
        }
        let issuer = principal.issuer();
        self.judge_unread(issuer, token, now)?;
        let candidates = [
            principal.token_id().map(|id| Revocation::token(issuer, id)),
            principal
                .subject()
                .map(|subject| Revocation::subject(issuer, subject)),
            principal
                .client_id()
                .map(|client| Revocation::client(issuer, client)),
        ];
        if candidates
            .iter()
            .flatten()
            .any(|candidate| self.concerns(candidate, principal.issued_at(), now))
        {
            let refusal = Refusal::from(Reason::Revoked);
            let refusal = refusal.of(issuer, principal.subject(), principal.client_id());
            return Err(refusal.token_id(token_id(principal.token_id(), token.as_bytes())));
        }
        Ok(generation)
    }

    /// Refuses a token of which nothing is known yet, if it is revoked by its hash.
    pub(super) fn judge_unread(
        &self,
        issuer: &str,
        token: PresentedToken<'_>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let by_hash = || Revocation::token(issuer, TokenHash::of(token.as_bytes()).to_string());
        if self.generation() == 0 || !self.concerns(&by_hash(), None, now) {
            return Ok(());
        }
        Err(Reason::Revoked.into())
    }

    fn concerns(
        &self,
        candidate: &Revocation,
        issued_at: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let revoked = entries.get(candidate).filter(|revoked| now < revoked.until);
        // One that does not say when it was issued may have been before.
        let is_older =
            |revoked: &Revoked| issued_at.is_none_or(|issued| issued <= revoked.dated_until);
        revoked.is_some_and(|revoked| candidate.kind == Kind::Token || is_older(revoked))
    }

    /// Whoever was accepted before is concerned, however far ahead their token was dated.
    fn note(&self, principal: &Principal, now: Timestamp) {
        let ahead = principal
            .issued_at()
            .map_or(Duration::ZERO, |issued| issued.since(now));
        let ahead = u64::try_from(ahead.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        self.furthest_ahead.fetch_max(ahead, Ordering::AcqRel);
    }
}
