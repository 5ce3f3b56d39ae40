//! Tenants: resources that a resolver finds by the name in a request, each with a gate of its own.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::{Value, json};
use tokio::sync::Notify;
use toolgate::testing::{Algorithm, AuthorizationServer, Clock, Endpoint, SigningKey};
use toolgate::{
    Config, ConfigError, Gates, Peer, RequestBody, Revocation, ScopeMap, Tenants, Toolgate,
};
use tower::{Layer, ServiceExt, service_fn};

use crate::gates::{Seen, request_to, send, split};
use crate::logs::listen;
use crate::world::{PATIENCE, clock, pass, until};

/// The tenants of a resolver, and how it answers.
#[derive(Clone)]
pub struct Registry {
    pub clock: Clock,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
    under_way: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

/// An answer of the resolver. A name without one belongs to no tenant.
#[derive(Clone)]
pub enum Answer {
    Config(Value),
    Failure,
    Silence,
    Panic,
    /// A configuration that comes when the test says so.
    Late(Value, Arc<Notify>),
}

pub const BY_LABEL: &str = "https://{tenant}.example.com/mcp";
pub const BY_SEGMENT: &str = "https://mcp.example.com/{tenant}/mcp";

/// The URL of the tenant with this name, by label.
pub fn url(name: &str) -> String {
    BY_LABEL.replace("{tenant}", name)
}

/// A configuration that trusts these issuers.
pub fn trusting(issuers: &[&AuthorizationServer]) -> Value {
    let issuers = issuers.iter().map(|it| json!({ "issuer": it.issuer() }));
    let issuers: Vec<_> = issuers.collect();
    json!({ "issuers": issuers, "scopes": { "every_request": ["mcp:use"], "unlisted": "allow" } })
}

impl Registry {
    pub fn new() -> Self {
        Self {
            clock: clock(),
            answers: Arc::default(),
            asked: Arc::default(),
            under_way: Arc::default(),
            most_at_once: Arc::default(),
        }
    }

    pub fn answer(&self, name: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(name.to_owned(), answer);
    }

    pub fn tenant(&self, name: &str, config: Value) {
        self.answer(name, Answer::Config(config));
    }

    pub fn remove(&self, name: &str) {
        self.answers.lock().unwrap().remove(name);
    }

    /// How often the resolver was asked for this name.
    pub fn asked(&self, name: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| *asked == name).count()
    }

    pub fn asked_in_all(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub fn tenants(&self, template: &str) -> Tenants {
        let registry = self.clone();
        Gates::resolving(template, move |name: String| registry.clone().resolve(name))
            .clock(self.clock.clone())
            .allow_private_addresses()
    }

    pub fn gates(&self, template: &str) -> Gates {
        self.tenants(template).not_found_elsewhere([]).unwrap()
    }

    async fn resolve(
        self,
        name: String,
    ) -> Result<Option<Config>, Box<dyn std::error::Error + Send + Sync>> {
        struct UnderWay(Arc<AtomicUsize>);
        impl Drop for UnderWay {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        let _under_way = UnderWay(self.under_way.clone());
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        self.asked.lock().unwrap().push(name.clone());
        let answer = self.answers.lock().unwrap().get(&name).cloned();
        match answer {
            None => Ok(None),
            Some(Answer::Config(config)) => Ok(Some(serde_json::from_value(config)?)),
            Some(Answer::Failure) => Err("the database is down".into()),
            Some(Answer::Silence) => std::future::pending().await,
            Some(Answer::Panic) => panic!("as a resolver may"),
            Some(Answer::Late(config, arrives)) => {
                arrives.notified().await;
                Ok(Some(serde_json::from_value(config)?))
            }
        }
    }
}

async fn server() -> AuthorizationServer {
    AuthorizationServer::builder().clock(clock()).start().await
}

fn token(server: &AuthorizationServer, audience: &str) -> String {
    server.token().audience(audience).scope("mcp:use").mint()
}

async fn ask(gates: &Gates, url: &str, token: Option<&str>) -> Seen {
    send(gates, request_to(url, token)).await
}

fn get(url: &str) -> Request<Full<Bytes>> {
    let (host, path) = split(url);
    let request = Request::get(path).header("host", host);
    request.body(Full::default()).unwrap()
}

fn fields(wrong: &ConfigError) -> Vec<&str> {
    let problems = wrong.problems().iter();
    problems.map(|problem| problem.field()).collect()
}

#[track_caller]
fn assert_unavailable(seen: &Seen, code: &str) {
    assert_eq!(
        (seen.status, seen.code),
        (StatusCode::SERVICE_UNAVAILABLE, Some(code))
    );
    assert!(seen.headers.contains_key("retry-after"));
    assert!(!seen.headers.contains_key("www-authenticate"));
    assert!(seen.inner.is_none());
}

#[track_caller]
fn assert_not_found(seen: &Seen) {
    assert_eq!((seen.status, seen.code), (StatusCode::NOT_FOUND, None));
    assert!(seen.inner.is_none() && seen.body.is_empty());
}

#[tokio::test]
async fn a_tenant_is_found_by_its_label_or_its_segment_and_has_a_gate_of_its_own() {
    let (server, registry) = (server().await, Registry::new());
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[&server]));
    }
    for template in [
        BY_LABEL,
        BY_SEGMENT,
        "https://mcp.{tenant}.example.com:8443",
    ] {
        let gates = registry.gates(template);
        for name in ["acme", "globex"] {
            let url = template.replace("{tenant}", name);
            let seen = ask(&gates, &url, None).await;
            assert_eq!(seen.code, Some("no_token"), "{url}");
            let document = seen
                .challenge()
                .get("resource_metadata")
                .unwrap()
                .to_owned();
            let document = send(&gates, get(&document)).await;
            assert_eq!(document.json()["resource"], url);
            let good = token(&server, &url);
            ask(&gates, &url, Some(&good)).await.assert_served_as(&url);
            let other = template.replace("{tenant}", "other");
            assert_not_found(&ask(&gates, &other, Some(&good)).await);
        }
        let of_acme = token(&server, &template.replace("{tenant}", "acme"));
        let at_globex = template.replace("{tenant}", "globex");
        let seen = ask(&gates, &at_globex, Some(&of_acme)).await;
        assert_eq!(seen.code, Some("audience_mismatch"));
    }
}

