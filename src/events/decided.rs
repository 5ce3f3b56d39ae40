//! The event of a decision about a request.

use std::time::Duration;

use tracing::Level;

use super::ration::Rations;
use crate::clock::{Clock, Timestamp};
use crate::refusal::{Reason, Severity};

/// Takes the decisions of one gate, and hands each to the sinks: today the log.
#[derive(Debug)]
pub(crate) struct Events {
    clock: Clock,
    rations: Rations,
}

/// A decision about a request, as it is logged. Text that a caller chose was [cleaned](super::clean) before.
#[derive(Debug, Default)]
pub(crate) struct Decided<'e> {
    /// The code of a refusal; `None` for a request that was allowed.
    pub(crate) reason: Option<&'static str>,
    pub(crate) issuer: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) resource: &'e str,
    pub(crate) path: Option<String>,
    pub(crate) methods: Option<String>,
    pub(crate) targets: Option<String>,
    pub(crate) target_kinds: Option<String>,
    pub(crate) required: Option<String>,
    pub(crate) granted: Option<String>,
    pub(crate) expected: Option<String>,
    pub(crate) got: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) cache: Option<&'static str>,
    pub(crate) elapsed: Duration,
}

/// The level of an event, and what rationing did to it.
#[derive(Debug, Clone, Copy)]
struct EventLevel {
    level: Level,
    /// Whether the event was lowered to DEBUG because others like it came shortly before.
    is_rationed: bool,
    /// How many events like it were lowered since the last one.
    suppressed: Option<u64>,
}

/// Calls a macro of `tracing` with a level that is known at run time only. Those macros need a constant one, so there is one
/// call for each level.
macro_rules! at {
    ($level:expr, $of_tracing:ident $(, $($field:tt)+)?) => {
        match $level {
            Level::ERROR => tracing::$of_tracing!(target: "toolgate", Level::ERROR $(, $($field)+)?),
            Level::WARN => tracing::$of_tracing!(target: "toolgate", Level::WARN $(, $($field)+)?),
            Level::INFO => tracing::$of_tracing!(target: "toolgate", Level::INFO $(, $($field)+)?),
            _ => tracing::$of_tracing!(target: "toolgate", Level::DEBUG $(, $($field)+)?),
        }
    };
}

impl Events {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            rations: Rations::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether an event will show the names in the call. If not, they need not be collected.
    pub(crate) fn shows_what_is_asked(&self, is_allowed: bool) -> bool {
        is_logged(if is_allowed {
            Level::DEBUG
        } else {
            Level::ERROR
        })
    }

    /// Records an allowed request. The event is made only if a sink takes it.
    pub(crate) fn allowed<'e>(&self, decided: impl FnOnce() -> Decided<'e>) {
        if is_logged(Level::DEBUG) {
            decided().write(EventLevel::own(Level::DEBUG));
        }
    }

    /// Records a refused request. The event is made only if a sink takes it.
    pub(crate) fn refused<'e>(
        &self,
        reason: Reason,
        is_strangers: bool,
        decided: impl FnOnce() -> Decided<'e>,
    ) {
        if let Some(level) = self.level_of_refused(reason, is_strangers) {
            decided().write(level);
        }
    }

    /// The level of the event of a refused request; `None` if it is not logged. Only refusals that anyone can cause at will
    /// are rationed, and none once a signature held.
    fn level_of_refused(&self, reason: Reason, is_strangers: bool) -> Option<EventLevel> {
        let own = EventLevel::own(match reason.severity() {
            Severity::Outage => Level::ERROR,
            Severity::Suspicious => Level::WARN,
            Severity::Routine => Level::INFO,
        });
        // An event that is not logged uses up no ration, and takes no lock.
        if !is_logged(own.level) {
            return None;
        }
        if !is_strangers {
            return Some(own);
        }
        match self.rations.take_turn(reason.code(), self.now()) {
            Some(suppressed) => Some(EventLevel {
                suppressed: (suppressed > 0).then_some(suppressed),
                ..own
            }),
            None => is_logged(Level::DEBUG).then_some(EventLevel {
                is_rationed: true,
                ..EventLevel::own(Level::DEBUG)
            }),
        }
    }
}

impl EventLevel {
    fn own(level: Level) -> Self {
        Self {
            level,
            is_rationed: false,
            suppressed: None,
        }
    }
}

impl Decided<'_> {
    fn write(&self, event: EventLevel) {
        at!(
            event.level,
            event,
            decision = if self.reason.is_some() {
                "refuse"
            } else {
                "allow"
            },
            reason = self.reason,
            issuer = self.issuer,
            subject = self.subject,
            client_id = self.client_id,
            token_id = self.token_id,
            resource = self.resource,
            path = self.path,
            method = self.methods,
            target = self.targets,
            target_kind = self.target_kinds,
            required = self.required,
            granted = self.granted,
            expected = self.expected,
            got = self.got,
            source = self.source,
            rationed = event.is_rationed.then_some(true),
            suppressed = event.suppressed,
            cache = self.cache,
            elapsed_us = u64::try_from(self.elapsed.as_micros()).unwrap_or(u64::MAX),
        );
    }
}

fn is_logged(level: Level) -> bool {
    at!(level, enabled)
}
