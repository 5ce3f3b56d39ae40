//! The page for a person who opens the URL of the resource in a browser.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderValue, Method, Response};

use crate::digest::sha256;
use crate::html::{escaped, filled};
use crate::refusal::RefusalKind;

/// The body of the 401 for a browser, and its security policy. It depends on the configuration alone, so it is made
/// when the gate is built.
#[derive(Debug)]
pub(crate) struct Page {
    body: Bytes,
    security_policy: HeaderValue,
}

impl Page {
    /// Makes the page. `name` is the name of the resource for people, if it has one.
    pub(crate) fn new(name: Option<&str>, resource: &str) -> Self {
        let (name, resource) = (escaped(name.unwrap_or("MCP server")), escaped(resource));
        let body = filled(include_str!("page.html"), |placeholder| match placeholder {
            "name" => Some(&name),
            "resource" => Some(&resource),
            _ => None,
        });
        Self {
            security_policy: security_policy(&body),
            body: body.into(),
        }
    }

    /// Whether the sender of a refused request is a person with a browser, who has no use for JSON.
    pub(crate) fn is_for(kind: RefusalKind, parts: &Parts) -> bool {
        kind == RefusalKind::NoToken
            && matches!(parts.method, Method::GET | Method::HEAD)
            && parts.headers.get(ACCEPT).is_some_and(prefers_html)
    }

    /// Puts the page into a refusal, in place of its body. The status, the challenge and all other headers stay. There is
    /// no `Vary`, since no cache keeps a refusal.
    pub(crate) fn put_into(&self, mut refusal: Response<Bytes>) -> Response<Bytes> {
        let headers = refusal.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        headers.insert(CONTENT_SECURITY_POLICY, self.security_policy.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        *refusal.body_mut() = self.body.clone();
        refusal
    }
}

/// Whether `text/html` comes first and has no weight. All browsers send it like this, and no MCP client does.
fn prefers_html(accept: &HeaderValue) -> bool {
    let first = accept.as_bytes().split(|byte| *byte == b',').next();
    first.is_some_and(|range| range.trim_ascii().eq_ignore_ascii_case(b"text/html"))
}

/// Allows the page its own styles, by their hash, and nothing else: no script, no picture, no other style.
fn security_policy(page: &str) -> HeaderValue {
    let styles = page
        .split_once("<style>")
        .and_then(|(_, rest)| rest.split_once("</style>"))
        .map_or("", |(styles, _)| styles);
    let hash = STANDARD.encode(sha256(styles.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'");
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_preferred_where_it_is_first_and_has_no_weight() {
        for (accept, preferred) in [
            ("text/html", true),
            ("Text/HTML , */*;q=0.8", true),
            ("text/html;q=0", false),
            ("text/html;q=0.9, application/json", false),
            ("application/json, text/html", false),
            ("text/html-fragment", false),
            ("*/*", false),
            (", text/html", false),
            ("", false),
        ] {
            let accept = HeaderValue::from_static(accept);
            assert_eq!(prefers_html(&accept), preferred, "{accept:?}");
        }
    }
}
