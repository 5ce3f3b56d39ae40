//! Several names of one resource: one set of sessions, caches and rules, and answers that name the name that was asked.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey};
use toolgate::{Builder, Gates, RequestBody, Resource, ScopeMap, Toolgate};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::challenge::Challenge;
use crate::gates::{Seen, request_to, send, split};
use crate::world::{call, clock};

const MAIN: &str = "https://mcp.example.com/mcp";
const OTHER: &str = "https://mcp.example.org/v2/mcp";

struct Named {
    server: AuthorizationServer,
    gate: Toolgate,
}

impl Named {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let server = AuthorizationServer::builder().clock(clock()).start().await;
        let builder = Toolgate::builder(MAIN).also_at(OTHER).clock(clock());
        let builder = builder.issuer(server.issuer());
        let scopes = ScopeMap::allow_unlisted().every_request("mcp:use");
        let gate = configure(builder.scopes(scopes)).build().unwrap();
        Self { server, gate }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Seen {
        // One gate by itself; `Gates` of one would not let other paths through.
        let gates = Gates::not_found_elsewhere([self.gate.clone()]).unwrap();
        send(&gates, request).await
    }

    /// Through the layer of the gate itself.
    async fn send_alone(&self, request: Request<Full<Bytes>>) -> (StatusCode, Option<String>) {
        let inner = service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
            let resource = request.extensions().get::<Resource>();
            let name = resource.map(|resource| resource.as_str().to_owned());
            Ok::<_, Infallible>(Response::new(Full::from(name.unwrap_or_default())))
        });
        let answer = self
            .gate
            .layer()
            .layer(inner)
            .oneshot(request)
            .await
            .unwrap();
        let (parts, body) = answer.into_parts();
        let named = match Challenge::of(&parts.headers) {
            Some(challenge) => challenge.get("resource_metadata").map(str::to_owned),
            None => {
                let body = body.collect().await.unwrap().to_bytes();
                Some(String::from_utf8(body.to_vec()).unwrap())
            }
        };
        (parts.status, named)
    }

    fn token(&self) -> String {
        self.server.token().audience(MAIN).scope("mcp:use").mint()
    }
}

#[tokio::test]
async fn each_name_is_answered_by_itself_and_any_other_host_by_the_identifier() {
    let named = Named::new().await;
    assert_eq!(named.gate.resource(), MAIN);
    assert_eq!(named.gate.also_at().collect::<Vec<_>>(), [OTHER]);
    let main = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
    let other = "https://mcp.example.org/.well-known/oauth-protected-resource/v2/mcp";
    for (url, document, name) in [
        (MAIN, main, MAIN),
        (OTHER, other, OTHER),
        ("https://mcp.example.org/elsewhere", main, MAIN),
        ("https://evil.example/v2/mcp", main, MAIN),
        ("https://mcp.example.org//v2/mcp", main, MAIN),
    ] {
        let refused = named.send_alone(request_to(url, None)).await;
        assert_eq!(
            refused,
            (StatusCode::UNAUTHORIZED, Some(document.to_owned())),
            "{url}"
        );
        let served = named
            .send_alone(request_to(url, Some(&named.token())))
            .await;
        assert_eq!(served, (StatusCode::OK, Some(name.to_owned())), "{url}");
    }
}

#[tokio::test]
async fn the_metadata_service_tells_the_names_apart_too() {
    let named = Named::new().await;
    let paths = named.gate.metadata_paths();
    assert_eq!(
        paths,
        [
            "/.well-known/oauth-protected-resource/mcp",
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/v2/mcp",
        ]
    );
    let mut service = named.gate.metadata_service();
    for (host, path, resource) in [
        ("mcp.example.com", &paths[0], MAIN),
        ("mcp.example.com", &paths[1], MAIN),
        ("mcp.example.org", &paths[2], OTHER),
        ("mcp.example.org", &paths[1], OTHER),
        ("evil.example", &paths[0], MAIN),
    ] {
        let request = Request::get(path).header("host", host).body(()).unwrap();
        let answer = service.call(request).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(document["resource"], resource, "{host}{path}");
    }
}

#[tokio::test]
async fn a_proof_must_name_the_name_that_was_asked() {
    let named = Named::new().await;
    let key = SigningKey::generate(Algorithm::Es256);
    let token = named.server.token().audience(MAIN).scope("mcp:use");
    let token = token.bound_to(&key).mint();
    for (proved, asked, code) in [
        (MAIN, MAIN, None),
        (OTHER, OTHER, None),
        (MAIN, OTHER, Some("dpop_other_request")),
        (OTHER, MAIN, Some("dpop_other_request")),
    ] {
        let proof = named
            .server
            .proof(&key, "POST", proved)
            .for_token(&token)
            .mint();
        let mut request = request_to(asked, None);
        let headers = request.headers_mut();
        headers.insert("authorization", format!("DPoP {token}").parse().unwrap());
        headers.insert("dpop", proof.parse().unwrap());
        assert_eq!(named.send(request).await.code, code, "{proved} at {asked}");
    }
}

