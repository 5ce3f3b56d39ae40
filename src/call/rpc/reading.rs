//! Carries a refusal out of serde, whose errors are only text.

use std::cell::Cell;

use serde::de::Error;

use crate::refusal::{Reason, Refusal};

/// The way for a refusal out of serde's visitors.
#[derive(Clone, Copy)]
pub(super) struct Reading<'s> {
    refused: &'s Cell<Option<Refused>>,
}

/// The reason of a refusal, and what was read, for the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    reason: Reason,
    got: &'static str,
}

impl<'s> Reading<'s> {
    pub(super) fn new(refused: &'s Cell<Option<Refused>>) -> Self {
        Self { refused }
    }

    pub(super) fn refuse<E: Error>(self, reason: Reason, got: &'static str) -> E {
        self.refused.set(Some(Refused { reason, got }));
        E::custom(reason.code())
    }
}

impl From<Refused> for Refusal {
    fn from(Refused { reason, got }: Refused) -> Self {
        Self::from(reason).got(got)
    }
}
