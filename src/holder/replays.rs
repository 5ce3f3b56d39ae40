//! Remembers which proofs were used, so that each is accepted once (RFC 9449 §11.1), in a bounded memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::digest::sha256;

/// How long after its `iat` a proof is remembered: longer than it could be accepted.
const REMEMBERED: Duration = Duration::from_secs(360);

/// How finely the ends of proofs are told apart, in seconds.
const SLOT_SECONDS: f64 = 15.0;

/// The memory that one proof takes, in a table that grows by doubling, a list that does, and a share of the counters.
const PROOF_BYTES: usize = 160;

/// One caller may use this part of the memory, so that it cannot lock out all others.
const PART_OF_ONE_CALLER: usize = 16;

/// The proofs that were used at one gate. It outlives the configuration.
#[derive(Default)]
pub(crate) struct Replays(Mutex<Used>);

#[derive(Default)]
struct Used {
    max_proofs: usize,
    /// The used proofs, by the slot in which they end.
    proofs: HashMap<Half, u64>,
    /// The same proofs with their callers, in the order of their ends.
    slots: BTreeMap<u64, Vec<(Half, Half)>>,
    /// How many proofs of each caller are remembered.
    of_callers: HashMap<Half, usize>,
}

/// Half a SHA-256: two texts that share one cannot be found.
type Half = [u8; 16];

/// The reason why a proof may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotClaimed {
    /// It was used before.
    Replayed,
    /// The caller has used their part of the memory. A proof that cannot be remembered must not be accepted.
    TooMany { free_in: Duration },
    /// The memory is full.
    Full { free_in: Duration },
}

impl Replays {
    /// Sets how much memory it may use.
    pub(super) fn limit(&self, bytes: usize) {
        self.lock().max_proofs = bytes / PROOF_BYTES;
    }

    /// Claims a proof: of two requests with one proof, only one succeeds. A proof is known by its key and its `jti` together,
    /// so that one caller cannot use up those of another.
    pub(super) fn claim(
        &self,
        caller: &[u8; 32],
        dpop_key: &[u8; 32],
        jti: &str,
        issued_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), NotClaimed> {
        let caller = half(caller);
        let proof = half(&sha256(&[&dpop_key[..], jti.as_bytes()].concat()));
        let mut used = self.lock();
        used.forget(slot_of(now));
        if used.proofs.contains_key(&proof) {
            return Err(NotClaimed::Replayed);
        }
        let of_caller = used.of_callers.get(&caller).copied().unwrap_or_default();
        let free_in = || used.free_in(now);
        if used.proofs.len() >= used.max_proofs {
            return Err(NotClaimed::Full { free_in: free_in() });
        }
        if of_caller >= (used.max_proofs / PART_OF_ONE_CALLER).max(1) {
            return Err(NotClaimed::TooMany { free_in: free_in() });
        }
        used.remember(proof, caller, slot_of(issued_at.plus(REMEMBERED)));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        // Every change is complete before the lock is given back, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn remember(&mut self, proof: Half, caller: Half, slot: u64) {
        self.proofs.insert(proof, slot);
        self.slots.entry(slot).or_default().push((proof, caller));
        *self.of_callers.entry(caller).or_default() += 1;
    }

    /// Forgets the proofs that ended before this slot.
    fn forget(&mut self, slot: u64) {
        while let Some(oldest) = self
            .slots
            .first_entry()
            .filter(|oldest| *oldest.key() < slot)
        {
            for (proof, caller) in oldest.remove() {
                self.proofs.remove(&proof);
                if let Some(count) = self.of_callers.get_mut(&caller) {
                    *count -= 1;
                    if *count == 0 {
                        self.of_callers.remove(&caller);
                    }
                }
            }
        }
    }

    /// The time until the next proofs are forgotten.
    fn free_in(&self, now: Timestamp) -> Duration {
        let oldest = self.slots.first_key_value().map(|(slot, _)| *slot);
        let end = oldest.and_then(|slot| Timestamp::from_seconds((slot + 1) as f64 * SLOT_SECONDS));
        end.map_or(Duration::ZERO, |end| end.since(now))
    }
}

fn slot_of(time: Timestamp) -> u64 {
    (time.seconds() / SLOT_SECONDS) as u64
}

fn half(hash: &[u8; 32]) -> Half {
    hash.first_chunk().copied().unwrap_or_default()
}

impl fmt::Debug for Replays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replays(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: f64 = 1_000_000.0;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_seconds(START + seconds).unwrap()
    }

    fn replays(proofs: usize) -> Replays {
        let replays = Replays::default();
        replays.limit(proofs * PROOF_BYTES);
        replays
    }

    #[test]
    fn a_proof_is_good_once_for_as_long_as_it_could_be_accepted() {
        let replays = replays(100);
        let claim = |key: u8, jti: &str, now: f64| {
            replays.claim(&[key; 32], &[key; 32], jti, at(300.0), at(now))
        };
        assert_eq!(claim(1, "a", 0.0), Ok(()));
        for now in [0.0, 300.0, 600.0, 659.0] {
            assert_eq!(claim(1, "a", now), Err(NotClaimed::Replayed), "{now}");
        }
        assert_eq!(claim(1, "b", 0.0), Ok(()));
        assert_eq!(claim(2, "a", 0.0), Ok(()), "another key's");
        assert_eq!(claim(1, "a", 690.0), Ok(()), "nothing is kept for ever");
    }

    #[test]
    fn one_caller_cannot_lock_out_another() {
        let replays = replays(32);
        let claim = |key: u8, jti: u32, now: f64| {
            replays.claim(&[key; 32], &[key; 32], &jti.to_string(), at(now), at(now))
        };
        assert_eq!((claim(1, 0, 0.0), claim(1, 1, 0.0)), (Ok(()), Ok(())));
        let Err(NotClaimed::TooMany { free_in }) = claim(1, 2, 0.0) else {
            panic!("a sixteenth of 32 is 2");
        };
        assert!((360..=375).contains(&free_in.as_secs()), "{free_in:?}");
        assert_eq!(claim(1, 0, 0.0), Err(NotClaimed::Replayed));
        assert_eq!(claim(2, 2, 0.0), Ok(()));
        assert_eq!(claim(1, 2, 390.0), Ok(()));
    }

    #[test]
    fn a_full_memory_accepts_nothing_and_forgets_nothing() {
        let replays = replays(32);
        for key in 0..32 {
            assert_eq!(
                replays.claim(&[key; 32], &[key; 32], "a", at(0.0), at(0.0)),
                Ok(())
            );
        }
        let full = replays.claim(&[99; 32], &[99; 32], "a", at(0.0), at(0.0));
        assert!(matches!(full, Err(NotClaimed::Full { .. })));
        let used = replays.claim(&[5; 32], &[5; 32], "a", at(0.0), at(0.0));
        assert_eq!(used, Err(NotClaimed::Replayed));
    }

    #[test]
    fn of_many_requests_with_one_proof_one_succeeds() {
        let replays = replays(100);
        let claims = std::thread::scope(|scope| {
            let claim = || {
                replays
                    .claim(&[1; 32], &[1; 32], "a", at(0.0), at(0.0))
                    .is_ok()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(claim)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .filter(|claimed| *claimed)
                .count()
        });
        assert_eq!(claims, 1);
    }
}
