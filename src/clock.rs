//! Time as an argument: every judgement takes `now`, so that no test sleeps to reach an expiry.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where `now` comes from.
#[derive(Debug, Clone, Default)]
pub(crate) enum Clock {
    #[default]
    System,
    #[cfg(feature = "testing")]
    Set(crate::testing::Clock),
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::from(SystemTime::now()),
            #[cfg(feature = "testing")]
            Self::Set(clock) => Timestamp::from(clock.now()),
        }
    }
}

/// Seconds since the Unix epoch, with fractions: a `NumericDate` (RFC 7519 §2), always finite.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Timestamp(f64);

impl Timestamp {
    /// Later than any other, whatever is added to it.
    pub(crate) const END_OF_TIME: Self = Self(f64::MAX);

    /// No clock shows an earlier time.
    pub(crate) const EPOCH: Self = Self(0.0);

    pub(crate) fn from_seconds(seconds: f64) -> Option<Self> {
        seconds.is_finite().then_some(Self(seconds))
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0 + duration.as_secs_f64())
    }

    pub(crate) fn minus(self, duration: Duration) -> Self {
        Self(self.0 - duration.as_secs_f64())
    }

    /// The later of two.
    pub(crate) fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }

    /// How long from `earlier` until `self`; nothing when it lies behind.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::try_from_secs_f64(self.0 - earlier.0).unwrap_or_default()
    }

    pub(crate) fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    pub(crate) fn seconds(self) -> f64 {
        self.0
    }

    /// What a `SystemTime` cannot hold becomes the nearest time it surely can.
    pub(crate) fn to_system_time(self) -> SystemTime {
        const YEAR_9999: f64 = 253_402_300_799.0;
        UNIX_EPOCH + Duration::try_from_secs_f64(self.0.min(YEAR_9999)).unwrap_or_default()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(
            time.duration_since(UNIX_EPOCH)
                .map_or(0.0, |elapsed| elapsed.as_secs_f64()),
        )
    }
}

/// A stretch of time, set by one thread and looked into by others, without a lock.
///
/// Who looks while it is being set may see one end of what was and one of what is, so that times between
/// the two stretches may be in it, and none outside of them.
#[derive(Debug)]
pub(crate) struct Span {
    from: AtomicU64,
    until: AtomicU64,
}

impl Span {
    pub(crate) fn set(&self, to: Range<Timestamp>) {
        self.from.store(to.start.0.to_bits(), Ordering::Release);
        self.until.store(to.end.0.to_bits(), Ordering::Release);
    }

    pub(crate) fn covers(&self, now: Timestamp) -> bool {
        let end = |end: &AtomicU64| f64::from_bits(end.load(Ordering::Acquire));
        end(&self.from) <= now.0 && now.0 < end(&self.until)
    }
}

/// Covers no time at all.
impl Default for Span {
    fn default() -> Self {
        let nothing = || AtomicU64::new(0_f64.to_bits());
        Self {
            from: nothing(),
            until: nothing(),
        }
    }
}
