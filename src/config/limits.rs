//! The `[limits]` table: every attacker-driven cost has a number.

use std::time::Duration;

use serde::Deserialize;

use crate::call::BodyLimits;
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::issuer::Lifetimes;

/// Declares the limits: each with its documentation, its name in the file and in code, and its default.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $default:expr;)*) => {
        /// The limits that an operator may need to change. A limit that is not set has its default, or is
        /// adjusted to fit those that are set: see [`docs::limits`](crate::docs::limits).
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Limits {
            $($name: Option<u64>,)*
        }

        impl Limits {
            $(
                $(#[$doc])*
                pub fn $name(mut self, value: u64) -> Self {
                    self.$name = Some(value);
                    self
                }
            )*

            fn values(&self) -> Values {
                Values { $($name: self.$name.unwrap_or($default),)* }
            }

            /// Each limit: its name, and what sets it and no other.
            #[cfg(test)]
            fn each_alone() -> Vec<(&'static str, fn(u64) -> Self)> {
                vec![$((stringify!($name), |value| Self::default().$name(value)),)*]
            }

            /// The limits that are set, with their names.
            fn set(&self) -> impl Iterator<Item = (&'static str, u64)> {
                let all = [$((stringify!($name), self.$name),)*];
                all.into_iter().filter_map(|(name, value)| Some((name, value?)))
            }
        }

        /// Every limit, set or not.
        struct Values {
            $($name: u64,)*
        }
    };
}

limits! {
    /// The longest request body that is read to find the call in it. A request with a longer body gets 413. If you do not
    /// set it but set `arriving_bodies_bytes` lower, it has that value. Default 4 MiB.
    max_body_bytes = 4 * MIB;

    /// The longest body that is read of a request without a token, if any operation is open without a token. A request
    /// with a longer body gets the usual 401. Never more than `max_body_bytes`. Default 64 KiB.
    anonymous_body_bytes = 64 * 1024;

    /// The time within which the whole body must arrive. A request whose body takes longer gets 408. Default 10 s.
    body_seconds = 10;

    /// The memory for all bodies that have not arrived completely, taken together. Requests without a token may use
    /// half of it. A request whose body does not fit gets 503. A body that arrives in one piece with its headers does
    /// not count. This limit is at least `max_body_bytes`. Default 256 MiB.
    arriving_bodies_bytes = 256 * MIB;

    /// The time for [`Builder::decision`](crate::Builder::decision) to decide about one request. After this time,
    /// the request gets 503. Default 5 s.
    decision_seconds = 5;

    /// The shortest lifetime of a key set, even if its HTTP headers give less: no header can make the gate fetch more
    /// often. Default 60 s.
    jwks_min_seconds = 60;

    /// The lifetime of a key set whose HTTP headers give none. Default 10 min.
    jwks_default_seconds = 10 * 60;

    /// The longest lifetime of a key set. A withdrawn key is noticed after this time at the latest. While the issuer
    /// cannot be reached, it may take `jwks_stale_seconds`, if that is longer. Default 24 h.
    jwks_max_seconds = 24 * 60 * 60;

    /// How long the last good key set is used if no newer one can be fetched, counted from the fetch of that set. A key
    /// set is always used for its whole lifetime, even if this limit is shorter. After this time, tokens of the issuer
    /// get 503. Default 6 h.
    jwks_stale_seconds = 6 * 60 * 60;

    /// The estimated size of the cache of verified tokens. If it is full, tokens are removed, and are verified again when
    /// they are next used. With 0, no token is cached. Default 32 MiB.
    verified_cache_bytes = 32 * MIB;

    /// How long a verified token stays in the cache. After this time, the token is verified again. Default 5 min.
    verified_seconds = 5 * 60;

    /// How long the gate relies on an introspection response that says that a token is active. A revocation at the issuer
    /// is noticed after this time at the latest. Default 60 s.
    introspection_active_seconds = 60;

    /// How long the gate relies on an introspection response that says that a token is not active. Default 10 s.
    introspection_inactive_seconds = 10;

    /// The time that must pass after a fetch of the key set before a token with an unknown key can cause another fetch.
    /// Until then, such a token gets 503 if its key may be newer than the set. This limit is also the longest pause
    /// between failed fetches. Default 30 s.
    unknown_kid_cooldown_seconds = 30;
}

