//! How a refusal leaves serde, whose errors are only text.

use std::cell::Cell;

use serde::de::Error;

use crate::refusal::Reason;

/// Takes the reason of a refusal past serde's errors, which are only text.
#[derive(Clone, Copy)]
pub(super) struct Reading<'s> {
    refused: &'s Cell<Option<Reason>>,
}

impl<'s> Reading<'s> {
    pub(super) fn new(refused: &'s Cell<Option<Reason>>) -> Self {
        Self { refused }
    }

    pub(super) fn refuse<E: Error>(self, reason: Reason) -> E {
        self.refused.set(Some(reason));
        E::custom(reason.code())
    }
}
