//! Tenants: resources that a resolver finds by the name in a request, each with a gate of its own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use toolgate::testing::{AuthorizationServer, Clock, Endpoint};
use toolgate::{Config, ConfigError, Gates, Peer, Revocation, ScopeMap, Tenants, Toolgate};

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

/// An answer of the resolver. A name without one is none of a tenant.
#[derive(Clone)]
pub enum Answer {
    Config(Value),
    Failure,
    Silence,
    Panic,
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
    for template in [BY_LABEL, BY_SEGMENT, "https://mcp.{tenant}.example.com:8443"] {
        let gates = registry.gates(template);
        for name in ["acme", "globex"] {
            let url = template.replace("{tenant}", name);
            let seen = ask(&gates, &url, None).await;
            assert_eq!(seen.code, Some("no_token"), "{url}");
            let document = seen.challenge().get("resource_metadata").unwrap().to_owned();
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
    assert_eq!(ask(&gates, &url("globex"), None).await.code, Some("no_token"));
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
    let served = async || ask(&gates, &here, Some(&good)).await.assert_served_as(&here);
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
        registry.clock.advance(Duration::from_secs(61));
    }
    // What it says at last takes effect.
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
