//! The cache key of a token: a MAC of it, under a random key that never leaves the process.
//!
//! A cache hit costs one MAC. AES-GMAC takes a quarter of the time of SHA-256 on a processor with instructions for both, and a
//! twelfth on one with instructions for AES alone. The log and revocations know a token by its `token_hash` instead.

use std::fmt;
use std::hash::{Hash, Hasher};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::rand;

use super::credentials::PresentedToken;
use crate::refusal::{Reason, Refusal};

/// The MAC of a token under the key of one configuration of one gate. Two tokens have the same MAC with a probability below
/// 2⁻¹¹⁰.
///
/// It can only be compared and hashed. An attacker who sees two MACs can compute the hash key, and then a token that hits the
/// cache entry of another one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; FINGERPRINT_BYTES]);

const FINGERPRINT_BYTES: usize = 16;

/// A presented token, and its cache key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fingerprinted<'a> {
    pub(super) token: PresentedToken<'a>,
    pub(super) fingerprint: Fingerprint,
}

/// Makes the fingerprints of one configuration.
pub(crate) struct FingerprintKey(Mac);

enum Mac {
    Gmac(LessSafeKey),
    /// For a FIPS build: there, no IV may repeat under one key.
    Sha256(Context),
}

impl FingerprintKey {
    /// Makes a random key. `None` only if the system has no randomness to give.
    pub(crate) fn random() -> Option<Self> {
        let mut key = [0; 16];
        rand::fill(&mut key).ok()?;
        Self::new(key, aws_lc_rs::try_fips_mode().is_ok())
    }

    fn new(key: [u8; 16], is_fips: bool) -> Option<Self> {
        if is_fips {
            let mut keyed = Context::new(&SHA256);
            keyed.update(&key);
            return Some(Self(Mac::Sha256(keyed)));
        }
        Some(Self(Mac::Gmac(LessSafeKey::new(
            UnboundKey::new(&AES_128_GCM, &key).ok()?,
        ))))
    }

    /// Computes the fingerprint of a token. A failure is a refusal and never a default value: two tokens with one fingerprint
    /// would be taken for one caller.
    pub(crate) fn fingerprint<'a>(
        &self,
        token: PresentedToken<'a>,
    ) -> Result<Fingerprinted<'a>, Refusal> {
        let mac = match &self.0 {
            Mac::Gmac(key) => {
                // Nothing is encrypted, and no MAC leaves the process, so one nonce under one random key is safe.
                let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
                let tag =
                    key.seal_in_place_separate_tag(nonce, Aad::from(token.as_bytes()), &mut []);
                tag.ok().and_then(|tag| tag.as_ref().try_into().ok())
            }
            Mac::Sha256(keyed) => {
                let mut context = keyed.clone();
                context.update(token.as_bytes());
                context.finish().as_ref().first_chunk().copied()
            }
        };
        let fingerprint = Fingerprint(mac.ok_or(Reason::FingerprintFailed)?);
        Ok(Fingerprinted { token, fingerprint })
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(…)")
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

/// Hashes to a part of the MAC: under a secret key that is already a good hash.
impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// A hasher that returns the number it is given.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(key: &FingerprintKey, token: &str) -> Fingerprint {
        key.fingerprint(PresentedToken::of_well_formed(token))
            .unwrap()
            .fingerprint
    }

    #[test]
    fn one_token_has_one_fingerprint_under_one_key_and_another_under_another() {
        for is_fips in [false, true] {
            let [own, other] =
                [[1; 16], [2; 16]].map(|key| FingerprintKey::new(key, is_fips).unwrap());
            for token in [
                "a",
                "b",
                &"a".repeat(16),
                &"a".repeat(17),
                &"a".repeat(16 * 1024),
            ] {
                assert_eq!(fingerprint(&own, token), fingerprint(&own, token));
                assert_ne!(fingerprint(&own, token), fingerprint(&other, token));
                let longer = format!("{token}=");
                assert_ne!(fingerprint(&own, token), fingerprint(&own, &longer));
            }
            assert_ne!(fingerprint(&own, "a"), fingerprint(&own, "b"));
        }
    }

    #[test]
    fn each_key_is_new_and_shows_nothing_of_itself_or_what_it_makes() {
        let [one, another] = [(); 2].map(|()| FingerprintKey::random().unwrap());
        assert_ne!(fingerprint(&one, "token"), fingerprint(&another, "token"));
        let shown = format!("{one:?} {:?}", fingerprint(&one, "token"));
        assert_eq!(shown, "FingerprintKey(…) Fingerprint(…)");
    }
}
