//! The cache entry of a valid token, and the checks that every hit repeats.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::credentials::PresentedToken;
use super::principal::Principal;
use super::revocations::Revocations;
use crate::clock::Timestamp;
use crate::issuer::KeySource;
use crate::jose::Key;
use crate::refusal::Refusal;

/// The principal of a verified token, and everything that ends its validity.
#[derive(Debug)]
pub(crate) struct CacheEntry {
    pub(crate) principal: Principal,
    /// When the token expires, leeway included, or must be introspected again.
    pub(crate) dies_at: Timestamp,
    /// `None` for an opaque token, which has no signature.
    pub(crate) proof: Option<KeyProof>,
    /// The generation of revocations against which the token was last checked.
    pub(crate) revocation_generation: AtomicU64,
}

/// The key that signed a token, and the source of that key.
#[derive(Debug, Clone)]
pub(crate) struct KeyProof {
    pub(crate) key: Arc<Key>,
    pub(crate) source: Arc<KeySource>,
}

impl CacheEntry {
    /// Whether the entry is no longer valid: its time is over, or its key has left the issuer's key set.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let key = self.proof.as_ref().map(|proof| &proof.key);
        now >= self.dies_at || key.is_some_and(|key| key.is_retired())
    }

    /// Fails if the last key set of the issuer is so old that the key may have been withdrawn since.
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

    /// Fails if the token was revoked here since it was last checked.
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
