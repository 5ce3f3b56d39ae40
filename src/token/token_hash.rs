//! The name of a token without a usable `jti`, for the log, revocations and seals.

use std::fmt;

use crate::digest::sha256;
use crate::jose::Jws;

/// The SHA-256 of a token. That of a JWT leaves the signature out.
///
/// An ECDSA signature (r, s) has a second valid form (r, n − s), so one JWT has two texts. Both must have one hash, or a
/// revoked token could return in its other form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash([u8; 32]);

/// The longest id that the log shows untruncated.
const MAX_SHOWN_ID_BYTES: usize = 128;

impl TokenHash {
    pub(crate) fn of(token: &[u8]) -> Self {
        let text = std::str::from_utf8(token).unwrap_or_default();
        let hashed = match Jws::cut(text) {
            Ok(Some(jws)) if jws.is_jwt() => jws.signed.as_bytes(),
            _ => token,
        };
        Self(sha256(hashed))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The id of a token in the log, by which it can be revoked: its `jti`, or else the beginning of its hash.
pub(super) fn token_id(jti: Option<&str>, token: &[u8]) -> String {
    match jti.filter(|jti| is_shown_whole(jti)) {
        Some(jti) => jti.to_owned(),
        None => TokenHash::of(token).to_string(),
    }
}

/// Whether the log shows the `jti` as it is, neither truncated nor escaped.
pub(super) fn is_shown_whole(jti: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    !jti.is_empty() && jti.len() <= MAX_SHOWN_ID_BYTES && jti.bytes().all(is_plain)
}

/// Shows the first 8 bytes: enough to find the other events of a token, and of no use to an attacker.
impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .take(8)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(token: &str) -> String {
        TokenHash::of(token.as_bytes()).to_string()
    }

    #[test]
    fn a_jwt_is_one_token_whatever_its_signature_and_an_opaque_token_is_all_of_its_text() {
        let header = "eyJhbGciOiJFUzI1NiJ9";
        assert_eq!(
            hash(&format!("{header}.e30.one")),
            hash(&format!("{header}.e30.two"))
        );
        assert_ne!(
            hash(&format!("{header}.e30.one")),
            hash(&format!("{header}.e31.one"))
        );
        for opaque in ["a", "a.b", "a.b.c", "bnVsbA.b.c", "W10.b.c", "a.b.c.d"] {
            assert_ne!(hash(opaque), hash(&format!("{opaque}x")), "{opaque}");
        }
        // SHA-256 of "abc", FIPS 180-2.
        assert_eq!(hash("abc"), "ba7816bf8f01cfea");
    }
}
