//! What an issuer publishes, over time: fetched when needed, refreshed ahead, kept through an outage, and
//! never fetched as often as an attacker would like.
//!
//! `state` tells what to do at a moment.
//!
//! No request holds the lock across I/O. A fetch runs in a task of its own, so that a caller who hangs
//! up cancels nobody, and whoever needs its outcome waits for the one that is under way.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::state::{Fetched, Lifetimes, Loaded, Pause, Renewed, SourceState};
use super::unavailable::Unavailable;
use crate::clock::{Clock, Span, Timestamp};
use crate::refusal::{Reason, Refusal};

/// How long a request waits for a fetch under way before it is told to come back.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(10);

/// Longer than any fetch takes. One that is still under way then was left on a runtime that nobody drives.
const MAX_FLIGHT: Duration = Duration::from_secs(30);

/// How to get a newer one.
pub(crate) trait Fetch: Send + Sync + 'static {
    type Item: Renewed + Send + Sync;

    /// What it is called in the log.
    const WHAT: &str;
    /// For a request that cannot do without it.
    const MISSING: Reason;

    fn issuer(&self) -> &str;

    /// Whether it fetches the same from the same place.
    fn is_same(&self, other: &Self) -> bool;

    fn fetch(
        &self,
        now: Timestamp,
    ) -> impl Future<Output = Result<Fetched<Self::Item>, Unavailable>> + Send;
}

/// Something of one issuer's, as new as it need be.
pub(crate) struct Kept<F: Fetch> {
    /// Nothing, where it was given once and for all.
    fetch: Option<F>,
    pub(super) clock: Clock,
    shared: Mutex<Shared<F::Item>>,
    /// While now is in it nobody need fetch, nor take the lock to know that.
    fresh: Span,
}

struct Shared<T> {
    state: SourceState<T>,
    /// The fetch under way.
    flight: Option<Flight>,
    /// How many there have been.
    flights: u64,
}

/// Somebody's turn with what is shared.
///
/// What takes off in it does so when the lock is free again, which is why it comes last: a runtime that is
/// shutting down drops the task at once, and its pilot needs the lock to land.
struct Turn<'a, F: Fetch> {
    shared: MutexGuard<'a, Shared<F::Item>>,
    /// Read under the lock, so that it is later than every time in the state unless the clock was set back.
    now: Timestamp,
    takeoff: Takeoff<F>,
}

struct Takeoff<F: Fetch>(Option<(Handle, Pilot<F>)>);

/// A fetch under way, to wait for.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    number: u64,
    began: Instant,
    /// Closed when it has landed.
    landing: watch::Receiver<()>,
}

/// The same, for whoever flies it: whatever becomes of its task, it lands.
struct Pilot<F: Fetch> {
    source: Arc<Kept<F>>,
    number: u64,
    asked_at: Timestamp,
    outcome: Result<Fetched<F::Item>, Unavailable>,
    _done: watch::Sender<()>,
}

impl<F: Fetch> Kept<F> {
    pub(crate) fn fetched(fetch: F, lifetimes: Lifetimes, clock: Clock) -> Self {
        Self::new(Some(fetch), SourceState::new(lifetimes), clock)
    }

    /// Of what no fetch could make newer.
    pub(crate) fn fixed(item: F::Item, lifetimes: Lifetimes, clock: Clock) -> Self {
        Self::new(None, SourceState::fixed(item, lifetimes), clock)
    }

    fn new(fetch: Option<F>, state: SourceState<F::Item>, clock: Clock) -> Self {
        let fresh = Span::default();
        fresh.set(state.fresh());
        Self {
            fetch,
            clock,
            shared: Mutex::new(Shared {
                state,
                flight: None,
                flights: 0,
            }),
            fresh,
        }
    }

    /// What this source has, for a configuration in which nothing about it has changed. A newer one is fetched with
    /// its next use, in the background: an issuer that is down meanwhile costs no good keys.
    pub(crate) fn kept_for(
        self: &Arc<Self>,
        fetch: &F,
        lifetimes: &Lifetimes,
    ) -> Option<Arc<Self>> {
        let mut turn = self.turn();
        if !self.fetch.as_ref().is_some_and(|own| own.is_same(fetch))
            || turn.shared.state.lifetimes() != lifetimes
        {
            return None;
        }
        turn.shared.state.make_due();
        self.fresh.set(turn.shared.state.fresh());
        Some(self.clone())
    }

    /// Whether what this once proved may be taken as proved still: not when the last good one is too old
    /// to know of what was withdrawn. Asking keeps it fresh in the background.
    pub(crate) fn still_serving(self: &Arc<Self>, now: Timestamp) -> Result<(), Refusal> {
        if self.fresh.covers(now) {
            return Ok(());
        }
        let mut turn = self.turn();
        self.refresh(&mut turn);
        if turn.serving().is_some() {
            Ok(())
        } else {
            Err(self.unavailable(&turn))
        }
    }

    /// Whether requests can be served now, and why the last fetch failed if it did.
    pub(crate) fn condition(&self) -> (bool, Option<Unavailable>) {
        let turn = self.turn();
        (
            turn.serving().is_some(),
            turn.shared.state.last_failure().cloned(),
        )
    }

    /// Fetches where it is time to. What is returned is to be waited for: nothing, where requests are served
    /// meanwhile.
    pub(crate) fn warm_up(self: &Arc<Self>) -> Option<Flight> {
        let mut turn = self.turn();
        let flight = self.refresh(&mut turn);
        flight.filter(|_| turn.at_once().is_none())
    }

