//! The kinds of responses.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{Response, StatusCode};
use serde_json::{Value, json};

pub(in super::super) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

pub(in super::super) fn json(status: StatusCode, value: &Value) -> Response<Bytes> {
    with_body(status, "application/json", value.to_string())
}

/// JSON that no cache may keep: tokens and secrets, and errors about them (RFC 6749 §5.1).
pub(in super::super) fn private_json(status: StatusCode, value: &Value) -> Response<Bytes> {
    let mut response = json(status, value);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The media type of a signed introspection response (RFC 9701 §4).
pub(in super::super) const SIGNED_INTROSPECTION: &str = "application/token-introspection+jwt";

pub(in super::super) fn signed_introspection(jwt: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = with_body(StatusCode::OK, SIGNED_INTROSPECTION, jwt);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(in super::super) fn error(
    status: StatusCode,
    code: &str,
    description: &str,
) -> Response<Bytes> {
    private_json(
        status,
        &json!({ "error": code, "error_description": description }),
    )
}

/// A page that runs no script, is shown in no frame and is not stored.
pub(in super::super) fn html(status: StatusCode, page: String) -> Response<Bytes> {
    let mut response = with_body(status, "text/html; charset=utf-8", page);
    for (name, value) in PAGE_HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

pub(in super::super) fn redirect(status: StatusCode, location: &str) -> Response<Bytes> {
    let mut response = empty(status);
    response.headers_mut().insert(
        LOCATION,
        HeaderValue::from_str(location).expect("an address is a header value"),
    );
    response
}

fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

const PAGE_HEADERS: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-store"),
    // No form-action: browsers apply it to the redirect to the client too, and the redirect URI may have any
    // scheme and redirect further.
    (
        http::header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (http::header::X_FRAME_OPTIONS, "DENY"),
    (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];