const MIB: u64 = 1024 * 1024;

/// The longest time that can be set: a year. More would be a typo.
pub(super) const MAX_SECONDS: u64 = 366 * 24 * 60 * 60;

/// The only limit that may be 0.
const MAY_BE_ZERO: &str = "verified_cache_bytes";

impl Limits {
    pub(super) fn check(&self, problems: &mut Problems) -> Result<(), Flawed> {
        let mut sound = Ok(());
        let mut wrong = |problem| sound = Err(problems.add(problem));
        for (name, value) in self.set() {
            let problem = |fix: String| {
                ConfigProblem::not_allowed(format!("limits.{name}"), fix).showing(value.to_string())
            };
            if value == 0 && name != MAY_BE_ZERO {
                wrong(problem("write at least 1".to_owned()));
            } else if name.ends_with("_seconds") && value > MAX_SECONDS {
                wrong(problem(format!("write at most {MAX_SECONDS}, a year")));
            }
        }
        let conflict = |name: &str, value: u64, fix: String| {
            ConfigProblem::conflict(format!("limits.{name}"), fix).showing(value.to_string())
        };
        let longest = self.longest_body();
        let arriving = self.arriving_bodies_bytes;
        if let Some(bytes) = arriving.filter(|bytes| (1..longest).contains(bytes)) {
            let fix =
                format!("write at least max_body_bytes ({longest}), or no such body ever fits");
            wrong(conflict("arriving_bodies_bytes", bytes, fix));
        }
        let lives = self.key_set_lives();
        for (at, (low_name, low)) in lives.iter().enumerate() {
            for (high_name, high) in lives.iter().skip(at + 1) {
                // A value that is wrong by itself is reported already.
                let is_sound = |seconds: &u64| (1..=MAX_SECONDS).contains(seconds);
                if let (Some(low), Some(high)) = (low.filter(is_sound), high.filter(is_sound))
                    && low > high
                {
                    let fix = format!("it must not be more than {high_name} ({high})");
                    wrong(conflict(low_name, low, fix));
                }
            }
        }
        sound
    }

    /// The longest body. If it is not set, it follows the memory for all bodies.
    fn longest_body(&self) -> u64 {
        let default = self.values().max_body_bytes;
        match (self.max_body_bytes, self.arriving_bodies_bytes) {
            (None, Some(arriving)) => default.min(arriving),
            _ => default,
        }
    }

    pub(super) fn bodies(&self) -> BodyLimits {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let values = self.values();
        let longest = self.longest_body();
        BodyLimits {
            max_bytes: bytes(longest),
            // A request without a token never gets more room than one with a token.
            anonymous_bytes: bytes(values.anonymous_body_bytes.min(longest)),
            time: Duration::from_secs(values.body_seconds),
            arriving_bytes: bytes(values.arriving_bodies_bytes.max(longest)),
        }
    }

    pub(super) fn decision_time(&self) -> Duration {
        Duration::from_secs(self.values().decision_seconds)
    }

    pub(super) fn verified_bytes(&self) -> u64 {
        self.values().verified_cache_bytes
    }

    pub(super) fn verified_for(&self) -> Duration {
        Duration::from_secs(self.values().verified_seconds)
    }

    pub(super) fn active_for(&self) -> Duration {
        Duration::from_secs(self.values().introspection_active_seconds)
    }

    pub(super) fn inactive_for(&self) -> Duration {
        Duration::from_secs(self.values().introspection_inactive_seconds)
    }

