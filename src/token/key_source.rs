//! One issuer's keys over time: fetched when needed, refreshed ahead, kept through an outage, and
//! never fetched as often as an attacker would like.
//!
//! No request holds the lock across I/O. A fetch runs in a task of its own, so that a caller who hangs
//! up cancels nobody, and whoever needs its outcome waits for the one that is under way.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::algorithm::Algorithms;
use super::fetch::Fetcher;
use super::jws::Header;
use super::key_location::{Fetched, KeyLocation, KeysUnavailable};
use super::keys::{Key, KeySet, NotSigned};
use crate::clock::{Clock, Timestamp};
use crate::refusal::{Reason, Refusal};

/// How long a request waits for a fetch under way before it is told to come back.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// After a failed fetch the next one waits this long, then twice as long, up to the cooldown.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// How much later than its `iat` a token may have been signed: clocks differ, seconds are whole, and some
/// issuers date tokens back.
const ISSUED_AT_DOUBT: Duration = Duration::from_secs(60);

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

/// Everything a fetch needs.
#[derive(Debug)]
pub(crate) struct KeyFetch {
    pub(crate) issuer: Arc<str>,
    pub(crate) location: KeyLocation,
    pub(crate) algorithms: Algorithms,
    pub(crate) fetcher: Fetcher,
}

#[derive(Debug)]
pub(crate) struct KeySource {
    /// Nothing, where the keys were given once and for all.
    fetch: Option<KeyFetch>,
    lifetimes: KeyLifetimes,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    loaded: Option<Loaded>,
    last_attempt: Option<Timestamp>,
    /// Failed attempts since the last success.
    failures: u32,
    last_failure: Option<KeysUnavailable>,
    /// Closed when the fetch has landed.
    flight: Option<Flight>,
}

type Flight = watch::Receiver<()>;

#[derive(Debug, Clone)]
struct Loaded {
    keys: Arc<KeySet>,
    /// When the fetch began.
    asked_at: Timestamp,
    /// When the issuer said this: earlier, where a cache in between answered. What it published later
    /// is not in the set.
    known_at: Timestamp,
    lifetime: Duration,
}

impl KeySource {
    pub(crate) fn fetched(fetch: KeyFetch, lifetimes: KeyLifetimes, clock: Clock) -> Self {
        Self { fetch: Some(fetch), lifetimes, clock, state: Mutex::default() }
    }

    /// A set that no fetch could make newer.
    pub(crate) fn fixed(keys: KeySet, lifetimes: KeyLifetimes, clock: Clock) -> Self {
        let loaded = Loaded {
            keys: Arc::new(keys),
            asked_at: Timestamp::END_OF_TIME,
            known_at: Timestamp::END_OF_TIME,
            lifetime: lifetimes.max,
        };
        let state = Mutex::new(State { loaded: Some(loaded), ..State::default() });
        Self { fetch: None, lifetimes, clock, state }
    }

    /// The issuer's key that signed, fetching the set when that is what it takes to know.
    pub(crate) async fn prove(
        self: &Arc<Self>,
        header: &Header,
        message: &[u8],
        signature: &[u8],
        issued_at: Option<Timestamp>,
    ) -> Result<Arc<Key>, Refusal> {
        let arrived = self.clock.now();
        let mut loaded = self.current().await?;
        loop {
            let why = match loaded.keys.verify(header, message, signature) {
                Ok(key) => return Ok(key),
                Err(why) => why,
            };
            // Without a `kid` a new key looks like a bad signature of the old one.
            let may_be_new =
                why == NotSigned::UnknownKey || (why == NotSigned::BadSignature && header.kid.is_none());
            let would_have_it = |issued: Timestamp| loaded.known_at >= issued.plus(ISSUED_AT_DOUBT);
            if !may_be_new || loaded.known_at >= arrived || issued_at.is_some_and(would_have_it) {
                return Err(refused(why, header));
            }
            // Whether this key exists we cannot tell from a set older than the token. A 401 now would
            // make honest clients throw good tokens away whenever an attacker keeps the cooldown burnt.
            match self.newer().await {
                Some(newer) if newer.asked_at > loaded.asked_at => loaded = newer,
                _ => return Err(Refusal::from(Reason::KidUndecided).retry_after(self.next_attempt())),
            }
        }
    }

    /// Whether what these keys once proved may be taken as proved still: not when the last good set is
    /// too old to know of withdrawn keys. Asking keeps the set fresh in the background.
    pub(crate) fn still_serving(self: &Arc<Self>) -> Result<(), Refusal> {
        let now = self.clock.now();
        let mut state = self.state(now);
        let serving = match &state.loaded {
            Some(loaded) if now < loaded.refresh_from() => return Ok(()),
            Some(loaded) => now < self.stale_from(loaded),
            None => false,
        };
        self.join_or_start(&mut state, now, Duration::ZERO);
        if serving { Ok(()) } else { Err(self.unavailable(&state)) }
    }

    /// The set to look in first.
    async fn current(self: &Arc<Self>) -> Result<Loaded, Refusal> {
        let now = self.clock.now();
        let flight = {
            let mut state = self.state(now);
            if let Some(loaded) = state.loaded.as_ref().filter(|loaded| now < loaded.refresh_from()) {
                return Ok(loaded.clone());
            }
            let flight = self.join_or_start(&mut state, now, Duration::ZERO);
            match &state.loaded {
                // While an issuer is down nobody waits for it who can be served without it.
                Some(loaded) if now < loaded.fresh_until() => return Ok(loaded.clone()),
                Some(loaded) if now < self.stale_from(loaded) && state.failures > 0 => {
                    return Ok(loaded.clone());
                }
                _ => flight,
            }
        };
        if let Some(flight) = flight {
            landed(flight).await;
        }
        let state = self.state(now);
        match &state.loaded {
            Some(loaded) if now < self.stale_from(loaded) => Ok(loaded.clone()),
            _ => Err(self.unavailable(&state)),
        }
    }

