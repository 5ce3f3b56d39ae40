//! Remembers which proofs were used, so that each is accepted once (RFC 9449 §11.1), in a bounded memory.

use std::collections::{BTreeMap, HashMap, HashSet};
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
    proofs: HashSet<Half>,
    /// The same proofs with their callers, in the order of their ends.
    slots: BTreeMap<u64, Vec<(Half, Half)>>,
    /// How many proofs of each caller are remembered.
    of_callers: HashMap<Half, usize>,
}

/// A proof that is to be used.
pub(super) struct UsedProof<'p> {
    /// The hash of the caller.
    pub(super) caller: &'p [u8; 32],
    pub(super) dpop_key: &'p [u8; 32],
    pub(super) jti: &'p str,
    pub(super) issued_at: Timestamp,
}

impl UsedProof<'_> {
    /// A proof is known by its key and its `jti` together, so that one caller cannot use up those of another.
    fn name(&self) -> Half {
        half(&sha256(&[&self.dpop_key[..], self.jti.as_bytes()].concat()))
    }
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

    /// Claims a proof: of two requests with one proof, only one succeeds.
    pub(super) fn claim(&self, proof: &UsedProof<'_>, now: Timestamp) -> Result<(), NotClaimed> {
        let mut used = self.lock();
        used.check(proof, now)?;
        used.remember(proof);
        Ok(())
    }

    /// Checks whether a proof could be claimed, and claims nothing.
    pub(super) fn look(&self, proof: &UsedProof<'_>, now: Timestamp) -> Result<(), NotClaimed> {
        self.lock().check(proof, now)
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        // Every change is complete before the lock is given back, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn check(&mut self, proof: &UsedProof<'_>, now: Timestamp) -> Result<(), NotClaimed> {
        self.forget(slot_of(now));
        if self.proofs.contains(&proof.name()) {
            return Err(NotClaimed::Replayed);
        }
        let free_in = || self.free_in(now);
        if self.proofs.len() >= self.max_proofs {
            return Err(NotClaimed::Full { free_in: free_in() });
        }
        let of_caller = self.of_callers.get(&half(proof.caller)).copied();
        if of_caller.unwrap_or_default() >= (self.max_proofs / PART_OF_ONE_CALLER).max(1) {
            return Err(NotClaimed::TooMany { free_in: free_in() });
        }
        Ok(())
    }

    fn remember(&mut self, proof: &UsedProof<'_>) {
        let (name, caller) = (proof.name(), half(proof.caller));
        let slot = slot_of(proof.issued_at.plus(REMEMBERED));
        self.proofs.insert(name);
        self.slots.entry(slot).or_default().push((name, caller));
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

    fn claim(
        replays: &Replays,
        key: u8,
        jti: &str,
        issued_at: f64,
        now: f64,
    ) -> Result<(), NotClaimed> {
        let proof = UsedProof {
            caller: &[key; 32],
            dpop_key: &[key; 32],
            jti,
            issued_at: at(issued_at),
        };
        let looked = replays.look(&proof, at(now));
        assert_eq!(
            looked,
            replays.look(&proof, at(now)),
            "looking changes nothing"
        );
        let claimed = replays.claim(&proof, at(now));
        assert_eq!(looked, claimed);
        claimed
    }

    fn replays(proofs: usize) -> Replays {
        let replays = Replays::default();
        replays.limit(proofs * PROOF_BYTES);
        replays
    }

    #[test]
    fn a_proof_is_good_once_for_as_long_as_it_could_be_accepted() {
        let replays = replays(100);
        let claim = |key: u8, jti: &str, now: f64| claim(&replays, key, jti, 300.0, now);
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
        let claim = |key: u8, jti: u32, now: f64| claim(&replays, key, &jti.to_string(), now, now);
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
            assert_eq!(claim(&replays, key, "a", 0.0, 0.0), Ok(()));
        }
        let full = claim(&replays, 99, "a", 0.0, 0.0);
        assert!(matches!(full, Err(NotClaimed::Full { .. })));
        let used = claim(&replays, 5, "a", 0.0, 0.0);
        assert_eq!(used, Err(NotClaimed::Replayed));
    }

    #[test]
    fn of_many_requests_with_one_proof_one_succeeds() {
        let replays = replays(100);
        let claims = std::thread::scope(|scope| {
            let claim = || {
                let proof = UsedProof {
                    caller: &[1; 32],
                    dpop_key: &[1; 32],
                    jti: "a",
                    issued_at: at(0.0),
                };
                replays.claim(&proof, at(0.0)).is_ok()
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
