//! One issuer's keys over time: fetched when needed, refreshed ahead, kept through an outage, and
//! never fetched as often as an attacker would like.
//!
//! No request holds the lock across I/O. A fetch runs in a task of its own, so that a caller who hangs
//! up cancels nobody, and whoever needs its outcome waits for the one that is under way.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::algorithm::Algorithms;
use super::fetch::Fetcher;
use super::jws::Header;
use super::key_location::{Fetched, KeyLocation, KeysUnavailable};
use super::key_state::{KeyLifetimes, KeyState, Loaded, Pause};
use super::keys::{Key, KeySet, NotSigned};
use crate::clock::{Clock, Span, Timestamp};
use crate::refusal::{Reason, Refusal};

/// How long a request waits for a fetch under way before it is told to come back.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(10);

/// Longer than any fetch takes. One that is still under way then was left on a runtime that nobody drives.
const MAX_FLIGHT: Duration = Duration::from_secs(30);

/// How much later than its `iat` a token may have been signed: clocks differ, seconds are whole, and some
/// issuers date tokens back.
const ISSUED_AT_DOUBT: Duration = Duration::from_secs(60);

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
    clock: Clock,
    shared: Mutex<Shared>,
    /// While now is in it the set is fresh, and nobody needs the lock to know.
    fresh: Span,
}

#[derive(Debug)]
struct Shared {
    state: KeyState,
    /// The fetch under way.
    flight: Option<Flight>,
    /// How many there have been.
    flights: u64,
}

/// A fetch under way, to wait for.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    number: u64,
    began: Instant,
    /// Closed when it has landed.
    landing: watch::Receiver<()>,
}

/// The same, for whoever flies it: whatever becomes of its task, it lands.
struct Pilot {
    source: Arc<KeySource>,
    number: u64,
    asked_at: Timestamp,
    outcome: Result<Fetched, KeysUnavailable>,
    _done: watch::Sender<()>,
}

impl KeySource {
    pub(crate) fn fetched(fetch: KeyFetch, lifetimes: KeyLifetimes, clock: Clock) -> Self {
        Self::new(Some(fetch), KeyState::new(lifetimes), clock)
    }

    /// A set that no fetch could make newer.
    pub(crate) fn fixed(keys: KeySet, lifetimes: KeyLifetimes, clock: Clock) -> Self {
        Self::new(None, KeyState::fixed(keys, lifetimes), clock)
    }

