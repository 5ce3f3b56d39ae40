//! The `[limits]` table: every attacker-driven cost has a number.

use std::time::Duration;

use serde::Deserialize;

use crate::call::BodyLimits;
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::issuer::Lifetimes;

/// Bounds that an operator may need to move. What is not set keeps its default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    max_body_bytes: Option<u64>,
    anonymous_body_bytes: Option<u64>,
    body_seconds: Option<u64>,
    arriving_bodies_bytes: Option<u64>,
    decision_seconds: Option<u64>,
    jwks_min_seconds: Option<u64>,
    jwks_default_seconds: Option<u64>,
    jwks_max_seconds: Option<u64>,
    jwks_stale_seconds: Option<u64>,
    verified_cache_bytes: Option<u64>,
    introspection_active_seconds: Option<u64>,
    introspection_inactive_seconds: Option<u64>,
    verified_seconds: Option<u64>,
    unknown_kid_cooldown_seconds: Option<u64>,
}

/// No limit in seconds means anything beyond a year.
pub(super) const MAX_SECONDS: u64 = 366 * 24 * 60 * 60;
/// Longest body that is read to judge the call in it.
const MAX_BODY_BYTES: u64 = 4 * 1024 * 1024;
/// Of those who come without a token: a first contact is short.
const ANONYMOUS_BODY_BYTES: u64 = 64 * 1024;
/// For the whole body to arrive.
const BODY_SECONDS: u64 = 10;
/// What all bodies together may hold that have not arrived in full: 4 MiB for each connection would have no end.
const ARRIVING_BODIES_BYTES: u64 = 256 * 1024 * 1024;
/// For an operator's own decision about a call, or a batch of them.
const DECISION_SECONDS: u64 = 5;
/// A key set lives at least this long, whatever its headers say: they must not make us a hammer.
const JWKS_MIN_SECONDS: u64 = 60;
/// Where its headers say nothing.
const JWKS_DEFAULT_SECONDS: u64 = 10 * 60;
/// At most this long: so late may a withdrawn key be noticed.
const JWKS_MAX_SECONDS: u64 = 24 * 60 * 60;
/// The last good set serves on this long when no newer one can be had.
const JWKS_STALE_SECONDS: u64 = 6 * 60 * 60;
/// What the cache of verified tokens may weigh.
const VERIFIED_CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// A verified token is verified again after this long at the latest.
const VERIFIED_SECONDS: u64 = 5 * 60;
/// An issuer's word for a token is believed this long: so late may a revocation be noticed.
const INTROSPECTION_ACTIVE_SECONDS: u64 = 60;
/// An issuer's word against one is believed this long.
const INTROSPECTION_INACTIVE_SECONDS: u64 = 10;
/// Between two fetches that unknown keys may cause.
const UNKNOWN_KID_COOLDOWN_SECONDS: u64 = 30;

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident)*) => {
        impl Limits {
            $(
                $(#[$doc])*
                pub fn $name(mut self, value: u64) -> Self {
                    self.$name = Some(value);
                    self
                }
            )*
        }
    };
}

setters! {
    /// Longest body that is read to judge the call in it. Default 4 MiB.
    max_body_bytes
    /// The same for those who come without a token, where there is anything for them. Default 64 KiB.
    anonymous_body_bytes
    /// Time for the whole body to arrive. Default 10.
    body_seconds
    /// What all bodies together may hold that are read to judge the calls in them and have not arrived in full. One
    /// more is answered with 503. At least `max_body_bytes`; those without a token have half of it. A body that comes
    /// in one piece with its head does not count. Default 256 MiB.
    arriving_bodies_bytes
    /// Time for the decision of [`Builder::decision`](crate::Builder::decision), then 503. Default 5.
    decision_seconds
    /// A key set lives at least this long, whatever its headers say. Default 60.
    jwks_min_seconds
    /// How long it lives when its headers say nothing. Default 600.
    jwks_default_seconds
    /// A key set lives at most this long. Default a day.
    jwks_max_seconds
    /// The last good key set serves on this long when no newer one can be had; then 503. Default 6 hours.
    jwks_stale_seconds
    /// What the cache of verified tokens may weigh; 0 remembers none. Default 32 MiB.
    verified_cache_bytes
    /// A verified token is verified again after this long at the latest. Default 300.
    verified_seconds
    /// A token that its issuer stood by when it was asked is asked about again after this long: so late may a
    /// revocation be noticed. Default 60.
    introspection_active_seconds
    /// A token that its issuer did not stand by is asked about again after this long. Default 10.
    introspection_inactive_seconds
    /// Time between two fetches that unknown keys may cause. Default 30.
    unknown_kid_cooldown_seconds
}

