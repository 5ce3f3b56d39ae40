//! Shared parts of the benchmarks: a gate around a service that does nothing, and requests to send.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark may stop where it cannot go on"
)]

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use toolgate::testing::AuthorizationServer;
use toolgate::{Builder, Gates, Issuer, Limits, RequestBody, ScopeMap, Toolgate, ToolgateLayer};
use tower::{Layer, Service, service_fn};

pub(crate) const RESOURCE: &str = "https://mcp.example.com/mcp";

/// A `tools/call` of 200 bytes, as clients of the newest revision send it.
pub(crate) const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_weather","arguments":{"city":"Paris","days":3},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":7}}}"#;

/// A service that can be called and awaited, with whatever body it answers.
pub(crate) trait Called:
    Service<Request<Full<Bytes>>, Response = Response<Self::Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
    type Body: Send;
}

impl<S, R> Called for S
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible, Future: Send>,
    S: Clone + Send + 'static,
    R: Send,
{
    type Body = R;
}

/// The same service without a gate, which the gate is compared with.
pub(crate) fn alone() -> impl Called {
    service_fn(|_: Request<Full<Bytes>>| async { Ok(Response::new(Empty::<Bytes>::new())) })
}

/// A rule for the tool, the origin and the mirrored headers are checked.
pub(crate) fn gated(
    server: &AuthorizationServer,
    limits: Limits,
) -> (Toolgate, impl Called + use<>) {
    gated_by(Issuer::new(server.issuer()), limits)
}

/// The same, with whatever there is to say about the issuer.
pub(crate) fn gated_by(issuer: Issuer, limits: Limits) -> (Toolgate, impl Called + use<>) {
    let scopes = ScopeMap::deny_unlisted()
        .every_request("mcp:use")
        .tool("get_weather", "weather:read");
    gated_with(
        Toolgate::builder(RESOURCE)
            .issuer(issuer)
            .scopes(scopes)
            .limits(limits),
    )
}

pub(crate) fn gated_with(builder: Builder) -> (Toolgate, impl Called + use<>) {
    let gate = builder.build().unwrap();
    let service = behind(&gate.layer());
    (gate, service)
}

/// A service that answers at once, behind this layer.
pub(crate) fn behind(layer: &ToolgateLayer) -> impl Called + use<> {
    layer.layer(service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
        Ok(Response::new(Empty::<Bytes>::new()))
    }))
}

/// This gate and 99 others, on one host and on a hundred.
#[allow(dead_code, reason = "not every benchmark has many gates")]
pub(crate) fn hundred_gates(gate: &Toolgate, scopes: impl Fn() -> ScopeMap) -> [ToolgateLayer; 2] {
    let among = |resource: &dyn Fn(usize) -> String| {
        let others = (1..100).map(|number| {
            let other = gate.for_resource(resource(number)).scopes(scopes());
            other.build().unwrap()
        });
        let all = std::iter::once(gate.clone()).chain(others);
        Gates::not_found_elsewhere(all).unwrap().layer()
    };
    [
        among(&|number| format!("https://mcp.example.com/tenants/{number}")),
        among(&|number| format!("https://mcp{number}.example.com/mcp")),
    ]
}

/// A request that says for which host it is.
#[allow(dead_code, reason = "not every benchmark has many gates")]
pub(crate) fn request_with_host(token: &str) -> Request<Full<Bytes>> {
    let mut request = request(Some(token));
    let host = HeaderValue::from_static("mcp.example.com");
    request.headers_mut().insert(HOST, host);
    request
}

/// A request as hyper makes it: the values of its headers are parts of the one buffer they arrived in.
pub(crate) fn request(token: Option<&str>) -> Request<Full<Bytes>> {
    let mut request = Request::post("/mcp")
        .body(Full::new(Bytes::from_static(BODY.as_bytes())))
        .unwrap();
    let authorization = token.map(|token| (AUTHORIZATION, format!("Bearer {token}")));
    let fixed =
        FIXED_HEADERS.map(|(name, value)| (HeaderName::from_static(name), value.to_owned()));
    let headers: Vec<_> = fixed.into_iter().chain(authorization).collect();
    let mut buffer = BytesMut::new();
    headers
        .iter()
        .for_each(|(_, value)| buffer.extend_from_slice(value.as_bytes()));
    for (name, value) in headers {
        let value = HeaderValue::from_maybe_shared(buffer.split_to(value.len()).freeze()).unwrap();
        request.headers_mut().append(name, value);
    }
    request
}

/// The headers that clients of the newest revision send from a browser.
const FIXED_HEADERS: [(&str, &str); 5] = [
    ("content-type", "application/json"),
    ("origin", "https://mcp.example.com"),
    ("mcp-protocol-version", "2026-07-28"),
    ("mcp-method", "tools/call"),
    ("mcp-name", "get_weather"),
];

/// Sends without a runtime in between: nothing is waited for once the keys are there and the body is.
#[inline]
pub(crate) fn send(service: &mut impl Called, request: Request<Full<Bytes>>) -> StatusCode {
    let answer = pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Ok(answer)) = answer else {
        panic!("something was waited for")
    };
    black_box(answer).status()
}

/// A token that the gate lets through to the tool, and how long it is.
pub(crate) fn sized_token(server: &AuthorizationServer, bytes: usize) -> String {
    let token = |padding: usize| {
        let token = server
            .token()
            .audience(RESOURCE)
            .scope("mcp:use weather:read")
            .expires_in(100_000);
        token.claim("padding", "x".repeat(padding)).mint()
    };
    // Base64 makes four bytes of three.
    token(bytes.saturating_sub(token(0).len()) * 3 / 4)
}
