//! Work under way for tokens: one task for each token, however many requests wait for it, and no more
//! tasks at once than there is room for.
//!
//! A task is nobody's in particular, so that a caller who hangs up cancels nothing that others wait for.
//! Callers who wait for room wait on their own, and take their token with them when they hang up.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::token::fingerprint::Fingerprint;

/// Longer than any work takes. What is still under way then was left on a runtime that nobody drives.
const MAX_FLIGHT: Duration = Duration::from_secs(30);

pub(super) struct Flights<T>(Arc<Shared<T>>);

struct Shared<T> {
    most_at_once: usize,
    under_way: Mutex<UnderWay<T>>,
    /// Somebody has landed.
    room: Notify,
}

struct UnderWay<T> {
    flights: HashMap<Fingerprint, Flight<T>>,
    /// How many there have been.
    number: u64,
}

struct Flight<T> {
    number: u64,
    began: Instant,
    outcome: watch::Receiver<Option<T>>,
}

/// A flight, for whoever flies it: whatever becomes of its task, it lands.
struct Pilot<T> {
    shared: Arc<Shared<T>>,
    token: Fingerprint,
    number: u64,
    outcome: watch::Sender<Option<T>>,
}

/// What comes of asking for an outcome.
enum Way<T> {
    Known(T),
    Joined(watch::Receiver<Option<T>>),
    Started(watch::Receiver<Option<T>>),
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    pub(super) fn new(most_at_once: usize) -> Self {
        let under_way = Mutex::new(UnderWay { flights: HashMap::new(), number: 0 });
        Self(Arc::new(Shared { most_at_once, under_way, room: Notify::new() }))
    }

    /// The outcome for this token: of the work under way, or of work that begins now. Nothing, where its task
    /// ended without one: it panicked, or its runtime was shut down. Waits as long as it takes; who waits less
    /// drops it, and cancels nothing.
    ///
    /// `known` says what earlier work has left behind. It is asked where nothing is under way any more, and
    /// before anything begins, so that no work is ever done twice because a caller looked in between.
    pub(super) async fn share<W>(
        &self,
        runtime: &Handle,
        token: Fingerprint,
        known: impl Fn() -> Option<T>,
        work: impl Fn() -> W,
    ) -> Option<T>
    where
        W: Future<Output = T> + Send + 'static,
    {
        let mut has_waited = false;
        let way = loop {
            let mut room = pin!(self.0.room.notified());
            // From here on no landing is missed.
            room.as_mut().enable();
            match self.0.join_or_start(runtime, token, &known, &work) {
                Some(way) => break way,
                None => room.await,
            }
            has_waited = true;
        };
        // Who was given room and needs none leaves it to the next.
        if has_waited && !matches!(way, Way::Started(_)) {
            self.0.room.notify_one();
        }
        let mut outcome = match way {
            Way::Started(outcome) | Way::Joined(outcome) => outcome,
            Way::Known(outcome) => return Some(outcome),
        };
        outcome.wait_for(Option::is_some).await.ok()?.clone()
    }
}

impl<T: Clone + Send + Sync + 'static> Shared<T> {
    /// Nothing, where there is no room.
    fn join_or_start<W>(
        self: &Arc<Self>,
        runtime: &Handle,
        token: Fingerprint,
        known: impl Fn() -> Option<T>,
        work: impl Fn() -> W,
    ) -> Option<Way<T>>
    where
        W: Future<Output = T> + Send + 'static,
    {
        let mut under_way = self.lock();
        if under_way.flights.len() >= self.most_at_once {
            under_way.flights.retain(|_, flight| flight.began.elapsed() < MAX_FLIGHT);
        }
        if let Some(flight) = under_way.flights.get(&token).filter(|flight| flight.may_land()) {
            return Some(Way::Joined(flight.outcome.clone()));
        }
        if let Some(outcome) = known() {
            return Some(Way::Known(outcome));
        }
        if under_way.flights.len() >= self.most_at_once {
            return None;
        }
        under_way.number += 1;
        let (number, (sender, receiver)) = (under_way.number, watch::channel(None));
        let flight = Flight { number, began: Instant::now(), outcome: receiver.clone() };
        under_way.flights.insert(token, flight);
        // A runtime that is shutting down drops the task right here, and it wants the lock to land.
        drop(under_way);
        let pilot = Pilot { shared: self.clone(), token, number, outcome: sender };
        runtime.spawn(pilot.fly(work()));
        Some(Way::Started(receiver))
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay<T>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Flight<T> {
    fn may_land(&self) -> bool {
        self.began.elapsed() < MAX_FLIGHT
    }
}

impl<T> Pilot<T> {
    async fn fly(self, work: impl Future<Output = T>) {
        let outcome = work.await;
        self.outcome.send_replace(Some(outcome));
    }
}

/// Also when the task panicked, or its runtime was shut down.
impl<T> Drop for Pilot<T> {
    fn drop(&mut self) {
        let mut under_way = self.shared.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        // One that was given up must not end what came after it.
        if under_way.flights.get(&self.token).is_some_and(|flight| flight.number == self.number) {
            under_way.flights.remove(&self.token);
        }
        drop(under_way);
        self.shared.room.notify_one();
    }
}
