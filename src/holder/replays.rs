//! Remembers which proofs were used, so that each is accepted only once (RFC 9449 §11.1). Its memory is limited.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::proof::MAX_CLOCK_DIFFERENCE;
use crate::clock::Timestamp;
use crate::digest::sha256;

/// How long after its `iat` a proof is remembered: longer than it could be accepted.
const REMEMBERED: Duration = Duration::from_secs(360);

/// The length of a slot, in seconds. The proofs of one slot are forgotten together.
const SLOT_SECONDS: f64 = 15.0;

/// The memory that one proof takes: in a tree, in a list, which grows by doubling, and in the tree of counters, if its
/// caller has no other. A test measures it.
const PROOF_BYTES: usize = 160;

/// One caller may use this part of the memory (a sixteenth), so that it cannot lock out all others.
const PART_OF_ONE_CALLER: usize = 16;

/// The proofs that were used at one gate. A reload does not change it.
#[derive(Default)]
pub(crate) struct Replays(Mutex<Used>);

/// The used proofs, in trees. Hash tables would take more memory: under steady use they grow to twice the size that they
/// need, and a table that grows exists twice for a moment.
#[derive(Default)]
struct Used {
    proofs: BTreeSet<Half>,
    /// The same proofs with their callers, in the order in which they are forgotten.
    slots: BTreeMap<u64, Vec<(Half, Half)>>,
    /// How many proofs of each caller are remembered.
    of_callers: BTreeMap<Half, usize>,
    /// Proofs that ended before this slot may have been forgotten.
    forgotten: u64,
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
    /// A proof is identified by its key and its `jti` together, so that no caller can use up the `jti` of another
    /// caller.
    fn name(&self) -> Half {
        half(&sha256(&[&self.dpop_key[..], self.jti.as_bytes()].concat()))
    }