impl Limits {
    pub(super) fn check(&self, problems: &mut Problems) -> Result<(), Flawed> {
        let mut sound = Ok(());
        let mut wrong = |problem| sound = Err(problems.add(problem));
        let values = [
            ("max_body_bytes", self.max_body_bytes),
            ("anonymous_body_bytes", self.anonymous_body_bytes),
            ("body_seconds", self.body_seconds),
            ("arriving_bodies_bytes", self.arriving_bodies_bytes),
            ("decision_seconds", self.decision_seconds),
            ("jwks_min_seconds", self.jwks_min_seconds),
            ("jwks_default_seconds", self.jwks_default_seconds),
            ("jwks_max_seconds", self.jwks_max_seconds),
            ("jwks_stale_seconds", self.jwks_stale_seconds),
            (
                "introspection_active_seconds",
                self.introspection_active_seconds,
            ),
            (
                "introspection_inactive_seconds",
                self.introspection_inactive_seconds,
            ),
            ("verified_seconds", self.verified_seconds),
            (
                "unknown_kid_cooldown_seconds",
                self.unknown_kid_cooldown_seconds,
            ),
        ];
        for (name, value) in values {
            let Some(value) = value else { continue };
            let problem = |fix: String| {
                ConfigProblem::not_allowed(format!("limits.{name}"), fix).showing(value.to_string())
            };
            if value == 0 {
                wrong(problem("write at least 1".to_owned()));
            } else if name.ends_with("_seconds") && value > MAX_SECONDS {
                wrong(problem(format!("write at most {MAX_SECONDS}, a year")));
            }
        }
        let conflict = |name: &str, value: u64, fix: String| {
            ConfigProblem::conflict(format!("limits.{name}"), fix).showing(value.to_string())
        };
        if let Some(bytes) = self
            .arriving_bodies_bytes
            .filter(|bytes| (1..self.longest_body()).contains(bytes))
        {
            let fix = format!(
                "write at least max_body_bytes ({}), or no such body ever fits",
                self.longest_body()
            );
            wrong(conflict("arriving_bodies_bytes", bytes, fix));
        }
        let [min, default, max] = [
            (
                "jwks_min_seconds",
                self.jwks_min_seconds.unwrap_or(JWKS_MIN_SECONDS),
            ),
            (
                "jwks_default_seconds",
                self.jwks_default_seconds.unwrap_or(JWKS_DEFAULT_SECONDS),
            ),
            (
                "jwks_max_seconds",
                self.jwks_max_seconds.unwrap_or(JWKS_MAX_SECONDS),
            ),
        ];
        for (low, high) in [(min, default), (default, max)] {
            // What is wrong by itself is said already.
            let is_sound = |seconds| (1..=MAX_SECONDS).contains(&seconds);
            if low.1 > high.1 && is_sound(low.1) && is_sound(high.1) {
                let fix = format!("it must not be more than {} ({})", high.0, high.1);
                wrong(conflict(low.0, low.1, fix));
            }
        }
        sound
    }

    fn longest_body(&self) -> u64 {
        self.max_body_bytes.unwrap_or(MAX_BODY_BYTES)
    }

    pub(super) fn bodies(&self) -> BodyLimits {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let longest = self.longest_body();
        let anonymous = self.anonymous_body_bytes.unwrap_or(ANONYMOUS_BODY_BYTES);
        let arriving = self.arriving_bodies_bytes;
        BodyLimits {
            max_bytes: bytes(longest),
            // Never more than from those who are known.
            anonymous_bytes: bytes(anonymous.min(longest)),
            time: seconds(self.body_seconds, BODY_SECONDS),
            arriving_bytes: bytes(arriving.unwrap_or(ARRIVING_BODIES_BYTES.max(longest))),
        }
    }

    pub(super) fn decision_time(&self) -> Duration {
        seconds(self.decision_seconds, DECISION_SECONDS)
    }

    pub(super) fn verified_bytes(&self) -> u64 {
        self.verified_cache_bytes.unwrap_or(VERIFIED_CACHE_BYTES)
    }

    pub(super) fn verified_for(&self) -> Duration {
        seconds(self.verified_seconds, VERIFIED_SECONDS)
    }

    pub(super) fn active_for(&self) -> Duration {
        seconds(
            self.introspection_active_seconds,
            INTROSPECTION_ACTIVE_SECONDS,
        )
    }

    pub(super) fn inactive_for(&self) -> Duration {
        seconds(
            self.introspection_inactive_seconds,
            INTROSPECTION_INACTIVE_SECONDS,
        )
    }

    pub(super) fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            min: seconds(self.jwks_min_seconds, JWKS_MIN_SECONDS),
            default: seconds(self.jwks_default_seconds, JWKS_DEFAULT_SECONDS),
            max: seconds(self.jwks_max_seconds, JWKS_MAX_SECONDS),
            stale: seconds(self.jwks_stale_seconds, JWKS_STALE_SECONDS),
            cooldown: seconds(
                self.unknown_kid_cooldown_seconds,
                UNKNOWN_KID_COOLDOWN_SECONDS,
            ),
        }
    }
}

fn seconds(set: Option<u64>, default: u64) -> Duration {
    Duration::from_secs(set.unwrap_or(default))
}
