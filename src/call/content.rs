//! Checks that the bytes of the body are the JSON text that every later reader sees.

use http::HeaderValue;

use super::head::{Head, HeaderLines, written};
use crate::media_type::{self, MediaType, Parameters};
use crate::refusal::{Reason, Refusal};

/// Refuses a body that the gate cannot read but an inner layer could (gzip, UTF-16): it would be a way around the gate.
pub(super) fn require_plain_json(head: &Head<'_>) -> Result<(), Refusal> {
    let got = match head.content_type {
        HeaderLines::One(only) if is_plain_json(only) => return require_no_coding(head),
        HeaderLines::None => "no Content-Type".to_owned(),
        HeaderLines::One(only) => written("Content-Type", only),
        HeaderLines::Several(_) => "several Content-Type lines".to_owned(),
    };
    Err(Refusal::from(Reason::UnsupportedContentType)
        .expected("Content-Type: application/json")
        .got(got))
}

fn require_no_coding(head: &Head<'_>) -> Result<(), Refusal> {
    match head.content_encoding {
        None => Ok(()),
        Some(coding) => Err(Refusal::from(Reason::UnsupportedEncoding)
            .expected("no Content-Encoding")
            .got(written("Content-Encoding", coding))),
    }
}

/// Whether the type is `application/json`, in any case; a parameter `charset` must be UTF-8 (RFC 9110 §8.3.1).
fn is_plain_json(line: &HeaderValue) -> bool {
    MediaType::of(line)
        .parameters_of(media_type::JSON)
        .is_some_and(Parameters::are_surely_utf_8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn judged(lines: &[(&str, &str)]) -> Result<(), Reason> {
        let mut request = Request::new(());
        for (name, value) in lines {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request
                .headers_mut()
                .append(name, http::HeaderValue::from_str(value).unwrap());
        }
        require_plain_json(&Head::read(request.headers())).map_err(|refusal| refusal.reason())
    }

    #[test]
    fn every_spelling_of_json_in_utf_8_is_plain() {
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
    fn a_type_that_could_be_read_as_another_is_not_plain() {
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
}