#[tokio::test]
async fn a_session_goes_on_under_the_other_name() {
    let named = Named::new().await;
    let inner = service_fn(async |_: Request<RequestBody<Full<Bytes>>>| {
        let answer = Response::builder().header("mcp-session-id", "inner");
        Ok::<_, Infallible>(answer.body(Full::<Bytes>::default()).unwrap())
    });
    let mut service = named.gate.layer().layer(inner);
    let begun = service
        .call(request_to(MAIN, Some(&named.token())))
        .await
        .unwrap();
    let session = begun.headers()["mcp-session-id"].clone();
    assert_ne!(session, "inner");
    for (name, status) in [(OTHER, StatusCode::OK), (MAIN, StatusCode::OK)] {
        let mut request = request_to(name, Some(&named.token()));
        request
            .headers_mut()
            .insert("mcp-session-id", session.clone());
        assert_eq!(
            service.call(request).await.unwrap().status(),
            status,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_page_of_a_name_may_call_that_name_only() {
    let named = Named::new().await;
    for (origin, name, code) in [
        ("https://mcp.example.com", MAIN, None),
        ("https://mcp.example.org", OTHER, None),
        ("https://mcp.example.org", MAIN, Some("origin_not_allowed")),
    ] {
        let mut request = request_to(name, Some(&named.token()));
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        assert_eq!(named.send(request).await.code, code, "{origin} at {name}");
    }
}

#[tokio::test]
async fn a_reload_keeps_the_names_and_changes_the_rules_under_all_of_them() {
    let named = Named::new().await;
    let file = |names: &str| {
        let issuer = named.server.issuer();
        let file = format!(
            "resource = '{MAIN}'\nalso_at = [{names}]\n[[issuers]]\nissuer = '{issuer}'\n[scopes]\nunlisted = 'allow'\nevery_request = ['more']"
        );
        toml::from_str(&file).unwrap()
    };
    for names in ["", "'https://mcp.example.net/mcp'"] {
        let wrong = named.gate.reload(file(names)).unwrap_err();
        assert_eq!(wrong.problems()[0].field(), "also_at");
    }
    named.gate.reload(file(&format!("'{OTHER}'"))).unwrap();
    for name in [MAIN, OTHER] {
        let seen = named.send(request_to(name, Some(&named.token()))).await;
        assert_eq!(seen.code, Some("insufficient_scope"), "{name}");
    }
}

#[tokio::test]
async fn names_that_cannot_be_told_apart_are_mistakes() {
    for (name, field) in [
        ("https://mcp.example.com/mcp", "also_at[0]"),
        ("https://mcp.example.com/mcp/", "also_at[0]"),
        ("https://mcp.example.com:443/mcp", "also_at[0]"),
        ("http://mcp.example.org/mcp", "also_at[0]"),
        ("mcp", "also_at[0]"),
    ] {
        let builder = Toolgate::builder(MAIN).also_at(name);
        let builder = builder.issuer("https://auth.example.com");
        let wrong = builder
            .scopes(ScopeMap::allow_unlisted())
            .build()
            .unwrap_err();
        assert_eq!(wrong.problems()[0].field(), field, "{name}");
    }
}

#[tokio::test]
async fn a_gate_with_one_name_tells_the_inner_service_of_no_choice() {
    let server = AuthorizationServer::builder().clock(clock()).start().await;
    let builder = Toolgate::builder(MAIN)
        .clock(clock())
        .issuer(server.issuer());
    let gate = builder.scopes(ScopeMap::allow_unlisted()).build().unwrap();
    let inner = service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
        assert!(request.extensions().get::<Resource>().is_none());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let (_, path) = split(MAIN);
    let request = Request::builder().method(Method::POST).uri(path);
    let request = request.header("content-type", "application/json");
    let token = server.token().audience(MAIN).mint();
    let request = request.header("authorization", format!("Bearer {token}"));
    let body = Full::from(call("ping", json!({})));
    let answer = gate
        .layer()
        .layer(inner)
        .oneshot(request.body(body).unwrap());
    assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_request_is_explained_under_the_name_that_it_would_be_answered_under() {
    let named = Named::new().await;
    for (origin, name) in [
        ("https://mcp.example.com", MAIN),
        ("https://mcp.example.org", OTHER),
        ("https://mcp.example.org", MAIN),
    ] {
        let request = || {
            let mut request = request_to(name, Some(&named.token()));
            let origin = origin.parse().unwrap();
            request.headers_mut().insert("origin", origin);
            request
        };
        let served = named.send(request()).await;
        let (parts, _) = request().into_parts();
        let request = Request::from_parts(parts, call("tools/list", json!({})));
        let explained = named.gate.explain_request(request).await;
        let refusal = explained.refusal().map(|refusal| refusal.code());
        assert_eq!(refusal, served.code, "{origin} at {name}");
    }
}
