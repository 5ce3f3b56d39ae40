//! Work under way for tokens: one task for each token, however many requests wait for it, no more tasks at once than
//! there is room for, and a bounded queue behind them.
//!
//! A task belongs to no caller, so that one that hangs up cancels nothing that others wait for. Work that still waits
//! for room is dropped once no caller waits for it.
//!
//! Anyone can present strings that no issuer issued. So half of the room is kept for tokens that are known: strangers must
//! not lock out callers.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

/// Introspections at one issuer at once.
const MAX_AT_ONCE: usize = 64;

/// Of these for strangers.
const MAX_OF_STRANGERS: usize = MAX_AT_ONCE / 2;

/// Tokens that may wait for room, known ones and strangers' each. Requests with further ones are refused at once.
const MAX_WAITING: usize = 256;

/// Longer than any work takes. What is still under way then was left on a runtime that runs no more.
const MAX_FLIGHT: Duration = Duration::from_secs(30);

/// What the work is for.
pub(crate) trait Key: Copy + Eq + Hash + Send + Sync + 'static {}

impl<K: Copy + Eq + Hash + Send + Sync + 'static> Key for K {}

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

pub(crate) struct SingleFlight<K, T>(Arc<Shared<K, T>>);

struct Shared<K, T>(Mutex<UnderWay<K, T>>);

struct UnderWay<K, T> {
    flights: HashMap<K, Flight<T>>,
    /// Those that wait, in the order they came. One that was given up is skipped by its number.
    known: VecDeque<(K, u64)>,
    strangers: VecDeque<(K, u64)>,
    /// How many flights there have been.
    number: u64,
}

struct Flight<T> {
    number: u64,
    lane: Lane,
    outcome: Arc<watch::Sender<Option<T>>>,
    state: State<T>,
}

enum State<T> {
    Waiting(Handle, Work<T>),
    Begun(Instant),
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The task's own end of a flight: whatever becomes of the task, dropping this makes room for the next.
struct Task<K: Key, T: Send + Sync + 'static> {
    shared: Arc<Shared<K, T>>,
    token: K,
    number: u64,
    outcome: Arc<watch::Sender<Option<T>>>,
}

/// What comes of asking for an outcome.
enum Way<T> {
    Known(T),
    Awaited(watch::Receiver<Option<T>>),
}

