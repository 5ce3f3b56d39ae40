//! What the operator sees: one typed event per decision, with stable fields, and nothing secret in any of them.
//!
//! An event is made by the room that decides. Here is what it has, how loud it is, and where it goes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::Level;

use crate::clock::{Clock, Timestamp};
use crate::refusal::Severity;

/// Text that an attacker may have chosen is cut here.
const MAX_LOGGED_BYTES: usize = 128;

/// Between two loud events with the same reason about requests that no signature speaks for. Anyone can cause these at
/// will, and must not be able to fill the log; the rest goes to DEBUG.
const REPEAT_INTERVAL: Duration = Duration::from_secs(10);

/// Writes the events of one gate.
#[derive(Debug)]
pub(crate) struct Events {
    clock: Clock,
    /// The last loud event for each reason, and how many were held back since.
    rations: Mutex<HashMap<&'static str, Ration>>,
}

#[derive(Debug)]
struct Ration {
    since: Timestamp,
    suppressed: u64,
}

/// A decision about a request, as it is logged. Text that a caller chose is [cleaned](clean) already.
#[derive(Debug, Default)]
pub(crate) struct Decided<'e> {
    /// The code of a refusal; `None` for a request that was allowed.
    pub(crate) reason: Option<&'static str>,
    pub(crate) issuer: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) resource: &'e str,
    pub(crate) methods: Option<String>,
    pub(crate) targets: Option<String>,
    pub(crate) required: Option<String>,
    pub(crate) granted: Option<String>,
    pub(crate) expected: Option<String>,
    pub(crate) got: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) cache: Option<&'static str>,
    pub(crate) elapsed: Duration,
}

/// How an event is logged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loudness {
    level: Level,
    /// Whether it would be louder, but for the many others like it.
    is_rationed: bool,
    /// How many others like it were held back before it.
    suppressed: Option<u64>,
}

impl Events {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            rations: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether any event would show what is asked.
    pub(crate) fn shows_what_is_asked(&self) -> bool {
        tracing::enabled!(target: "toolgate", Level::WARN)
    }

    /// How to log a request that is allowed; `None` where that is not logged.
    pub(crate) fn of_allowed(&self) -> Option<Loudness> {
        let is_logged = tracing::enabled!(target: "toolgate", Level::DEBUG);
        is_logged.then_some(Loudness {
            level: Level::DEBUG,
            is_rationed: false,
            suppressed: None,
        })
    }

    /// How to log a refusal; `None` where that is not logged. Only what strangers can cause at will is rationed: once a
    /// signature held, no denial is.
    pub(crate) fn of_refused(
        &self,
        severity: Severity,
        code: &'static str,
        is_strangers: bool,
    ) -> Option<Loudness> {
        let level = match severity {
            Severity::Outage => Level::ERROR,
            Severity::Suspicious => Level::WARN,
            Severity::Routine => Level::INFO,
        };
        // What is not logged takes no turn, and no lock.
        let is_logged = match severity {
            Severity::Outage => tracing::enabled!(target: "toolgate", Level::ERROR),
            Severity::Suspicious => tracing::enabled!(target: "toolgate", Level::WARN),
            Severity::Routine => tracing::enabled!(target: "toolgate", Level::INFO),
        };
        if !is_logged {
            return None;
        }
        let turn = if is_strangers {
            self.take_turn(code)
        } else {
            Some(0)
        };
        Some(Loudness {
            level: if turn.is_some() { level } else { Level::DEBUG },
            is_rationed: turn.is_none(),
            suppressed: turn.filter(|suppressed| *suppressed > 0),
        })
    }

    /// Takes a turn to be loud: how many were held back since the last one; or `None`, where this is held back too.
    fn take_turn(&self, code: &'static str) -> Option<u64> {
        let now = self.clock.now();
        let mut rations = self.rations.lock().unwrap_or_else(PoisonError::into_inner);
        match rations.get_mut(code) {
            // A clock that was set back holds nothing up.
            Some(ration) if ration.since <= now && now.since(ration.since) < REPEAT_INTERVAL => {
                ration.suppressed += 1;
                None
            }
            _ => {
                let before = rations.insert(
                    code,
                    Ration {
                        since: now,
                        suppressed: 0,
                    },
                );
                Some(before.map_or(0, |ration| ration.suppressed))
            }
        }
    }
}

/// `tracing` fixes an event's level where it is written, so there is one such place for each.
macro_rules! write_at {
    ($level:expr, $decided:ident, $loudness:ident) => {
        tracing::event!(
            target: "toolgate",
            $level,
            decision = if $decided.reason.is_some() { "refuse" } else { "allow" },
            reason = $decided.reason,
            issuer = $decided.issuer,
            subject = $decided.subject,
            client_id = $decided.client_id,
            token_id = $decided.token_id,
            resource = $decided.resource,
            method = $decided.methods,
            tool = $decided.targets,
            required = $decided.required,
            granted = $decided.granted,
            expected = $decided.expected,
            got = $decided.got,
            source = $decided.source,
            rationed = $loudness.is_rationed.then_some(true),
            suppressed = $loudness.suppressed,
            cache = $decided.cache,
            elapsed_us = u64::try_from($decided.elapsed.as_micros()).unwrap_or(u64::MAX),
        )
    };
}

impl Decided<'_> {
    pub(crate) fn write(&self, loudness: Loudness) {
        match loudness.level {
            Level::ERROR => write_at!(Level::ERROR, self, loudness),
            Level::WARN => write_at!(Level::WARN, self, loudness),
            Level::INFO => write_at!(Level::INFO, self, loudness),
            _ => write_at!(Level::DEBUG, self, loudness),
        }
    }
}

/// The names of what is asked, as far as the log shows them.
#[derive(Debug, Default)]
pub(crate) struct Names(String);

impl Names {
    pub(crate) fn push(&mut self, name: &str) {
        if self.0.len() <= MAX_LOGGED_BYTES && !name.is_empty() {
            if !self.0.is_empty() {
                self.0.push(' ');
            }
            self.0.push_str(name);
        }
    }

    /// `None` where there are none.
    pub(crate) fn cleaned(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| clean(&self.0))
    }
}

/// Escaped, so that no line can be forged, and cut.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::new();
    for character in text.chars() {
        if cleaned.len() >= MAX_LOGGED_BYTES {
            cleaned.push('…');
            break;
        }
        match character {
            // It ends nothing in a line of the log.
            '\'' => cleaned.push(character),
            _ => cleaned.extend(character.escape_debug()),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_a_log_stays_on_its_line_and_short() {
        assert_eq!(clean("a\r\nb\u{1b}[31m"), "a\\r\\nb\\u{1b}[31m");
        assert!(clean(&"x".repeat(10_000)).len() < MAX_LOGGED_BYTES + 10);
    }
}
