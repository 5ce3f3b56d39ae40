use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock: that of the system, or one that a test sets.
///
/// Clones share the time, so that an authorization server and a gate can be moved together.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use toolgate::testing::Clock;
///
/// let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let clock = Clock::at(start);
/// let same_clock = clock.clone();
/// clock.advance(Duration::from_secs(90));
/// assert_eq!(same_clock.now(), start + Duration::from_secs(90));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Milliseconds since the epoch; `None` for the system's clock.
    set_to: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still at `time`, to the millisecond, until it is moved.
    pub fn at(time: SystemTime) -> Self {
        Self {
            set_to: Some(Arc::new(AtomicU64::new(milliseconds(since_epoch(time))))),
        }
    }

    /// The time now.
    pub fn now(&self) -> SystemTime {
        match &self.set_to {
            Some(set_to) => UNIX_EPOCH + Duration::from_millis(set_to.load(Ordering::Acquire)),
            None => SystemTime::now(),
        }
    }

    /// Moves this clock and its clones forward.
    ///
    /// # Panics
    ///
    /// On the system's clock, which cannot be moved.
    pub fn advance(&self, by: Duration) {
        self.settable()
            .fetch_add(milliseconds(by), Ordering::AcqRel);
    }

    /// Sets this clock and its clones, forward or back.
    ///
    /// # Panics
    ///
    /// On the system's clock, which cannot be set.
    pub fn set(&self, time: SystemTime) {
        self.settable()
            .store(milliseconds(since_epoch(time)), Ordering::Release);
    }

    pub(super) fn unix_seconds(&self) -> i64 {
        i64::try_from(since_epoch(self.now()).as_secs()).unwrap_or(i64::MAX)
    }

    fn settable(&self) -> &AtomicU64 {
        self.set_to
            .as_deref()
            .expect("the system's clock cannot be set: make one with Clock::at")
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