#[tokio::test]
async fn a_token_does_not_open_the_path_of_a_document_that_is_not_served() {
    let (server, registry) = (server().await, Registry::new());
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[&server]));
    }
    for template in [BY_LABEL, BY_SEGMENT] {
        let gates = registry.gates(template);
        let here = template.replace("{tenant}", "acme");
        let good = token(&server, &here);
        let (host, path) = split(&here);
        let paths = [path, ""].map(|path| format!("oauth-authorization-server{path}"));
        for path in paths {
            let url = format!("https://{host}/.well-known/{path}");
            assert_not_found(&ask(&gates, &url, Some(&good)).await);
        }
        // A host of its own has a document at its root, and a shared one has none.
        let root = format!("https://{host}/.well-known/oauth-protected-resource");
        let root = send(&gates, get(&root)).await;
        match template {
            BY_LABEL => assert_eq!(root.json()["resource"], here),
            _ => assert_not_found(&root),
        }
    }
}

#[tokio::test]
async fn a_text_that_is_no_name_reaches_neither_the_resolver_nor_the_inner_service() {
    let registry = Registry::new();
    for (template, texts) in [
        (BY_LABEL, &["-a", "a-", "a_b", "a.b", ""][..]),
        (BY_SEGMENT, &["A", "a_b", "a.b", "a;b", "a%20b", "~a"][..]),
    ] {
        let long = "a".repeat(64);
        for text in texts.iter().copied().chain([long.as_str()]) {
            let ungated = registry.tenants(template).ungated_elsewhere([]).unwrap();
            for gates in [registry.gates(template), ungated] {
                let url = template.replace("{tenant}", text);
                let seen = ask(&gates, &url, None).await;
                assert_not_found(&seen);
            }
        }
    }
    assert_eq!(registry.asked_in_all(), 0);
}

#[tokio::test]
async fn a_name_of_no_tenant_is_404_and_is_remembered_for_half_a_minute() {
    let (server, registry) = (server().await, Registry::new());
    let gates = registry.gates(BY_LABEL);
    for _ in 0..3 {
        assert_not_found(&ask(&gates, &url("acme"), None).await);
    }
    assert_eq!(registry.asked("acme"), 1);
    registry.tenant("acme", trusting(&[&server]));
    registry.clock.advance(Duration::from_secs(29));
    assert_not_found(&ask(&gates, &url("acme"), None).await);
    registry.clock.advance(Duration::from_secs(1));
    assert_eq!(ask(&gates, &url("acme"), None).await.code, Some("no_token"));
    assert_eq!(registry.asked("acme"), 2);

    assert_not_found(&ask(&gates, &url("globex"), None).await);
    registry.tenant("globex", trusting(&[&server]));
    gates.forget("globex");
    assert_eq!(
        ask(&gates, &url("globex"), None).await.code,
        Some("no_token")
    );
}

#[tokio::test]
async fn all_requests_for_a_new_tenant_wait_for_one_resolution() {
    let (server, registry) = (server().await, Registry::new());
    registry.tenant("acme", trusting(&[&server]));
    let gates = registry.gates(BY_LABEL);
    let (here, good) = (url("acme"), token(&server, &url("acme")));
    let requests = (0..50).map(|_| ask(&gates, &here, Some(&good)));
    for seen in futures_util::future::join_all(requests).await {
        seen.assert_served_as(&here);
    }
    assert_eq!(registry.asked("acme"), 1);
    assert_eq!(server.hits(Endpoint::Jwks), 1);
}

#[tokio::test]
async fn a_known_tenant_is_served_while_the_resolver_is_asked_again_after_a_minute() {
    let (server, registry) = (server().await, Registry::new());
    registry.tenant("acme", trusting(&[&server]));
    let gates = registry.gates(BY_LABEL);
    let (here, good) = (url("acme"), token(&server, &url("acme")));
    let served = async || {
        ask(&gates, &here, Some(&good))
            .await
            .assert_served_as(&here)
    };
    served().await;
    registry.clock.advance(Duration::from_secs(59));
    served().await;
    assert_eq!(registry.asked("acme"), 1);
    registry.clock.advance(Duration::from_secs(1));
    for answer in [Answer::Silence, Answer::Failure, Answer::Panic] {
        registry.answer("acme", answer);
        let before = registry.asked("acme");
        served().await;
        until(|| registry.asked("acme") == before + 1).await;
        served().await;
        // Past the time of one resolution, and the pause after a failed one.
        pass(Duration::from_secs(6)).await;
        until(|| registry.under_way.load(Ordering::SeqCst) == 0).await;
        registry.clock.advance(Duration::from_secs(61));
    }
    // Its next answer takes effect.
    let mut strict = trusting(&[&server]);
    strict["scopes"]["every_request"] = json!(["admin"]);
    registry.tenant("acme", strict);
    let before = registry.asked("acme");
    let _ = ask(&gates, &here, Some(&good)).await;
    until(|| registry.asked("acme") == before + 1).await;
    tokio::task::yield_now().await;
    let seen = ask(&gates, &here, Some(&good)).await;
    assert_eq!(seen.code, Some("insufficient_scope"));
}

