//! Caches of tokens that were verified before, so that a known token costs one MAC and one look-up.
//!
//! Valid and rejected tokens have a cache each, so that garbage cannot displace valid tokens. Every hit checks the expiry of
//! its entry by the same clock as for a new token, and an entry ends at once with the key that proved its token.

use std::hash::BuildHasherDefault;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use moka::sync::Cache;

use super::cache_entry::CacheEntry;
use super::credentials::PresentedToken;
use super::fingerprint::{AlreadyHashed, Fingerprint, Fingerprinted};
use super::principal::Principal;
use super::recent;
use super::revocations::Revocations;
use super::token_hash::TokenHash;
use crate::clock::Timestamp;
use crate::refusal::Refusal;

/// The memory that an entry takes besides its principal, mostly for moka's own bookkeeping. Measured.
const ENTRY_OVERHEAD_BYTES: usize = 704;

/// The most rejected tokens in the cache. That many take some 5 MiB, or 15 MiB if all facts about them are long. Further ones
/// are introspected again.
const MAX_REJECTED: u64 = 10_000;

/// The most bytes of each fact about a rejected token. The log shows fewer.
const MAX_FACT_BYTES: usize = 160;

/// The most tokens in [`RecentlyGood`]. That many take some 8 MiB.
const MAX_RECENTLY_GOOD: u64 = 50_000;

/// How long a token counts as known after it was valid.
const RECENTLY: Duration = Duration::from_secs(60 * 60);

/// The entries of a cache. An empty one of moka takes 40 KiB, so it is made for the first token: a tenant may have none.
type Entries<T> = OnceLock<Cache<Fingerprint, T, BuildHasherDefault<AlreadyHashed>>>;

/// The valid tokens of one gate.
#[derive(Debug)]
pub(crate) struct VerifiedCache {
    entries: Entries<Arc<CacheEntry>>,
    max_bytes: u64,
    max_age: Duration,
}

impl VerifiedCache {
    pub(crate) fn new(max_bytes: u64, max_age: Duration) -> Self {
        Self {
            entries: OnceLock::new(),
            max_bytes,
            max_age,
        }
    }

    /// Returns the principal of a cached token. Fails if the token was revoked, or if the keys of its issuer are too old to
    /// be relied on.
    pub(super) fn get(
        &self,
        Fingerprinted { token, fingerprint }: Fingerprinted<'_>,
        now: Timestamp,
        revocations: &Revocations,
    ) -> Result<Option<Principal>, Refusal> {
        let Some(entry) = self.entry(fingerprint, now) else {
            return Ok(None);
        };
        entry.check_keys(now)?;
        entry
            .check_revocations(token, now, revocations)
            .inspect_err(|_| self.forget(&fingerprint))?;
        Ok(Some(entry.principal.clone()))
    }

    fn entry(&self, token: Fingerprint, now: Timestamp) -> Option<Arc<CacheEntry>> {
        if let Some(entry) = recent::get(&token).filter(|entry| !entry.is_over(now)) {
            return Some(entry);
        }
        let entry = self.entries.get()?.get(&token)?;
        if entry.is_over(now) {
            self.forget(&token);
            return None;
        }
        recent::put(token, &entry);
        Some(entry)
    }

    fn forget(&self, token: &Fingerprint) {
        recent::forget(token);
        if let Some(entries) = self.entries.get() {
            entries.invalidate(token);
        }
    }

    pub(super) fn insert(&self, token: Fingerprint, mut verified: CacheEntry, now: Timestamp) {
        verified.dies_at = verified.dies_at.min(now.plus(self.max_age));
        let entries = self.entries.get_or_init(|| {
            let weigh = |_: &Fingerprint, verified: &Arc<CacheEntry>| {
                let weight = verified.principal.weight() + ENTRY_OVERHEAD_BYTES;
                u32::try_from(weight).unwrap_or(u32::MAX)
            };
            // The time-to-live only frees memory: it runs by moka's clock, not by ours.
            let entries = Cache::builder()
                .max_capacity(self.max_bytes)
                .weigher(weigh)
                .time_to_live(self.max_age);
            entries.build_with_hasher(BuildHasherDefault::default())
        });
        entries.insert(token, Arc::new(verified));
    }
}

/// Tokens that were introspected and rejected, for a short time. Each entry keeps its refusal, so that the log shows the same
/// facts every time.
#[derive(Debug)]
pub(crate) struct RejectedCache {
    entries: Entries<Rejected>,
    max_age: Duration,
}

#[derive(Debug, Clone)]
struct Rejected {
    refusal: Refusal,
    until: Timestamp,
}

impl RejectedCache {
    pub(crate) fn new(max_age: Duration) -> Self {
        Self {
            entries: OnceLock::new(),
            max_age,
        }
    }

    pub(super) fn get(&self, token: &Fingerprint, now: Timestamp) -> Option<Refusal> {
        let rejected = self.entries.get()?.get(token);
        rejected
            .filter(|rejected| now < rejected.until)
            .map(|rejected| rejected.refusal)
    }

    pub(super) fn insert(&self, token: Fingerprint, refusal: Refusal, now: Timestamp) {
        let entries = self.entries.get_or_init(|| {
            let entries = Cache::builder()
                .max_capacity(MAX_REJECTED)
                .time_to_live(self.max_age);
            entries.build_with_hasher(BuildHasherDefault::default())
        });
        let rejected = Rejected {
            refusal: refusal.shortened(MAX_FACT_BYTES),
            until: now.plus(self.max_age),
        };
        entries.insert(token, rejected);
    }
}

/// Introspected tokens that were valid lately, by their hash. An entry allows nothing: it only saves its token from queueing
/// behind unknown ones when it is introspected again.
#[derive(Debug)]
pub(crate) struct RecentlyGood(Cache<TokenHash, Timestamp>);

impl RecentlyGood {
    pub(super) fn has(&self, token: PresentedToken<'_>, now: Timestamp) -> bool {
        self.0
            .get(&TokenHash::of(token.as_bytes()))
            .is_some_and(|since| now < since.plus(RECENTLY))
    }

    pub(super) fn note(&self, token: PresentedToken<'_>, now: Timestamp) {
        self.0.insert(TokenHash::of(token.as_bytes()), now);
    }
}

impl Default for RecentlyGood {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MAX_RECENTLY_GOOD)
                .time_to_live(RECENTLY)
                .build(),
        )
    }
}
