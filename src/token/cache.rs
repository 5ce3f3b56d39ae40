//! Tokens verified before, so that a token seen twice costs one hash and one look-up.
//!
//! Only good tokens are remembered: a memory of bad ones invites poisoning. What is remembered is judged
//! at every hit by the same clock as a fresh token, and dies at once with the key that proved it.

use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::fingerprint::{AlreadyHashed, Fingerprint};
use super::key_source::KeySource;
use super::keys::Key;
use super::principal::Principal;
use crate::clock::Timestamp;
use crate::refusal::Refusal;

/// What an entry costs besides the claims: the principal's parts, and moka's own bookkeeping. Measured.
const ENTRY_OVERHEAD_BYTES: usize = 704;

/// The verified tokens of one gate.
#[derive(Debug)]
pub(crate) struct VerifiedCache {
    entries: Cache<Fingerprint, Arc<Verified>, BuildHasherDefault<AlreadyHashed>>,
    max_age: Duration,
}

/// A token's verdict, and what it stands and falls with.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) principal: Principal,
    /// When the token itself is over, leeway included.
    pub(crate) dies_at: Timestamp,
    pub(crate) key: Arc<Key>,
    pub(crate) source: Arc<KeySource>,
}

impl VerifiedCache {
    pub(crate) fn new(max_bytes: u64, max_age: Duration) -> Self {
        let weigh = |_: &Fingerprint, verified: &Arc<Verified>| {
            u32::try_from(verified.principal.weight() + ENTRY_OVERHEAD_BYTES).unwrap_or(u32::MAX)
        };
        // The time-to-live only frees memory: it runs by moka's clock, not by ours.
        let entries = Cache::builder().max_capacity(max_bytes).weigher(weigh).time_to_live(max_age);
        let entries = entries.build_with_hasher(BuildHasherDefault::default());
        Self { entries, max_age }
    }

    /// Who the token stands for, if that is still known. Fails when its keys are too old to tell.
    pub(crate) fn get(&self, token: &Fingerprint, now: Timestamp) -> Result<Option<Principal>, Refusal> {
        let Some(verified) = self.entries.get(token) else {
            return Ok(None);
        };
        if now >= verified.dies_at || verified.key.is_retired() {
            self.entries.invalidate(token);
            return Ok(None);
        }
        verified.source.still_serving(now)?;
        Ok(Some(verified.principal.clone()))
    }

    pub(crate) fn insert(&self, token: Fingerprint, mut verified: Verified, now: Timestamp) {
        verified.dies_at = verified.dies_at.min(now.plus(self.max_age));
        self.entries.insert(token, Arc::new(verified));
    }
}