/// Opens a stream of events through these gates. The sender is the end of the inner service.
async fn open(
    gates: &Gates,
    here: &str,
    token: &str,
) -> (tokio::sync::mpsc::UnboundedSender<Bytes>, OpenBody) {
    let (events, receiver) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let inner = service_fn(move |_: Request<RequestBody<Full<Bytes>>>| {
        let mut receiver = receiver.lock().unwrap().take().unwrap();
        let events = futures_util::stream::poll_fn(move |cx| {
            let next = receiver.poll_recv(cx);
            next.map(|next| next.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes))))
        });
        let answer = Response::builder().header("content-type", "text/event-stream");
        let answer = answer.body(StreamBody::new(Box::pin(events) as EventStream));
        std::future::ready(Ok::<_, Infallible>(answer.unwrap()))
    });
    let mut request = get(here);
    let line = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", line);
    let accept = "text/event-stream".parse().unwrap();
    request.headers_mut().insert("accept", accept);
    let answer = gates.layer().layer(inner).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut body = answer.into_body();
    events.send("data: hello\n\n".into()).unwrap();
    let first = body.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "data: hello\n\n");
    (events, body)
}

type EventStream =
    std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;
type OpenBody = toolgate::ResponseBody<StreamBody<EventStream>>;

async fn assert_over(mut body: OpenBody) {
    let end = tokio::time::timeout(PATIENCE, body.frame()).await;
    assert!(end.expect("an end").is_none());
}

#[tokio::test]
async fn the_streams_of_a_removed_tenant_end_without_a_request_and_those_of_others_go_on() {
    let (server, registry) = (server().await, Registry::new());
    let (logs, _guard) = listen();
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[&server]));
    }
    let gates = registry.gates(BY_LABEL);
    let (acme, globex) = (url("acme"), url("globex"));
    let good = token(&server, &acme);
    let (_events, of_acme) = open(&gates, &acme, &good).await;
    let (events, mut of_globex) = open(&gates, &globex, &token(&server, &globex)).await;
    registry.remove("acme");
    registry.clock.advance(Duration::from_secs(60));
    pass(Duration::from_secs(16)).await;
    assert_over(of_acme).await;
    assert_not_found(&ask(&gates, &acme, Some(&good)).await);
    events.send("data: still here\n\n".into()).unwrap();
    let next = of_globex.frame().await.unwrap().unwrap();
    assert_eq!(next.into_data().unwrap(), "data: still here\n\n");
    let events = logs.events();
    let removed =
        |event: &&Value| event["fields"]["message"] == "a tenant is removed, and its streams end";
    let removed: Vec<_> = events.iter().filter(removed).collect();
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0]["fields"]["resource"], acme);
    assert_eq!(removed[0]["level"], "INFO");

    // If it comes back, it is served, and a new stream stays open.
    registry.tenant("acme", trusting(&[&server]));
    gates.forget("acme");
    let (events, mut again) = open(&gates, &acme, &good).await;
    events.send("data: 2\n\n".into()).unwrap();
    assert!(again.frame().await.is_some());
}

#[tokio::test]
async fn a_tenant_that_is_forgotten_is_not_served_by_its_old_configuration() {
    let (server, registry) = (server().await, Registry::new());
    registry.tenant("acme", trusting(&[&server]));
    let gates = registry.gates(BY_LABEL);
    let (here, good) = (url("acme"), token(&server, &url("acme")));
    let (_events, stream) = open(&gates, &here, &good).await;
    registry.answer("acme", Answer::Failure);
    gates.forget("acme");
    until(|| registry.asked("acme") == 2).await;
    let seen = ask(&gates, &here, Some(&good)).await;
    assert_unavailable(&seen, "tenant_unavailable");

    let mut strict = trusting(&[&server]);
    strict["scopes"]["every_request"] = json!(["admin"]);
    registry.tenant("acme", strict);
    gates.forget("acme");
    // The stream is checked under the new configuration, without a request.
    assert_over(stream).await;
    let seen = ask(&gates, &here, Some(&good)).await;
    assert_eq!(seen.code, Some("insufficient_scope"));
    // A text that is no name is ignored.
    gates.forget("Acme!");
}

#[tokio::test]
async fn a_tenant_that_was_idle_for_long_is_not_served_before_the_resolver_is_asked() {
    let (server, registry) = (server().await, Registry::new());
    registry.tenant("acme", trusting(&[&server]));
    let gates = registry.gates(BY_LABEL);
    let (here, good) = (url("acme"), token(&server, &url("acme")));
    ask(&gates, &here, Some(&good))
        .await
        .assert_served_as(&here);
    registry.remove("acme");
    registry.clock.advance(Duration::from_secs(3600));
    assert_not_found(&ask(&gates, &here, Some(&good)).await);
}

