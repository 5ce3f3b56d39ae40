//! What bodies that are still arriving hold, each and all together.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::refusal::{Reason, Refusal};

/// The bytes of bodies that have not arrived in full. A reload changes the limit, and not what is held.
#[derive(Debug, Default)]
pub(crate) struct Arriving {
    bytes: AtomicUsize,
}

/// What one body holds while more of it is awaited. It is given back when the body has arrived, is refused or is
/// given up.
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

    /// Counts so many bytes, which are held from now on.
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
            let expected = format!("at most {} bytes that wait for more", self.limit);
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
