//! Tenants: resources that a resolver finds by the name in a request, each with a gate of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::sync::Notify;
use toolgate::testing::{AuthorizationServer, Clock, Endpoint};
use toolgate::{Config, ConfigError, Gates, Tenants};

use crate::gates::{Seen, request_to, send, split};
use crate::logs::listen;
use crate::world::{clock, pass, until};

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

    pub async fn resolve(
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

pub async fn server() -> AuthorizationServer {
    AuthorizationServer::builder().clock(clock()).start().await
}

pub fn token(server: &AuthorizationServer, audience: &str) -> String {
    server.token().audience(audience).scope("mcp:use").mint()
}

pub async fn ask(gates: &Gates, url: &str, token: Option<&str>) -> Seen {
    send(gates, request_to(url, token)).await
}

pub fn get(url: &str) -> Request<Full<Bytes>> {
    let (host, path) = split(url);
    let request = Request::get(path).header("host", host);
    request.body(Full::default()).unwrap()
}

pub fn fields(wrong: &ConfigError) -> Vec<&str> {
    let problems = wrong.problems().iter();
    problems.map(|problem| problem.field()).collect()
}

#[track_caller]
pub fn assert_unavailable(seen: &Seen, code: &str) {
    assert_eq!(
        (seen.status, seen.code),
        (StatusCode::SERVICE_UNAVAILABLE, Some(code))
    );
    assert!(seen.headers.contains_key("retry-after"));
    assert!(!seen.headers.contains_key("www-authenticate"));
    assert!(seen.inner.is_none());
}

#[track_caller]
pub fn assert_not_found(seen: &Seen) {
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
