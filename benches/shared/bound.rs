//! Tokens that are bound to a key, and requests that prove possession of it.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark may stop where it cannot go on"
)]

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use toolgate::testing::{AuthorizationServer, SigningKey};

use crate::shared::{RESOURCE, request};

/// A token for the tool that is bound to this key.
pub(crate) fn bound_token(server: &AuthorizationServer, key: &SigningKey) -> String {
    let token = server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use weather:read");
    token.expires_in(100_000).bound_to(key).mint()
}

/// The usual request, with a bound token and a new proof.
pub(crate) fn bound_request(
    server: &AuthorizationServer,
    key: &SigningKey,
    token: &str,
) -> Request<Full<Bytes>> {
    let proof = server.proof(key, "POST", RESOURCE).for_token(token).mint();
    let mut request = request(None);
    for (name, value) in [
        (AUTHORIZATION, format!("DPoP {token}")),
        (HeaderName::from_static("dpop"), proof),
    ] {
        let value = HeaderValue::try_from(value).unwrap();
        request.headers_mut().append(name, value);
    }
    request
}
