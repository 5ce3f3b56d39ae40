//! SHA-256 and random bytes, for the rooms that may not name a cryptographic crate.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// Returns random bytes. `None` only if the system has none to give.
pub(crate) fn random_bytes<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abc_has_the_digest_that_fips_180_2_gives() {
        assert_eq!(
            sha256(b"abc").get(..8),
            Some(&[0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea][..])
        );
    }
}
