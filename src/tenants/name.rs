//! The name of a tenant, as a request has it.

use std::fmt;

/// The longest name: that of a label of a host (RFC 1035 §2.3.4).
pub(super) const MAX_TENANT_NAME_BYTES: usize = 63;

/// A name of lower-case letters, digits and hyphens. A caller chose it, and no text in it could change a URL, a header or a
/// line of the log. Without an allocation, since strangers may name as many as they like.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TenantName {
    bytes: [u8; MAX_TENANT_NAME_BYTES],
    length: u8,
}

/// The place of the name in the URL of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamePlace {
    Label,
    Segment,
}

impl TenantName {
    /// Reads a name. `None` if no tenant can have it.
    pub(super) fn read(text: &str, place: NamePlace) -> Option<Self> {
        let is_of_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        // A label begins and ends with a letter or a digit (RFC 1123 §2.1).
        let has_outer_hyphen = text.starts_with('-') || text.ends_with('-');
        if text.is_empty()
            || !text.bytes().all(is_of_name)
            || (place == NamePlace::Label && has_outer_hyphen)
        {
            return None;
        }
        let mut bytes = [0; MAX_TENANT_NAME_BYTES];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).ok()?;
        Some(Self { bytes, length })
    }

    pub(crate) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length));
        bytes
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl fmt::Debug for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_label_or_segment_of_a_few_characters() {
        let longest = "a".repeat(MAX_TENANT_NAME_BYTES);
        for good in ["a", "0", "acme", "a-b", "xn--caf-dma", longest.as_str()] {
            for place in [NamePlace::Label, NamePlace::Segment] {
                let name = TenantName::read(good, place).unwrap();
                assert_eq!(name.as_str(), good);
            }
        }
        let too_long = format!("{longest}a");
        for bad in [
            "", "A", "a.b", "a/b", "a_b", "a b", "é", "a%", "..", "a\n", "a\0", &too_long,
        ] {
            for place in [NamePlace::Label, NamePlace::Segment] {
                assert_eq!(TenantName::read(bad, place), None, "{bad:?}");
            }
        }
        for outer in ["-", "-a", "a-"] {
            assert_eq!(TenantName::read(outer, NamePlace::Label), None);
            assert!(TenantName::read(outer, NamePlace::Segment).is_some());
        }
    }
}
