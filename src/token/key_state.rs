//! What is known of one issuer's keys at a moment. Pure on time: every turn can be tested without a server.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::key_location::{Fetched, KeysUnavailable};
use super::keys::KeySet;
use crate::clock::Timestamp;

/// After a failed fetch the next one waits this long, then twice as long, up to the cooldown.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The part of its life after which a set is refreshed in the background.
const REFRESH_AT: f64 = 0.8;

/// How long a key set lives.
#[derive(Debug, Clone)]
pub(crate) struct KeyLifetimes {
    pub(crate) min: Duration,
    pub(crate) default: Duration,
    pub(crate) max: Duration,
    /// How long the last good set serves on when no newer one can be had.
    pub(crate) stale: Duration,
    /// Between two fetches that unknown keys may cause.
    pub(crate) cooldown: Duration,
}

/// What another attempt must keep its distance from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pause {
    /// For a set whose time has come anyhow.
    AfterFailures,
    /// For a key that may not exist: whoever makes up keys must not make us fetch.
    AfterEveryAttempt,
}

/// The last good set, and how it went since.
#[derive(Debug)]
pub(super) struct KeyState {
    lifetimes: KeyLifetimes,
    loaded: Option<Loaded>,
    last_attempt: Option<Timestamp>,
    /// Failed attempts since the last success.
    failures: u32,
    last_failure: Option<KeysUnavailable>,
}

/// A key set, and how old it is.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) keys: Arc<KeySet>,
    /// When the fetch began.
    pub(super) asked_at: Timestamp,
    /// When the issuer said this: earlier, where a cache in between answered. What it published later
    /// is not in the set.
    pub(super) known_at: Timestamp,
    lifetime: Duration,
}

impl KeyState {
    pub(super) fn new(lifetimes: KeyLifetimes) -> Self {
        Self { lifetimes, loaded: None, last_attempt: None, failures: 0, last_failure: None }
    }

    /// A set that no fetch could make newer.
    pub(super) fn fixed(keys: KeySet, lifetimes: KeyLifetimes) -> Self {
        let loaded = Loaded {
            keys: Arc::new(keys),
            asked_at: Timestamp::EPOCH,
            known_at: Timestamp::END_OF_TIME,
            lifetime: Duration::MAX,
        };
        Self { loaded: Some(loaded), ..Self::new(lifetimes) }
    }

    /// The set that may be believed.
    pub(super) fn serving(&self, now: Timestamp) -> Option<&Loaded> {
        self.loaded.as_ref().filter(|loaded| now < self.stale_from(loaded))
    }

    /// The set, if whoever needs it need not wait for a newer one: before its time is up, or while its
    /// issuer is down.
    pub(super) fn at_once(&self, now: Timestamp) -> Option<&Loaded> {
        self.serving(now).filter(|loaded| now < loaded.fresh_until() || self.failures > 0)
    }

    /// While nobody need ask for a newer set.
    pub(super) fn fresh(&self) -> Range<Timestamp> {
        let loaded = self.loaded.as_ref();
        loaded.map_or(Timestamp::EPOCH..Timestamp::EPOCH, |loaded| loaded.asked_at..loaded.refresh_from())
    }

    pub(super) fn last_failure(&self) -> Option<&KeysUnavailable> {
        self.last_failure.as_ref()
    }

    /// How long until another attempt may begin. A clock that was set back must not hold it up.
    pub(super) fn wait_left(&self, now: Timestamp, pause: Pause) -> Duration {
        let Some(last) = self.last_attempt.filter(|last| *last <= now) else {
            return Duration::ZERO;
        };
        let pause = match (self.failures, pause) {
            (0, Pause::AfterFailures) => Duration::ZERO,
            (0, Pause::AfterEveryAttempt) => self.lifetimes.cooldown,
            (failures, _) => {
                let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
                doubled.min(self.lifetimes.cooldown)
            }
        };
        last.plus(pause).since(now)
    }

    /// Counted when it begins: an attempt that fails, or never ends, is one too.
    pub(super) fn attempt(&mut self, now: Timestamp) {
        self.last_attempt = Some(now);
    }

    pub(super) fn fetched(&mut self, fetched: Fetched, asked_at: Timestamp) {
        let Fetched { mut keys, lifetime, age } = fetched;
        if let Some(older) = &self.loaded {
            keys.succeed(&older.keys);
        }
        let lifetime = lifetime.unwrap_or(self.lifetimes.default);
        let lifetime = lifetime.clamp(self.lifetimes.min, self.lifetimes.max);
        self.failures = 0;
        self.last_failure = None;
        let known_at = asked_at.minus(age);
        self.loaded = Some(Loaded { keys: Arc::new(keys), asked_at, known_at, lifetime });
    }

    /// Without a reason where the fetch ended without an outcome.
    pub(super) fn failed(&mut self, why: Option<KeysUnavailable>) {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = why.or(self.last_failure.take());
    }

    /// A set from the future was fetched before the clock was set back: how old it is nobody knows, so its
    /// life is over, but it serves on until there is a newer one.
    pub(super) fn notices_clock_set_back(&mut self, now: Timestamp) -> bool {
        let Some(loaded) = self.loaded.as_mut().filter(|loaded| loaded.asked_at > now) else {
            return false;
        };
        loaded.asked_at = now.minus(loaded.lifetime);
        loaded.known_at = loaded.asked_at;
        true
    }

    fn stale_from(&self, loaded: &Loaded) -> Timestamp {
        loaded.asked_at.plus(self.lifetimes.stale.max(loaded.lifetime))
    }
}

impl Loaded {
    fn refresh_from(&self) -> Timestamp {
        self.asked_at.plus(self.lifetime.mul_f64(REFRESH_AT))
    }

    fn fresh_until(&self) -> Timestamp {
        self.asked_at.plus(self.lifetime)
    }
}
