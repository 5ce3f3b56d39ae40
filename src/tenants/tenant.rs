//! A tenant whose gate is built, and when its resolver must be asked again.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::address::Address;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::installed::Installed;

/// How long the answer of the resolver is relied on. After this time it is asked again, and the tenant is served meanwhile.
pub(super) const RESOLVED_FOR: Duration = Duration::from_secs(60);

/// After this time without an answer, a request waits for one: the tenant may have been removed long ago.
pub(super) const MAX_UNCONFIRMED: Duration = Duration::from_secs(2 * 60);

/// The pause after a failed attempt to ask again.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(10);

/// A tenant in use.
pub(crate) struct Tenant {
    pub(crate) installed: Arc<Installed>,
    /// The configuration as the resolver gave it.
    config: Mutex<Config>,
    /// How often the gate itself refers to its pipeline. Requests and streams refer to it too.
    own_references: usize,
    is_forgotten: AtomicBool,
    /// The times below are in milliseconds.
    last_used: AtomicU64,
    confirmed: AtomicU64,
    ask_at: AtomicU64,
}

/// The steps before a request may use a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Have the resolver asked, and go on.
    AskMeanwhile,
    /// Wait for the resolver.
    Wait,
}

impl Tenant {
    pub(super) fn new(installed: Installed, config: Config, now: Timestamp) -> Self {
        let own_references = Arc::strong_count(&installed.main.pipeline);
        let tenant = Self {
            installed: Arc::new(installed),
            config: Mutex::new(config),
            own_references,
            is_forgotten: AtomicBool::new(false),
            last_used: AtomicU64::new(millis(now)),
            confirmed: AtomicU64::default(),
            ask_at: AtomicU64::default(),
        };
        tenant.confirm(now);
        tenant
    }

    pub(crate) fn address(&self) -> &Address {
        &self.installed.main
    }

    pub(super) fn resource(&self) -> &str {
        self.address().resource.as_str()
    }

    pub(super) fn note_use(&self, now: Timestamp) {
        self.last_used.store(millis(now), Ordering::Relaxed);
    }

    pub(super) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// Whether a request or a stream refers to the gate, or the operator.
    pub(super) fn is_in_use(&self) -> bool {
        let references = Arc::strong_count(&self.installed.main.pipeline);
        references > self.own_references || Arc::strong_count(&self.installed) > 1
    }

    pub(super) fn due(&self, now: Timestamp) -> Due {
        let now = millis(now);
        if self.is_forgotten() {
            return Due::Wait;
        }
        let ask_at = self.ask_at.load(Ordering::Acquire);
        // A clock that was set back must not keep a tenant for long.
        if now < ask_at && ask_at - now <= whole_millis(RESOLVED_FOR) {
            return Due::Nothing;
        }
        let age = now.saturating_sub(self.confirmed.load(Ordering::Acquire));
        if age <= whole_millis(MAX_UNCONFIRMED) {
            Due::AskMeanwhile
        } else {
            Due::Wait
        }
    }

    /// Claims the turn to ask again: of several requests, one gets it.
    pub(super) fn take_turn(&self, now: Timestamp) -> bool {
        let ask_at = self.ask_at.load(Ordering::Acquire);
        let next = millis(now) + whole_millis(RESOLVED_FOR);
        let claimed =
            self.ask_at
                .compare_exchange(ask_at, next, Ordering::AcqRel, Ordering::Acquire);
        claimed.is_ok()
    }

    /// Notes that the resolver gave this configuration just now.
    pub(super) fn confirm(&self, now: Timestamp) {
        let next = millis(now) + whole_millis(RESOLVED_FOR);
        self.confirmed.store(millis(now), Ordering::Release);
        self.ask_at.store(next, Ordering::Release);
        self.is_forgotten.store(false, Ordering::Release);
    }

    pub(super) fn retry_later(&self, now: Timestamp) {
        let next = millis(now) + whole_millis(RETRY_PAUSE);
        self.ask_at.store(next, Ordering::Release);
    }

    /// Has every request wait for the resolver, until it answers.
    pub(super) fn forget(&self) {
        self.is_forgotten.store(true, Ordering::Release);
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.is_forgotten.load(Ordering::Acquire)
    }

    pub(super) fn has_config(&self, config: &Config) -> bool {
        let held = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        held.is_written_like(config)
    }

    pub(super) fn keep_config(&self, config: Config) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Ends all streams of the tenant.
    pub(super) fn close_streams(&self) {
        self.installed.state.closing.begin();
    }
}

fn millis(time: Timestamp) -> u64 {
    (time.seconds() * 1000.0) as u64
}

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tenant").field(&self.resource()).finish()
    }
}
