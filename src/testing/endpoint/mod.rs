mod assertion;
mod authentication;
mod authorize;
mod client;
mod client_document;
mod consent;
mod dpop;
pub(super) mod error;
mod form;
pub(super) mod home;
mod host;
mod introspect;
mod login;
mod metadata;
mod page;
mod redirect_uri;
mod register;
pub(super) mod reply;
mod target;
mod token;

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::shared::Shared;
use super::traffic::Endpoint;

/// The true answer of an endpoint.
pub(super) async fn answer(
    shared: &Shared,
    endpoint: Endpoint,
    request: Request<Bytes>,
) -> Response<Bytes> {
    let mut response = route(shared, endpoint, request).await;
    if open_to_browsers(endpoint) {
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

async fn route(shared: &Shared, endpoint: Endpoint, request: Request<Bytes>) -> Response<Bytes> {
    match (endpoint, request.method()) {
        (endpoint, &Method::OPTIONS) if open_to_browsers(endpoint) => preflight(request.headers()),
        (
            Endpoint::Rfc8414 | Endpoint::OidcInserted | Endpoint::OidcAppended,
            &Method::GET | &Method::HEAD,
        ) => metadata::answer(shared, endpoint),
        (Endpoint::Jwks, &Method::GET | &Method::HEAD) => metadata::jwks(shared),
        (
            Endpoint::Rfc8414 | Endpoint::OidcInserted | Endpoint::OidcAppended | Endpoint::Jwks,
            _,
        ) => method_not_allowed("GET, HEAD, OPTIONS"),
        (Endpoint::Register, &Method::POST) => register::answer(shared, &request),
        (Endpoint::Authorize, &Method::GET) => authorize::ask(shared, &request).await,
        (Endpoint::Authorize, &Method::POST) => authorize::decide(shared, &request).await,
        (Endpoint::Token, &Method::POST) => token::answer(shared, &request),
        (Endpoint::Introspect, &Method::POST) => introspect::answer(shared, &request),
        (Endpoint::Authorize, _) => method_not_allowed("GET, POST"),
        (Endpoint::Register | Endpoint::Token, _) => method_not_allowed("POST, OPTIONS"),
        (Endpoint::Introspect, _) => method_not_allowed("POST"),
    }
}

/// Clients in a browser fetch these from another origin; the consent page is for people and introspection for
/// servers.
fn open_to_browsers(endpoint: Endpoint) -> bool {
    !matches!(endpoint, Endpoint::Authorize | Endpoint::Introspect)
}

fn preflight(asked: &HeaderMap) -> Response<Bytes> {
    let mut response = reply::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(
        "access-control-allow-methods",
        HeaderValue::from_static("GET, POST, OPTIONS"),
    );
    headers.insert("access-control-max-age", HeaderValue::from_static("3600"));
    if let Some(names) = asked.get("access-control-request-headers") {
        headers.insert("access-control-allow-headers", names.clone());
    }
    response
}

fn method_not_allowed(allowed: &'static str) -> Response<Bytes> {
    let mut response = reply::empty(StatusCode::METHOD_NOT_ALLOWED);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
