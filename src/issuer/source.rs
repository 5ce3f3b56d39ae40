//! A document of an issuer over time: it is fetched when needed, refreshed before it expires, kept during an outage, and
//! never fetched as often as an attacker would like.
//!
//! `state` decides when to fetch, and a fetch is a [`Flight`]. No request holds the lock across I/O.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::flight::{self, Awaited, Flight, SpawnOnDrop};
use super::state::{Fetched, Lifetimes, Loaded, Pause, Refresh, SourceState};
use super::unavailable::Unavailable;
use crate::clock::{Clock, Span, Timestamp};
use crate::events::DocumentFetch;
use crate::refusal::{Reason, Refusal};

/// How long a request waits for a fetch or an introspection. After that it is answered with 503.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(10);

/// Fetches a document of one kind.
pub(crate) trait Fetch: Send + Sync + 'static {
    type Item: Refresh + Send + Sync;

    /// The name of the document in the log.
    const WHAT: &str;
    /// The reason for refusing a request that needs the document.
    const MISSING: Reason;

    fn issuer(&self) -> &str;

    /// Whether both fetch the same document from the same place.
    fn is_same(&self, other: &Self) -> bool;

    fn fetch(
        &self,
        now: Timestamp,
    ) -> impl Future<Output = Result<Fetched<Self::Item>, Unavailable>> + Send;
}

/// A document of one issuer, kept as fresh as needed.
pub(crate) struct Source<F: Fetch> {
    /// `None` for a fixed document.
    fetch: Option<Arc<F>>,
    pub(super) clock: Clock,
    shared: Mutex<SharedState<F::Item>>,
    /// The time during which no fetch is due. Reading it needs no lock.
    fresh: Span,
}

struct SharedState<T> {
    state: SourceState<T>,
    /// The fetch under way.
    flight: Option<Arc<Flight<()>>>,
}

impl<F: Fetch> Source<F> {
    pub(crate) fn fetched(fetch: F, lifetimes: Lifetimes, clock: Clock) -> Self {
        Self::new(Some(Arc::new(fetch)), SourceState::new(lifetimes), clock)
    }

    /// Makes a source of a fixed document, which is never fetched.
    pub(crate) fn fixed(item: F::Item, lifetimes: Lifetimes, clock: Clock) -> Self {
        Self::new(None, SourceState::fixed(item, lifetimes), clock)
    }

    fn new(fetch: Option<Arc<F>>, state: SourceState<F::Item>, clock: Clock) -> Self {
        let fresh = Span::default();
        fresh.set(state.fresh());
        Self {
            fetch,
            clock,
            shared: Mutex::new(SharedState {
                state,
                flight: None,
            }),
            fresh,
        }
    }

    /// Whether this source fetches the same document, and keeps it as long.
    pub(super) fn fetches(&self, fetch: &F, lifetimes: &Lifetimes) -> bool {
        let is_same = |own: &Arc<F>| own.is_same(fetch);
        self.fetch.as_ref().is_some_and(is_same)
            && self.lock().shared.state.lifetimes() == lifetimes
    }

    /// Has the document fetched again, in the background at its next use. It stays in use until then, so a reload during an
    /// outage loses no keys.
    pub(crate) fn make_due(&self) {
        if self.fetch.is_none() {
            return;
        }
        let mut locked = self.lock();
        locked.shared.state.make_due();
        self.fresh.set(locked.shared.state.fresh());
    }

    /// Succeeds if the document is recent enough to rely on proofs made with it. Fails if it is so old that a key may have been
    /// withdrawn since. Starts a fetch in the background if one is due.
    pub(crate) fn still_serving(self: &Arc<Self>, now: Timestamp) -> Result<(), Refusal> {
        if self.fresh.covers(now) {
            return Ok(());
        }
        let mut locked = self.lock();
        self.refresh(&mut locked);
        if locked.serving().is_some() {
            Ok(())
        } else {
            Err(self.unavailable(&locked))
        }
    }

    /// Returns whether requests can be served now, and the failure of the last fetch.
    pub(crate) fn condition(&self) -> (bool, Option<Unavailable>) {
        let locked = self.lock();
        (
            locked.serving().is_some(),
            locked.shared.state.last_failure().cloned(),
        )
    }

    /// Starts a fetch if one is due. Returns the fetch if requests have to wait for it, and otherwise `None`.
    pub(crate) fn warm_up(self: &Arc<Self>) -> Option<Awaited<()>> {
        let mut locked = self.lock();
        let fetch = self.refresh(&mut locked);
        fetch.filter(|_| locked.at_once().is_none())
    }