    /// The slot in which it ends.
    fn slot(&self) -> u64 {
        slot_of(self.issued_at.plus(REMEMBERED))
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
    /// The clock was set back, to a time whose used proofs are forgotten.
    Forgotten { free_in: Duration },
}

impl Replays {
    /// Claims a proof, in a memory of this many bytes: of two requests with one proof, only one succeeds.
    pub(super) fn claim(
        &self,
        proof: &UsedProof<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<(), NotClaimed> {
        let name = proof.name();
        let mut used = self.lock();
        used.check(proof, &name, max_bytes, now)?;
        used.remember(proof, name);
        Ok(())
    }

    /// Checks whether a proof could be claimed, and claims nothing.
    pub(super) fn look(
        &self,
        proof: &UsedProof<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<(), NotClaimed> {
        self.lock().check(proof, &proof.name(), max_bytes, now)
    }

    /// Whether no proof is remembered any more, so that the memory need not be kept.
    pub(crate) fn is_empty(&self, now: Timestamp) -> bool {
        let mut used = self.lock();
        used.forget(now);
        used.proofs.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        // Every change is complete before the lock is given back, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn check(
        &mut self,
        proof: &UsedProof<'_>,
        name: &Half,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<(), NotClaimed> {
        self.forget(now);
        if self.proofs.contains(name) {
            return Err(NotClaimed::Replayed);
        }
        if proof.slot() < self.forgotten {
            let first = start_of(self.forgotten).map(|slot| slot.minus(REMEMBERED));
            let free_in = first.map_or(Duration::ZERO, |first| first.since(now));
            return Err(NotClaimed::Forgotten { free_in });
        }
        let max_proofs = max_bytes / PROOF_BYTES;
        let free_in = || self.free_in(now);
        if self.proofs.len() >= max_proofs {
            return Err(NotClaimed::Full { free_in: free_in() });
        }
        let of_caller = self.of_callers.get(&half(proof.caller)).copied();
        if of_caller.unwrap_or_default() >= (max_proofs / PART_OF_ONE_CALLER).max(1) {
            return Err(NotClaimed::TooMany { free_in: free_in() });
        }
        Ok(())
    }

    fn remember(&mut self, proof: &UsedProof<'_>, name: Half) {
        let caller = half(proof.caller);
        self.proofs.insert(name);
        self.slots
            .entry(proof.slot())
            .or_default()
            .push((name, caller));
        *self.of_callers.entry(caller).or_default() += 1;
    }

    /// Forgets the proofs that ended before the present slot.
    fn forget(&mut self, now: Timestamp) {
        let slot = slot_of(now);
        // Once the clock is set back, the proofs of a few minutes are refused, and not those of all the time that it was ahead:
        // only these could have been used before.
        let newest = slot_of(now.plus(MAX_CLOCK_DIFFERENCE).plus(REMEMBERED));
        self.forgotten = self.forgotten.max(slot).min(newest + 1);
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
        let end = oldest.and_then(|slot| start_of(slot + 1));
        end.map_or(Duration::ZERO, |end| end.since(now))
    }
}

fn slot_of(time: Timestamp) -> u64 {
    (time.seconds() / SLOT_SECONDS) as u64
}

fn start_of(slot: u64) -> Option<Timestamp> {
    Timestamp::from_seconds(slot as f64 * SLOT_SECONDS)
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
    use std::ops::Range;

    use super::*;

    const START: f64 = 1_000_000.0;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_seconds(START + seconds).unwrap()
    }

    /// A memory for a number of proofs.
    struct Memory(Replays, usize);

    fn claim(
        Memory(replays, max_bytes): &Memory,
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
        let looked = replays.look(&proof, *max_bytes, at(now));
        assert_eq!(
            looked,
            replays.look(&proof, *max_bytes, at(now)),
            "looking changes nothing"
        );
        let claimed = replays.claim(&proof, *max_bytes, at(now));
        assert_eq!(looked, claimed);
        claimed
    }

    fn replays(proofs: usize) -> Memory {
        Memory(Replays::default(), proofs * PROOF_BYTES)
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
        let later = super::tests::claim(&replays, 1, "a", 690.0, 690.0);
        assert_eq!(later, Ok(()), "nothing is kept for ever");
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
    fn a_million_different_proofs_stay_within_the_stated_memory() {
        const MAX_BYTES: usize = 16 * 1024 * 1024;
        const MAX_PROOFS: u32 = (MAX_BYTES / PROOF_BYTES) as u32;
        let replays = Replays::default();
        // Each proof is of another caller, since a caller takes memory too.
        let claim = |number: u32, now: f64| {
            let mut caller = [0; 32];
            caller[..4].copy_from_slice(&number.to_be_bytes());
            let proof = UsedProof {
                caller: &caller,
                dpop_key: &caller,
                jti: "a",
                issued_at: at(now + 300.0),
            };
            replays.claim(&proof, MAX_BYTES, at(now))
        };
        // Claims a thousand a second, and returns how many succeeded.
        let claim_all = |numbers: Range<u32>, start: f64| {
            let mut claimed = 0;
            for number in numbers {
                match claim(number, start + f64::from(number) / 1000.0) {
                    Ok(()) => claimed += 1,
                    Err(why) => assert!(matches!(why, NotClaimed::Full { .. }), "{why:?}"),
                }
            }
            claimed
        };
        let mut held = 0;
        let mut measure = |numbers: Range<u32>, start| {
            let mut claimed = 0;
            let counted = allocation_counter::measure(|| claimed = claim_all(numbers, start));
            let most = held + i64::try_from(counted.bytes_max).unwrap();
            assert!(most <= MAX_BYTES as i64, "{most} bytes after {start} s");
            held += counted.bytes_current;
            (claimed, held)
        };

        // The first ones fill the memory. All others are refused, until the first are forgotten after 11 minutes.
        assert_eq!(measure(0..500_000, 0.0).0, MAX_PROOFS);
        let (claimed, full) = measure(500_000..1_000_000, 0.0);
        assert!((MAX_PROOFS..MAX_PROOFS * 2).contains(&claimed), "{claimed}");
        assert!(full > MAX_BYTES as i64 / 2, "it was measured: {full}");

        // Once all are forgotten, there is as much room as in the beginning, and the same memory is used again.
        let (claimed, again) = measure(0..MAX_PROOFS + 1, 10_000.0);
        assert_eq!(claimed, MAX_PROOFS);
        assert!(again <= full + full / 16, "{again} bytes after {full}");
    }

    #[test]
    fn of_many_requests_with_one_proof_one_succeeds() {
        let Memory(replays, max_bytes) = replays(100);
        let claims = std::thread::scope(|scope| {
            let claim = || {
                let proof = UsedProof {
                    caller: &[1; 32],
                    dpop_key: &[1; 32],
                    jti: "a",
                    issued_at: at(0.0),
                };
                replays.claim(&proof, max_bytes, at(0.0)).is_ok()
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

    #[test]
    fn after_the_clock_was_set_back_no_proof_is_accepted_that_may_be_forgotten() {
        for ahead in [400.0, 1000.0, 1e6] {
            let replays = replays(100);
            let claim = |jti: &str, issued_at, now| claim(&replays, 1, jti, issued_at, now);
            assert_eq!(claim("a", 0.0, 0.0), Ok(()));
            assert_eq!(claim("b", ahead, ahead), Ok(()));
            let Err(NotClaimed::Forgotten { free_in }) = claim("a", 0.0, 10.0) else {
                panic!("it was accepted {ahead} s ahead");
            };
            assert!(free_in.as_secs() <= 315, "{free_in:?}");
            let then = 10.0 + free_in.as_secs_f64();
            assert_eq!(claim("c", then, then), Ok(()));
            let again = claim("b", ahead, ahead);
            assert_eq!(again, Err(NotClaimed::Replayed), "it is kept");
        }
    }
}
