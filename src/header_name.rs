//! Noun: the names of headers, as careless readers compare them.

/// Whether a reader of CGI variables may take a name for one of ours. It takes `Mcp_Session_Id`, which the gate does not
/// check, for `Mcp-Session-Id` (RFC 3875 §4.1.18). Some readers change every character that is neither a letter nor a
/// digit, not only `_`. Both names are in lower case.
pub(crate) fn is_alike(name: &[u8], own: &[u8]) -> bool {
    let alike = |(written, own): (&u8, &u8)| {
        written == own || (*own == b'-' && !written.is_ascii_alphanumeric())
    };
    name.len() == own.len() && name.iter().zip(own).all(alike)
}

/// Whether a name belongs to HTTP, to MCP or to the gate, so that no proxy can have it for a header of its own.
pub(crate) fn is_reserved(name: &str) -> bool {
    let begins_so = |beginning: &&str| name.starts_with(*beginning);
    NAMES.contains(&name) || BEGINNINGS.iter().any(begins_so)
}

const NAMES: &[&str] = &[
    "authorization",
    "cache-control",
    "connection",
    "cookie",
    "date",
    "dpop",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

const BEGINNINGS: &[&str] = &[
    "accept",
    "access-control-",
    "content-",
    "if-",
    "mcp-",
    "proxy-",
    "sec-",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_the_characters_between_words_are_alike() {
        for (name, own, alike) in [
            ("client_cert", "client-cert", true),
            ("client.cert", "client-cert", true),
            ("client-cert", "client-cert", true),
            ("clientxcert", "client-cert", false),
            ("client_cerd", "client-cert", false),
            ("client-certs", "client-cert", false),
        ] {
            assert_eq!(is_alike(name.as_bytes(), own.as_bytes()), alike, "{name}");
        }
    }
}
