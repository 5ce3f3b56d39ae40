//! The state of a source, and the rules for when to fetch. Time is an argument, so every rule can be tested without a
//! server.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::unavailable::Unavailable;
use crate::clock::Timestamp;

/// The pause after a failed fetch. It doubles with each further failure, up to the cooldown.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The fraction of its lifetime after which a document is refreshed in the background.
const REFRESH_AT: f64 = 0.8;

/// The limits on how long a document lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    pub(crate) min: Duration,
    pub(crate) default: Duration,
    pub(crate) max: Duration,
    /// How long the last document stays in use while no newer one can be fetched.
    pub(crate) stale: Duration,
    /// The time between two fetches for the sake of a key that may not exist.
    pub(crate) cooldown: Duration,
}

/// A document that is fetched repeatedly.
pub(crate) trait Refresh {
    /// Replaces an older one.
    fn replace(&mut self, older: &Self);
}

/// A document that was just fetched.
pub(crate) struct Fetched<T> {
    pub(crate) item: T,
    /// The lifetime that its headers allow; `None` if they have none.
    pub(crate) lifetime: Option<Duration>,
    /// Its age on arrival, if it comes from a cache.
    pub(crate) age: Duration,
}

/// The attempts after which another one has to wait.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pause {
    /// For a fetch that is due.
    AfterFailures,
    /// For a fetch because of a key that may not exist: callers that make up keys must not cause many fetches.
    AfterEveryAttempt,
}

/// The last document, and the attempts to fetch a newer one.
#[derive(Debug)]
pub(super) struct SourceState<T> {
    lifetimes: Lifetimes,
    loaded: Option<Loaded<T>>,
    last_attempt: Option<Timestamp>,
    /// Failed attempts since the last success.
    failures: u32,
    last_failure: Option<Unavailable>,
    /// Whether a fetch is due although the document is fresh.
    is_due: bool,
}

/// A document in use, and its age.
#[derive(Debug)]
pub(crate) struct Loaded<T> {
    pub(crate) item: Arc<T>,
    /// When the fetch began.
    pub(crate) asked_at: Timestamp,
    /// When the issuer sent the document: earlier than the fetch if a cache answered. It does not contain what the issuer
    /// published later.
    pub(crate) known_at: Timestamp,
    lifetime: Duration,
}

impl<T: Refresh> SourceState<T> {
    pub(super) fn new(lifetimes: Lifetimes) -> Self {
        Self {
            lifetimes,
            loaded: None,
            last_attempt: None,
            failures: 0,
            last_failure: None,
            is_due: false,
        }
    }

    /// The state of a fixed document, which never expires.
    pub(super) fn fixed(item: T, lifetimes: Lifetimes) -> Self {
        let loaded = Loaded {
            item: Arc::new(item),
            asked_at: Timestamp::EPOCH,
            known_at: Timestamp::END_OF_TIME,
            lifetime: Duration::MAX,
        };
        Self {
            loaded: Some(loaded),
            ..Self::new(lifetimes)
        }
    }

    /// Returns the document if it is not too old to rely on.
    pub(super) fn serving(&self, now: Timestamp) -> Option<&Loaded<T>> {
        self.loaded
            .as_ref()
            .filter(|loaded| now < self.stale_from(loaded))
    }

    /// Returns the document if a request can use it without waiting for a newer one: while it has not expired, or while its
    /// issuer is down.
    pub(super) fn at_once(&self, now: Timestamp) -> Option<&Loaded<T>> {
        self.serving(now)
            .filter(|loaded| now < loaded.fresh_until() || self.failures > 0)
    }

    /// The time during which no fetch is due.
    pub(super) fn fresh(&self) -> Range<Timestamp> {
        let loaded = self.loaded.as_ref().filter(|_| !self.is_due);
        loaded.map_or(Timestamp::EPOCH..Timestamp::EPOCH, |loaded| {
            loaded.asked_at..loaded.refresh_from()
        })
    }

    /// Makes a fetch due at the next use, in the background.
    pub(super) fn make_due(&mut self) {
        self.is_due = true;
    }

    pub(super) fn lifetimes(&self) -> &Lifetimes {
        &self.lifetimes
    }

    pub(super) fn last_failure(&self) -> Option<&Unavailable> {
        self.last_failure.as_ref()
    }

    /// The time until another attempt may begin. It is zero after the clock was set back.
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

    /// Records an attempt when it begins, so that one that fails or never ends counts too.
    pub(super) fn attempt(&mut self, now: Timestamp) {
        self.last_attempt = Some(now);
    }

    pub(super) fn fetched(&mut self, fetched: Fetched<T>, asked_at: Timestamp) {
        let Fetched {
            mut item,
            lifetime,
            age,
        } = fetched;
        if let Some(older) = &self.loaded {
            item.replace(&older.item);
        }
        let lifetime = lifetime.unwrap_or(self.lifetimes.default);
        let lifetime = lifetime.clamp(self.lifetimes.min, self.lifetimes.max);
        self.failures = 0;
        self.is_due = false;
        self.last_failure = None;
        let known_at = asked_at.minus(age);
        self.loaded = Some(Loaded {
            item: Arc::new(item),
            asked_at,
            known_at,
            lifetime,
        });
    }

    pub(super) fn failed(&mut self, why: Unavailable) {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(why);
    }

    /// Records the reason why a fetch could not begin. It does not delay the next attempt.
    pub(super) fn could_not_begin(&mut self, why: Unavailable) {
        self.last_failure = Some(why);
    }

