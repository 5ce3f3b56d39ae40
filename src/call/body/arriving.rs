//! Counts the bytes that arriving bodies hold, each and all together.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::refusal::{Reason, Refusal};

/// The bytes held by bodies that have not arrived in full. A reload changes the limit, and keeps the count.
#[derive(Debug, Default)]
pub(crate) struct Arriving {
    bytes: AtomicUsize,
}

/// The bytes that one body holds while more of it is awaited. They are given back when this is dropped.
pub(super) struct Held<'a> {
    arriving: &'a Arriving,
    limit: usize,
    bytes: usize,
}

impl<'a> Held<'a> {
    pub(super) fn nothing(arriving: &'a Arriving, limit: usize) -> Self {
        Self {
            arriving,
            limit,
            bytes: 0,
        }
    }

    /// Counts this many bytes as held from now on.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let fits = |held: usize| held.checked_add(more).filter(|sum| *sum <= self.limit);
        let held = self
            .arriving
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        held.map_err(|_| {
            let expected = format!(
                "at most {} bytes in bodies that are still arriving",
                self.limit
            );
            Refusal::from(Reason::BodiesBusy).expected(expected)
        })?;
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
