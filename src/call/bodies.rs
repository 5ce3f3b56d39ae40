//! How much of bodies is read and held: of each, and of all that are still arriving.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;

use super::body;
use crate::refusal::{Reason, Refusal};

/// The limits of bodies that are read to judge the calls in them.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// The longest one.
    pub(crate) max_bytes: usize,
    /// The longest one of a caller without a token.
    pub(crate) anonymous_bytes: usize,
    /// For the whole of one to arrive.
    pub(crate) time: Duration,
    /// What all that are still arriving may hold together.
    pub(crate) arriving_bytes: usize,
    pub(crate) arriving: Arc<Arriving>,
}

/// The bytes of bodies that have not arrived in full. A reload changes the limit, and not what is held.
#[derive(Debug, Default)]
pub(crate) struct Arriving {
    bytes: AtomicUsize,
}

impl Bodies {
    /// The whole body. What comes in one piece with its head is never held, and counts nowhere.
    pub(crate) fn collect<B>(
        &self,
        body: B,
        is_known: bool,
    ) -> impl Future<Output = Result<Bytes, Refusal>> + use<'_, B>
    where
        B: Body<Data = Bytes>,
    {
        let (max_bytes, limit) = if is_known {
            (self.max_bytes, self.arriving_bytes)
        } else {
            // Half is for those with a token: strangers must not lock them out.
            (self.anonymous_bytes, (self.arriving_bytes / 2).max(self.anonymous_bytes))
        };
        let held = Held { arriving: &self.arriving, limit, bytes: 0 };
        body::collect(body, max_bytes, self.time, held)
    }

    /// No body, where there must be none.
    pub(crate) async fn expect_none<B: Body<Data = Bytes>>(&self, body: B) -> Result<(), Refusal> {
        let held = Held { arriving: &self.arriving, limit: 0, bytes: 0 };
        match body::collect(body, 0, self.time, held).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.reason() == Reason::BodyTooLarge => Err(Reason::UnexpectedBody.into()),
            Err(refusal) => Err(refusal),
        }
    }
}

/// What one body holds while more of it is awaited. It is given back when the body has arrived, is refused or is
/// given up.
pub(super) struct Held<'a> {
    arriving: &'a Arriving,
    limit: usize,
    bytes: usize,
}

impl<'a> Held<'a> {
    #[cfg(test)]
    pub(super) fn without_limit(arriving: &'a Arriving) -> Self {
        Self { arriving, limit: usize::MAX, bytes: 0 }
    }

    /// Counts so many bytes, which are held from now on.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let fits = |held: usize| held.checked_add(more).filter(|sum| *sum <= self.limit);
        let held = self.arriving.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        held.map_err(|_| Reason::BodiesBusy)?;
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.arriving.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}
