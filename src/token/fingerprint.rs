//! A token's hash: what it is remembered and logged by.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

use super::present::PresentedToken;

/// SHA-256 of a token. Tokens themselves are stored nowhere (RFC 9700 §4.9.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(token: PresentedToken<'_>) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_str().as_bytes()).as_ref());
        Self(hash)
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
