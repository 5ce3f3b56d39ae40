//! What is remembered of a good token, and how long that counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::credentials::PresentedToken;
use super::principal::Principal;
use super::revocations::Revocations;
use crate::clock::Timestamp;
use crate::issuer::KeySource;
use crate::jose::Key;
use crate::refusal::Refusal;

/// A token's verdict, and what it depends on.
#[derive(Debug)]
pub(crate) struct CacheEntry {
    pub(crate) principal: Principal,
    /// When the token itself is over, leeway included, or is to be introspected again.
    pub(crate) dies_at: Timestamp,
    /// `None` for a token that was introspected instead.
    pub(crate) proof: Option<KeyProof>,
    /// The generation of revocations that it was last checked in.
    pub(crate) revocation_generation: AtomicU64,
}

/// The key that signed.
#[derive(Debug, Clone)]
pub(crate) struct KeyProof {
    pub(crate) key: Arc<Key>,
    pub(crate) source: Arc<KeySource>,
}

impl CacheEntry {
    /// Whether it counts no more: its time is over, or its key has left the issuer's set.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let key = self.proof.as_ref().map(|proof| &proof.key);
        now >= self.dies_at || key.is_some_and(|key| key.is_retired())
    }

    /// Fails when the issuer's keys are too old to tell whether it still counts.
    pub(super) fn check_keys(&self, now: Timestamp) -> Result<(), Refusal> {
        let Some(proof) = &self.proof else {
            return Ok(());
        };
        proof.source.still_serving(now).map_err(|refusal| {
            let Self { principal, .. } = self;
            refusal.of(
                principal.issuer(),
                principal.subject(),
                principal.client_id(),
            )
        })
    }

    /// Fails when the token was revoked here since it was looked at last.
    pub(super) fn check_revocations(
        &self,
        token: PresentedToken<'_>,
        now: Timestamp,
        revocations: &Revocations,
    ) -> Result<(), Refusal> {
        if self.revocation_generation.load(Ordering::Relaxed) != revocations.generation() {
            let generation = revocations.check(&self.principal, token, now)?;
            self.revocation_generation
                .store(generation, Ordering::Relaxed);
        }
        Ok(())
    }
}
