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

    /// Parses a time in the format of RFC 3339. A fraction of a second is dropped.
    pub(crate) fn from_rfc3339(text: &str) -> Option<Self> {
        let separators = [(4, "-"), (7, "-"), (10, "Tt"), (13, ":"), (16, ":")];
        if !separators.iter().all(|(at, any)| has_at(text, *at, any)) {
            return None;
        }
        let part = |at, digits| digits_at(text, at, digits);
        let days = days_until(part(0, 4)?, part(5, 2)?, part(8, 2)?)?;
        let (hour, minute, second) = (part(11, 2)?, part(14, 2)?, part(17, 2)?);
        // A leap second counts as the second after it.
        let is_time = hour < 24 && minute < 60 && second <= 60;
        let mut zone = text.get(19..)?;
        if let Some(fraction) = zone.strip_prefix('.') {
            zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if zone.len() == fraction.len() {
                return None;
            }
        }
        let seconds = days * SECONDS_OF_A_DAY + hour * 3600 + minute * 60 + second;
        let ahead = seconds_ahead(zone)?;
        is_time.then_some(Self(seconds as f64 - ahead))
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

/// The number of days from the epoch until a date: the inverse of [`civil_date`]. `None` if there is no such date, or if it
/// is before the epoch.
fn days_until(year: u64, month: u64, day: u64) -> Option<u64> {
    let year_of_march = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let leap_days = year_of_march / 4 - year_of_march / 100 + year_of_march / 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day;
    // 1 March of the year 0 is as many days before the epoch, and the first day of a month is 1.
    let days = (365 * year_of_march + leap_days + day_of_year).checked_sub(719_468 + 1)?;
    (civil_date(days) == (year, month, day)).then_some(days)
}

/// The seconds by which an offset of RFC 3339 is ahead of UTC.
fn seconds_ahead(zone: &str) -> Option<f64> {
    if matches!(zone, "Z" | "z") {
        return Some(0.0);
    }
    let is_offset = zone.len() == 6 && has_at(zone, 0, "+-") && has_at(zone, 3, ":");
    let (hours, minutes) = (digits_at(zone, 1, 2)?, digits_at(zone, 4, 2)?);
    let seconds = (hours * 3600 + minutes * 60) as f64;
    let is_sound = is_offset && hours < 24 && minutes < 60;
    is_sound.then_some(match zone.starts_with('-') {
        true => -seconds,
        false => seconds,
    })
}

/// Whether one of these characters is at this place.
fn has_at(text: &str, at: usize, any: &str) -> bool {
    text.get(at..=at).is_some_and(|found| any.contains(found))
}

fn digits_at(text: &str, at: usize, digits: usize) -> Option<u64> {
    let text = text.get(at..at + digits)?;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
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
    fn a_time_of_rfc_3339_is_read_whatever_its_offset_and_nothing_else_is() {
        let read = |text| Timestamp::from_rfc3339(text).map(Timestamp::seconds);
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("2000-02-29T00:00:00z", 951_782_400.0),
            ("2026-11-30T02:44:31Z", 1_796_006_671.0),
            ("2026-11-30t02:44:31.999Z", 1_796_006_671.0),
            ("2026-11-30T04:14:31+01:30", 1_796_006_671.0),
            ("2026-11-29T21:44:31-05:00", 1_796_006_671.0),
            ("2016-12-31T23:59:60Z", 1_483_228_800.0),
            ("9999-12-31T23:59:59Z", END_OF_9999),
        ] {
            assert_eq!(read(text), Some(seconds), "{text}");
        }
        for text in [
            "",
            "2027-01-01",
            "2027-01-01T00:00:00",
            "2027-01-01 00:00:00Z",
            "2027-01-01T00:00Z",
            "2027-1-1T00:00:00Z",
            "2027-00-01T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-02-29T00:00:00Z",
            "2027-01-00T00:00:00Z",
            "2027-01-01T24:00:00Z",
            "2027-01-01T00:60:00Z",
            "2027-01-01T00:00:61Z",
            "2027-01-01T00:00:00.Z",
            "2027-01-01T00:00:00+1:00",
            "2027-01-01T00:00:00+01:60",
            "2027-01-01T00:00:00+0100",
            "2027-01-01T00:00:00Zx",
            "+027-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "0000-01-01T00:00:00Z",
            "2027-01-01T00:00:00ä",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
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
            let read = Timestamp::from_rfc3339(&expected);
            assert_eq!(read.map(Timestamp::seconds), Some(seconds as f64));
        }
    }
}