#[tokio::test]
async fn all_streams_of_tenants_can_be_closed_for_a_shutdown() {
    let (server, registry) = (server().await, Registry::new());
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[&server]));
    }
    let gates = registry.gates(BY_LABEL);
    let (acme, globex) = (url("acme"), url("globex"));
    let (_events, stream) = open(&gates, &acme, &token(&server, &acme)).await;
    gates.close_streams();
    assert_over(stream).await;
    // A tenant that is built after that has none either.
    let mut request = get(&globex);
    let line = format!("Bearer {}", token(&server, &globex));
    let headers = request.headers_mut();
    headers.insert("authorization", line.parse().unwrap());
    headers.insert("accept", "text/event-stream".parse().unwrap());
    assert_unavailable(&send(&gates, request).await, "shutting_down");
    let called = ask(&gates, &globex, Some(&token(&server, &globex))).await;
    called.assert_served_as(&globex);
}

#[tokio::test]
async fn a_resolver_that_fails_panics_hangs_or_lies_is_503_for_a_new_tenant_and_slows_no_other() {
    let (server, registry) = (server().await, Registry::new());
    registry.tenant("acme", trusting(&[&server]));
    let gates = registry.gates(BY_LABEL);
    let (here, good) = (url("acme"), token(&server, &url("acme")));
    ask(&gates, &here, Some(&good))
        .await
        .assert_served_as(&here);

    registry.answer("failing", Answer::Failure);
    registry.answer("panicking", Answer::Panic);
    let mut lying = trusting(&[&server]);
    lying["resource"] = json!(here);
    registry.tenant("lying", lying);
    registry.tenant("empty", json!({}));
    registry.tenant("no-config", json!({ "resourc": "x" }));
    for (name, code) in [
        ("failing", "tenant_unavailable"),
        ("panicking", "tenant_unavailable"),
        ("lying", "tenant_unusable"),
        ("empty", "tenant_unusable"),
        ("no-config", "tenant_unavailable"),
    ] {
        let (logs, _guard) = listen();
        let seen = ask(&gates, &url(name), Some(&good)).await;
        assert_unavailable(&seen, code);
        assert!(!String::from_utf8_lossy(&seen.body).contains("database"));
        let event = &logs.decision()["fields"];
        assert_eq!(event["reason"], code);
        assert_eq!(event["resource"], url(name));
        assert!(event["source"].as_str().is_some_and(|it| !it.is_empty()));
        // It is asked anew for the next request.
        let asked = registry.asked(name);
        assert_unavailable(&ask(&gates, &url(name), None).await, code);
        assert_eq!(registry.asked(name), asked + 1);
    }

    registry.answer("hanging", Answer::Silence);
    let of_hanging = url("hanging");
    let hanging = ask(&gates, &of_hanging, None);
    let mut hanging = std::pin::pin!(hanging);
    assert!(futures_util::poll!(hanging.as_mut()).is_pending());
    until(|| registry.asked("hanging") == 1).await;
    ask(&gates, &here, Some(&good))
        .await
        .assert_served_as(&here);
    registry.tenant("new", trusting(&[&server]));
    assert_eq!(ask(&gates, &url("new"), None).await.code, Some("no_token"));
    pass(Duration::from_secs(5)).await;
    assert_unavailable(&hanging.await, "tenant_unavailable");
}

#[tokio::test]
async fn sixteen_resolutions_at_most_are_under_way_and_half_of_them_for_names_that_are_not_known() {
    let (server, registry) = (server().await, Registry::new());
    registry.tenant("acme", trusting(&[&server]));
    let gates = registry.gates(BY_LABEL);
    let (here, good) = (url("acme"), token(&server, &url("acme")));
    ask(&gates, &here, Some(&good))
        .await
        .assert_served_as(&here);
    let names: Vec<_> = (0..300).map(|number| format!("n{number}")).collect();
    for name in &names {
        registry.answer(name, Answer::Silence);
    }
    let flood = names.iter().map(|name| {
        let (gates, url) = (gates.clone(), url(name));
        tokio::spawn(async move { ask(&gates, &url, None).await })
    });
    let flood: Vec<_> = flood.collect();
    until(|| flood.iter().filter(|it| it.is_finished()).count() == 300 - 256 - 8).await;
    until(|| registry.asked_in_all() == 1 + 8).await;
    assert_eq!(registry.most_at_once.load(Ordering::SeqCst), 8);
    // A known tenant is still resolved again.
    registry.clock.advance(Duration::from_secs(60));
    ask(&gates, &here, Some(&good))
        .await
        .assert_served_as(&here);
    until(|| registry.asked("acme") == 2).await;
    for _ in 0..3 {
        pass(Duration::from_secs(5)).await;
        tokio::task::yield_now().await;
    }
    for seen in futures_util::future::join_all(flood).await {
        let seen = seen.unwrap();
        let code = seen.code.unwrap();
        assert!(["tenants_busy", "tenant_unavailable"].contains(&code));
        assert_unavailable(&seen, code);
    }
    assert!(registry.most_at_once.load(Ordering::SeqCst) <= 16);
}

/// How the gate of a tenant comes to its end.
#[derive(Debug, Clone, Copy)]
enum End {
    Removed,
    Dropped,
}

