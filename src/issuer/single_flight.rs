//! Work for tokens: one [`Flight`] for each token, however many requests wait for it, no more of them at once than there is
//! room for, and a bounded queue behind them.
//!
//! Work that still waits for room is dropped once no caller waits for it.
//!
//! Anyone can present strings that no issuer issued. So half of the room is kept for tokens that are known: strangers must
//! not lock out callers.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use super::flight::{self, Awaited, Flight};

/// Introspections at one issuer at once.
const MAX_AT_ONCE: usize = 64;

/// Of these for strangers.
const MAX_OF_STRANGERS: usize = MAX_AT_ONCE / 2;

/// Tokens that may wait for room, known ones and strangers' each. Requests with further ones are refused at once.
const MAX_WAITING: usize = 256;

/// What the work is for.
pub(crate) trait FlightKey: Copy + Eq + Hash + Send + Sync + 'static {}

impl<K: Copy + Eq + Hash + Send + Sync + 'static> FlightKey for K {}

/// Whose room a token takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Of tokens that were good lately, or whose signature held: no stranger can make one.
    Known,
    Strangers,
}

/// Why there is no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoOutcome {
    /// Too many tokens wait already.
    Full,
    /// The task ended without one: it panicked, or its runtime was shut down.
    Lost,
}

pub(crate) struct SingleFlight<K, T>(Arc<SharedFlights<K, T>>);

struct SharedFlights<K, T>(Mutex<UnderWay<K, T>>);

struct UnderWay<K, T> {
    flights: HashMap<K, (Lane, Arc<Flight<T>>)>,
    /// The flights that have not begun, in the order they came.
    known: VecDeque<Waiting<K, T>>,
    strangers: VecDeque<Waiting<K, T>>,
}

/// Work that waits for room.
struct Waiting<K, T> {
    key: K,
    flight: Arc<Flight<T>>,
    runtime: Handle,
    work: Work<T>,
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What comes of asking for an outcome.
enum Way<T> {
    Known(T),
    Awaited(Awaited<T>),
}

impl<K: FlightKey, T: Clone + Send + Sync + 'static> SingleFlight<K, T> {
    pub(crate) fn new() -> Self {
        let (known, strangers) = (VecDeque::new(), VecDeque::new());
        Self(Arc::new(SharedFlights(Mutex::new(UnderWay {
            flights: HashMap::new(),
            known,
            strangers,
        }))))
    }

    /// The outcome for this token: of the work under way, or of work that begins when there is room. Waits as long as
    /// that takes; a caller that waits less drops it, and cancels nothing.
    ///
    /// `known` returns what earlier work has left behind. It is called where nothing is under way any more, and before
    /// anything begins, so that no work is ever done twice because a caller looked in between.
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
            Way::Known(outcome) => return Ok(outcome),
            Way::Awaited(awaited) => awaited,
        };
        self.0.begin_waiting();
        awaited.outcome().await.ok_or(NoOutcome::Lost)
    }
}

impl<K: FlightKey, T: Clone + Send + Sync + 'static> SharedFlights<K, T> {
    /// Begins what waits, as far as there is room. Tasks are spawned without the lock: the end of one takes it.
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
    ) -> Result<Way<T>, NoOutcome> {
        if let Some((_, flight)) = self.flights.get(&key).filter(|(_, it)| it.may_end()) {
            return Ok(Way::Awaited(flight.awaited()));
        }
        if let Some(outcome) = known() {
            return Ok(Way::Known(outcome));
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
        Ok(Way::Awaited(awaited))
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
        // A flight that will not end takes no room.
        self.flights.retain(|_, (_, flight)| flight.may_end());
        let (mut all, mut of_strangers) = (0, 0);
        for (lane, _) in self.flights.values().filter(|(_, it)| it.has_begun()) {
            all += 1;
            of_strangers += usize::from(*lane == Lane::Strangers);
        }
        all < MAX_AT_ONCE && (lane == Lane::Known || of_strangers < MAX_OF_STRANGERS)
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

    /// A flight that was given up must not end the one that came after it.
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