impl<K: Key, T: Clone + Send + Sync + 'static> SingleFlight<K, T> {
    pub(crate) fn new() -> Self {
        let (known, strangers) = (VecDeque::new(), VecDeque::new());
        Self(Arc::new(Shared(Mutex::new(UnderWay {
            flights: HashMap::new(),
            known,
            strangers,
            number: 0,
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
        token: K,
        lane: Lane,
        known: impl FnOnce() -> Option<T>,
        work: impl FnOnce() -> W,
    ) -> Result<T, NoOutcome>
    where
        W: Future<Output = T> + Send + 'static,
    {
        let way = self.0.lock().join_or_queue(token, lane, known, || {
            State::Waiting(runtime.clone(), Box::pin(work()))
        })?;
        let mut outcome = match way {
            Way::Known(outcome) => return Ok(outcome),
            Way::Awaited(outcome) => outcome,
        };
        self.0.begin_waiting();
        let outcome = outcome
            .wait_for(Option::is_some)
            .await
            .map_err(|_| NoOutcome::Lost)?;
        outcome.clone().ok_or(NoOutcome::Lost)
    }
}

impl<K: Key, T: Send + Sync + 'static> Shared<K, T> {
    /// Begins what waits, as far as there is room. Tasks are spawned without the lock: a runtime that is shutting down
    /// drops a task right there, and that takes the lock.
    fn begin_waiting(self: &Arc<Self>) {
        loop {
            let next = self.lock().next_to_begin(self);
            let Some((runtime, task, work)) = next else {
                return;
            };
            runtime.spawn(task.run(work));
        }
    }
}

impl<K, T> Shared<K, T> {
    fn lock(&self) -> MutexGuard<'_, UnderWay<K, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Key, T: Send + Sync + 'static> UnderWay<K, T> {
    fn join_or_queue(
        &mut self,
        token: K,
        lane: Lane,
        known: impl FnOnce() -> Option<T>,
        waiting: impl FnOnce() -> State<T>,
    ) -> Result<Way<T>, NoOutcome> {
        if let Some(flight) = self.flights.get(&token).filter(|flight| flight.may_end()) {
            return Ok(Way::Awaited(flight.outcome.subscribe()));
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
        self.number += 1;
        let (number, (sender, receiver)) = (self.number, watch::channel(None));
        self.flights.insert(
            token,
            Flight {
                number,
                lane,
                outcome: Arc::new(sender),
                state: waiting(),
            },
        );
        self.queue(lane).push_back((token, number));
        Ok(Way::Awaited(receiver))
    }

    fn next_to_begin(
        &mut self,
        shared: &Arc<Shared<K, T>>,
    ) -> Option<(Handle, Task<K, T>, Work<T>)> {
        for lane in [Lane::Known, Lane::Strangers] {
            while !self.queue(lane).is_empty() && self.has_room(lane) {
                let (token, number) = self.queue(lane).pop_front()?;
                let Some(flight) = self
                    .flights
                    .get_mut(&token)
                    .filter(|flight| flight.number == number)
                else {
                    continue;
                };
                if flight.is_abandoned() {
                    self.flights.remove(&token);
                    continue;
                }
                if let State::Waiting(runtime, work) =
                    std::mem::replace(&mut flight.state, State::Begun(Instant::now()))
                {
                    let (shared, outcome) = (shared.clone(), flight.outcome.clone());
                    return Some((
                        runtime,
                        Task {
                            shared,
                            token,
                            number,
                            outcome,
                        },
                        work,
                    ));
                }
            }
        }
        None
    }

    fn has_room(&mut self, lane: Lane) -> bool {
        // A flight that will not end takes no room.
        self.flights.retain(|_, flight| flight.may_end());
        let begun = self
            .flights
            .values()
            .filter(|flight| matches!(flight.state, State::Begun(_)));
        let (mut all, mut of_strangers) = (0, 0);
        for flight in begun {
            all += 1;
            of_strangers += usize::from(flight.lane == Lane::Strangers);
        }
        all < MAX_AT_ONCE && (lane == Lane::Known || of_strangers < MAX_OF_STRANGERS)
    }

    fn forget_abandoned(&mut self, lane: Lane) {
        let mut queue = std::mem::take(self.queue(lane));
        queue.retain(|(token, number)| {
            let flight = self
                .flights
                .get(token)
                .filter(|flight| flight.number == *number);
            let is_waited_for = flight.is_some_and(|flight| !flight.is_abandoned());
            if flight.is_some() && !is_waited_for {
                self.flights.remove(token);
            }
            is_waited_for
        });
        *self.queue(lane) = queue;
    }

    fn queue(&mut self, lane: Lane) -> &mut VecDeque<(K, u64)> {
        match lane {
            Lane::Known => &mut self.known,
            Lane::Strangers => &mut self.strangers,
        }
    }
}

impl<T> Flight<T> {
    fn may_end(&self) -> bool {
        match self.state {
            State::Waiting(..) => true,
            State::Begun(began) => began.elapsed() < MAX_FLIGHT,
        }
    }

    /// Whether every caller that waited for it has hung up.
    fn is_abandoned(&self) -> bool {
        self.outcome.receiver_count() == 0
    }
}

impl<K: Key, T: Send + Sync + 'static> Task<K, T> {
    async fn run(self, work: Work<T>) {
        let outcome = work.await;
        self.outcome.send_replace(Some(outcome));
    }
}

/// Also when the task panicked, or its runtime was shut down.
impl<K: Key, T: Send + Sync + 'static> Drop for Task<K, T> {
    fn drop(&mut self) {
        let mut under_way = self.shared.lock();
        // One that was given up must not end what came after it.
        if under_way
            .flights
            .get(&self.token)
            .is_some_and(|flight| flight.number == self.number)
        {
            under_way.flights.remove(&self.token);
        }
        drop(under_way);
        self.shared.begin_waiting();
    }
}
