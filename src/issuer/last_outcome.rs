//! The outcome of the last introspection, for the health of an issuer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::failure::IntrospectionFailure;
use crate::clock::Timestamp;

/// How long a failed introspection counts. It must end by itself: a server that is taken out of traffic because of it gets no
/// requests whose introspection could show that the issuer works again.
const OUTCOME_TTL: Duration = Duration::from_secs(60);

/// The outcome of the last introspection.
#[derive(Debug, Default)]
pub(super) struct LastOutcome(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    /// The number of introspections that have begun.
    begun: u64,
    /// The number of the newest one whose outcome is known.
    known: u64,
    problem: Option<(IntrospectionFailure, Timestamp)>,
}

impl LastOutcome {
    /// Returns the number of an introspection that begins now.
    pub(super) fn begin(&self) -> u64 {
        let mut last = self.lock();
        last.begun += 1;
        last.begun
    }

    /// Records the outcome of an introspection, unless one that began later has ended already.
    pub(super) fn end(&self, number: u64, problem: Option<IntrospectionFailure>, now: Timestamp) {
        let mut last = self.lock();
        if number > last.known {
            last.known = number;
            last.problem = problem.map(|problem| (problem, now));
        }
    }

    pub(super) fn problem(&self, now: Timestamp) -> Option<IntrospectionFailure> {
        let recent = |since: &Timestamp| now.since(*since) < OUTCOME_TTL;
        self.lock()
            .problem
            .as_ref()
            .filter(|(_, since)| recent(since))
            .map(|(problem, _)| problem.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
