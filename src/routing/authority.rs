//! Reads the host that a request names.

use std::borrow::Cow;

use http::HeaderValue;
use http::header::HOST;
use http::request::Parts;

use crate::refusal::{Reason, Refusal};

/// Returns the host of a request, with its port, in the spelling of [`normal`]. The authority of the request target counts,
/// and otherwise `Host` (RFC 9112 §3.2). A request that names two hosts is refused. `None` if it names no host, or
/// one that cannot be read, which is the name of no resource.
pub(crate) fn of(parts: &Parts) -> Result<Option<String>, Refusal> {
    let mut lines = parts.headers.get_all(HOST).iter();
    let header = lines.next();
    if lines.next().is_some() {
        return Err(ambiguous("several Host lines"));
    }
    let Some(target) = parts.uri.authority() else {
        return Ok(header.and_then(read));
    };
    let target = normal(target.as_str());
    match header {
        Some(header) if read(header) != target => {
            Err(ambiguous("a Host that differs from the authority"))
        }
        _ => Ok(target),
    }
}

/// Returns the host of a request that names it once, as it is spelled there.
pub(super) fn as_spelled(parts: &Parts) -> Option<&[u8]> {
    let mut lines = parts.headers.get_all(HOST).iter();
    match (parts.uri.authority(), lines.next(), lines.next()) {
        (Some(target), None, _) => Some(target.as_str().as_bytes()),
        (None, Some(header), None) => Some(header.as_bytes()),
        _ => None,
    }
}

/// Returns the one spelling of a host and its port: in lower case, without the dot at the end of a full name and without a
/// default port. `None` if there is a user name, which no host has.
pub(crate) fn normal(authority: &str) -> Option<String> {
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    let after_bracket = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let colon = authority
        .get(after_bracket..)
        .and_then(|tail| tail.find(':'))
        .map_or(authority.len(), |colon| after_bracket + colon);
    let (host, port) = authority.split_at_checked(colon)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    // The scheme of a request is not known behind a proxy, so the default port of either scheme is left out.
    let port = match port {
        ":" | ":80" | ":443" => "",
        port => port,
    };
    Some(format!("{host}{port}").to_ascii_lowercase())
}

fn read(header: &HeaderValue) -> Option<String> {
    normal(header.to_str().ok()?.trim())
}

fn ambiguous(got: &'static str) -> Refusal {
    Refusal::from(Reason::AmbiguousHost)
        .expected("one host")
        .got(Cow::Borrowed(got))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn each_host_has_one_spelling() {
        for (authority, spelling) in [
            ("h.example", Some("h.example")),
            ("H.Example", Some("h.example")),
            ("h.example.", Some("h.example")),
            ("h.example:443", Some("h.example")),
            ("h.example:80", Some("h.example")),
            ("h.example:", Some("h.example")),
            ("h.example.:443", Some("h.example")),
            ("h.example:8443", Some("h.example:8443")),
            ("[::1]:3000", Some("[::1]:3000")),
            ("[::1]", Some("[::1]")),
            ("[::1]:80", Some("[::1]")),
            ("user@h.example", None),
            ("", None),
        ] {
            assert_eq!(normal(authority).as_deref(), spelling, "{authority}");
        }
    }

    #[test]
    fn the_authority_of_the_target_counts_and_a_host_that_differs_is_refused() {
        let read = |uri: &str, hosts: &[&str]| {
            let mut request = Request::builder().uri(uri);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            of(&parts).map_err(|refusal| refusal.reason())
        };
        let host = |host: &str| Ok(Some(host.to_owned()));
        let ambiguous = Err(Reason::AmbiguousHost);
        assert_eq!(read("/mcp", &["a.example"]), host("a.example"));
        assert_eq!(read("https://a.example/mcp", &[]), host("a.example"));
        assert_eq!(
            read("https://a.example/mcp", &["A.example:443"]),
            host("a.example")
        );
        assert_eq!(read("https://a.example/mcp", &["b.example"]), ambiguous);
        assert_eq!(read("https://a.example/mcp", &[""]), ambiguous);
        assert_eq!(read("/mcp", &["a.example", "a.example"]), ambiguous);
        assert_eq!(read("/mcp", &[]), Ok(None));
    }
}