    /// A set fetched for the sake of an unknown key, unless the cooldown forbids asking again.
    async fn newer(self: &Arc<Self>) -> Option<Loaded> {
        let now = self.clock.now();
        let flight = self.join_or_start(&mut self.state(now), now, self.lifetimes.cooldown);
        landed(flight?).await;
        self.state(now).loaded.clone()
    }

    /// The fetch under way, or a new one if the last attempt lies far enough back.
    fn join_or_start(self: &Arc<Self>, state: &mut State, now: Timestamp, pause: Duration) -> Option<Flight> {
        match &state.flight {
            Some(flight) if flight.has_changed().is_ok() => return Some(flight.clone()),
            // A closed channel is a flight that ended without landing: its task panicked or was dropped.
            Some(_) => {
                state.flight = None;
                state.failures = state.failures.saturating_add(1);
            }
            None => {}
        }
        if self.fetch.is_none() || !self.wait_left(state, now, pause).is_zero() {
            return None;
        }
        state.last_attempt = Some(now);
        let (done, flight) = watch::channel(());
        state.flight = Some(flight.clone());
        let source = Arc::clone(self);
        tokio::spawn(async move {
            if let Some(fetch) = &source.fetch {
                let outcome =
                    fetch.location.fetch(&fetch.issuer, &fetch.fetcher, &fetch.algorithms, now).await;
                source.land(&fetch.issuer, outcome, now);
            }
            drop(done);
        });
        Some(flight)
    }

    fn land(&self, issuer: &str, outcome: Result<Fetched, KeysUnavailable>, asked_at: Timestamp) {
        let mut state = self.state(asked_at);
        state.flight = None;
        match outcome {
            Ok(Fetched { mut keys, lifetime, age }) => {
                let lifetime = lifetime.unwrap_or(self.lifetimes.default);
                let lifetime = lifetime.clamp(self.lifetimes.min, self.lifetimes.max);
                tracing::debug!(target: "toolgate", issuer, ?lifetime, "keys fetched");
                if let Some(older) = &state.loaded {
                    keys.succeed(&older.keys);
                }
                state.failures = 0;
                state.last_failure = None;
                let known_at = asked_at.minus(age);
                state.loaded = Some(Loaded { keys: Arc::new(keys), asked_at, known_at, lifetime });
            }
            Err(why) => {
                let (reason, source) = (why.reason().code(), why.source().map(ToString::to_string));
                tracing::error!(target: "toolgate", issuer, reason, error = %why, source, "keys not fetched");
                state.failures = state.failures.saturating_add(1);
                state.last_failure = Some(why);
            }
        }
    }

    fn unavailable(&self, state: &State) -> Refusal {
        let refusal = match state.last_failure.clone() {
            Some(why) => Refusal::from(why.reason()).because(why),
            None => Reason::JwksUnavailable.into(),
        };
        let issuer = self.fetch.as_ref().map_or("", |fetch| &fetch.issuer);
        refusal.retry_after(self.wait_left(state, self.clock.now(), self.lifetimes.cooldown)).got(issuer)
    }

    fn next_attempt(&self) -> Duration {
        let now = self.clock.now();
        self.wait_left(&self.state(now), now, self.lifetimes.cooldown)
    }

    /// How long until another attempt is due. A clock that was set back must not hold it up.
    fn wait_left(&self, state: &State, now: Timestamp, pause: Duration) -> Duration {
        let Some(last) = state.last_attempt.filter(|last| *last <= now) else {
            return Duration::ZERO;
        };
        let pause = match state.failures {
            0 => pause,
            failures => {
                let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
                doubled.min(self.lifetimes.cooldown)
            }
        };
        last.plus(pause).since(now)
    }

    fn stale_from(&self, loaded: &Loaded) -> Timestamp {
        loaded.asked_at.plus(self.lifetimes.stale.max(loaded.lifetime))
    }

    /// The state as of `now`. A set from the future was fetched before the clock was set back: how old
    /// it is nobody knows, so its life is over, but it serves on until there is a newer one.
    fn state(&self, now: Timestamp) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = state.loaded.as_mut().filter(|loaded| loaded.asked_at > now)
            && self.fetch.is_some()
        {
            loaded.asked_at = now.minus(loaded.lifetime);
            loaded.known_at = loaded.asked_at;
        }
        state
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

async fn landed(mut flight: Flight) {
    // Nothing is ever sent: the channel closes when the fetch has landed. Whoever waited in vain finds no set.
    let _ = tokio::time::timeout(MAX_WAIT, flight.changed()).await;
}

fn refused(why: NotSigned, header: &Header) -> Refusal {
    let reason = match why {
        NotSigned::UnknownKey => Reason::KidUnknown,
        NotSigned::Ambiguous => Reason::NoKidAmbiguous,
        NotSigned::UnfitKey => Reason::KeyUnusable,
        NotSigned::BadSignature => Reason::BadSignature,
    };
    Refusal::from(reason).got(header.kid.as_deref().unwrap_or("no kid"))
}
