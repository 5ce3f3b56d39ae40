//! How questions to an issuer went, for whoever asks without a token in hand.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::failure::IntrospectionFailure;
use crate::clock::Timestamp;

/// A question that had no answer says something for this long: who takes a server out of traffic because of it
/// also takes away the questions that would tell of its recovery.
const OUTCOME_TTL: Duration = Duration::from_secs(60);

/// How the last question went.
#[derive(Debug, Default)]
pub(super) struct LastOutcome(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    /// How many have been asked.
    asked: u64,
    /// The newest of them whose outcome is known.
    known: u64,
    problem: Option<(IntrospectionFailure, Timestamp)>,
}

impl LastOutcome {
    /// The number of a question that is asked now.
    pub(super) fn begin(&self) -> u64 {
        let mut last = self.lock();
        last.asked += 1;
        last.asked
    }

    /// Questions that were asked later tell more, whenever they are answered.
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