    /// Notices if the clock was set back since the fetch: the document then seems to come from the future. Its age is unknown,
    /// so it counts as expired, but stays in use until there is a newer one.
    pub(super) fn notices_clock_set_back(&mut self, now: Timestamp) -> bool {
        let Some(loaded) = self.loaded.as_mut().filter(|loaded| loaded.asked_at > now) else {
            return false;
        };
        loaded.asked_at = now.minus(loaded.lifetime);
        loaded.known_at = loaded.asked_at;
        true
    }

    fn stale_from(&self, loaded: &Loaded<T>) -> Timestamp {
        loaded
            .asked_at
            .plus(self.lifetimes.stale.max(loaded.lifetime))
    }
}

impl<T> Loaded<T> {
    fn refresh_from(&self) -> Timestamp {
        self.asked_at.plus(self.lifetime.mul_f64(REFRESH_AT))
    }

    fn fresh_until(&self) -> Timestamp {
        self.asked_at.plus(self.lifetime)
    }
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self {
            item: self.item.clone(),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::KeySet;

    const LIFETIMES: Lifetimes = Lifetimes {
        min: Duration::from_secs(60),
        default: Duration::from_secs(600),
        max: Duration::from_secs(86_400),
        stale: Duration::from_secs(21_600),
        cooldown: Duration::from_secs(30),
    };

    fn at(seconds: u32) -> Timestamp {
        Timestamp::from_seconds(seconds.into()).unwrap()
    }

    fn fetched(lifetime: Option<u64>, age: u64) -> Fetched<KeySet> {
        let lifetime = lifetime.map(Duration::from_secs);
        Fetched {
            item: KeySet::default(),
            lifetime,
            age: Duration::from_secs(age),
        }
    }

    fn loaded_at(seconds: u32, lifetime: Option<u64>) -> SourceState<KeySet> {
        let mut state = SourceState::new(LIFETIMES);
        state.attempt(at(seconds));
        state.fetched(fetched(lifetime, 0), at(seconds));
        state
    }

    #[test]
    fn after_failures_the_pause_doubles_up_to_the_cooldown_and_a_success_ends_it() {
        let mut state = SourceState::new(LIFETIMES);
        let mut now = at(1000);
        assert!(state.wait_left(now, Pause::AfterEveryAttempt).is_zero());
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            state.attempt(now);
            state.failed(Unavailable::Lost);
            for pause in [Pause::AfterFailures, Pause::AfterEveryAttempt] {
                assert_eq!(state.wait_left(now, pause), Duration::from_secs(seconds));
            }
            now = now.plus(Duration::from_secs(seconds));
            assert!(state.wait_left(now, Pause::AfterFailures).is_zero());
        }
        state.attempt(now);
        state.fetched(fetched(None, 0), now);
        assert!(state.wait_left(now, Pause::AfterFailures).is_zero());
        assert_eq!(
            state.wait_left(now, Pause::AfterEveryAttempt),
            LIFETIMES.cooldown
        );
    }

    #[test]
    fn a_set_is_fresh_for_four_fifths_of_its_life_and_serves_until_it_is_stale() {
        let mut state = loaded_at(1000, None);
        assert_eq!(state.fresh(), at(1000)..at(1480));
        assert!(state.at_once(at(1599)).is_some() && state.at_once(at(1600)).is_none());
        state.failed(Unavailable::Lost);
        assert!(
            state.at_once(at(1600)).is_some(),
            "no request waits for an issuer that is down"
        );
        assert!(state.serving(at(22_599)).is_some() && state.serving(at(22_600)).is_none());
        assert!(state.at_once(at(22_600)).is_none());
    }

    #[test]
    fn a_lifetime_beyond_the_stale_bound_is_believed() {
        let state = loaded_at(1000, Some(86_400));
        assert!(state.serving(at(87_399)).is_some() && state.serving(at(87_400)).is_none());
    }

    #[test]
    fn lifetimes_are_clamped() {
        assert_eq!(loaded_at(0, Some(0)).fresh(), at(0)..at(48));
        assert_eq!(loaded_at(0, Some(u64::MAX)).fresh(), at(0)..at(69_120));
    }

    #[test]
    fn a_document_from_a_cache_is_as_old_as_the_cache_says() {
        let mut state = SourceState::new(LIFETIMES);
        state.fetched(fetched(None, 300), at(1000));
        let loaded = state.serving(at(1000)).unwrap();
        assert_eq!((loaded.asked_at, loaded.known_at), (at(1000), at(700)));
    }

    #[test]
    fn a_clock_set_back_ends_the_life_of_a_set_but_not_its_service_nor_the_fetching() {
        let mut state = loaded_at(10_000, None);
        assert!(!state.notices_clock_set_back(at(10_000)));
        assert!(state.notices_clock_set_back(at(5000)));
        assert!(!state.fresh().contains(&at(5000)) && !state.fresh().contains(&at(10_001)));
        assert!(state.serving(at(5000)).is_some());
        assert!(
            state
                .wait_left(at(5000), Pause::AfterEveryAttempt)
                .is_zero()
        );
    }

    #[test]
    fn a_set_given_once_and_for_all_is_always_fresh_and_newer_than_any_token() {
        let mut state = SourceState::fixed(KeySet::default(), LIFETIMES);
        for now in [at(0), at(u32::MAX)] {
            assert!(!state.notices_clock_set_back(now));
            assert!(state.fresh().contains(&now));
            assert!(
                state
                    .at_once(now)
                    .is_some_and(|loaded| loaded.known_at > now)
            );
        }
    }
}