/// Gates that keep one idle tenant.
async fn gates_with_acme(registry: &Registry, server: &AuthorizationServer) -> Gates {
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[server]));
    }
    let tenants = registry.tenants(BY_LABEL).max_idle(1);
    tenants.not_found_elsewhere([]).unwrap()
}

impl End {
    /// Ends the gate of acme. The next request builds another one.
    async fn of_acme(self, registry: &Registry, gates: &Gates, server: &AuthorizationServer) {
        let asked = registry.asked("acme");
        match self {
            Self::Removed => {
                registry.remove("acme");
                gates.forget("acme");
                until(|| registry.asked("acme") == asked + 1).await;
                assert!(gates.tenant("acme").await.unwrap().is_none());
                registry.tenant("acme", trusting(&[server]));
                gates.forget("acme");
                assert!(gates.tenant("acme").await.unwrap().is_some());
            }
            Self::Dropped => {
                let seen = ask(gates, &url("globex"), None).await;
                assert_eq!(seen.code, Some("no_token"));
                assert_eq!(registry.asked("acme"), asked);
                assert!(gates.tenant("acme").await.unwrap().is_some());
                assert_eq!(registry.asked("acme"), asked + 1, "it was dropped");
            }
        }
    }
}

#[tokio::test]
async fn a_revocation_holds_at_every_tenant_of_the_issuer_and_when_the_tenant_is_built_anew() {
    for end in [End::Removed, End::Dropped] {
        let (server, registry) = (server().await, Registry::new());
        let gates = gates_with_acme(&registry, &server).await;
        let acme = gates.tenant("acme").await.unwrap().expect("a tenant");
        assert_eq!(acme.resource(), url("acme"));
        let alice = Revocation::subject(server.issuer(), "alice");
        acme.revoke(alice, Duration::from_secs(3600)).await.unwrap();
        drop(acme);
        end.of_acme(&registry, &gates, &server).await;
        for name in ["acme", "globex"] {
            let good = token(&server, &url(name));
            let seen = ask(&gates, &url(name), Some(&good)).await;
            assert_eq!(seen.code, Some("revoked"), "{name}");
            assert_eq!(seen.challenge().get("error"), Some("invalid_token"));
        }
        assert!(gates.tenant("Acme").await.unwrap().is_none());
        registry.answer("down", Answer::Failure);
        let why = gates.tenant("down").await.unwrap_err();
        assert_eq!(why.code(), "tenant_unavailable");
    }
}

#[tokio::test]
async fn a_used_proof_and_a_session_outlive_the_gate_of_a_tenant() {
    for end in [End::Removed, End::Dropped] {
        let (server, registry) = (server().await, Registry::new());
        let gates = gates_with_acme(&registry, &server).await;
        let here = url("acme");
        let key = SigningKey::generate(Algorithm::Es256);
        let bound = server.token().audience(here.clone()).scope("mcp:use");
        let bound = bound.bound_to(&key).mint();
        let proof = server.proof(&key, "POST", &here).for_token(&bound).mint();
        let with_proof = || {
            let mut request = request_to(&here, None);
            let headers = request.headers_mut();
            let line = format!("DPoP {bound}");
            headers.insert("authorization", line.parse().unwrap());
            headers.insert("dpop", proof.parse().unwrap());
            request
        };
        send(&gates, with_proof()).await.assert_served_as(&here);

        let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
            let answer = Response::builder().header("mcp-session-id", "s1");
            Ok::<_, Infallible>(answer.body(Full::<Bytes>::default()).unwrap())
        });
        let good = token(&server, &here);
        let request = request_to(&here, Some(&good));
        let answer = gates.layer().layer(inner).oneshot(request).await.unwrap();
        let session = answer.headers()["mcp-session-id"].clone();
        drop(answer);

        end.of_acme(&registry, &gates, &server).await;
        let replayed = send(&gates, with_proof()).await;
        assert_eq!(replayed.code, Some("dpop_replayed"), "{end:?}");
        let mut request = request_to(&here, Some(&good));
        request.headers_mut().insert("mcp-session-id", session);
        let seen = send(&gates, request).await;
        seen.assert_served_as(&here);
        assert_eq!(seen.inner.unwrap().0["mcp-session-id"], "s1");
    }
}

#[tokio::test]
async fn a_tenant_with_an_open_stream_or_a_handle_is_not_idle() {
    let (server, registry) = (server().await, Registry::new());
    let gates = gates_with_acme(&registry, &server).await;
    let acme = url("acme");
    let (_events, stream) = open(&gates, &acme, &token(&server, &acme)).await;
    let handle = gates.tenant("globex").await.unwrap().unwrap();
    for number in 0..5 {
        let name = format!("t{number}");
        registry.tenant(&name, trusting(&[&server]));
        let seen = ask(&gates, &url(&name), None).await;
        assert_eq!(seen.code, Some("no_token"));
    }
    for name in ["acme", "globex"] {
        assert_eq!(ask(&gates, &url(name), None).await.code, Some("no_token"));
        assert_eq!(registry.asked(name), 1, "{name}");
    }
    drop((stream, handle));
    let seen = ask(&gates, &url("t0"), None).await;
    assert_eq!(seen.code, Some("no_token"));
    assert_eq!(registry.asked("t0"), 2);
    for name in ["acme", "globex"] {
        assert_eq!(ask(&gates, &url(name), None).await.code, Some("no_token"));
    }
    assert!(registry.asked("acme") + registry.asked("globex") > 2);
}