    /// What to look in first.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Loaded<F::Item>, Refusal> {
        let flight = {
            let mut turn = self.turn();
            let flight = self.refresh(&mut turn);
            // While an issuer is down nobody waits for it who can be served without it.
            if let Some(loaded) = turn.at_once() {
                return Ok(loaded.clone());
            }
            flight
        };
        if let Some(flight) = flight {
            let _ = timeout(MAX_WAIT, flight.landed()).await;
        }
        let turn = self.turn();
        turn.serving()
            .cloned()
            .ok_or_else(|| self.unavailable(&turn))
    }

    /// A newer one, for the sake of what is not in this one, unless the cooldown forbids asking again.
    pub(super) async fn newer(self: &Arc<Self>) -> Option<Loaded<F::Item>> {
        let flight = self.join_or_start(&mut self.turn(), Pause::AfterEveryAttempt)?;
        let _ = timeout(MAX_WAIT, flight.landed()).await;
        self.turn().serving().cloned()
    }

    fn refresh(self: &Arc<Self>, turn: &mut Turn<'_, F>) -> Option<Flight> {
        if turn.shared.state.fresh().contains(&turn.now) {
            return None;
        }
        self.join_or_start(turn, Pause::AfterFailures)
    }

    /// The fetch under way, or a new one if the last attempt lies far enough back.
    fn join_or_start(self: &Arc<Self>, turn: &mut Turn<'_, F>, pause: Pause) -> Option<Flight> {
        let (shared, now) = (&mut *turn.shared, turn.now);
        let Ok(runtime) = Handle::try_current() else {
            shared.state.remark(Unavailable::NoRuntime);
            return None;
        };
        if let Some(flight) = shared
            .flight
            .as_ref()
            .filter(|flight| flight.began.elapsed() < MAX_FLIGHT)
        {
            return Some(flight.clone());
        }
        if self.fetch.is_none() || !shared.state.wait_left(now, pause).is_zero() {
            return None;
        }
        shared.state.attempt(now);
        shared.flights += 1;
        let (number, (done, landing)) = (shared.flights, watch::channel(()));
        let outcome = Err(Unavailable::Lost);
        let pilot = Pilot {
            source: Arc::clone(self),
            number,
            asked_at: now,
            outcome,
            _done: done,
        };
        turn.takeoff = Takeoff(Some((runtime, pilot)));
        shared
            .flight
            .insert(Flight {
                number,
                began: Instant::now(),
                landing,
            })
            .clone()
            .into()
    }

    fn land(
        &self,
        number: u64,
        outcome: Result<Fetched<F::Item>, Unavailable>,
        asked_at: Timestamp,
    ) {
        let issuer = self.issuer();
        match &outcome {
            Ok(fetched) => {
                tracing::debug!(target: "toolgate", issuer, lifetime = ?fetched.lifetime, "{} fetched", F::WHAT);
            }
            Err(why) => {
                let (reason, source) = (
                    why.reason(F::MISSING).code(),
                    why.source().map(ToString::to_string),
                );
                tracing::error!(target: "toolgate", issuer, reason, error = %why, source, "{} not fetched", F::WHAT);
            }
        }
        let mut turn = self.turn();
        let shared = &mut *turn.shared;
        // One that was given up must not undo what came after it.
        if shared
            .flight
            .take_if(|flight| flight.number == number)
            .is_none()
        {
            return;
        }
        match outcome {
            Ok(fetched) => shared.state.fetched(fetched, asked_at),
            Err(why) => shared.state.failed(why),
        }
        self.fresh.set(shared.state.fresh());
    }

    pub(super) fn issuer(&self) -> &str {
        self.fetch.as_ref().map_or("", F::issuer)
    }

    fn unavailable(&self, turn: &Turn<'_, F>) -> Refusal {
        let refusal = match turn.shared.state.last_failure().cloned() {
            Some(why) => Refusal::from(why.reason(F::MISSING)).because(why),
            None => F::MISSING.into(),
        };
        refusal.retry_after(turn.cooldown_left()).got(self.issuer())
    }

    /// How long until [`newer`](Self::newer) may fetch.
    pub(super) fn cooldown_left(&self) -> Duration {
        self.turn().cooldown_left()
    }

    fn turn(&self) -> Turn<'_, F> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if shared.state.notices_clock_set_back(now) {
            self.fresh.set(shared.state.fresh());
        }
        Turn {
            shared,
            now,
            takeoff: Takeoff(None),
        }
    }
}

impl<F: Fetch> Turn<'_, F> {
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

impl<F: Fetch> Drop for Takeoff<F> {
    fn drop(&mut self) {
        if let Some((runtime, pilot)) = self.0.take() {
            runtime.spawn(pilot.fly());
        }
    }
}

impl Flight {
    pub(crate) async fn landed(mut self) {
        // Nothing is ever sent: the channel closes. Whoever waited in vain finds nothing.
        let _ = self.landing.changed().await;
    }
}

impl<F: Fetch> Pilot<F> {
    async fn fly(mut self) {
        if let Some(fetch) = &self.source.fetch {
            self.outcome = fetch.fetch(self.asked_at).await;
        }
    }
}

/// Also when the task panicked, or its runtime was shut down.
impl<F: Fetch> Drop for Pilot<F> {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Err(Unavailable::Lost));
        self.source.land(self.number, outcome, self.asked_at);
    }
}

impl<F: Fetch> fmt::Debug for Kept<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("of", &F::WHAT)
            .field("issuer", &self.issuer())
            .finish_non_exhaustive()
    }
}
