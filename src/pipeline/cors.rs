//! CORS: a browser client cannot recover from an answer that it may not read.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

/// The headers that MCP clients send.
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, MCP-Protocol-Version, Mcp-Method, Mcp-Name, \
                               Mcp-Session-Id, Last-Event-ID, DPoP";
const EXPOSED_HEADERS: &str = "WWW-Authenticate, DPoP-Nonce, Retry-After, Mcp-Session-Id";

/// The prefix of headers that mirror parameters; the server chooses the rest of their names.
const PARAMETER_PREFIX: &str = "mcp-param-";
/// The most parameter headers that a preflight allows. No tool mirrors so many parameters.
const MAX_PARAMETER_HEADERS: usize = 64;

/// Whether the gate writes CORS headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cors {
    Ours,
    /// A CORS layer outside of the gate writes them.
    LeftToOthers,
}

impl Cors {
    /// Answers a preflight of an allowed origin. It carries no credentials by design (Fetch §3.7.5), so to demand a
    /// token would lock every browser out.
    pub(crate) fn preflight(self, parts: &Parts) -> Option<Response<Bytes>> {
        if parts.method != Method::OPTIONS
            || !parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self == Self::Ours {
            let headers = response.headers_mut();
            headers.insert(
                ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST, DELETE, OPTIONS"),
            );
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(parts));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        Some(response)
    }

    /// Lets pages of the allowed origin read a response, unless it has CORS headers of its own.
    pub(crate) fn make_readable(self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        let Some(origin) = origin.filter(|_| self == Self::Ours) else {
            return;
        };
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if !headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS) {
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(EXPOSED_HEADERS),
            );
        }
    }
}

/// The fixed list, and each `Mcp-Param-*` header that the preflight asks for.
fn allowed_headers(parts: &Parts) -> HeaderValue {
    let asked = parts.headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let mut list = ALLOWED_HEADERS.to_owned();
    let names = asked
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim);
    for name in names
        .filter(|name| is_parameter_header(name))
        .take(MAX_PARAMETER_HEADERS)
    {
        list.push_str(", ");
        list.push_str(name);
    }
    HeaderValue::try_from(list).unwrap_or(HeaderValue::from_static(ALLOWED_HEADERS))
}

fn is_parameter_header(name: &str) -> bool {
    name.get(..PARAMETER_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PARAMETER_PREFIX))
        && http::HeaderName::from_bytes(name.as_bytes()).is_ok()
}
