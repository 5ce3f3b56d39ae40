//! Attacks on several gates behind one layer, and mistakes that would open one.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::{any, post};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use tokio::net::{TcpListener, TcpStream};
use toolgate::testing::{AuthorizationServer, Endpoint};
use toolgate::{
    Config, ConfigError, Gates, Issuer, Metadata, RequestBody, Resource, ScopeMap, Toolgate,
};
use tower::{Layer, ServiceExt, service_fn};

use crate::challenge::Challenge;
use crate::gates::{request_to, send};
use crate::transports::open;
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

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
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

#[tokio::test]
async fn over_http2_the_authority_counts_and_a_host_that_differs_is_refused() {
    let (a, o) = ("https://a.example/mcp", "https://o.example/mcp");
    let gates = Gates::ungated_elsewhere([a, o].map(trusting)).unwrap();
    let app = Router::new().fallback(any(async || "open"));
    let address = serve(app.layer(gates.layer())).await;
    let of = |name: &str| {
        Some(format!(
            "https://{name}/.well-known/oauth-protected-resource/mcp"
        ))
    };
    for (authority, host, status, document) in [
        ("a.example", None, 401, of("a.example")),
        ("O.Example.:443", None, 401, of("o.example")),
        ("o.example", Some("o.example:80"), 401, of("o.example")),
        ("a.example", Some("o.example"), 400, None),
        ("a.example", Some(""), 400, None),
        ("a.example:0443", None, 404, None),
        ("a.example:444", None, 404, None),
        ("[::1]:3000", None, 404, None),
        ("user@a.example", None, 404, None),
    ] {
        let mut request = Request::post(format!("http://{authority}/mcp"));
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let answer = open(address, Version::HTTP_2, request).await;
        assert_eq!(answer.status(), status, "{authority} {host:?}");
        let challenge = Challenge::of(answer.headers());
        let named = challenge.and_then(|it| it.get("resource_metadata").map(str::to_owned));
        assert_eq!(named, document, "{authority} {host:?}");
    }
}

#[tokio::test]
async fn no_form_of_a_request_target_reaches_the_resource_at_the_root_without_a_token() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let gates = [
        "https://a.example",
        "https://a.example/mcp",
        "https://o.example/x",
    ];
    let gates = Gates::ungated_elsewhere(gates.map(trusting)).unwrap();
    let app = Router::new().fallback(any(async || "inner"));
    let address = serve(app.layer(gates.layer())).await;
    for (target, host) in [
        ("OPTIONS *", "a.example"),
        ("OPTIONS *", "evil.example"),
        ("CONNECT a.example:443", "a.example:443"),
        ("CONNECT evil.example:443", "evil.example:443"),
        ("GET http://a.example", "a.example"),
        ("GET http://a.example?x", "a.example"),
        ("GET http://user@a.example/mcp", "a.example"),
        ("GET http://user:pw@a.example/mcp", "user:pw@a.example"),
        ("GET /", "a.example:65536"),
        ("GET /", "a.example, evil.example"),
        ("GET /", "[fe80::1%25eth0]"),
        ("GET /;x", "a.example"),
        ("GET /x%2500", "\u{e9}.example"),
        ("GET ?x", "a.example"),
        ("BREW /mcp", "a.example"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 4"),
            "{target} {host}: {answer}"
        );
        assert!(!answer.contains("evil.example"), "{answer}");
    }
}

/// A file for the resource, with this issuer and with more fields of the issuer and of the limits.
fn file_with(resource: &str, issuer: &str, of_issuer: &str, limits: &str) -> Config {
    let file = format!(
        "resource = '{resource}'\nscopes.unlisted = 'allow'\nlimits = {{ {limits} }}\n[[issuers]]\nissuer = '{issuer}'\n{of_issuer}"
    );
    toml::from_str(&file).unwrap()
}

