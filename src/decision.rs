//! What the operator sees: one event per decision, with stable fields, and nothing secret in any of them.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing::Level;

use crate::call::{Calls, Target};
use crate::clock::{Clock, Timestamp};
use crate::refusal::{Fact, Loudness, Refusal, RefusalKind};
use crate::token::{Known, Principal};

/// Text that an attacker may have chosen is cut here.
const MAX_LOGGED_BYTES: usize = 128;

/// Between two loud events with the same reason about requests that no signature speaks for. Anyone can cause these at
/// will, and must not be able to fill the log; the rest goes to DEBUG.
const REPEAT_INTERVAL: Duration = Duration::from_secs(10);

/// Writes the decisions of one gate.
#[derive(Debug)]
pub(crate) struct DecisionLog {
    clock: Clock,
    /// The last loud event for each reason, and how many were held back since.
    rations: Mutex<HashMap<&'static str, Ration>>,
}

#[derive(Debug)]
struct Ration {
    since: Timestamp,
    suppressed: u64,
}

/// How an event is logged.
struct Loudly {
    level: Level,
    /// Whether it would be louder, but for the many others like it.
    is_rationed: bool,
    /// How many others like it were held back before it.
    suppressed: Option<u64>,
}

/// One request on its way to a decision.
#[derive(Debug)]
pub(crate) struct Decision<'g> {
    log: &'g DecisionLog,
    resource: &'g str,
    /// Nothing, where nothing can be waited for.
    began: Option<Timestamp>,
    known: Option<Known>,
    /// Noted once, and through a shared reference: what judges a call borrows the caller from here.
    asked: OnceLock<Asked>,
}

/// What is asked, as the log shows it.
#[derive(Debug, Default)]
struct Asked {
    methods: String,
    targets: String,
}

impl DecisionLog {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, rations: Mutex::default() }
    }

    pub(crate) fn begin<'g>(&'g self, resource: &'g str) -> Decision<'g> {
        Decision { began: Some(self.clock.now()), ..self.at_once(resource) }
    }

    /// For a decision that takes no time: not even the clock is looked at.
    pub(crate) fn at_once<'g>(&'g self, resource: &'g str) -> Decision<'g> {
        Decision { log: self, resource, began: None, known: None, asked: OnceLock::new() }
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
                let before = rations.insert(code, Ration { since: now, suppressed: 0 });
                Some(before.map_or(0, |ration| ration.suppressed))
            }
        }
    }
}