#[tokio::test]
async fn an_answer_from_before_the_tenant_was_forgotten_is_not_used() {
    let (server, registry) = (server().await, Registry::new());
    let arrives = Arc::new(Notify::new());
    let late = Answer::Late(trusting(&[&server]), arrives.clone());
    registry.answer("acme", late);
    let gates = registry.gates(BY_LABEL);
    let (here, good) = (url("acme"), token(&server, &url("acme")));
    let request = {
        let (gates, here, good) = (gates.clone(), here.clone(), good.clone());
        tokio::spawn(async move { ask(&gates, &here, Some(&good)).await })
    };
    until(|| registry.asked("acme") == 1).await;
    let mut strict = trusting(&[&server]);
    strict["scopes"]["every_request"] = json!(["admin"]);
    registry.tenant("acme", strict);
    gates.forget("acme");
    arrives.notify_one();
    let seen = request.await.unwrap();
    assert_eq!(seen.code, Some("insufficient_scope"));
    assert_eq!(registry.asked("acme"), 2);
}

#[tokio::test]
async fn a_tenant_that_keeps_its_configuration_is_an_event() {
    let (server, registry) = (server().await, Registry::new());
    registry.tenant("acme", trusting(&[&server]));
    let gates = registry.gates(BY_LABEL);
    let (here, good) = (url("acme"), token(&server, &url("acme")));
    ask(&gates, &here, Some(&good))
        .await
        .assert_served_as(&here);
    registry.tenant("acme", json!({}));
    registry.clock.advance(Duration::from_secs(60));
    let (logs, _guard) = listen();
    ask(&gates, &here, Some(&good))
        .await
        .assert_served_as(&here);
    let kept = || {
        let events = logs.events().into_iter();
        let mut events = events.filter(|event| event["fields"]["reason"] == "tenant_unusable");
        events.next()
    };
    until(|| kept().is_some()).await;
    let event = kept().unwrap();
    assert_eq!(
        (&event["level"], &event["fields"]["resource"]),
        (&json!("ERROR"), &json!(here))
    );
    let source = event["fields"]["source"].as_str().unwrap();
    assert!(
        source.contains("issuers") && source.contains("scopes"),
        "{source}"
    );
    ask(&gates, &here, Some(&good))
        .await
        .assert_served_as(&here);
}

#[tokio::test]
async fn keys_are_shared_by_tenants_only_where_all_that_decides_them_is_equal() {
    let (good, evil) = (server().await, server().await);
    let registry = Registry::new();
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[&good]));
    }
    // It names the issuer of the others, and has keys of its own.
    let mut config = trusting(&[&good]);
    config["issuers"][0]["jwks_uri"] = json!(format!("{}/jwks", evil.issuer()));
    registry.tenant("evil", config);
    let gates = registry.gates(BY_LABEL);
    let forged = |name: &str| {
        let forged = evil.token().audience(url(name)).scope("mcp:use");
        forged.claim("iss", good.issuer()).mint()
    };
    ask(&gates, &url("evil"), Some(&forged("evil")))
        .await
        .assert_served_as(&url("evil"));
    for name in ["acme", "globex"] {
        let seen = ask(&gates, &url(name), Some(&forged(name))).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{:?}", seen.code);
        assert_eq!(seen.challenge().get("error"), Some("invalid_token"));
        let seen = ask(&gates, &url(name), Some(&token(&good, &url(name)))).await;
        seen.assert_served_as(&url(name));
    }
    let seen = ask(&gates, &url("evil"), Some(&token(&good, &url("evil")))).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        (good.hits(Endpoint::Jwks), evil.hits(Endpoint::Jwks)),
        (1, 1)
    );
}

