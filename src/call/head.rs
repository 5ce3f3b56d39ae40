//! What the head of a request decides before a byte of its body is read.

use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::media_type::{self, MediaType, Parameters};
use crate::refusal::{Reason, Refusal};

/// Whether the request's body is to be judged, given that any rule depends on bodies.
///
/// GET, HEAD, DELETE and OPTIONS ask for nothing a rule could name, and have no body.
/// An upgraded connection could carry anything, unseen.
pub(crate) fn expects_call(parts: &Parts) -> Result<bool, Refusal> {
    if parts.method == Method::CONNECT
        || parts
            .headers
            .get_all(UPGRADE)
            .iter()
            .any(|offer| offer != H2C)
    {
        return Err(Reason::UpgradeRefused.into());
    }
    Ok(!matches!(
        parts.method,
        Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS
    ))
}

/// Takes an offer to go on in HTTP/2 off the request. Java's HTTP client makes it with every plain
/// request and does without when nobody takes it up (RFC 9110 §7.8); the service inside must not.
pub(crate) fn decline_upgrade(headers: &mut HeaderMap) {
    if headers.remove(UPGRADE).is_some() {
        headers.remove("http2-settings");
        headers.remove(CONNECTION);
    }
}

const H2C: &str = "h2c";

/// Takes off what a reader of CGI's kind takes for a header of ours: to it `Mcp_Session_Id`, which nothing here
/// judges, is `Mcp-Session-Id` (RFC 3875 §4.1.18).
pub(crate) fn remove_lookalikes(headers: &mut HeaderMap) {
    // Requests have few headers, and hardly any request has one of these.
    if headers.keys().any(is_lookalike) {
        let lookalikes: Vec<_> = headers
            .keys()
            .filter(|name| is_lookalike(name))
            .cloned()
            .collect();
        lookalikes
            .iter()
            .for_each(|name| drop(headers.remove(name)));
    }
}

/// Whether the name is one of ours but for the characters between its words. Some readers change every one that is
/// neither letter nor digit, not `_` alone.
fn is_lookalike(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    let Some((own, hyphens)) = own_of_length(name.len()) else {
        return false;
    };
    // Of nearly every name these bytes are hyphens, or letters of a name that is none of ours.
    let is_odd = |at: &usize| {
        name.get(*at)
            .is_some_and(|byte| *byte != b'-' && !byte.is_ascii_alphanumeric())
    };
    let alike = |(written, own): (&u8, &u8)| {
        written == own || (*own == b'-' && !written.is_ascii_alphanumeric())
    };
    hyphens.iter().any(is_odd) && name.iter().zip(own).all(alike)
}

/// The one header with a name of this length that the gate judges, rewrites or takes off, and that has more than one
/// word; and where its hyphens are.
fn own_of_length(bytes: usize) -> Option<(&'static [u8], &'static [usize])> {
    Some(match bytes {
        8 => (b"mcp-name", &[3]),
        10 => (b"mcp-method", &[3]),
        12 => (b"content-type", &[7]),
        13 => (b"last-event-id", &[4, 10]),
        14 => (b"mcp-session-id", &[3, 11]),
        15 => (b"accept-encoding", &[6]),
        16 => (b"content-encoding", &[7]),
        17 => (b"transfer-encoding", &[8]),
        20 => (b"mcp-protocol-version", &[3, 12]),
        _ => return None,
    })
}

/// Holds when the bytes we see are the JSON text that every layer behind us sees:
/// a body that we cannot read but an inner layer could (gzip, UTF-16) is a way around the gate.
pub(super) fn plain_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    match (types.next(), types.next()) {
        (Some(only), None) if is_plain_json(only) => {}
        (written, _) => {
            let got = written.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            return Err(Refusal::from(Reason::UnsupportedContentType)
                .expected("one Content-Type, application/json")
                .got(got.unwrap_or_default()));
        }
    }
    for coding in headers.get_all(CONTENT_ENCODING) {
        if !coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
        {
            return Err(Refusal::from(Reason::UnsupportedEncoding)
                .expected("no Content-Encoding")
                .got(String::from_utf8_lossy(coding.as_bytes())));
        }
    }
    Ok(())
}