impl Decision<'_> {
    /// When the request arrived; or now, where nothing has been waited for.
    pub(crate) fn began(&self) -> Timestamp {
        self.began.unwrap_or_else(|| self.log.clock.now())
    }

    /// Notes whose request it is, once that is verified.
    pub(crate) fn by(&mut self, known: Known) -> &Principal {
        &self.known.insert(known).principal
    }

    pub(crate) fn about(&self, calls: &Calls<'_>) {
        if !tracing::enabled!(target: "toolgate", Level::WARN) {
            return;
        }
        let mut asked = Asked::default();
        for call in calls.iter() {
            push(&mut asked.methods, &call.method);
            match &call.target {
                Target::None => {}
                Target::Tool(name) | Target::Prompt(name) => push(&mut asked.targets, name),
                Target::Resources(resources) => {
                    resources.iter().for_each(|resource| push(&mut asked.targets, &resource.written));
                }
            }
        }
        let _ = self.asked.set(asked);
    }

    fn methods(&self) -> Option<String> {
        self.asked.get().map(|asked| clean(&asked.methods)).filter(|methods| !methods.is_empty())
    }

    fn targets(&self) -> Option<String> {
        self.asked.get().map(|asked| clean(&asked.targets)).filter(|targets| !targets.is_empty())
    }

    pub(crate) fn principal(&self) -> Option<&Principal> {
        self.known.as_ref().map(|known| &known.principal)
    }

    pub(crate) fn into_principal(self) -> Option<Principal> {
        self.known.map(|known| known.principal)
    }

    fn token_id(&self) -> Option<String> {
        self.principal().map(|principal| clean(&principal.logged_token_id()))
    }

    fn cache(&self) -> Option<&'static str> {
        self.known.as_ref().map(|known| if known.remembered { "hit" } else { "miss" })
    }

    pub(crate) fn allow(&self) {
        if !tracing::enabled!(target: "toolgate", Level::DEBUG) {
            return;
        }
        let principal = self.principal();
        tracing::debug!(
            target: "toolgate",
            decision = "allow",
            issuer = principal.map(Principal::issuer),
            subject = principal.and_then(Principal::subject).map(clean),
            client_id = principal.and_then(Principal::client_id).map(clean),
            token_id = self.token_id(),
            resource = self.resource,
            method = self.methods(),
            tool = self.targets(),
            granted = principal.map(|principal| clean(&principal.scopes().to_string())),
            cache = self.cache(),
            elapsed_us = self.elapsed_us(),
        );
    }

    pub(crate) fn refuse(&self, refusal: &Refusal) {
        let level = match refusal.reason().loudness() {
            Loudness::Outage => Level::ERROR,
            Loudness::Suspicious => Level::WARN,
            Loudness::Daily => Level::INFO,
        };
        // What is not logged takes no turn, and no lock.
        let is_logged = match level {
            Level::ERROR => tracing::enabled!(target: "toolgate", Level::ERROR),
            Level::WARN => tracing::enabled!(target: "toolgate", Level::WARN),
            _ => tracing::enabled!(target: "toolgate", Level::INFO),
        };
        if !is_logged {
            return;
        }
        let turn = if self.is_of_a_stranger(refusal) { self.log.take_turn(refusal.code()) } else { Some(0) };
        let loudly = Loudly {
            level: if turn.is_some() { level } else { Level::DEBUG },
            is_rationed: turn.is_none(),
            suppressed: turn.filter(|suppressed| *suppressed > 0),
        };
        match loudly.level {
            Level::ERROR => self.event_at_error(refusal, &loudly),
            Level::WARN => self.event_at_warn(refusal, &loudly),
            Level::INFO => self.event_at_info(refusal, &loudly),
            _ => self.event_at_debug(refusal, &loudly),
        }
    }

    /// Whether no signature speaks for the request: an issuer is named only where one held.
    fn is_of_a_stranger(&self, refusal: &Refusal) -> bool {
        self.known.is_none() && refusal.log_fact(Fact::Issuer).is_none()
    }

    fn elapsed_us(&self) -> u64 {
        let elapsed = self.began.map_or(Duration::ZERO, |began| self.log.clock.now().since(began));
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }
}

/// `tracing` fixes an event's level where it is written, so there is one such place for each.
macro_rules! event_at {
    ($name:ident, $level:expr) => {
        impl Decision<'_> {
            fn $name(&self, refusal: &Refusal, loudly: &Loudly) {
                if !tracing::enabled!(target: "toolgate", $level) {
                    return;
                }
                let principal = self.principal();
                let fact = |fact| refusal.log_fact(fact).map(clean);
                let source = std::error::Error::source(refusal).map(|source| clean(&source.to_string()));
                let insufficient = refusal.kind() == RefusalKind::InsufficientScope;
                let required = refusal.required().filter(|_| insufficient);
                tracing::event!(
                    target: "toolgate",
                    $level,
                    decision = "refuse",
                    reason = refusal.code(),
                    issuer = fact(Fact::Issuer).or(principal.map(|known| clean(known.issuer()))),
                    subject = fact(Fact::Subject).or(principal.and_then(Principal::subject).map(clean)),
                    client_id = fact(Fact::ClientId).or(principal.and_then(Principal::client_id).map(clean)),
                    token_id = fact(Fact::TokenId).or(self.token_id()),
                    resource = self.resource,
                    method = self.methods(),
                    tool = self.targets(),
                    required = required.map(|scopes| clean(&scopes.to_string())),
                    granted = principal.map(|known| clean(&known.scopes().to_string())),
                    expected = fact(Fact::Expected),
                    got = fact(Fact::Got),
                    source,
                    rationed = loudly.is_rationed.then_some(true),
                    suppressed = loudly.suppressed,
                    cache = self.cache(),
                    elapsed_us = self.elapsed_us(),
                );
            }
        }
    };
}

event_at!(event_at_error, Level::ERROR);
event_at!(event_at_warn, Level::WARN);
event_at!(event_at_info, Level::INFO);
event_at!(event_at_debug, Level::DEBUG);

fn push(list: &mut String, item: &str) {
    if list.len() <= MAX_LOGGED_BYTES && !item.is_empty() {
        if !list.is_empty() {
            list.push(' ');
        }
        list.push_str(item);
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
        cleaned.extend(character.escape_debug());
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