#[tokio::test]
async fn keys_are_shared_only_where_all_that_decides_them_is_equal() {
    let server = AuthorizationServer::builder().clock(clock()).start().await;
    let a = gate(A, Issuer::new(server.issuer()));
    let b = a.for_resource(B).scopes(ScopeMap::allow_unlisted());
    let b = b.build().unwrap();
    let gates = Gates::not_found_elsewhere([a, b.clone()]).unwrap();
    let served = async |resource| {
        let token = server.token().audience(resource).mint();
        let seen = send(&gates, request_to(resource, Some(&token))).await;
        seen.assert_served_as(resource);
        server.hits(Endpoint::Jwks)
    };
    assert_eq!((served(A).await, served(B).await), (1, 1));
    let jwks_uri = format!("jwks_uri = '{}/jwks'", server.issuer());
    let mut hits = 1;
    for (of_issuer, limits) in [
        (jwks_uri.as_str(), ""),
        ("algorithms = ['RS256', 'ES256', 'PS256', 'EdDSA']", ""),
        ("", "jwks_stale_seconds = 60"),
        ("", "unknown_kid_cooldown_seconds = 60"),
    ] {
        let file = file_with(B, server.issuer(), of_issuer, limits);
        b.reload(file).unwrap();
        hits += 1;
        assert_eq!(served(B).await, hits, "{of_issuer} {limits}");
        assert_eq!(served(A).await, hits, "the other keeps its own");
    }
}

#[tokio::test]
async fn a_gate_that_gets_other_issuers_hands_on_those_and_leaves_its_family_alone() {
    let start = || AuthorizationServer::builder().clock(clock()).start();
    let (old, new) = (start().await, start().await);
    let a = gate(A, Issuer::new(old.issuer()));
    let more = |resource| {
        let builder = a.for_resource(resource).scopes(ScopeMap::allow_unlisted());
        builder.build().unwrap()
    };
    let b = more(B);
    a.reload(file_with(A, new.issuer(), "", "")).unwrap();
    let gates = Gates::not_found_elsewhere([a.clone(), b, more(C)]).unwrap();
    for (resource, good, bad) in [(A, &new, &old), (B, &old, &new), (C, &new, &old)] {
        let token = |server: &AuthorizationServer| server.token().audience(resource).mint();
        let seen = send(&gates, request_to(resource, Some(&token(good)))).await;
        seen.assert_served_as(resource);
        let seen = send(&gates, request_to(resource, Some(&token(bad)))).await;
        assert_eq!(seen.code, Some("issuer_mismatch"), "{resource}");
    }
}

#[tokio::test]
async fn a_reload_that_is_refused_causes_no_fetch() {
    let server = AuthorizationServer::builder().clock(clock()).start().await;
    let a = gate(A, Issuer::new(server.issuer()));
    let b = gate(
        B,
        Issuer::new(server.issuer()).jwks(server.jwks().to_string()),
    );
    let gates = Gates::not_found_elsewhere([a.clone(), b]).unwrap();
    let tokens = || [A, B].map(|resource| server.token().audience(resource).mint());
    for _ in 0..3 {
        for (resource, token) in [A, B].into_iter().zip(tokens()) {
            let seen = send(&gates, request_to(resource, Some(&token))).await;
            seen.assert_served_as(resource);
        }
        let audience = format!("audiences = ['{B}']");
        let opening = file_with(A, server.issuer(), &audience, "");
        assert_eq!(
            fields(&a.reload(opening).unwrap_err()),
            ["issuers[0].audiences"]
        );
    }
    tokio::task::yield_now().await;
    assert_eq!(server.hits(Endpoint::Jwks), 1);
}

#[test]
fn a_variable_may_set_a_field_of_a_resource_and_its_mistakes_name_both() {
    let file = format!(
        "unmatched = 'refuse'\n[[issuers]]\nissuer = '{ISSUER}'\n\
         [[resources]]\nresource = '{A}'\nscopes.unlisted = 'allow'\n\
         [[resources]]\nresource = {{ env = 'PATH' }}\nscopes.unlisted = 'allow'\n\
         [[resources]]\nresource = {{ env = 'TOOLGATE_THAT_IS_NOT_SET' }}\nscopes.unlisted = 'allow'\n\
         sessions.keys = ['a secret that is short']"
    );
    let config: Config = toml::from_str(&file).unwrap();
    let wrong = config.into_gates(|builder| builder).unwrap_err();
    let told = wrong.to_string();
    assert!(!told.contains("a secret"), "{told}");
    let mut fields = fields(&wrong);
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "resources[1].resource",
            "resources[2].resource",
            "resources[2].sessions.keys[0]"
        ]
    );
    assert!(told.contains("variable PATH"), "{told}");
}
