//! A small cache for each thread, in front of the cache of valid tokens that all threads share.
//!
//! Every look-up in moka writes to one queue that all threads share. That costs more than the look-up itself, and twice as
//! much with a second core. Most requests present a token that their thread saw a moment ago, and need no look-up there.

use std::array;
use std::cell::RefCell;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::{Arc, Weak};

use super::cache_entry::CacheEntry;
use super::fingerprint::{AlreadyHashed, Fingerprint};

/// The number of tokens that each thread keeps.
const SLOTS: usize = 64;

/// One in this many look-ups goes on to the shared cache, so that it knows which tokens are in use.
const PASSED_ON: u32 = 64;

thread_local! {
    static RECENT: RefCell<Recent<CacheEntry>> = RefCell::new(Recent::new());
}

/// Holds entries of the shared cache weakly: an entry that the cache drops is gone here too, so the bound of the cache holds
/// for both. Each configuration makes fingerprints with a key of its own, so a slot never fits another gate or an earlier
/// configuration.
struct Recent<T> {
    slots: [Option<(Fingerprint, Weak<T>)>; SLOTS],
    look_ups: u32,
}

/// Returns the entry if this thread saw it lately. It needs the same checks as one from the shared cache.
pub(super) fn get(token: &Fingerprint) -> Option<Arc<CacheEntry>> {
    // A thread that is ending has no storage any more.
    let entry = RECENT.try_with(|recent| recent.try_borrow_mut().ok()?.get(token));
    entry.ok().flatten()
}

/// Keeps an entry of the shared cache, in place of another one.
pub(super) fn put(token: Fingerprint, entry: &Arc<CacheEntry>) {
    let _ = RECENT.try_with(|recent| {
        if let Ok(mut recent) = recent.try_borrow_mut() {
            recent.put(token, entry);
        }
    });
}

/// Drops an entry that is no longer valid. Other threads may still find it; their checks reject it too.
pub(super) fn forget(token: &Fingerprint) {
    let _ = RECENT.try_with(|recent| {
        if let Ok(mut recent) = recent.try_borrow_mut() {
            recent.forget(token);
        }
    });
}

impl<T> Recent<T> {
    fn new() -> Self {
        Self {
            slots: array::from_fn(|_| None),
            look_ups: 0,
        }
    }

    fn get(&mut self, token: &Fingerprint) -> Option<Arc<T>> {
        self.look_ups = self.look_ups.wrapping_add(1);
        if self.look_ups.is_multiple_of(PASSED_ON) {
            return None;
        }
        let (held, entry) = self.slots.get(slot_of(token))?.as_ref()?;
        if held == token { entry.upgrade() } else { None }
    }

    fn put(&mut self, token: Fingerprint, entry: &Arc<T>) {
        if let Some(slot) = self.slots.get_mut(slot_of(&token)) {
            *slot = Some((token, Arc::downgrade(entry)));
        }
    }

    fn forget(&mut self, token: &Fingerprint) {
        let slot = self.slots.get_mut(slot_of(token));
        if let Some(slot) = slot.filter(|slot| matches!(slot, Some((held, _)) if held == token)) {
            *slot = None;
        }
    }
}

fn slot_of(token: &Fingerprint) -> usize {
    let hash = BuildHasherDefault::<AlreadyHashed>::new().hash_one(token);
    hash as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::super::credentials::PresentedToken;
    use super::super::fingerprint::FingerprintKey;
    use super::*;

    fn fingerprints(number: usize) -> Vec<Fingerprint> {
        let key = FingerprintKey::random().unwrap();
        let fingerprint = |number: usize| {
            let token = number.to_string();
            key.fingerprint(PresentedToken::of_well_formed(&token))
                .unwrap()
                .fingerprint
        };
        (0..number).map(fingerprint).collect()
    }

    #[test]
    fn no_slot_gives_out_another_tokens_entry() {
        let mut recent = Recent::new();
        let entries: Vec<_> = fingerprints(SLOTS * 8)
            .into_iter()
            .zip((0..).map(Arc::new))
            .collect();
        for (token, entry) in &entries {
            recent.put(*token, entry);
        }
        let found = entries
            .iter()
            .filter_map(|(token, entry)| Some((entry, recent.get(token)?)));
        let found: Vec<_> = found.collect();
        assert!(found.iter().all(|(own, found)| own == &found), "{found:?}");
        assert!(
            (SLOTS / 2..=SLOTS).contains(&found.len()),
            "{}",
            found.len()
        );
    }

    #[test]
    fn what_the_cache_has_dropped_is_gone() {
        let (mut recent, [token]) = (Recent::new(), fingerprints(1).try_into().unwrap());
        let entry = Arc::new(());
        recent.put(token, &entry);
        assert!(recent.get(&token).is_some());
        drop(entry);
        assert!(recent.get(&token).is_none());
    }

    #[test]
    fn one_look_up_of_many_goes_on_to_the_cache() {
        let (mut recent, [token]) = (Recent::new(), fingerprints(1).try_into().unwrap());
        let entry = Arc::new(());
        recent.put(token, &entry);
        let passed_on = (0..PASSED_ON * 4).filter(|_| recent.get(&token).is_none());
        assert_eq!(passed_on.count(), 4);
    }
}
