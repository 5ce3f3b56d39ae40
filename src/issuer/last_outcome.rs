//! The outcome of the last introspection, or of the last call of an operator's own verifier, for its health.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// How long a failure counts. It must end by itself: a server that is taken out of traffic because of it gets no
/// requests that could show that the issuer works again.
const OUTCOME_TTL: Duration = Duration::from_secs(60);

/// The failure of the last attempt, if it failed.
#[derive(Debug)]
pub(crate) struct LastOutcome<P>(Mutex<Last<P>>);

#[derive(Debug)]
struct Last<P> {
    /// The number of attempts that have begun.
    begun: u64,
    /// The number of the newest one whose outcome is known.
    known: u64,
    problem: Option<(P, Timestamp)>,
}

impl<P: Clone> LastOutcome<P> {
    /// Returns the number of an attempt that begins now.
    pub(crate) fn begin(&self) -> u64 {
        let mut last = self.lock();
        last.begun += 1;
        last.begun
    }

    /// Records the outcome of an attempt, unless one that began later has ended already.
    pub(crate) fn end(&self, number: u64, problem: Option<P>, now: Timestamp) {
        let mut last = self.lock();
        if number > last.known {
            last.known = number;
            last.problem = problem.map(|problem| (problem, now));
        }
    }

    pub(crate) fn problem(&self, now: Timestamp) -> Option<P> {
        let recent = |since: &Timestamp| now.since(*since) < OUTCOME_TTL;
        self.lock()
            .problem
            .as_ref()
            .filter(|(_, since)| recent(since))
            .map(|(problem, _)| problem.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Last<P>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P> Default for LastOutcome<P> {
    fn default() -> Self {
        Self(Mutex::new(Last {
            begun: 0,
            known: 0,
            problem: None,
        }))
    }
}
