//! What a gate remembers of tokens: who the good ones stand for, which were refused a moment ago, and which
//! were revoked here.

use std::sync::Arc;

use super::cache::{RecentlyGood, RejectedCache, VerifiedCache};
use super::cache_entry::{CacheEntry, KeyProof};
use super::fingerprint::{Fingerprint, Fingerprinted};
use super::principal::Principal;
use super::revocations::Revocations;
use crate::clock::Timestamp;
use crate::refusal::{Refusal, RefusalKind};

/// Belongs to one gate, and is never shared across resources: what is good for one is not for the other.
pub(crate) struct TokenCaches {
    pub(crate) verified: VerifiedCache,
    pub(crate) rejected: RejectedCache,
    /// These two outlive the configuration.
    pub(crate) recently_good: Arc<RecentlyGood>,
    pub(crate) revocations: Arc<Revocations>,
}

impl TokenCaches {
    /// What is known of the token already: whose it is, or that it was refused, or nothing.
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

    /// Remembers a token that was found good, unless it was revoked here meanwhile.
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

    /// Remembers for a moment that a token is not good, by its issuer's response. An outage is not remembered.
    pub(crate) fn reject(&self, token: Fingerprint, refusal: &Refusal, now: Timestamp) {
        if refusal.kind() == RefusalKind::InvalidToken {
            self.rejected.insert(token, refusal.clone(), now);
        }
    }
}