    /// The lives of key sets from the shortest to the longest, each only if it is set.
    fn key_set_lives(&self) -> [(&'static str, Option<u64>); 3] {
        [
            ("jwks_min_seconds", self.jwks_min_seconds),
            ("jwks_default_seconds", self.jwks_default_seconds),
            ("jwks_max_seconds", self.jwks_max_seconds),
        ]
    }

    /// The lives of key sets. Those that are not set follow those that are.
    pub(super) fn lifetimes(&self) -> Lifetimes {
        let values = self.values();
        let [(_, min), (_, default), (_, max)] = self.key_set_lives();
        let no_more_than = |limits: [Option<u64>; 2], value: u64| {
            limits.into_iter().flatten().fold(value, u64::min)
        };
        let no_less_than = |limits: [Option<u64>; 2], value: u64| {
            limits.into_iter().flatten().fold(value, u64::max)
        };
        let following = no_more_than(
            [max, None],
            no_less_than([min, None], values.jwks_default_seconds),
        );
        let seconds = Duration::from_secs;
        Lifetimes {
            min: seconds(min.unwrap_or(no_more_than([default, max], values.jwks_min_seconds))),
            default: seconds(default.unwrap_or(following)),
            max: seconds(max.unwrap_or(no_less_than([min, default], values.jwks_max_seconds))),
            stale: seconds(values.jwks_stale_seconds),
            cooldown: seconds(values.unknown_kid_cooldown_seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_of_key_sets_that_is_not_set_follows_those_that_are() {
        let lives = |limits: Limits| {
            let Lifetimes {
                min, default, max, ..
            } = limits.lifetimes();
            [min, default, max].map(|life| life.as_secs())
        };
        let set = Limits::default;
        assert_eq!(lives(set()), [60, 600, 86_400]);
        assert_eq!(lives(set().jwks_max_seconds(300)), [60, 300, 300]);
        assert_eq!(lives(set().jwks_max_seconds(30)), [30, 30, 30]);
        assert_eq!(lives(set().jwks_min_seconds(700)), [700, 700, 86_400]);
        assert_eq!(
            lives(set().jwks_min_seconds(90_000)),
            [90_000, 90_000, 90_000]
        );
        assert_eq!(lives(set().jwks_default_seconds(5)), [5, 5, 86_400]);
        assert_eq!(
            lives(set().jwks_default_seconds(90_000)),
            [60, 90_000, 90_000]
        );
        assert_eq!(
            lives(set().jwks_default_seconds(700).jwks_max_seconds(800)),
            [60, 700, 800]
        );
        assert_eq!(
            lives(set().jwks_min_seconds(5).jwks_default_seconds(10)),
            [5, 10, 86_400]
        );
        let two = set().jwks_min_seconds(700).jwks_max_seconds(800);
        assert_eq!(lives(two), [700, 700, 800]);
    }

    #[test]
    fn a_limit_of_bodies_that_is_not_set_follows_those_that_are() {
        let bodies = |limits: Limits| {
            let bodies = limits.bodies();
            [
                bodies.max_bytes,
                bodies.anonymous_bytes,
                bodies.arriving_bytes,
            ]
        };
        let set = Limits::default;
        let (kib, mib) = (1 << 10, 1 << 20);
        assert_eq!(bodies(set()), [4 * mib, 64 * kib, 256 * mib]);
        assert_eq!(
            bodies(set().max_body_bytes(512 << 20)),
            [512 * mib, 64 * kib, 512 * mib]
        );
        assert_eq!(bodies(set().max_body_bytes(1 << 10)), [kib, kib, 256 * mib]);
        assert_eq!(
            bodies(set().arriving_bodies_bytes(1 << 20)),
            [mib, 64 * kib, mib]
        );
        assert_eq!(
            bodies(set().arriving_bodies_bytes(1 << 10)),
            [kib, kib, kib]
        );
        // Never more than a body with a token may have.
        assert_eq!(
            bodies(set().anonymous_body_bytes(8 << 20)),
            [4 * mib, 4 * mib, 256 * mib]
        );
        let two = set().max_body_bytes(1 << 20).arriving_bodies_bytes(1 << 20);
        assert_eq!(bodies(two), [mib, 64 * kib, mib]);
    }

    #[test]
    fn no_limit_is_wrong_alone_whatever_it_is() {
        for (name, limits) in Limits::each_alone() {
            for value in [1, MAX_SECONDS] {
                let mut problems = Problems::default();
                let sound = limits(value).check(&mut problems);
                assert!(sound.is_ok(), "{name} = {value}");
            }
        }
    }
}