    /// Returns the current document. Waits for a fetch only if there is no document that can be used meanwhile.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Loaded<F::Item>, Refusal> {
        let fetch = {
            let mut locked = self.lock();
            let fetch = self.refresh(&mut locked);
            // While an issuer is down, a request that can be served without it does not wait for it.
            if let Some(loaded) = locked.at_once() {
                return Ok(loaded.clone());
            }
            fetch
        };
        if let Some(fetch) = fetch {
            let _ = timeout(MAX_WAIT, fetch.outcome()).await;
        }
        let locked = self.lock();
        locked
            .serving()
            .cloned()
            .ok_or_else(|| self.unavailable(&locked))
    }

    /// Fetches again because the current document lacks something. `None` during the cooldown.
    pub(super) async fn newer(self: &Arc<Self>) -> Option<Loaded<F::Item>> {
        let fetch = self.join_or_start(&mut self.lock(), Pause::AfterEveryAttempt)?;
        let _ = timeout(MAX_WAIT, fetch.outcome()).await;
        self.lock().serving().cloned()
    }

    /// The time until [`newer`](Self::newer) may fetch again.
    pub(super) fn cooldown_left(&self) -> Duration {
        self.lock().cooldown_left()
    }

    fn refresh(self: &Arc<Self>, locked: &mut Locked<'_, F>) -> Option<Awaited<()>> {
        if locked.shared.state.fresh().contains(&locked.now) {
            return None;
        }
        self.join_or_start(locked, Pause::AfterFailures)
    }

    /// Returns the fetch under way, or starts one if the last attempt is long enough ago.
    fn join_or_start(
        self: &Arc<Self>,
        locked: &mut Locked<'_, F>,
        pause: Pause,
    ) -> Option<Awaited<()>> {
        let (shared, asked_at) = (&mut *locked.shared, locked.now);
        let Ok(runtime) = Handle::try_current() else {
            shared.state.could_not_begin(Unavailable::NoRuntime);
            return None;
        };
        if let Some(flight) = shared.flight.as_ref().filter(|flight| flight.may_end()) {
            return Some(flight.awaited());
        }
        let fetch = self.fetch.clone()?;
        if !shared.state.wait_left(asked_at, pause).is_zero() {
            return None;
        }
        shared.state.attempt(asked_at);
        let flight = Arc::new(Flight::new());
        flight.begin();
        let awaited = flight.awaited();
        shared.flight = Some(flight.clone());
        let source = self.clone();
        locked.spawns.set(move || {
            let fetched = async move { fetch.fetch(asked_at).await };
            flight::spawn(&runtime, fetched, move |outcome| {
                let outcome = outcome.unwrap_or(Err(Unavailable::Lost));
                source.finished(&flight, outcome, asked_at);
                flight.end(());
            });
        });
        Some(awaited)
    }

    fn finished(
        &self,
        flight: &Arc<Flight<()>>,
        outcome: Result<Fetched<F::Item>, Unavailable>,
        asked_at: Timestamp,
    ) {
        self.log(&outcome);
        let mut locked = self.lock();
        let shared = &mut *locked.shared;
        // A flight that was given up must not affect the one that replaced it.
        let is_current = |current: &mut Arc<Flight<()>>| Arc::ptr_eq(current, flight);
        if shared.flight.take_if(is_current).is_none() {
            return;
        }
        match outcome {
            Ok(fetched) => shared.state.fetched(fetched, asked_at),
            Err(why) => shared.state.failed(why),
        }
        self.fresh.set(shared.state.fresh());
    }

    fn log(&self, outcome: &Result<Fetched<F::Item>, Unavailable>) {
        let fetch = DocumentFetch {
            issuer: self.issuer(),
            what: F::WHAT,
        };
        match outcome {
            Ok(fetched) => fetch.succeeded(fetched.lifetime),
            Err(why) => fetch.failed(why.reason(F::MISSING).code(), why),
        }
    }

    pub(super) fn issuer(&self) -> &str {
        self.fetch.as_ref().map_or("", |fetch| fetch.issuer())
    }

    fn unavailable(&self, locked: &Locked<'_, F>) -> Refusal {
        let refusal = match locked.shared.state.last_failure().cloned() {
            Some(why) => Refusal::from(why.reason(F::MISSING)).because(why),
            None => F::MISSING.into(),
        };
        refusal
            .retry_after(locked.cooldown_left())
            .got(self.issuer())
    }

    fn lock(&self) -> Locked<'_, F> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if shared.state.notices_clock_set_back(now) {
            self.fresh.set(shared.state.fresh());
        }
        Locked {
            shared,
            now,
            spawns: SpawnOnDrop::default(),
        }
    }
}

/// The shared state under the lock, and the time at which it was taken.
struct Locked<'a, F: Fetch> {
    shared: MutexGuard<'a, SharedState<F::Item>>,
    /// Read under the lock, so that no time in the state is later, unless the clock was set back.
    now: Timestamp,
    /// Dropped last, when the lock is free again: a task takes it when it ends, which may be at once.
    spawns: SpawnOnDrop,
}

impl<F: Fetch> Locked<'_, F> {
    fn serving(&self) -> Option<&Loaded<F::Item>> {
        self.shared.state.serving(self.now)
    }

    fn at_once(&self) -> Option<&Loaded<F::Item>> {
        self.shared.state.at_once(self.now)
    }

    fn cooldown_left(&self) -> Duration {
        self.shared
            .state
            .wait_left(self.now, Pause::AfterEveryAttempt)
    }
}

impl<F: Fetch> fmt::Debug for Source<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("of", &F::WHAT)
            .field("issuer", &self.issuer())
            .finish_non_exhaustive()
    }
}
