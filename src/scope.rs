//! Scopes: a token grants them, a rule needs them, a challenge names them.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// One RFC 6749 scope token: printable ASCII without space, `"` and `\`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Scope(Arc<str>);

impl Scope {
    pub(crate) fn parse(text: &str) -> Result<Self, NotAScope> {
        if fits_in_a_list(text) {
            Ok(Self(text.into()))
        } else {
            Err(NotAScope)
        }
    }

    /// Parses a scope that contains text that a caller chose. It allows fewer characters: see [`is_plain`].
    pub(crate) fn parse_plain(text: &str) -> Result<Self, NotAScope> {
        if is_plain(text) {
            Self::parse(text)
        } else {
            Err(NotAScope)
        }
    }

    /// Whether a challenge may repeat a scope that comes from the token alone: it is plain, except that it may contain `*`.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.0.len() <= MAX_PLAIN_BYTES
            && self
                .0
                .bytes()
                .all(|byte| byte == b'*' || is_plain_byte(byte))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text can be an item of a list in a quoted parameter of a challenge, such as `scope` (RFC 6749 §3.3) and
/// `acr_values`.
pub(crate) fn fits_in_a_list(text: &str) -> bool {
    let allowed = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !text.is_empty() && text.bytes().all(allowed)
}

/// The form that [`Scope::parse_plain`] accepts, for the log.
pub(crate) const PLAIN_SCOPE: &str = "1 to 128 bytes of [A-Za-z0-9_.:/@~+-]";

/// The longest text of a caller's that may become part of a scope.
const MAX_PLAIN_BYTES: usize = 128;

/// Whether a text that a caller chose may become part of a scope, and so of a challenge.
///
/// RFC 6749 §3.3 allows more. But some clients search a challenge for `resource_metadata=` without regard to quotes, so a text
/// with `=` or `,` could pass for a parameter of the challenge.
pub(crate) fn is_plain(text: &str) -> bool {
    text.len() <= MAX_PLAIN_BYTES && text.bytes().all(is_plain_byte)
}

fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'.' | b':' | b'/' | b'@' | b'~' | b'+' | b'-')
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The error of a text that is empty, or has characters that RFC 6749 §3.3 does not allow in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope is one or more printable ASCII characters without space, '\"' and '\\'")]
pub(crate) struct NotAScope;

/// A set of scopes, in the order in which they were named.
///
/// Scopes are compared byte for byte: case matters, and no scope includes another one. In a
/// [`ScopeMap`](crate::ScopeMap), `implies` declares that one scope includes others.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Whether the set contains exactly this scope. `implies` is not considered.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|held| held.as_str() == scope)
    }

    /// Iterates over the scopes as text, in their order. No scope occurs twice.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Scope::as_str)
    }

    /// Whether the set contains no scope.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parses the space-separated list of a claim. A word that is not a valid scope is left out: it cannot match a
    /// rule, and must not reach a header.
    pub(crate) fn from_claim(text: &str) -> Self {
        text.split(' ')
            .filter_map(|word| Scope::parse(word).ok())
            .collect()
    }

    pub(crate) fn insert(&mut self, scope: Scope) {
        if !self.0.contains(&scope) {
            self.0.push(scope);
        }
    }

    pub(crate) fn as_slice(&self) -> &[Scope] {
        &self.0
    }
}

/// Up to this number, comparing scopes is faster than hashing them. A token may contain thousands.
const MAX_COMPARED: usize = 16;

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let (mut set, mut seen) = (Self::default(), HashSet::new());
        for scope in scopes {
            if set.0.len() < MAX_COMPARED {
                set.insert(scope);
                continue;
            }
            if seen.is_empty() {
                seen.extend(set.0.iter().cloned());
            }
            if seen.insert(scope.clone()) {
                set.0.push(scope);
            }
        }
        set
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_exactly_an_rfc_6749_scope_token() {
        for good in ["a", "mcp:use", "https://x/y.read", "a'b", "!", "~"] {
            assert!(Scope::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a\"b", "a\\b", "é", "a\n", "a\t", "\u{7f}"] {
            assert!(Scope::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn plain_is_what_no_pattern_takes_for_a_parameter() {
        for byte in u8::MIN..=u8::MAX {
            let text = char::from(byte).to_string();
            let plain = text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.:/@~+-".contains(c));
            assert_eq!(is_plain(&text), plain, "{text:?}");
            assert_eq!(Scope::parse_plain(&text).is_ok(), plain, "{text:?}");
            if let Ok(scope) = Scope::parse(&text) {
                assert_eq!(scope.is_repeatable(), plain || text == "*", "{text:?}");
            }
        }
        for (length, fits) in [(128, true), (129, false)] {
            let text = "x".repeat(length);
            assert_eq!(
                (
                    is_plain(&text),
                    Scope::parse(&text).unwrap().is_repeatable()
                ),
                (fits, fits)
            );
        }
        assert!(is_plain("") && Scope::parse_plain("").is_err());
    }

    #[test]
    fn a_claim_is_split_at_spaces_keeps_its_order_and_drops_what_is_no_scope() {
        let scopes = Scopes::from_claim("  b a  b a\"x é c ");
        assert_eq!(scopes.iter().collect::<Vec<_>>(), ["b", "a", "c"]);
        assert_eq!(scopes.to_string(), "b a c");
    }

    #[test]
    fn no_scope_is_kept_twice_among_few_or_many() {
        for count in [1, MAX_COMPARED - 1, MAX_COMPARED, MAX_COMPARED + 1, 100] {
            let once = (0..count)
                .map(|number| format!("s{number}"))
                .collect::<Vec<_>>();
            let scopes = Scopes::from_claim(&[once.join(" "), once.join(" ")].join(" "));
            assert_eq!(scopes.iter().collect::<Vec<_>>(), once);
        }
    }
}
