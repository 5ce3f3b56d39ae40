//! Attacks on several gates behind one layer, and mistakes that would open one.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::{any, post};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use toolgate::testing::AuthorizationServer;
use toolgate::{ConfigError, Gates, Issuer, ScopeMap, Toolgate};
use tower::{Layer, ServiceExt};

use crate::gates::{request_to, send};
use crate::world::clock;

const A: &str = "https://h.example/a";
const B: &str = "https://h.example/b";
const ISSUER: &str = "https://auth.example.com";

fn gate(resource: &str, issuer: Issuer) -> Toolgate {
    let builder = Toolgate::builder(resource).clock(clock()).issuer(issuer);
    builder.scopes(ScopeMap::allow_unlisted()).build().unwrap()
}

fn trusting(resource: &str) -> Toolgate {
    gate(resource, Issuer::new(ISSUER))
}

fn fields(wrong: &ConfigError) -> Vec<&str> {
    let problems = wrong.problems().iter();
    problems.map(|problem| problem.field()).collect()
}

#[tokio::test]
async fn an_escape_that_a_router_decodes_opens_no_gated_path() {
    let urls = [
        "https://h.example/@acme/mcp",
        "https://o.example/@other/mcp",
    ];
    for urls in [&urls[..1], &urls] {
        let gates = urls.iter().map(|url| trusting(url));
        let gates = Gates::ungated_elsewhere(gates).unwrap();
        let tenant = async |Path(tenant): Path<String>| tenant;
        let app = Router::new()
            .route("/{tenant}/mcp", any(tenant))
            .layer(gates.layer());
        for (path, status) in [
            ("/@acme/mcp", StatusCode::UNAUTHORIZED),
            ("/%40acme/mcp", StatusCode::BAD_REQUEST),
            ("/%40open/mcp", StatusCode::OK),
        ] {
            let request = Request::post(path).header("host", "h.example");
            let request = request.body(Body::empty()).unwrap();
            let answer = app.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), status, "{path} of {urls:?}");
        }
    }
    let evil = Request::post("/%40acme/mcp").header("host", "evil.example");
    let gates = Gates::ungated_elsewhere(urls.map(trusting)).unwrap();
    let seen = send(&gates, evil.body(Full::default()).unwrap()).await;
    assert!(seen.inner.is_none(), "{seen:?}");
}

#[tokio::test]
async fn the_server_as_a_whole_belongs_to_the_resource_at_the_root() {
    let gates = [trusting("https://h.example"), trusting(A)];
    let gates = Gates::ungated_elsewhere(gates).unwrap();
    let request = Request::builder().method(Method::OPTIONS).uri("*");
    let request = request.header("host", "h.example");
    let seen = send(&gates, request.body(Full::default()).unwrap()).await;
    assert_eq!(seen.code, Some("no_token"));
    assert!(seen.inner.is_none());
}

#[tokio::test]
async fn a_token_does_not_open_the_well_known_paths_of_the_resource_at_the_root() {
    let server = AuthorizationServer::builder().clock(clock()).start().await;
    let gate = |resource: &str| gate(resource, Issuer::new(server.issuer()));
    let with_query = "https://h.example/b?tenant=1";
    let gates = ["https://h.example", A, with_query].map(gate);
    let gates = Gates::not_found_elsewhere(gates).unwrap();
    for (audience, path) in [
        (A, "oauth-authorization-server/a"),
        (with_query, "oauth-protected-resource/b"),
    ] {
        // Nothing is served there by the gate, so it is a path like others.
        let token = server.token().audience(audience).mint();
        let url = format!("https://h.example/.well-known/{path}");
        let seen = send(&gates, request_to(&url, Some(&token))).await;
        assert_eq!(seen.code, Some("audience_mismatch"), "{url}");
        assert!(seen.inner.is_none());
    }
}

#[tokio::test]
async fn the_document_of_a_resource_with_escapes_is_served() {
    let gates = [trusting("https://h.example/caf%c3%a9"), trusting(B)];
    let gates = Gates::not_found_elsewhere(gates).unwrap();
    let path = "/.well-known/oauth-protected-resource/caf%c3%a9";
    let request = Request::get(path).header("host", "h.example");
    let seen = send(&gates, request.body(Full::default()).unwrap()).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(seen.json()["resource"], "https://h.example/caf%c3%a9");
}

#[tokio::test]
async fn a_resource_that_no_request_could_reach_is_a_mistake() {
    for url in ["https://h.example/%6dcp", "https://h.example/%40acme"] {
        let wrong = Gates::not_found_elsewhere([trusting(url), trusting(B)]);
        assert_eq!(fields(&wrong.unwrap_err()), ["resources"], "{url}");
    }
    // Its metadata document has the path of the other.
    let shadowed = "https://h.example/.well-known/oauth-protected-resource/a";
    for urls in [[A, shadowed], [shadowed, A]] {
        let wrong = Gates::not_found_elsewhere(urls.map(trusting));
        assert_eq!(fields(&wrong.unwrap_err()), ["resources"]);
    }
}
