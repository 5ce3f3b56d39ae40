//! Attacks on several gates behind one layer, and mistakes that would open one.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::{any, post};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use toolgate::testing::AuthorizationServer;
use toolgate::{
    Config, ConfigError, Gates, Issuer, Metadata, RequestBody, Resource, ScopeMap, Toolgate,
};
use tower::{Layer, ServiceExt, service_fn};

use crate::gates::{request_to, send};
use crate::world::clock;

const A: &str = "https://h.example/a";
const B: &str = "https://h.example/b";
const C: &str = "https://h.example/c";
const ISSUER: &str = "https://auth.example.com";

fn gate(resource: &str, issuer: Issuer) -> Toolgate {
    let builder = Toolgate::builder(resource).clock(clock()).issuer(issuer);
    builder.scopes(ScopeMap::allow_unlisted()).build().unwrap()
}

fn trusting(resource: &str) -> Toolgate {
    gate(resource, Issuer::new(ISSUER))
}

fn file_of(resource: &str, more: &str) -> Config {
    let file = format!(
        "resource = '{resource}'\n{more}\n[scopes]\nunlisted = 'allow'\n[[issuers]]\nissuer = '{ISSUER}'"
    );
    toml::from_str(&file).unwrap()
}

fn file_of_two(unmatched: &str, of_a: &str, of_issuer: &str) -> Config {
    let file = format!(
        "unmatched = '{unmatched}'\n[[issuers]]\nissuer = '{ISSUER}'\n{of_issuer}\n\
         [[resources]]\nresource = '{A}'\nscopes.unlisted = 'allow'\n{of_a}\n\
         [[resources]]\nresource = '{B}'\nscopes.unlisted = 'allow'"
    );
    toml::from_str(&file).unwrap()
}

fn fields(wrong: &ConfigError) -> Vec<&str> {
    let problems = wrong.problems().iter();
    problems.map(|problem| problem.field()).collect()
}

#[tokio::test]
async fn a_gate_can_be_reloaded_after_it_was_put_beside_the_same_gate_twice() {
    let (a, b) = (trusting(A), trusting(B));
    for _ in 0..2 {
        Gates::not_found_elsewhere([a.clone(), b.clone()]).unwrap();
    }
    let _in_use = Gates::not_found_elsewhere([a.clone(), b.clone()]).unwrap();
    a.reload(file_of(A, "")).unwrap();
}

#[tokio::test]
async fn a_reload_is_not_refused_for_what_two_neighbours_that_never_meet_have_in_common() {
    let listing = |resource| gate(resource, Issuer::new(ISSUER).audience("api://x"));
    let (a, b, c) = (trusting(A), listing(B), listing(C));
    let _first = Gates::not_found_elsewhere([a.clone(), b]).unwrap();
    let _second = Gates::not_found_elsewhere([a.clone(), c]).unwrap();
    a.reload(file_of(A, "")).unwrap();
}

#[tokio::test]
async fn a_reload_of_all_gates_is_checked_beside_those_of_another_layer_too() {
    let gates = file_of_two("refuse", "", "").into_gates(|builder| builder);
    let gates = gates.unwrap();
    let a = gates.gates()[0].clone();
    let _others = Gates::not_found_elsewhere([a, trusting(C)]).unwrap();
    let both_declare = format!("audiences = ['{C}']\nshared_audience = true");
    let wrong = gates.reload(file_of_two("refuse", "", &both_declare));
    assert_eq!(fields(&wrong.unwrap_err()), ["issuers[0].audiences"]);
}

#[tokio::test]
async fn a_reload_does_not_pretend_to_change_what_requests_are_picked_by() {
    let gates = file_of_two("refuse", "", "").into_gates(|builder| builder);
    let gates = gates.unwrap();
    let wrong = gates.reload(file_of_two("pass", "", ""));
    assert_eq!(fields(&wrong.unwrap_err()), ["unmatched"]);
    let wrong = gates.reload(file_of_two("refuse", "seen_at = '/seen'", ""));
    assert_eq!(fields(&wrong.unwrap_err()), ["resources[0].seen_at"]);
    let wrong = gates.gates()[0].reload(file_of(A, "seen_at = '/seen'"));
    assert_eq!(fields(&wrong.unwrap_err()), ["seen_at"]);
    // It says the same in other words.
    gates
        .reload(file_of_two("refuse", "seen_at = '/a'", ""))
        .unwrap();
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

#[tokio::test]
async fn two_documents_for_one_root_are_found_in_each_spelling_of_the_host() {
    let named = |builder: toolgate::Builder| {
        let builder = builder.issuer(ISSUER).scopes(ScopeMap::allow_unlisted());
        let metadata = Metadata::default().root_copy();
        builder.metadata(metadata).build().unwrap()
    };
    let a = named(Toolgate::builder(A));
    for other in [
        named(Toolgate::builder("https://h.example:443/b")),
        named(Toolgate::builder("https://o.example/b").also_at(B)),
    ] {
        let wrong = Gates::not_found_elsewhere([a.clone(), other]).unwrap_err();
        assert_eq!(fields(&wrong), ["metadata.root_copy"]);
    }
}

#[test]
fn settings_that_would_belong_to_no_resource_are_mistakes() {
    for (table, field) in [
        ("[metadata]\nresource_name = 'x'", "metadata"),
        ("[sessions]\nbinding = 'off'", "sessions"),
    ] {
        let file = format!(
            "unmatched = 'refuse'\n[[issuers]]\nissuer = '{ISSUER}'\n\
             [[resources]]\nresource = '{A}'\nscopes.unlisted = 'allow'\n{table}"
        );
        let config: Config = toml::from_str(&file).unwrap();
        let wrong = config.into_gates(|builder| builder).unwrap_err();
        assert_eq!(fields(&wrong), [field]);
    }
}

#[tokio::test]
async fn a_single_gate_passes_on_no_resource_that_another_layer_named() {
    let server = AuthorizationServer::builder().clock(clock()).start().await;
    let issuer = || Issuer::new(server.issuer());
    let one = Gates::not_found_elsewhere([gate(A, issuer())]).unwrap();
    let token = server.token().audience(A).mint();
    // Takes the extension from a request that several gates admitted.
    let (sender, mut taken) = tokio::sync::mpsc::unbounded_channel();
    let take = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
        let resource = request.extensions().get::<Resource>().cloned();
        sender.send(resource.unwrap()).unwrap();
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    });
    let _ = one
        .layer()
        .layer(take)
        .oneshot(request_to(A, Some(&token)))
        .await;
    let of_another = taken.recv().await.unwrap();

    let app = post(async |request: axum::extract::Request| {
        format!("{:?}", request.extensions().get::<Resource>())
    });
    let app = Router::new()
        .route("/b", app)
        .layer(gate(B, issuer()).layer());
    let token = server.token().audience(B).mint();
    let mut request = request_to(B, Some(&token));
    request.extensions_mut().insert(of_another);
    let answer = app.oneshot(request.map(Body::new)).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[..], b"None");
}
