//! Shares work among requests: one [`Flight`] for each token, however many requests wait for it. The number of flights is
//! bounded, and so is the queue of work that waits to begin.
//!
//! Work in the queue is dropped once no caller waits for it.
//!
//! Anyone can present strings that no issuer issued. So half of the flights are reserved for known tokens: strangers must
//! not lock out callers.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use super::flight::{self, Awaited, Flight};

/// The most introspections at once, all of them at one issuer.
const MAX_AT_ONCE: usize = 64;

/// The most of them for unknown tokens.
const MAX_OF_STRANGERS: usize = MAX_AT_ONCE / 2;

/// The most tokens that may wait in the queue of each lane. Requests with further ones are refused at once.
const MAX_WAITING: usize = 256;

/// A key that identifies the work.
pub(crate) trait FlightKey: Copy + Eq + Hash + Send + Sync + 'static {}

impl<K: Copy + Eq + Hash + Send + Sync + 'static> FlightKey for K {}

/// The lane of a token: known and unknown tokens queue apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// For tokens that were valid lately, or whose signature held: no stranger can make one.
    Known,
    /// For tokens that anyone may have made up.
    Strangers,
}

/// The reason why there is no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoOutcome {
    /// Too many tokens wait already.
    Full,
    /// The task ended without an outcome: it panicked, or its runtime was shut down.
    Lost,
}

pub(crate) struct SingleFlight<K, T>(Arc<SharedFlights<K, T>>);

struct SharedFlights<K, T>(Mutex<UnderWay<K, T>>);

struct UnderWay<K, T> {
    flights: HashMap<K, (Lane, Arc<Flight<T>>)>,
    /// The work that has not begun, in the order of its arrival.
    known: VecDeque<Waiting<K, T>>,
    strangers: VecDeque<Waiting<K, T>>,
    max_at_once: usize,
    max_of_strangers: usize,
}

/// Work that waits to begin.
struct Waiting<K, T> {
    key: K,
    flight: Arc<Flight<T>>,
    runtime: Handle,
    work: Work<T>,
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The outcome if it is known already, or else the flight to wait for.
enum Joined<T> {
    Known(T),
    Awaited(Awaited<T>),
}

impl<K: FlightKey, T: Clone + Send + Sync + 'static> SingleFlight<K, T> {
    pub(crate) fn new() -> Self {
        Self::of_at_most(MAX_AT_ONCE, MAX_OF_STRANGERS)
    }

    /// With at most this many flights at once, and at most so many of them for strangers.
    pub(crate) fn of_at_most(at_once: usize, of_strangers: usize) -> Self {
        let (known, strangers) = (VecDeque::new(), VecDeque::new());
        Self(Arc::new(SharedFlights(Mutex::new(UnderWay {
            flights: HashMap::new(),
            known,
            strangers,
            max_at_once: at_once,
            max_of_strangers: of_strangers,
        }))))
    }

    /// Returns the outcome for this key: that of the flight under way, or of one that begins as soon as the bounds allow. It
    /// has no time limit of its own. Dropping the future cancels nothing.
    ///
    /// `known` returns the outcome that earlier work left behind, such as a cache entry. It is called after the search for a
    /// flight under way and before new work begins, so work that ends just before this call is never done again.
    pub(crate) async fn share<W>(
        &self,
        runtime: &Handle,
        key: K,
        lane: Lane,
        known: impl FnOnce() -> Option<T>,
        work: impl FnOnce() -> W,
    ) -> Result<T, NoOutcome>
    where
        W: Future<Output = T> + Send + 'static,
    {
        let way = self
            .0
            .lock()
            .join_or_queue(key, lane, known, |flight| Waiting {
                key,
                flight,
                runtime: runtime.clone(),
                work: Box::pin(work()),
            })?;
        let awaited = match way {
            Joined::Known(outcome) => return Ok(outcome),
            Joined::Awaited(awaited) => awaited,
        };
        self.0.begin_waiting();
        awaited.outcome().await.ok_or(NoOutcome::Lost)
    }
}

