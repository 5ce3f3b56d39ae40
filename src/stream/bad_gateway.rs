//! The response that replaces one of the inner service that must not be passed on.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use crate::events::ResponseWithheld;

/// Replaces a response with a session id that cannot be bound to its caller: several lines, or characters that MCP does
/// not allow. Any caller could use the session if it were passed on.
pub(crate) fn without_session() -> Response<Bytes> {
    ResponseWithheld {
        reason: "session_id_unusable",
        method: None,
        why: "a response was withheld, since its session id is not one of visible ASCII characters",
    }
    .write();
    response(error("null", "The server's session cannot be used"))
}

/// Replaces a response that broke off before its head was sent.
pub(crate) fn broken_off() -> Response<Bytes> {
    response(error("null", "The server's answer broke off"))
}

/// A 502 with this JSON-RPC error as its body.
pub(super) fn response(error: String) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(error));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The text of a JSON-RPC error; `id` is JSON text.
pub(super) fn error(id: &str, message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32603,"message":"{message}"}}}}"#)
}
