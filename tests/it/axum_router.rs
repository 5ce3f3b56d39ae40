//! The effect of axum's `Router` on a layer: each row of the table in `src/docs/axum.md`, and two gates in one router.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use toolgate::testing::{AuthorizationServer, assert_gated};
use toolgate::{Metadata, ScopeMap, Toolgate};
use tower::ServiceExt;

const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";

/// The part of the server that answers a request without a token.
#[derive(Debug, PartialEq)]
enum By {
    /// 401 with a challenge.
    Gate,
    /// 200 with the metadata document.
    Metadata,
    /// 200 from a handler, which no gate protects.
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

/// The recommended way: the layer as the last call on the root router.
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
async fn routes_added_after_the_layer_are_open_and_the_rest_stays_gated() {
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
async fn below_a_prefix_the_metadata_can_be_mounted_by_hand() {
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

const ROOT_COPY: &str = "/.well-known/oauth-protected-resource";

/// Two gates that accept the tokens of one issuer, each for its own resource: `/crm` and `/files` below a prefix.
struct TwoGates {
    issuer: AuthorizationServer,
    crm: Toolgate,
    files: Toolgate,
}

impl TwoGates {
    async fn below(prefix: &str) -> Self {
        let files = Metadata::default().without_root_copy();
        Self::publishing(prefix, Metadata::default(), files).await
    }

    async fn publishing(prefix: &str, crm: Metadata, files: Metadata) -> Self {
        let issuer = AuthorizationServer::start().await;
        let gate = |name: &str, metadata: Metadata| {
            let resource = format!("https://mcp.example.com{prefix}/{name}");
            let builder = Toolgate::builder(&resource)
                .issuer(issuer.issuer())
                .metadata(metadata);
            let scopes = ScopeMap::deny_unlisted().every_request("mcp:use");
            builder.scopes(scopes).build().expect("a gate")
        };
        Self {
            crm: gate("crm", crm),
            files: gate("files", files),
            issuer,
        }
    }

    /// Adds both metadata documents to a router, as the page says.
    fn with_metadata(&self, mut app: Router) -> Router {
        for gate in [&self.crm, &self.files] {
            for path in gate.metadata_paths() {
                app = app.route_service(&path, gate.metadata_service());
            }
        }
        app
    }

    fn token_for(&self, gate: &Toolgate) -> String {
        let token = self.issuer.token().audience(gate.resource());
        token.scope("mcp:use").mint()
    }

    /// Asserts that each gate protects its own server with its own document, and accepts no token for the other.
    async fn assert_apart(&self, app: &Router) {
        for (gate, other) in [(&self.crm, &self.files), (&self.files, &self.crm)] {
            assert_gated(app.clone(), gate).await;
            let path = gate
                .resource()
                .trim_start_matches("https://mcp.example.com");
            let name = path.rsplit('/').next().expect("a path");
            let (status, body) = call(app, path, &self.token_for(gate)).await;
            assert_eq!(
                (status, &*body),
                (StatusCode::OK, name.as_bytes()),
                "{path}"
            );
            let (status, body) = call(app, path, &self.token_for(other)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}: {body:?}");
        }
        let request = Request::get(ROOT_COPY)
            .body(Body::empty())
            .expect("a request");
        let response = app.clone().oneshot(request).await.expect("infallible");
        let body = response.into_body().collect().await.expect("a body");
        let document: Value = serde_json::from_slice(&body.to_bytes()).expect("a document");
        assert_eq!(document["resource"], self.crm.resource());
    }
}

async fn call(app: &Router, path: &str, token: &str) -> (StatusCode, Vec<u8>) {
    let request = Request::post(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#));
    let response = app.clone().oneshot(request.expect("a request")).await;
    let (parts, body) = response.expect("infallible").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    (parts.status, body.to_vec())
}

/// A server at this path, which answers with its name.
fn server(path: &str, name: &'static str) -> Router {
    Router::new().route(path, post(move || async move { name }))
}

#[tokio::test]
async fn two_gates_in_merged_routers_protect_their_own_servers() {
    let gates = TwoGates::below("").await;
    let app = Router::new()
        .merge(server("/crm", "crm").layer(gates.crm.layer()))
        .merge(server("/files", "files").layer(gates.files.layer()));
    let app = gates.with_metadata(app);
    gates.assert_apart(&app).await;
    assert_answered(app, &[("GET", "/nothing", By::Gate)]).await;

    // A server that is mounted whole, like rmcp's, is a route like any other.
    let mounted = |path, name| Router::new().nest_service(path, server("/", name));
    let app = Router::new()
        .merge(mounted("/crm", "crm").layer(gates.crm.layer()))
        .merge(mounted("/files", "files").layer(gates.files.layer()));
    gates.assert_apart(&gates.with_metadata(app)).await;
}

#[tokio::test]
async fn two_gates_in_nested_routers_protect_their_own_servers() {
    let gates = TwoGates::below("").await;
    let app = Router::new()
        .nest("/crm", server("/", "crm").layer(gates.crm.layer()))
        .nest("/files", server("/", "files").layer(gates.files.layer()));
    let app = gates.with_metadata(app);
    gates.assert_apart(&app).await;
    let told = [
        ("GET", "/nothing", By::NotFound),
        ("POST", "/crm/nothing", By::NotFound),
    ];
    assert_answered(app, &told).await;

    let gates = TwoGates::below("/api").await;
    let api = server("/crm", "crm")
        .layer(gates.crm.layer())
        .merge(server("/files", "files").layer(gates.files.layer()));
    gates
        .assert_apart(&gates.with_metadata(Router::new().nest("/api", api)))
        .await;
}

#[tokio::test]
async fn a_gated_router_can_be_nested_in_another_gated_router_after_its_layer() {
    let gates = TwoGates::below("").await;
    let app = server("/files", "files")
        .layer(gates.files.layer())
        .nest("/crm", server("/", "crm").layer(gates.crm.layer()));
    gates.assert_apart(&gates.with_metadata(app)).await;
}

#[tokio::test]
async fn only_the_gate_that_is_merged_last_serves_its_metadata_by_itself() {
    let gates = TwoGates::below("").await;
    let app = Router::new()
        .merge(server("/crm", "crm").layer(gates.crm.layer()))
        .merge(server("/files", "files").layer(gates.files.layer()));
    let told = [
        ("GET", "/.well-known/oauth-protected-resource/crm", By::Gate),
        (
            "GET",
            "/.well-known/oauth-protected-resource/files",
            By::Metadata,
        ),
        ("GET", ROOT_COPY, By::Gate),
    ];
    assert_answered(app, &told).await;
}

#[tokio::test]
async fn no_token_passes_two_gates_around_the_same_route() {
    let gates = TwoGates::below("").await;
    let app = server("/crm", "crm")
        .layer(gates.crm.layer())
        .layer(gates.files.layer());
    let both = [gates.crm.resource(), gates.files.resource()];
    let both = gates
        .issuer
        .token()
        .audience(both.to_vec())
        .scope("mcp:use");
    for token in [
        gates.token_for(&gates.crm),
        gates.token_for(&gates.files),
        both.mint(),
    ] {
        let (status, body) = call(&app, "/crm", &token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{body:?}");
    }
}

#[tokio::test]
async fn axum_panics_if_both_gates_have_a_root_copy_or_redirect_old_clients() {
    let redirecting = || {
        Metadata::default()
            .without_root_copy()
            .redirect_legacy_clients()
    };
    for (crm, files) in [
        (Metadata::default(), Metadata::default()),
        (redirecting(), redirecting()),
    ] {
        let gates = TwoGates::publishing("", crm, files).await;
        assert!(panics(|| gates.with_metadata(Router::new())));
    }
}

#[tokio::test]
async fn axum_panics_if_both_merged_routers_have_a_fallback() {
    let gates = TwoGates::below("").await;
    let with_fallback =
        |path, gate: &Toolgate| server(path, "it").fallback(handler).layer(gate.layer());
    assert!(panics(|| {
        with_fallback("/crm", &gates.crm).merge(with_fallback("/files", &gates.files))
    }));
}

fn panics(build: impl FnOnce() -> Router) -> bool {
    catch_unwind(AssertUnwindSafe(build)).is_err()
}
