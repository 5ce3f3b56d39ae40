use reqwest::Url;

use super::host;

/// The defect of a redirect URI; `None` for a good one.
pub(super) fn defect(redirect_uri: &str) -> Option<&'static str> {
    // The text is written into a header unchanged.
    if !redirect_uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("contains a character that is not allowed in a URI");
    }
    let Ok(url) = Url::parse(redirect_uri) else {
        return Some("is not an absolute URI");
    };
    if redirect_uri.contains('#') {
        return Some("has a fragment");
    }
    match url.scheme() {
        "http" if !host::is_loopback(&url) => Some("is http, but not on a loopback host"),
        // A browser would run or open these instead of returning to the client.
        "javascript" | "data" | "vbscript" | "file" | "blob" | "about" | "view-source"
        | "filesystem" => Some("has a scheme that cannot lead back to a client"),
        _ => None,
    }
}

/// Whether a client that registered the first may use the second: the same text, except for the port of a loopback host,
/// since native applications take any free port (RFC 8252 §7.3).
pub(super) fn fits(registered: &str, asked: &str) -> bool {
    registered == asked
        || without_loopback_port(registered)
            .is_some_and(|uri| Some(uri) == without_loopback_port(asked))
}

fn without_loopback_port(redirect_uri: &str) -> Option<Url> {
    let mut url = Url::parse(redirect_uri).ok()?;
    if url.scheme() != "http" || !host::is_loopback(&url) {
        return None;
    }
    url.set_port(None).ok()?;
    Some(url)
}