#[tokio::test]
async fn a_configuration_that_reaches_for_more_than_its_tenant_is_refused() {
    let registry = Registry::new();
    let issuer = |more: Value| {
        let mut issuer = json!({ "issuer": "https://auth.example.org" });
        issuer
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "issuers": [issuer], "scopes": { "unlisted": "allow" } })
    };
    let with = |more: Value| {
        let mut config = issuer(json!({}));
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        config
    };
    let claims = json!({ "tid": "acme" });
    let introspection = |more: Value| {
        let mut table = json!({ "client_id": "c", "client_secret": "s" });
        table
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        issuer(json!({ "introspection": table }))
    };
    let strict = |template: &str| {
        let registry = registry.clone();
        let clock = registry.clock.clone();
        let tenants = Gates::resolving(template, move |name| registry.clone().resolve(name));
        tenants.clock(clock).not_found_elsewhere([]).unwrap()
    };
    let unusable = [
        (
            issuer(json!({ "issuer": "http://localhost:1" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "issuer": "https://10.0.0.1" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "issuer": "https://localhost" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "issuer": "https://a.localhost" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "issuer": "https://0x7f.1" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "issuer": "https://2130706433" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "issuer": "https://[fd00::1]" })),
            "issuers[0].issuer",
        ),
        (
            issuer(json!({ "jwks_uri": "https://169.254.169.254/x" })),
            "issuers[0].jwks_uri",
        ),
        (
            issuer(json!({ "jwks_file": "/etc/passwd" })),
            "issuers[0].jwks_file",
        ),
        (
            issuer(json!({ "jwks_uri": { "env": "PATH" } })),
            "issuers[0].jwks_uri",
        ),
        (
            introspection(json!({ "client_secret": { "env": "PATH" } })),
            "issuers[0].introspection.client_secret",
        ),
        (
            introspection(json!({ "client_secret": { "file": "/etc/passwd" } })),
            "issuers[0].introspection.client_secret",
        ),
        (
            introspection(json!({ "endpoint": "https://127.0.0.1/introspect" })),
            "issuers[0].introspection.endpoint",
        ),
        (
            with(json!({ "sessions": { "keys": [{ "env": "PATH" }] } })),
            "sessions.keys[0]",
        ),
        (
            with(json!({ "api_keys": { "prefix": "tg_", "file": "/etc/passwd" } })),
            "api_keys.file",
        ),
        (
            with(json!({ "resource": "https://globex.example.com/mcp" })),
            "resource",
        ),
        (
            with(json!({ "also_at": ["https://globex.example.com/mcp"] })),
            "also_at",
        ),
        (with(json!({ "seen_at": "/other" })), "seen_at"),
        (
            issuer(json!({ "audiences": ["api://x"] })),
            "issuers[0].claims",
        ),
        (
            issuer(json!({ "unbound": { "only_clients": ["c"] } })),
            "issuers[0].claims",
        ),
        (
            issuer(json!({ "audiences": ["https://globex.example.com/mcp"], "claims": claims })),
            "issuers[0].audiences[0]",
        ),
        (
            with(json!({ "unmatched": "pass", "resources": [] })),
            "resources",
        ),
    ];
    let gates = strict(BY_LABEL);
    for (config, field) in unusable {
        registry.tenant("acme", config.clone());
        let seen = ask(&gates, &url("acme"), None).await;
        assert_unavailable(&seen, "tenant_unusable");
        let why = gates.tenant("acme").await.unwrap_err();
        let why = std::error::Error::source(&why).unwrap();
        let wrong = why.downcast_ref::<ConfigError>().unwrap();
        assert_eq!(fields(wrong), [field], "{config}: {wrong}");
        assert!(!wrong.to_string().contains("/usr/bin"), "{wrong}");
    }
    for usable in [
        with(json!({ "resource": url("acme") })),
        issuer(json!({ "audiences": ["api://x"], "claims": claims })),
        issuer(json!({ "audiences": ["https://acme.example.com/mcp/"], "claims": claims })),
    ] {
        registry.tenant("acme", usable.clone());
        gates.forget("acme");
        let seen = ask(&gates, &url("acme"), None).await;
        assert_eq!(seen.code, Some("no_token"), "{usable}");
    }
    // Several tenants of one host have no document at its root.
    let gates = strict(BY_SEGMENT);
    registry.tenant("acme", with(json!({ "metadata": { "root_copy": true } })));
    let seen = ask(&gates, "https://mcp.example.com/acme/mcp", None).await;
    assert_unavailable(&seen, "tenant_unusable");
}

#[tokio::test]
async fn a_proxy_may_name_the_tenant_in_a_header_that_counts_from_listed_peers_alone() {
    let (server, registry) = (server().await, Registry::new());
    for name in ["acme", "globex"] {
        registry.tenant(name, trusting(&[&server]));
    }
    let listed: IpAddr = "10.0.0.7".parse().unwrap();
    let other: IpAddr = "10.1.0.7".parse().unwrap();
    for (template, seen_at, path) in [
        (BY_LABEL, None, "/mcp"),
        (BY_LABEL, Some("/inner"), "/inner"),
        (BY_SEGMENT, Some("/inner/"), "/inner"),
        (BY_SEGMENT, None, "/acme/mcp"),
    ] {
        let mut tenants = registry
            .tenants(template)
            .named_in_header("x-tenant", ["10.0.0.0/16"]);
        if let Some(seen_at) = seen_at {
            tenants = tenants.seen_at(seen_at);
        }
        let gates = tenants.ungated_elsewhere([]).unwrap();
        let acme = template.replace("{tenant}", "acme");
        let good = token(&server, &acme);
        let request = |peer: Option<IpAddr>, names: &[&str]| {
            let backend = format!("https://backend.internal:8080{path}");
            let mut request = request_to(&backend, Some(&good));
            for name in names {
                let name = name.parse().unwrap();
                request.headers_mut().append("x-tenant", name);
            }
            request
                .headers_mut()
                .append("x_tenant", "globex".parse().unwrap());
            request.extensions_mut().extend(
                peer.map(|peer| {
                    let mut extensions = http::Extensions::new();
                    extensions.insert(Peer::at(peer));
                    extensions
                })
                .unwrap_or_default(),
            );
            request
        };
        let seen = send(&gates, request(Some(listed), &["acme"])).await;
        seen.assert_served_as(&acme);
        let headers = seen.inner.unwrap().0;
        assert!(!headers.contains_key("x-tenant") && !headers.contains_key("x_tenant"));
        for (peer, names) in [
            (Some(other), &["acme"][..]),
            (None, &["acme"]),
            (Some(listed), &[]),
            (Some(listed), &["unknown"]),
            (Some(listed), &["Acme"]),
            (Some(listed), &[""]),
        ] {
            assert_not_found(&send(&gates, request(peer, names)).await);
        }
        let seen = send(&gates, request(Some(listed), &["acme", "acme"])).await;
        assert_eq!(
            (seen.status, seen.code),
            (StatusCode::BAD_REQUEST, Some("ambiguous_tenant"))
        );
        let seen = send(&gates, request(Some(listed), &["globex"])).await;
        match path {
            "/acme/mcp" => assert_not_found(&seen),
            _ => assert_eq!(seen.code, Some("audience_mismatch")),
        }
    }
}