    fn new(fetch: Option<KeyFetch>, state: KeyState, clock: Clock) -> Self {
        let fresh = Span::default();
        fresh.set(state.fresh());
        Self { fetch, clock, shared: Mutex::new(Shared { state, flight: None, flights: 0 }), fresh }
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
                _ => return Err(self.undecided()),
            }
        }
    }

    /// Whether what these keys once proved may be taken as proved still: not when the last good set is
    /// too old to know of withdrawn keys. Asking keeps the set fresh in the background.
    pub(crate) fn still_serving(self: &Arc<Self>, now: Timestamp) -> Result<(), Refusal> {
        if self.fresh.covers(now) {
            return Ok(());
        }
        let (mut shared, now) = self.lock();
        self.refresh(&mut shared, now);
        if shared.state.serving(now).is_some() { Ok(()) } else { Err(self.unavailable(&shared.state, now)) }
    }

    /// Whether tokens can be judged now, and why the last fetch failed if it did.
    pub(super) fn condition(&self) -> (bool, Option<KeysUnavailable>) {
        let (shared, now) = self.lock();
        (shared.state.serving(now).is_some(), shared.state.last_failure().cloned())
    }

    /// Has a set fetched where it is time to. What is returned is to be waited for: nothing, where tokens
    /// are served meanwhile.
    pub(super) fn warm_up(self: &Arc<Self>) -> Option<Flight> {
        let (mut shared, now) = self.lock();
        let flight = self.refresh(&mut shared, now);
        flight.filter(|_| shared.state.at_once(now).is_none())
    }

    /// The set to look in first.
    async fn current(self: &Arc<Self>) -> Result<Loaded, Refusal> {
        let flight = {
            let (mut shared, now) = self.lock();
            let flight = self.refresh(&mut shared, now);
            // While an issuer is down nobody waits for it who can be served without it.
            if let Some(loaded) = shared.state.at_once(now) {
                return Ok(loaded.clone());
            }
            flight
        };
        if let Some(flight) = flight {
            let _ = timeout(MAX_WAIT, flight.landed()).await;
        }
        let (shared, now) = self.lock();
        shared.state.serving(now).cloned().ok_or_else(|| self.unavailable(&shared.state, now))
    }

    /// A set fetched for the sake of an unknown key, unless the cooldown forbids asking again.
    async fn newer(self: &Arc<Self>) -> Option<Loaded> {
        let flight = {
            let (mut shared, now) = self.lock();
            self.join_or_start(&mut shared, now, Pause::AfterEveryAttempt)?
        };
        let _ = timeout(MAX_WAIT, flight.landed()).await;
        let (shared, now) = self.lock();
        shared.state.serving(now).cloned()
    }

    fn refresh(self: &Arc<Self>, shared: &mut Shared, now: Timestamp) -> Option<Flight> {
        if shared.state.fresh().contains(&now) {
            return None;
        }
        self.join_or_start(shared, now, Pause::AfterFailures)
    }

    /// The fetch under way, or a new one if the last attempt lies far enough back.
    fn join_or_start(self: &Arc<Self>, shared: &mut Shared, now: Timestamp, pause: Pause) -> Option<Flight> {
        let Ok(runtime) = Handle::try_current() else {
            shared.state.remark(KeysUnavailable::NoRuntime);
            return None;
        };
        if let Some(flight) = shared.flight.as_ref().filter(|flight| flight.began.elapsed() < MAX_FLIGHT) {
            return Some(flight.clone());
        }
        if self.fetch.is_none() || !shared.state.wait_left(now, pause).is_zero() {
            return None;
        }
        shared.state.attempt(now);
        shared.flights += 1;
        let (number, (done, landing)) = (shared.flights, watch::channel(()));
        let outcome = Err(KeysUnavailable::Lost);
        runtime.spawn(Pilot { source: Arc::clone(self), number, asked_at: now, outcome, _done: done }.fly());
        shared.flight.insert(Flight { number, began: Instant::now(), landing }).clone().into()
    }

    fn land(&self, number: u64, outcome: Result<Fetched, KeysUnavailable>, asked_at: Timestamp) {
        let issuer = self.issuer();
        match &outcome {
            Ok(fetched) => {
                tracing::debug!(target: "toolgate", issuer, lifetime = ?fetched.lifetime, "keys fetched");
            }
            Err(why) => {
                let (reason, source) = (why.reason().code(), why.source().map(ToString::to_string));
                tracing::error!(target: "toolgate", issuer, reason, error = %why, source, "keys not fetched");
            }
        }
        let (mut shared, _) = self.lock();
        // One that was given up must not undo what came after it.
        if shared.flight.take_if(|flight| flight.number == number).is_none() {
            return;
        }
        match outcome {
            Ok(fetched) => shared.state.fetched(fetched, asked_at),
            Err(why) => shared.state.failed(why),
        }
        self.fresh.set(shared.state.fresh());
    }

    fn issuer(&self) -> &str {
        self.fetch.as_ref().map_or("", |fetch| &fetch.issuer)
    }

    fn unavailable(&self, state: &KeyState, now: Timestamp) -> Refusal {
        let refusal = match state.last_failure().cloned() {
            Some(why) => Refusal::from(why.reason()).because(why),
            None => Reason::JwksUnavailable.into(),
        };
        refusal.retry_after(state.wait_left(now, Pause::AfterEveryAttempt)).got(self.issuer())
    }

    fn undecided(&self) -> Refusal {
        let (shared, now) = self.lock();
        let wait = shared.state.wait_left(now, Pause::AfterEveryAttempt);
        Refusal::from(Reason::KidUndecided).retry_after(wait)
    }

    /// The state, and the time: read under the lock, so that it is later than every time in the state
    /// unless the clock was set back.
    fn lock(&self) -> (MutexGuard<'_, Shared>, Timestamp) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if shared.state.notices_clock_set_back(now) {
            self.fresh.set(shared.state.fresh());
        }
        (shared, now)
    }
}

impl Flight {
    pub(super) async fn landed(mut self) {
        // Nothing is ever sent: the channel closes. Whoever waited in vain finds no set.
        let _ = self.landing.changed().await;
    }
}

impl Pilot {
    async fn fly(mut self) {
        if let Some(KeyFetch { issuer, location, algorithms, fetcher }) = &self.source.fetch {
            let outcome = location.fetch(issuer, fetcher, algorithms, self.asked_at).await;
            self.outcome = outcome;
        }
    }
}

/// Also when the task panicked, or its runtime was shut down.
impl Drop for Pilot {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Err(KeysUnavailable::Lost));
        self.source.land(self.number, outcome, self.asked_at);
    }
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
