//! Bounds how much of bodies is read and held: of each, and of all that are still arriving.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;

use super::arriving::{Arriving, Held};
use super::collect::collect;
use crate::refusal::{Reason, Refusal};

/// The limits of bodies that are read for the calls in them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// The longest body.
    pub(crate) max_bytes: usize,
    /// The longest body of a request without a token.
    pub(crate) anonymous_bytes: usize,
    /// The time within which the whole body must arrive.
    pub(crate) time: Duration,
    /// The bytes that all arriving bodies may hold together.
    pub(crate) arriving_bytes: usize,
}

/// Reads bodies within their limits.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    limits: BodyLimits,
    arriving: Arc<Arriving>,
}

impl Bodies {
    pub(crate) fn new(limits: BodyLimits, arriving: Arc<Arriving>) -> Self {
        Self { limits, arriving }
    }

    /// Reads the whole body. One that comes in one piece with its head is never held, and so not counted.
    pub(crate) fn collect<B>(
        &self,
        body: B,
        is_known: bool,
    ) -> impl Future<Output = Result<Bytes, Refusal>> + use<'_, B>
    where
        B: Body<Data = Bytes>,
    {
        let (max_bytes, limit) = if is_known {
            (self.limits.max_bytes, self.limits.arriving_bytes)
        } else {
            // Half of the memory is for requests with a token, so that strangers cannot lock them out.
            (
                self.limits.anonymous_bytes,
                (self.limits.arriving_bytes / 2).max(self.limits.anonymous_bytes),
            )
        };
        let held = Held::nothing(&self.arriving, limit);
        collect(body, max_bytes, self.limits.time, held)
    }

    /// Refuses any body.
    pub(crate) async fn expect_none<B: Body<Data = Bytes>>(&self, body: B) -> Result<(), Refusal> {
        let held = Held::nothing(&self.arriving, 0);
        match collect(body, 0, self.limits.time, held).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.reason() == Reason::BodyTooLarge => {
                Err(Refusal::from(Reason::UnexpectedBody).expected("no body"))
            }
            Err(refusal) => Err(refusal),
        }
    }
}
