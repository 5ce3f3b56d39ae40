//! Everything that a gate remembers of tokens: the principals of valid ones, the refusals of rejected ones, and
//! revocations.

use std::sync::Arc;

use super::cache::{RecentlyGood, RejectedCache, VerifiedCache};
use super::cache_entry::{CacheEntry, KeyProof};
use super::fingerprint::{Fingerprint, Fingerprinted};
use super::principal::Principal;
use super::revocations::Revocations;
use crate::clock::Timestamp;
use crate::refusal::{Refusal, RefusalKind};

/// The caches of one gate. They are never shared across resources: a token that is valid for one is not valid for another.
pub(crate) struct TokenCaches {
    pub(crate) verified: VerifiedCache,
    pub(crate) rejected: RejectedCache,
    /// Outlives the configuration, as the revocations do.
    pub(crate) recently_good: Arc<RecentlyGood>,
    pub(crate) revocations: Arc<Revocations>,
}

impl TokenCaches {
    /// Looks a token up in the caches: the principal of a valid one, the refusal of a rejected one, or `None`.
    pub(crate) fn recall(
        &self,
        token: Fingerprinted<'_>,
        now: Timestamp,
    ) -> Result<Option<Principal>, Refusal> {
        if let Some(principal) = self.verified.get(token, now, &self.revocations)? {
            return Ok(Some(principal));
        }
        self.rejected
            .get(&token.fingerprint, now)
            .map_or(Ok(None), Err)
    }

    /// Caches a valid token. Fails if it was revoked here in the meantime.
    pub(crate) fn keep(
        &self,
        token: Fingerprinted<'_>,
        principal: &Principal,
        dies_at: Timestamp,
        proof: Option<KeyProof>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let generation = self.revocations.check(principal, token.token, now)?;
        let verified = CacheEntry {
            principal: principal.clone(),
            dies_at,
            proof,
            revocation_generation: generation.into(),
        };
        self.verified.insert(token.fingerprint, verified, now);
        Ok(())
    }

    /// Caches the refusal of a token that was introspected. A refusal because of an outage is not cached.
    pub(crate) fn reject(&self, token: Fingerprint, refusal: &Refusal, now: Timestamp) {
        if refusal.kind() == RefusalKind::InvalidToken {
            self.rejected.insert(token, refusal.clone(), now);
        }
    }
}
