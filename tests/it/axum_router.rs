//! What axum's `Router` does to a layer: the README's table, seen.

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use toolgate::{ScopeMap, Toolgate};
use tower::ServiceExt;

const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";

/// Who answers a request that carries no token.
#[derive(Debug, PartialEq)]
enum By {
    /// 401 with a challenge.
    Gate,
    /// 200 with the metadata document.
    Metadata,
    /// 200 from a handler: nothing stood in between.
    Handler,
    /// axum's own 404.
    NotFound,
    /// axum's own 405.
    NotAllowed,
}

fn gate() -> Toolgate {
    let builder =
        Toolgate::builder("https://mcp.example.com/mcp").issuer("https://auth.example.com");
    let gate = builder.scopes(ScopeMap::allow_unlisted()).build();
    gate.expect("a gate")
}

async fn handler() -> &'static str {
    "handled"
}

fn bare() -> Router {
    Router::new().route("/mcp", post(handler))
}

/// The way the README wants it: the layer as the last call on the root router.
fn gated() -> Router {
    bare().layer(gate().layer())
}

fn open() -> Router {
    Router::new().route("/open", get(handler))
}

async fn assert_answered(router: Router, told: &[(&str, &str, By)]) {
    for (method, path, by) in told {
        let request = Request::builder()
            .method(*method)
            .uri(*path)
            .body(Body::empty());
        let answer = router.clone().oneshot(request.expect("a request")).await;
        let (parts, body) = answer.expect("infallible").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let seen = match parts.status {
            StatusCode::UNAUTHORIZED if parts.headers.contains_key("www-authenticate") => By::Gate,
            StatusCode::OK if body.starts_with(b"handled") => By::Handler,
            StatusCode::OK if body.starts_with(b"{") => By::Metadata,
            StatusCode::NOT_FOUND => By::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => By::NotAllowed,
            other => panic!("{method} {path} was answered by {other} {body:?}"),
        };
        assert_eq!(seen, *by, "{method} {path}");
    }
}

#[tokio::test]
async fn the_last_layer_of_the_root_router_sees_every_path() {
    let told = [
        ("POST", "/mcp", By::Gate),
        ("PUT", "/mcp", By::Gate),
        ("GET", METADATA, By::Metadata),
        ("GET", "/nothing", By::Gate),
    ];
    assert_answered(gated(), &told).await;
    let nested = Router::new().nest_service("/mcp", Router::new().route("/", post(handler)));
    assert_answered(nested.layer(gate().layer()), &told).await;
    assert_answered(bare().fallback(handler).layer(gate().layer()), &told).await;
}

#[tokio::test]
async fn what_is_routed_or_nested_after_the_layer_is_open_and_the_rest_stays_gated() {
    let told = [
        ("GET", "/open", By::Handler),
        ("POST", "/mcp", By::Gate),
        ("GET", METADATA, By::Metadata),
        ("GET", "/nothing", By::Gate),
    ];
    assert_answered(gated().route("/open", get(handler)), &told).await;
    assert_answered(open().merge(gated()), &told).await;
    let nested = [
        ("GET", "/sub/open", By::Handler),
        ("POST", "/mcp", By::Gate),
        ("GET", METADATA, By::Metadata),
        ("GET", "/nothing", By::Gate),
    ];
    assert_answered(gated().nest("/sub", open()), &nested).await;
}

#[tokio::test]
async fn a_method_routed_after_the_layer_is_open_even_on_a_gated_path() {
    let told = [("GET", "/mcp", By::Handler), ("POST", "/mcp", By::Gate)];
    assert_answered(gated().route("/mcp", get(handler)), &told).await;
    let told = [("PUT", "/mcp", By::Handler), ("POST", "/mcp", By::Gate)];
    assert_answered(gated().method_not_allowed_fallback(handler), &told).await;
}

#[tokio::test]
async fn merging_another_router_into_the_gated_one_loses_the_metadata() {
    let told = [
        ("POST", "/mcp", By::Gate),
        ("GET", "/open", By::Handler),
        ("GET", METADATA, By::NotFound),
        ("GET", "/nothing", By::NotFound),
    ];
    assert_answered(gated().merge(open()), &told).await;
}

#[tokio::test]
async fn a_fallback_set_after_the_layer_is_open_and_loses_the_metadata() {
    let told = [
        ("POST", "/mcp", By::Gate),
        ("GET", METADATA, By::Handler),
        ("GET", "/nothing", By::Handler),
    ];
    assert_answered(gated().fallback(handler), &told).await;
    assert_answered(gated().merge(open().fallback(handler)), &told).await;
    assert_answered(open().fallback(handler).merge(gated()), &told).await;
}

#[tokio::test]
async fn below_a_prefix_or_as_a_route_layer_the_metadata_is_out_of_reach() {
    let told = [
        ("POST", "/api/mcp", By::Gate),
        ("GET", METADATA, By::NotFound),
        ("GET", "/api/nothing", By::NotFound),
    ];
    assert_answered(Router::new().nest("/api", gated()), &told).await;
    let told = [
        ("POST", "/mcp", By::Gate),
        ("PUT", "/mcp", By::Gate),
        ("GET", METADATA, By::NotFound),
        ("GET", "/nothing", By::NotFound),
    ];
    assert_answered(bare().route_layer(gate().layer()), &told).await;
}

#[tokio::test]
async fn where_the_layer_sits_deeper_the_metadata_is_mounted_by_hand() {
    let gate = gate();
    let mut app = Router::new().nest("/api", bare().layer(gate.layer()));
    for path in gate.metadata_paths() {
        app = app.route_service(&path, gate.metadata_service());
    }
    let told = [
        ("POST", "/api/mcp", By::Gate),
        ("GET", METADATA, By::Metadata),
        ("PUT", METADATA, By::NotAllowed),
        ("GET", "/nothing", By::NotFound),
    ];
    assert_answered(app, &told).await;
}
