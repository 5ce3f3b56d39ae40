//! The headers that the gate checks, rewrites or removes, told from all others by one look at a name.

use http::HeaderName;

use crate::header_name::is_alike;

/// A header that the gate checks, rewrites or removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnHeader {
    AcceptEncoding,
    ContentEncoding,
    ContentType,
    LastEventId,
    McpMethod,
    McpName,
    McpProtocolVersion,
    McpSessionId,
    TransferEncoding,
    Upgrade,
}

/// The kind of a header's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    Own(OwnHeader),
    /// A name that differs from one of ours only in the characters between its words.
    Lookalike,
    Other,
}

impl NameKind {
    pub(super) fn of(name: &HeaderName) -> Self {
        let name = name.as_str().as_bytes();
        match own_of_length(name.len()) {
            Some((own, text, _)) if name == text => Self::Own(own),
            Some((_, text, hyphens)) if is_odd(name, hyphens) && is_alike(name, text) => {
                Self::Lookalike
            }
            _ => Self::Other,
        }
    }
}

/// Whether any of these bytes is neither a hyphen nor a letter of another name, as in nearly every name.
fn is_odd(name: &[u8], hyphens: &[usize]) -> bool {
    let mut bytes = hyphens.iter().filter_map(|at| name.get(*at));
    bytes.any(|byte| *byte != b'-' && !byte.is_ascii_alphanumeric())
}

/// The header of ours whose name has this length: there is at most one. With its name, and the places of the hyphens in
/// it.
fn own_of_length(bytes: usize) -> Option<(OwnHeader, &'static [u8], &'static [usize])> {
    Some(match bytes {
        7 => (OwnHeader::Upgrade, b"upgrade", &[]),
        8 => (OwnHeader::McpName, b"mcp-name", &[3]),
        10 => (OwnHeader::McpMethod, b"mcp-method", &[3]),
        12 => (OwnHeader::ContentType, b"content-type", &[7]),
        13 => (OwnHeader::LastEventId, b"last-event-id", &[4, 10]),
        14 => (OwnHeader::McpSessionId, b"mcp-session-id", &[3, 11]),
        15 => (OwnHeader::AcceptEncoding, b"accept-encoding", &[6]),
        16 => (OwnHeader::ContentEncoding, b"content-encoding", &[7]),
        17 => (OwnHeader::TransferEncoding, b"transfer-encoding", &[8]),
        20 => (
            OwnHeader::McpProtocolVersion,
            b"mcp-protocol-version",
            &[3, 12],
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &[u8]) -> NameKind {
        NameKind::of(&HeaderName::from_bytes(name).unwrap())
    }

    #[test]
    fn each_of_our_names_has_its_hyphens_as_declared_and_is_no_lookalike_of_itself() {
        for (header, own, hyphens) in (0..64).filter_map(own_of_length) {
            let found: Vec<usize> = (0..own.len()).filter(|at| own[*at] == b'-').collect();
            assert_eq!(found, hyphens);
            assert_eq!(kind(own), NameKind::Own(header));
            for at in found {
                let mut name = own.to_vec();
                name[at] = b'_';
                assert_eq!(kind(&name), NameKind::Lookalike);
                name[0] = b'x';
                assert_eq!(kind(&name), NameKind::Other);
            }
        }
    }
}
