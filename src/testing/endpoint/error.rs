use bytes::Bytes;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use super::reply;

/// An error response of RFC 6749, RFC 7591, RFC 8707 or RFC 9449.
#[derive(Debug)]
pub(in super::super) struct OAuthError {
    pub(super) code: &'static str,
    pub(super) description: String,
}

impl OAuthError {
    pub(in super::super) fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self {
            code,
            description: description.into(),
        }
    }

    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) fn invalid_client(description: impl Into<String>) -> Self {
        Self::new("invalid_client", description)
    }

    pub(in super::super) fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    pub(in super::super) fn invalid_dpop_proof(description: impl Into<String>) -> Self {
        Self::new("invalid_dpop_proof", description)
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        if self.code != "invalid_client" {
            return reply::error(StatusCode::BAD_REQUEST, self.code, &self.description);
        }
        let mut response = reply::error(StatusCode::UNAUTHORIZED, self.code, &self.description);
        let challenge =
            HeaderValue::from_static("Basic realm=\"development authorization server\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        response
    }
}