impl<K: FlightKey, T: Clone + Send + Sync + 'static> SharedFlights<K, T> {
    /// Begins work from the queues, as far as the bounds allow. Tasks are spawned without the lock, because their end takes
    /// it.
    fn begin_waiting(self: &Arc<Self>) {
        loop {
            let next = self.lock().next_to_begin();
            let Some(next) = next else {
                return;
            };
            let (shared, key, flight) = (self.clone(), next.key, next.flight);
            flight::spawn(&next.runtime, next.work, move |outcome| {
                shared.ended(key, &flight, outcome);
            });
        }
    }

    fn ended(self: &Arc<Self>, key: K, flight: &Arc<Flight<T>>, outcome: Option<T>) {
        if let Some(outcome) = outcome {
            flight.end(outcome);
        }
        self.lock().forget(key, flight);
        self.begin_waiting();
    }
}

impl<K, T> SharedFlights<K, T> {
    fn lock(&self) -> MutexGuard<'_, UnderWay<K, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: FlightKey, T: Clone> UnderWay<K, T> {
    fn join_or_queue(
        &mut self,
        key: K,
        lane: Lane,
        known: impl FnOnce() -> Option<T>,
        waiting: impl FnOnce(Arc<Flight<T>>) -> Waiting<K, T>,
    ) -> Result<Joined<T>, NoOutcome> {
        if let Some((_, flight)) = self.flights.get(&key).filter(|(_, it)| it.may_end()) {
            return Ok(Joined::Awaited(flight.awaited()));
        }
        if let Some(outcome) = known() {
            return Ok(Joined::Known(outcome));
        }
        if self.queue(lane).len() >= MAX_WAITING {
            self.forget_abandoned(lane);
        }
        if self.queue(lane).len() >= MAX_WAITING {
            return Err(NoOutcome::Full);
        }
        let flight = Arc::new(Flight::new());
        let awaited = flight.awaited();
        self.flights.insert(key, (lane, flight.clone()));
        self.queue(lane).push_back(waiting(flight));
        Ok(Joined::Awaited(awaited))
    }

    fn next_to_begin(&mut self) -> Option<Waiting<K, T>> {
        for lane in [Lane::Known, Lane::Strangers] {
            while !self.queue(lane).is_empty() && self.has_room(lane) {
                let next = self.queue(lane).pop_front()?;
                if !next.flight.is_abandoned() {
                    next.flight.begin();
                    return Some(next);
                }
                self.forget(next.key, &next.flight);
            }
        }
        None
    }

    fn has_room(&mut self, lane: Lane) -> bool {
        // A flight that was given up does not count.
        self.flights.retain(|_, (_, flight)| flight.may_end());
        let (mut all, mut of_strangers) = (0, 0);
        for (lane, _) in self.flights.values().filter(|(_, it)| it.has_begun()) {
            all += 1;
            of_strangers += usize::from(*lane == Lane::Strangers);
        }
        all < self.max_at_once && (lane == Lane::Known || of_strangers < self.max_of_strangers)
    }

    fn forget_abandoned(&mut self, lane: Lane) {
        let waiting = std::mem::take(self.queue(lane));
        for next in waiting {
            if next.flight.is_abandoned() {
                self.forget(next.key, &next.flight);
            } else {
                self.queue(lane).push_back(next);
            }
        }
    }

    /// Removes a flight. One that was given up must not remove the one that replaced it.
    fn forget(&mut self, key: K, flight: &Arc<Flight<T>>) {
        let is_current = |(_, current): &(Lane, Arc<Flight<T>>)| Arc::ptr_eq(current, flight);
        if self.flights.get(&key).is_some_and(is_current) {
            self.flights.remove(&key);
        }
    }

    fn queue(&mut self, lane: Lane) -> &mut VecDeque<Waiting<K, T>> {
        match lane {
            Lane::Known => &mut self.known,
            Lane::Strangers => &mut self.strangers,
        }
    }
}