#[tokio::test]
async fn a_template_that_could_yield_a_foreign_host_or_the_url_of_a_gate_is_a_mistake() {
    let registry = Registry::new();
    let gate = |resource: &str| {
        let builder = Toolgate::builder(resource).issuer("https://auth.example.com");
        builder.scopes(ScopeMap::allow_unlisted()).build().unwrap()
    };
    for template in [
        "https://{tenant}",
        "https://{tenant}.com/mcp",
        "https://{tenant}/mcp",
        "https://mcp.{tenant}.com/mcp",
        "https://{tenant}.0.0.1/mcp",
        "https://mcp.example.com/mcp",
        "https://{tenant}.example.com/{tenant}",
        "https://a{tenant}.example.com/mcp",
        "http://{tenant}.example.com/mcp",
    ] {
        let wrong = registry.tenants(template).not_found_elsewhere([]);
        assert_eq!(
            fields(&wrong.unwrap_err()),
            ["tenants.template"],
            "{template}"
        );
    }
    for (template, resource, is_wrong) in [
        (BY_LABEL, "https://admin.example.com/mcp", true),
        (BY_LABEL, "https://admin.example.com", true),
        (BY_LABEL, "https://admin.example.com:443/mcp/", true),
        (BY_LABEL, "https://admin.example.com/other", false),
        (BY_LABEL, "https://admin.example.com/mcp/below", false),
        (BY_LABEL, "https://admin.example.org/mcp", false),
        (BY_SEGMENT, "https://mcp.example.com/admin/mcp", true),
        (BY_SEGMENT, "https://mcp.example.com/admin", true),
        (BY_SEGMENT, "https://mcp.example.com", true),
        (BY_SEGMENT, "https://mcp.example.com/admin/other", false),
        (BY_SEGMENT, "https://admin.example.com/admin/mcp", false),
    ] {
        let gates = registry
            .tenants(template)
            .ungated_elsewhere([gate(resource)]);
        let found = gates.as_ref().err().map(fields).unwrap_or_default();
        let expected: &[&str] = if is_wrong { &["tenants.template"] } else { &[] };
        assert_eq!(found, expected, "{template} beside {resource}");
    }
    for (tenants, field) in [
        (
            registry
                .tenants(BY_LABEL)
                .named_in_header("host", ["10.0.0.1"]),
            "tenants.header",
        ),
        (
            registry
                .tenants(BY_LABEL)
                .named_in_header("x-tenant", ["0.0.0.0/0"]),
            "tenants.peers[0]",
        ),
        (
            registry
                .tenants(BY_LABEL)
                .named_in_header("x-tenant", [""; 0]),
            "tenants.peers",
        ),
        (registry.tenants(BY_LABEL).seen_at("inner"), "seen_at"),
        (
            registry.tenants(BY_SEGMENT).seen_at("/inner"),
            "tenants.seen_at",
        ),
    ] {
        let wrong = tenants.not_found_elsewhere([]).unwrap_err();
        assert_eq!(fields(&wrong), [field]);
    }
    // A proxy may send any host, so the path alone would tell them apart.
    let by_header = registry
        .tenants(BY_LABEL)
        .named_in_header("x-tenant", ["10.0.0.1"]);
    let wrong = by_header.not_found_elsewhere([gate("https://other.example.org/mcp")]);
    assert_eq!(fields(&wrong.unwrap_err()), ["tenants.template"]);
}

#[tokio::test]
async fn a_tenant_is_compared_with_the_gates_beside_it_and_takes_its_configuration_from_the_resolver()
 {
    let (server, registry) = (server().await, Registry::new());
    let fixed = Toolgate::builder("https://status.example.org/mcp")
        .issuer(toolgate::Issuer::new(server.issuer()).audience("api://x"))
        .scopes(ScopeMap::allow_unlisted())
        .clock(clock())
        .build()
        .unwrap();
    let gates = registry
        .tenants(BY_LABEL)
        .not_found_elsewhere([fixed.clone()])
        .unwrap();
    let mut sharing = trusting(&[&server]);
    sharing["issuers"][0]["audiences"] = json!(["api://x"]);
    sharing["issuers"][0]["claims"] = json!({ "tid": "acme" });
    registry.tenant("acme", sharing);
    assert_unavailable(&ask(&gates, &url("acme"), None).await, "tenant_unusable");

    registry.tenant("acme", trusting(&[&server]));
    let acme = gates.tenant("acme").await.unwrap().unwrap();
    let file = |resource: &str, audience: &str| {
        serde_json::from_value(json!({
            "resource": resource,
            "issuers": [{ "issuer": server.issuer(), "audiences": [audience] }],
            "scopes": { "unlisted": "allow" },
        }))
        .unwrap()
    };
    let wrong = fixed.reload(file("https://status.example.org/mcp", &url("acme")));
    assert_eq!(fields(&wrong.unwrap_err()), ["issuers[0].audiences"]);
    let wrong = acme.reload(file(&url("acme"), "api://y")).unwrap_err();
    assert_eq!(fields(&wrong), ["resource"]);
}
