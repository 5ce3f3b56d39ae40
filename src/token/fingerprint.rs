//! A token's hash: what it is remembered and logged by.

use std::fmt;
use std::hash::{Hash, Hasher};

use aws_lc_rs::digest::{SHA256, digest};

use super::present::PresentedToken;

/// SHA-256 of a token. Tokens themselves are stored nowhere (RFC 9700 §4.9.3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

/// An id that the log shows whole.
const MAX_SHOWN_ID_BYTES: usize = 128;

impl Fingerprint {
    pub(crate) fn of(token: PresentedToken<'_>) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What the log calls the token, so that it can be revoked by that: its `jti`, unless the log would have to
    /// cut or escape it, or else the beginning of the hash.
    pub(crate) fn name(&self, jti: Option<&str>) -> String {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
        match jti {
            Some(id) if !id.is_empty() && id.len() <= MAX_SHOWN_ID_BYTES && id.bytes().all(is_plain) => {
                id.to_owned()
            }
            _ => self.to_string(),
        }
    }
}

/// A part of a hash is a hash: nothing better is made by hashing it again.
impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// Takes the one number it is given for the hash.
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

/// The first 8 bytes: enough to find a token's other events, nothing to attack it with.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
