//! An assertion that a service is behind a gate, as a caller without a token sees it.

use std::fmt::Debug;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{Service, ServiceExt};

use crate::gate::Toolgate;

/// The hint in the message of a failed check.
const ADVICE: &str = "see `toolgate::docs::axum`: add the layer on the root router, after every route that it must protect";

/// Panics unless a client without a token finds that the service is behind the gate: a call without a token gets 401,
/// the challenge names the gate's metadata document, the document is served and names the resource, and `/` is not
/// open.
///
/// A layer in the wrong place of a router causes no error, so use this in a test of the whole router.
///
/// ```
/// use axum::{Router, routing::post};
/// use toolgate::{ScopeMap, Toolgate, testing::assert_gated};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), toolgate::ConfigError> {
/// let gate = Toolgate::builder("https://mcp.example.com/mcp")
///     .issuer("https://auth.example.com")
///     .scopes(ScopeMap::allow_unlisted())
///     .build()?;
/// let app: Router = Router::new().route("/mcp", post(|| async { "an MCP server" })).layer(gate.layer());
/// assert_gated(app, &gate).await;
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// With a message that says which of these does not hold.
pub async fn assert_gated<S, R>(service: S, gate: &Toolgate)
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone,
    S::Error: Debug,
    R: Body,
    R::Error: Debug,
{
    let send = |method: Method, target: &str, body: &'static [u8]| {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .expect("a valid request");
        service.clone().oneshot(request)
    };
    let path = target_of(gate.resource());

    let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let refused = send(Method::POST, &path, ping)
        .await
        .expect("the service answers");
    assert_eq!(
        refused.status(),
        StatusCode::UNAUTHORIZED,
        "a request for {path} without a token does not get the gate's 401; {ADVICE}"
    );
    let challenge = refused.headers().get(WWW_AUTHENTICATE);
    let challenge = challenge
        .and_then(|line| line.to_str().ok())
        .unwrap_or_default();
    let named = format!("resource_metadata=\"{}\"", gate.metadata_url());
    assert!(
        challenge.contains(&named),
        "the challenge does not name {}: {challenge:?}; {ADVICE}",
        gate.metadata_url()
    );

    let metadata = target_of(gate.metadata_url());
    let document = send(Method::GET, &metadata, b"")
        .await
        .expect("the service answers");
    assert_eq!(
        document.status(),
        StatusCode::OK,
        "the metadata document is not served at {metadata}; {ADVICE}"
    );
    let body = document
        .into_body()
        .collect()
        .await
        .expect("the body arrives");
    let document: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    assert_eq!(
        document.get("resource").and_then(Value::as_str),
        Some(gate.resource()),
        "{metadata} does not serve the gate's metadata document; {ADVICE}"
    );

    let root = send(Method::GET, "/", b"")
        .await
        .expect("the service answers");
    assert!(
        !root.status().is_success(),
        "`/` answers {} without a token; {ADVICE}",
        root.status()
    );
}

/// The path and the query of a URL.
fn target_of(url: &str) -> String {
    let url: http::Uri = url.parse().expect("the gate's own URLs are URLs");
    let target = url.path_and_query().map(|target| target.as_str());
    target.unwrap_or("/").to_owned()
}