/// RFC 9110 §8.3.1: `application/json` in any case, with parameters of which `charset` must be UTF-8.
fn is_plain_json(line: &HeaderValue) -> bool {
    MediaType::of(line)
        .parameters_of(media_type::JSON)
        .is_some_and(Parameters::are_surely_utf_8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn our_own_names_have_their_hyphens_where_it_is_said_and_are_no_lookalikes_of_themselves() {
        for (own, hyphens) in (0..64).filter_map(own_of_length) {
            let found: Vec<usize> = (0..own.len()).filter(|at| own[*at] == b'-').collect();
            assert_eq!(found, hyphens);
            assert!(!is_lookalike(&HeaderName::from_bytes(own).unwrap()));
            for at in found {
                let mut name = own.to_vec();
                name[at] = b'_';
                assert!(is_lookalike(&HeaderName::from_bytes(&name).unwrap()));
            }
        }
    }

    fn judged(lines: &[(&str, &str)]) -> Result<(), Reason> {
        let mut request = Request::new(());
        for (name, value) in lines {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request
                .headers_mut()
                .append(name, http::HeaderValue::from_str(value).unwrap());
        }
        plain_json(request.headers()).map_err(|refusal| refusal.reason())
    }

    #[test]
    fn json_in_utf_8_is_plain_however_it_says_so() {
        for content_type in [
            "application/json",
            "Application/JSON",
            "application/json;",
            "application/json ; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; Charset=Utf-8; profile=\"a;charset=utf-16\"; x=y",
            "application/json; ; x=\"\\\"\"",
        ] {
            assert_eq!(
                judged(&[("content-type", content_type)]),
                Ok(()),
                "{content_type}"
            );
        }
    }

    #[test]
    fn what_might_be_read_as_something_else_is_not_plain() {
        for content_type in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json+x",
            "application/problem+json",
            "application/json, text/plain",
            "application/json text/plain",
            "application/json; charset=utf-16",
            "application/json; charset=utf-7; charset=utf-8",
            "application/json; charset=utf-8; charset=utf-7",
            "application/json; charset=",
            "application/json; charset",
            "application/json; charset =utf-8",
            "application/json; charset=\"utf-\\8\"",
            "application/json; charset=\"utf-8",
            "application/json; charset=utf-8 x",
            "application/json; =x",
            "application/json; x=y, text/plain",
        ] {
            let refused = Err(Reason::UnsupportedContentType);
            assert_eq!(
                judged(&[("content-type", content_type)]),
                refused,
                "{content_type}"
            );
        }
        let json = ("content-type", "application/json");
        assert_eq!(judged(&[]), Err(Reason::UnsupportedContentType));
        assert_eq!(judged(&[json, json]), Err(Reason::UnsupportedContentType));
    }

    #[test]
    fn only_identity_is_an_encoding_that_changes_nothing() {
        let json = ("content-type", "application/json");
        assert_eq!(judged(&[json, ("content-encoding", "Identity")]), Ok(()));
        for encoding in ["gzip", "", "identity, gzip", "identity,identity", "br", "x"] {
            let lines = [json, ("content-encoding", encoding)];
            assert_eq!(
                judged(&lines),
                Err(Reason::UnsupportedEncoding),
                "{encoding}"
            );
        }
        let lines = [
            json,
            ("content-encoding", "identity"),
            ("content-encoding", "gzip"),
        ];
        assert_eq!(judged(&lines), Err(Reason::UnsupportedEncoding));
    }

    #[test]
    fn every_method_is_judged_but_four() {
        for (method, expected) in [
            ("POST", Ok(true)),
            ("PUT", Ok(true)),
            ("TRACE", Ok(true)),
            ("post", Ok(true)),
            ("QUERY", Ok(true)),
            ("GET", Ok(false)),
            ("HEAD", Ok(false)),
            ("DELETE", Ok(false)),
            ("OPTIONS", Ok(false)),
            ("CONNECT", Err(Reason::UpgradeRefused)),
        ] {
            let (parts, ()) = Request::builder()
                .method(method)
                .body(())
                .unwrap()
                .into_parts();
            let judged = expects_call(&parts).map_err(|refusal| refusal.reason());
            assert_eq!(judged, expected, "{method}");
        }
        let (parts, ()) = Request::builder()
            .header("upgrade", "websocket")
            .body(())
            .unwrap()
            .into_parts();
        assert_eq!(
            expects_call(&parts).unwrap_err().reason(),
            Reason::UpgradeRefused
        );
    }
}
