//! Refuses tokens that were revoked at this gate, although their signature holds or their issuer says that they are active.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::credentials::PresentedToken;
use super::principal::Principal;
use super::token_hash::{TokenHash, token_id};
use crate::clock::Timestamp;
use crate::events::TokensRevoked;
use crate::refusal::{Reason, Refusal};
use crate::revocation::{Revocation, RevocationKind};
use crate::store::{Appending, LocalStore, Store, StoreError};

/// The revocations of one gate, in its own memory. The store tells its replicas.
pub(crate) struct Revocations {
    /// The number of revocations so far. A token that was checked at this number need not be checked again.
    generation: AtomicU64,
    entries: RwLock<HashMap<Revocation, Revoked>>,
    /// Wakes the streams, so that each is checked against the new revocation.
    added: Notify,
    /// How far in the future the `iat` of an accepted token has been at most, in milliseconds.
    furthest_ahead: AtomicU64,
    store: Arc<dyn Store>,
}

#[derive(Debug, Clone, Copy)]
struct Revoked {
    /// Tokens with an `iat` up to this time are covered.
    dated_until: Timestamp,
    /// The time by which every covered token has expired, so that the entry can be dropped.
    until: Timestamp,
}

/// The error of [`Toolgate::revoke`](crate::Toolgate::revoke). The revocation is not in force, and the tokens that it names are
/// accepted as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// The gate does not trust this issuer, or its name is written differently in the configuration.
    #[error("this gate does not trust the issuer {0}: write it exactly as configured")]
    UnknownIssuer(String),
    /// The gate holds 100,000 revocations already, and none of them has ended.
    #[error("there are {MAX_REVOCATIONS} revocations already, and none of them has ended")]
    Full,
}

/// The most revocations in force at once.
const MAX_REVOCATIONS: usize = 100_000;

/// How far after the revocation the `iat` of a covered token may be. Clocks differ and seconds are whole, so such a token may
/// still be older than the revocation. The margin grows with the furthest future `iat` that was accepted.
const REVOCATION_DOUBT: Duration = Duration::from_secs(60);

impl Default for Revocations {
    fn default() -> Self {
        Self::new(Arc::new(LocalStore))
    }
}

impl Revocations {
    fn new(store: Arc<dyn Store>) -> Self {
        Self {
            generation: AtomicU64::default(),
            entries: RwLock::default(),
            added: Notify::default(),
            furthest_ahead: AtomicU64::default(),
            store,
        }
    }

    /// Puts a revocation in force here, before the first await, and then tells the replicas. Fails if it cannot be put in
    /// force.
    pub(super) async fn revoke(
        &self,
        revocation: Revocation,
        longest_life: Duration,
        now: Timestamp,
    ) -> Result<(), RevocationError> {
        self.add(revocation.clone(), longest_life, now)?;
        TokensRevoked {
            revocation: &revocation,
            longest_life,
        }
        .write();
        let telling: Appending = self.store.append(&revocation, longest_life, now);
        telling.await.map_err(|why: StoreError| match why {})
    }

    /// Completes at the first revocation after this call, even if that happens before the future is first polled.
    pub(crate) fn next(&self) -> Notified<'_> {
        self.added.notified()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Refuses a token that a revocation covers. Otherwise returns the generation against which it was checked.
    pub(super) fn check(
        &self,
        principal: &Principal,
        token: PresentedToken<'_>,
        now: Timestamp,
    ) -> Result<u64, Refusal> {
        // Read before the look-up: a revocation that the look-up misses makes a newer generation.
        let generation = self.generation();
        self.track_furthest_ahead(principal, now);
        if generation == 0 {
            return Ok(generation);
        }
        let issuer = principal.issuer();
        let named = |refusal: Refusal| {
            let refusal = refusal.of(issuer, principal.subject(), principal.client_id());
            refusal.token_id(token_id(principal.token_id(), token.as_bytes()))
        };
        self.check_unread(issuer, token, now).map_err(named)?;
        let candidates = [
            principal.token_id().map(|id| Revocation::token(issuer, id)),
            principal
                .subject()
                .map(|subject| Revocation::subject(issuer, subject)),
            principal
                .client_id()
                .map(|client| Revocation::client(issuer, client)),
        ];
        let revoked = candidates
            .iter()
            .flatten()
            .find(|candidate| self.covers(candidate, principal.issued_at(), now));
        match revoked {
            Some(Revocation { kind, .. }) => Err(named(refusal_of(*kind))),
            None => Ok(generation),
        }
    }

