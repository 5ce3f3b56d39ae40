//! Time as an argument: every check takes `now`, so that no test sleeps to reach an expiry.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The source of `now`: the system, or a clock that a test sets.
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
    /// The latest time: adding a duration leaves it as it is.
    pub(crate) const END_OF_TIME: Self = Self(f64::MAX);

    /// The earliest time that a clock shows.
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

    /// Returns the later of two times.
    pub(crate) fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }

    /// The time from `earlier` until `self`; zero if `self` is the earlier one.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::try_from_secs_f64(self.0 - earlier.0).unwrap_or_default()
    }

    /// The whole seconds from `earlier` until `self`; zero if `self` is the earlier one. Unlike [`since`](Self::since), it
    /// can express a span that is too long for a `Duration`.
    pub(crate) fn seconds_since(self, earlier: Self) -> u64 {
        (self.0 - earlier.0) as u64
    }

    pub(crate) fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    pub(crate) fn seconds(self) -> f64 {
        self.0
    }

    /// Converts to a `SystemTime`. A time before 1970 or after 9999 becomes the nearest one between: not every platform can
    /// hold more.
    pub(crate) fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::try_from_secs_f64(self.0.min(END_OF_9999)).unwrap_or_default()
    }
}

/// The last second that RFC 3339 can express.
const END_OF_9999: f64 = 253_402_300_799.0;

/// Shows the time in the format of RFC 3339, in UTC and whole seconds. A time before 1970 or after 9999 is shown as the
/// nearest one between.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.clamp(0.0, END_OF_9999) as u64;
        let (year, month, day) = civil_date(seconds / SECONDS_OF_A_DAY);
        let second = seconds % SECONDS_OF_A_DAY;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// The year, month and day of the Gregorian calendar, given the number of days since the epoch.
///
/// The calculation lets a year begin in March, so that a leap day is the last day of its year; then the lengths of the months
/// follow one formula (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil_date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_4_YEARS: u64 = 4 * 365 + 1;
    const DAYS_OF_100_YEARS: u64 = 25 * DAYS_OF_4_YEARS - 1;
    const DAYS_OF_400_YEARS: u64 = 4 * DAYS_OF_100_YEARS + 1;
    // Days after 1 March of the year 0.
    let days = days + 719_468;
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let leap_days =
        day / (DAYS_OF_4_YEARS - 1) - day / DAYS_OF_100_YEARS + day / (DAYS_OF_400_YEARS - 1);
    let year = (day - leap_days) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, is_next_year) = match month {
        0..10 => (month + 3, false),
        _ => (month - 9, true),
    };
    (400 * era + year + u64::from(is_next_year), month, day)
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(
            time.duration_since(UNIX_EPOCH)
                .map_or(0.0, |elapsed| elapsed.as_secs_f64()),
        )
    }
}

/// A span of time that one thread sets and others read, without a lock.
///
/// A reader that races with `set` may see one old and one new bound. Then a time between the two spans may count as
/// covered; a time before both or after both never does.
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

/// Makes a span that covers no time at all.
impl Default for Span {
    fn default() -> Self {
        let epoch = || AtomicU64::new(0_f64.to_bits());
        Self {
            from: epoch(),
            until: epoch(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(seconds: f64) -> String {
        Timestamp::from_seconds(seconds).unwrap().to_string()
    }

    #[test]
    fn a_time_is_shown_as_rfc_3339_writes_it() {
        for (seconds, text) in [
            (0.0, "1970-01-01T00:00:00Z"),
            (951_782_399.0, "2000-02-28T23:59:59Z"),
            (951_782_400.9, "2000-02-29T00:00:00Z"),
            (1_796_006_671.0, "2026-11-30T02:44:31Z"),
            (4_107_542_400.0, "2100-03-01T00:00:00Z"),
            (-1.0, "1970-01-01T00:00:00Z"),
            (1e300, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(shown(seconds), text, "{seconds}");
        }
        assert_eq!(Timestamp::END_OF_TIME.to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn every_day_is_shown_as_the_date_that_http_has_for_it() {
        const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
        let last = END_OF_9999 as u64 / SECONDS_OF_A_DAY;
        // All days of one cycle of the calendar, and the last ones that can be shown.
        for day in (0..146_097).chain(last - 400..=last) {
            let seconds = day * SECONDS_OF_A_DAY + day * 7919 % SECONDS_OF_A_DAY;
            let http = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            let words: Vec<&str> = http.split(' ').collect();
            let [_, day, month, year, time, _] = words[..] else {
                panic!("{http}")
            };
            let month = MONTHS.find(month).unwrap() / 3 + 1;
            let expected = format!("{year}-{month:02}-{day}T{time}Z");
            assert_eq!(shown(seconds as f64), expected);
        }
    }
}
