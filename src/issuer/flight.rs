//! A flight: work in a task of its own, with an outcome that several callers can wait for.
//!
//! The task belongs to no caller, so a caller that hangs up cancels nothing. `single_flight` has many flights under way, one
//! for each key; a `source` has one at most.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

/// The time after which a flight is given up. It is longer than any work takes: work that is still under way then is on a
/// runtime that no thread drives.
const MAX_FLIGHT: Duration = Duration::from_secs(30);

/// Work that is under way, or waits to begin.
///
/// Flights are compared by address: the outcome of one that was given up must not affect the one that replaced it.
pub(super) struct Flight<T> {
    began: OnceLock<Instant>,
    outcome: watch::Sender<Option<T>>,
}

/// The outcome of a flight, for one caller.
#[derive(Debug)]
pub(crate) struct Awaited<T>(watch::Receiver<Option<T>>);

impl<T> Flight<T> {
    pub(super) fn new() -> Self {
        Self {
            began: OnceLock::new(),
            outcome: watch::Sender::new(None),
        }
    }

    /// Starts the time after which the flight is given up.
    pub(super) fn begin(&self) {
        self.began.get_or_init(Instant::now);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.began.get().is_some()
    }

    /// Whether the flight may still end. If not, it is given up, and another one may begin.
    pub(super) fn may_end(&self) -> bool {
        let in_time = |began: &Instant| began.elapsed() < MAX_FLIGHT;
        self.began.get().is_none_or(in_time)
    }

    /// Whether every caller that waited for it has hung up.
    pub(super) fn is_abandoned(&self) -> bool {
        self.outcome.receiver_count() == 0
    }

    pub(super) fn awaited(&self) -> Awaited<T> {
        Awaited(self.outcome.subscribe())
    }

    pub(super) fn end(&self, outcome: T) {
        self.outcome.send_replace(Some(outcome));
    }
}

impl<T: Clone> Awaited<T> {
    /// Waits for the outcome. `None` if the flight is lost: its task panicked, or its runtime was shut down.
    pub(crate) async fn outcome(mut self) -> Option<T> {
        let outcome = self.0.wait_for(Option::is_some).await.ok()?;
        outcome.clone()
    }
}

/// Runs work in a task of its own, and calls `ended` with its outcome in any case. The outcome is `None` if the task
/// panicked or its runtime was shut down.
///
/// The caller must not hold a lock that `ended` takes: a runtime that is shutting down drops the task during this call.
pub(super) fn spawn<T: Send + 'static>(
    runtime: &Handle,
    work: impl Future<Output = T> + Send + 'static,
    ended: impl FnOnce(Option<T>) + Send + 'static,
) {
    let task = Task {
        outcome: None,
        ended: Some(ended),
    };
    runtime.spawn(task.run(work));
}

/// Spawns a task when it is dropped. As the last field after a lock guard it spawns once the lock is free again.
#[derive(Default)]
pub(super) struct SpawnOnDrop(Option<Box<dyn FnOnce()>>);

impl SpawnOnDrop {
    pub(super) fn set(&mut self, spawn: impl FnOnce() + 'static) {
        self.0 = Some(Box::new(spawn));
    }
}

impl Drop for SpawnOnDrop {
    fn drop(&mut self) {
        if let Some(spawn) = self.0.take() {
            spawn();
        }
    }
}

struct Task<T, E: FnOnce(Option<T>)> {
    outcome: Option<T>,
    ended: Option<E>,
}

impl<T, E: FnOnce(Option<T>)> Task<T, E> {
    async fn run(mut self, work: impl Future<Output = T>) {
        self.outcome = Some(work.await);
    }
}

impl<T, E: FnOnce(Option<T>)> Drop for Task<T, E> {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            ended(self.outcome.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_time().build().unwrap()
    }

    #[test]
    fn work_that_panics_and_work_on_a_runtime_that_is_gone_end_without_an_outcome() {
        let (ended, outcomes) = mpsc::channel();
        let tell = || {
            let ended = ended.clone();
            move |outcome| ended.send(outcome).unwrap()
        };
        let driven = runtime();
        spawn(driven.handle(), async { 1 }, tell());
        driven.block_on(tokio::task::yield_now());
        assert_eq!(outcomes.try_recv(), Ok(Some(1)));
        spawn(driven.handle(), async { panic!("as work may") }, tell());
        driven.block_on(tokio::task::yield_now());
        assert_eq!(outcomes.try_recv(), Ok(None));
        let gone = driven.handle().clone();
        drop(driven);
        spawn(&gone, async { 2 }, tell());
        assert_eq!(outcomes.try_recv(), Ok(None));
    }

    #[test]
    fn a_flight_is_given_up_only_once_it_has_begun_and_all_that_wait_hear_of_its_end() {
        let paused = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        paused.block_on(async {
            let flight = Flight::new();
            let (first, second) = (flight.awaited(), flight.awaited());
            tokio::time::advance(MAX_FLIGHT).await;
            assert!(flight.may_end() && !flight.has_begun());
            flight.begin();
            tokio::time::advance(MAX_FLIGHT - Duration::from_millis(1)).await;
            assert!(flight.may_end());
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(!flight.may_end());
            flight.end("late");
            assert_eq!(first.outcome().await, Some("late"));
            assert!(!flight.is_abandoned());
            drop(flight);
            assert_eq!(second.outcome().await, Some("late"));
            let lost = Flight::<()>::new().awaited();
            assert_eq!(lost.outcome().await, None);
        });
    }
}