    /// Refuses a token that is revoked by its hash. Its claims need not be known yet.
    pub(super) fn check_unread(
        &self,
        issuer: &str,
        token: PresentedToken<'_>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let by_hash = || Revocation::token(issuer, TokenHash::of(token.as_bytes()).to_string());
        if self.generation() == 0 || !self.covers(&by_hash(), None, now) {
            return Ok(());
        }
        // No stranger can cause this: it takes the token that was revoked.
        Err(refusal_of(RevocationKind::Token).of(issuer, None, None))
    }

    fn add(
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
        // A clock that was set back must not make a repeated revocation cover less.
        let entry = entries.entry(revocation).or_insert(revoked);
        entry.dated_until = entry.dated_until.max(revoked.dated_until);
        entry.until = entry.until.max(revoked.until);
        // After the entry is there, so that a reader of the new number finds it.
        self.generation.fetch_add(1, Ordering::Release);
        self.added.notify_waiters();
        Ok(())
    }

    fn covers(&self, candidate: &Revocation, issued_at: Option<Timestamp>, now: Timestamp) -> bool {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let revoked = entries.get(candidate).filter(|revoked| now < revoked.until);
        // A token without `iat` may have been issued before the revocation.
        let is_older =
            |revoked: &Revoked| issued_at.is_none_or(|issued| issued <= revoked.dated_until);
        revoked.is_some_and(|revoked| candidate.kind == RevocationKind::Token || is_older(revoked))
    }

    /// Tracks the furthest future `iat` accepted so far, so that a revocation covers it.
    fn track_furthest_ahead(&self, principal: &Principal, now: Timestamp) {
        let ahead = principal
            .issued_at()
            .map_or(Duration::ZERO, |issued| issued.since(now));
        let ahead = u64::try_from(ahead.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        self.furthest_ahead.fetch_max(ahead, Ordering::AcqRel);
    }
}

fn refusal_of(kind: RevocationKind) -> Refusal {
    Refusal::from(Reason::Revoked).got(match kind {
        RevocationKind::Token => "revoked: this token",
        RevocationKind::Subject => "revoked: all tokens of its subject",
        RevocationKind::Client => "revoked: all tokens of its client",
    })
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;
    use std::sync::Mutex;

    use futures_util::{FutureExt, poll};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A store that is told, and never answers.
    #[derive(Default)]
    struct Silent(Mutex<Vec<(Revocation, Duration, Timestamp)>>);

    impl Store for Silent {
        fn append(
            &self,
            revocation: &Revocation,
            longest_life: Duration,
            revoked_at: Timestamp,
        ) -> Appending {
            let entry = (revocation.clone(), longest_life, revoked_at);
            self.0.lock().unwrap().push(entry);
            Box::pin(pending())
        }
    }

    #[tokio::test]
    async fn a_revocation_is_in_force_here_before_the_store_answers_and_outlives_its_future() {
        let store = Arc::new(Silent::default());
        let revocations = Revocations::new(store.clone());
        let now = Timestamp::EPOCH.plus(HOUR);
        let alice = Revocation::subject("https://auth.example.com", "alice");
        {
            let mut revoking = pin!(revocations.revoke(alice.clone(), HOUR, now));
            assert!(!revocations.covers(&alice, None, now));
            assert!(poll!(revoking.as_mut()).is_pending());
            assert!(revocations.covers(&alice, None, now));
        }
        assert!(revocations.covers(&alice, None, now));
        assert_eq!(*store.0.lock().unwrap(), [(alice, HOUR, now)]);
    }

    #[test]
    fn the_replicas_are_not_told_of_what_is_not_in_force_here() {
        let store = Arc::new(Silent::default());
        let revocations = Revocations::new(store.clone());
        let now = Timestamp::EPOCH.plus(HOUR);
        let token =
            |number: usize| Revocation::token("https://auth.example.com", number.to_string());
        for number in 0..MAX_REVOCATIONS {
            revocations.add(token(number), HOUR, now).unwrap();
        }
        let revoking = revocations.revoke(token(MAX_REVOCATIONS), HOUR, now);
        assert_eq!(revoking.now_or_never(), Some(Err(RevocationError::Full)));
        assert!(store.0.lock().unwrap().is_empty());
    }
}
