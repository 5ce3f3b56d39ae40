//! What the operator sees: one event per decision, with stable fields, and nothing secret in any of them.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing::Level;

use crate::call::{Calls, Target};
use crate::clock::{Clock, Timestamp};
use crate::refusal::{Fact, Loudness, Refusal, RefusalKind};
use crate::token::{Known, Principal};

/// Text that an attacker may have chosen is cut here.
const MAX_LOGGED_BYTES: usize = 128;

/// Between two warnings or errors with the same reason about callers nobody knows; the rest goes to DEBUG.
const LOUD_PAUSE: Duration = Duration::from_secs(10);

/// Writes the decisions of one gate.
#[derive(Debug)]
pub(crate) struct DecisionLog {
    clock: Clock,
    last_events: Mutex<HashMap<&'static str, Instant>>,
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
        Self { clock, last_events: Mutex::default() }
    }

    pub(crate) fn begin<'g>(&'g self, resource: &'g str) -> Decision<'g> {
        Decision { began: Some(self.clock.now()), ..self.at_once(resource) }
    }

    /// For a decision that takes no time: not even the clock is looked at.
    pub(crate) fn at_once<'g>(&'g self, resource: &'g str) -> Decision<'g> {
        Decision { log: self, resource, began: None, known: None, asked: OnceLock::new() }
    }

    fn may_be_loud(&self, code: &'static str) -> bool {
        let mut last = self.last_events.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match last.get(code) {
            Some(before) if now.duration_since(*before) < LOUD_PAUSE => false,
            _ => {
                last.insert(code, now);
                true
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
        self.known.as_ref().map(|known| clean(&known.token_id()))
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
        match self.level_of(refusal) {
            Level::ERROR => self.event_at_error(refusal),
            Level::WARN => self.event_at_warn(refusal),
            Level::INFO => self.event_at_info(refusal),
            _ => self.event_at_debug(refusal),
        }
    }

    fn level_of(&self, refusal: &Refusal) -> Level {
        match refusal.reason().loudness() {
            Loudness::Daily => Level::INFO,
            // Strangers must not be able to fill the log.
            _ if self.known.is_none() && !self.log.may_be_loud(refusal.code()) => Level::DEBUG,
            Loudness::Outage => Level::ERROR,
            Loudness::Suspicious => Level::WARN,
        }
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
            fn $name(&self, refusal: &Refusal) {
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

    #[test]
    fn the_second_warning_of_a_kind_within_the_pause_is_held_back() {
        let log = DecisionLog::new(Clock::default());
        assert!(log.may_be_loud("bad_signature"));
        assert!(!log.may_be_loud("bad_signature"));
        assert!(log.may_be_loud("kid_unknown"));
    }
}
