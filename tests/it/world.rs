//! The world of most tests: an authorization server, a gate that trusts it, and an inner service that counts the requests
//! that reach it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use toolgate::testing::{AuthorizationServer, Clock, TokenBuilder};
use toolgate::{Builder, Limits, Principal, RefusalKind, RequestBody, ScopeMap, Toolgate};
use tower::{Layer, ServiceExt, service_fn};

use crate::challenge::Challenge;

pub const RESOURCE: &str = "https://mcp.example.com/mcp";
pub const METADATA_URL: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

/// The thumbprint of a key, as a `cnf` has it: that of RFC 9449 §6.1.
pub const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

/// An authorization server, a gate and an inner service, all on one clock that stands still.
pub struct World {
    pub server: AuthorizationServer,
    pub gate: Toolgate,
    pub clock: Clock,
    reached: Arc<Mutex<Vec<Reached>>>,
    /// The headers of the inner service's responses.
    answered: Mutex<HeaderMap>,
}

/// A request as it reached the inner service.
#[derive(Clone)]
pub struct Reached {
    pub headers: HeaderMap,
    pub principal: Option<Principal>,
    pub body: Bytes,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub kind: Option<RefusalKind>,
    pub code: Option<&'static str>,
}

impl World {
    /// Every request needs `mcp:use`, nothing else needs anything.
    pub async fn new() -> Self {
        Self::with_scopes(ScopeMap::allow_unlisted().every_request("mcp:use")).await
    }

    pub async fn with_scopes(scopes: ScopeMap) -> Self {
        Self::with(|builder, server| builder.issuer(server.issuer()).scopes(scopes)).await
    }

    pub async fn with(configure: impl FnOnce(Builder, &AuthorizationServer) -> Builder) -> Self {
        let clock = clock();
        let server = AuthorizationServer::builder()
            .clock(clock.clone())
            .start()
            .await;
        Self::around(server, clock, configure)
    }

    /// A gate that trusts a second issuer as well.
    pub async fn with_neighbour(limits: Limits) -> (Self, AuthorizationServer) {
        let clock = clock();
        let server = AuthorizationServer::builder()
            .clock(clock.clone())
            .start()
            .await;
        let neighbour = AuthorizationServer::builder()
            .clock(clock.clone())
            .start()
            .await;
        let world = Self::around(server, clock, |builder, server| {
            let builder = builder.issuer(server.issuer()).issuer(neighbour.issuer());
            builder
                .scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
                .limits(limits)
        });
        (world, neighbour)
    }

    pub fn around(
        server: AuthorizationServer,
        clock: Clock,
        configure: impl FnOnce(Builder, &AuthorizationServer) -> Builder,
    ) -> Self {
        let gate = configure(Toolgate::builder(RESOURCE).clock(clock.clone()), &server).build();
        Self {
            clock,
            ..Self::of(server, gate.expect("the configuration is good"))
        }
    }

    /// Around a gate that was made in some other way.
    pub fn of(server: AuthorizationServer, gate: Toolgate) -> Self {
        Self {
            server,
            gate,
            clock: clock(),
            reached: Arc::default(),
            answered: Mutex::default(),
        }
    }

    /// A token that is good for this gate and grants `mcp:use`, to be spoilt by the test.
    pub fn token(&self) -> TokenBuilder {
        token_of(&self.server)
    }

    /// Sends through the layer. A refusal is held against everything that is true of all refusals.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let authorization: Vec<_> = request
            .headers()
            .get_all("authorization")
            .iter()
            .cloned()
            .collect();
        let (reached, passed) = (self.reached.clone(), Arc::new(AtomicBool::new(false)));
        let answered = self.answered.lock().unwrap().clone();
        let passes = passed.clone();
        let inner = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
            let (reached, answered) = (reached.clone(), answered.clone());
            passes.store(true, Ordering::Relaxed);
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.expect("the body arrives").to_bytes();
                let principal = parts.extensions.get::<Principal>().cloned();
                reached.lock().unwrap().push(Reached {
                    headers: parts.headers,
                    principal,
                    body,
                });
                let mut answer = Response::new(Full::new(Bytes::from_static(b"inner")));
                *answer.headers_mut() = answered;
                Ok::<_, std::convert::Infallible>(answer)
            }
        });
        let response = self
            .gate
            .layer()
            .layer(inner)
            .oneshot(request)
            .await
            .expect("infallible");
        let (parts, body) = response.into_parts();
        let refusal = parts.extensions.get::<toolgate::Refusal>().cloned();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body: body
                .collect()
                .await
                .expect("our bodies cannot fail")
                .to_bytes(),
            kind: refusal.as_ref().map(toolgate::Refusal::kind),
            code: refusal.as_ref().map(toolgate::Refusal::code),
        };
        if refusal.is_some() {
            assert!(
                !passed.load(Ordering::Relaxed),
                "a refused request reached the inner service"
            );
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let words = authorization.iter().filter_map(|value| value.to_str().ok());
            for secret in words
                .flat_map(|line| line.split(' '))
                .filter(|word| word.len() > 20)
            {
                assert!(
                    !answer.text().contains(secret),
                    "the token is echoed in the body"
                );
                assert!(
                    !format!("{:?}", answer.headers).contains(secret),
                    "the token is echoed in a header"
                );
            }
        }
        answer
    }

    /// Has the inner service answer with these lines of one header from now on.
    pub fn answer_with<V: AsRef<[u8]>>(
        &self,
        name: &'static str,
        lines: impl IntoIterator<Item = V>,
    ) {
        let mut answered = self.answered.lock().unwrap();
        answered.remove(name);
        for line in lines {
            answered.append(
                name,
                http::HeaderValue::from_bytes(line.as_ref()).expect("a header value"),
            );
        }
    }

    /// Posts a `tools/list` with this bearer token.
    pub async fn list_with(&self, token: &str) -> Answer {
        self.send(post(token, &call("tools/list", json!({})))).await
    }

    /// Posts a `tools/call` with this bearer token.
    pub async fn call_tool(&self, token: &str, tool: &str) -> Answer {
        self.send(post(token, &call("tools/call", json!({ "name": tool }))))
            .await
    }

    /// The last request that reached the inner service.
    pub fn reached(&self) -> Reached {
        self.reached
            .lock()
            .unwrap()
            .last()
            .expect("something reached the inner service")
            .clone()
    }

    pub fn reached_count(&self) -> usize {
        self.reached.lock().unwrap().len()
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {:?}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("ASCII"))
    }

    pub fn challenge(&self) -> Option<Challenge> {
        Challenge::of(&self.headers)
    }

    #[track_caller]
    pub fn assert_served(&self) {
        assert_eq!(
            (self.status, self.body.as_ref()),
            (StatusCode::OK, b"inner".as_slice()),
            "{:?}",
            self.code
        );
    }

    /// 401 with a challenge that has no error.
    #[track_caller]
    pub fn assert_asks_for_a_token(&self) {
        assert_eq!(
            (self.status, self.kind),
            (StatusCode::UNAUTHORIZED, Some(RefusalKind::NoToken))
        );
        let challenge = self.challenge().expect("a challenge");
        assert_eq!(
            (challenge.get("error"), challenge.get("error_description")),
            (None, None)
        );
        assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
    }

    /// 401 `invalid_token`, for this reason, with nothing that tells the caller so.
    #[track_caller]
    pub fn assert_invalid_token(&self, code: &str) {
        assert_eq!(
            (self.status, self.code),
            (StatusCode::UNAUTHORIZED, Some(code))
        );
        let challenge = self.challenge().expect("a challenge");
        assert_eq!(challenge.get("error"), Some("invalid_token"));
        assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
        let sentence = challenge.get("error_description").expect("a description");
        assert_eq!(sentence, "The access token is not valid for this server");
        assert_eq!(
            self.json(),
            json!({ "error": "invalid_token", "error_description": sentence })
        );
    }

    /// 403 `insufficient_scope` that names exactly these, in this order.
    #[track_caller]
    pub fn assert_needs(&self, scopes: &[&str]) {
        assert_eq!(
            (self.status, self.code),
            (StatusCode::FORBIDDEN, Some("insufficient_scope"))
        );
        let challenge = self.challenge().expect("a challenge");
        assert_eq!(challenge.get("error"), Some("insufficient_scope"));
        assert_eq!(challenge.scopes(), scopes);
        assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
        assert!(challenge.get("error_description").is_some());
        assert_eq!(self.json()["scope"], scopes.join(" "));
    }

    /// 403 that no scope would change.
    #[track_caller]
    pub fn assert_forbidden(&self, code: &str) {
        assert_eq!(
            (self.status, self.code),
            (StatusCode::FORBIDDEN, Some(code))
        );
        let challenge = self.challenge().expect("a challenge");
        assert_eq!(
            (challenge.get("error"), challenge.get("scope")),
            (None, None)
        );
        assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
    }

    /// 503 with `Retry-After` and no challenge: the token may well be good.
    #[track_caller]
    pub fn assert_unavailable(&self, code: &str) {
        assert_eq!(
            (self.status, self.code),
            (StatusCode::SERVICE_UNAVAILABLE, Some(code))
        );
        assert_eq!(self.challenge(), None);
        let seconds: u64 = self
            .header("retry-after")
            .expect("Retry-After")
            .parse()
            .expect("seconds");
        assert!((1..=60).contains(&seconds), "{seconds}");
    }

    /// 400 (or what is said) with a JSON-RPC error and no challenge.
    #[track_caller]
    pub fn assert_rpc_error(&self, code: &str, rpc_code: i64, id: &Value) {
        assert_eq!(
            (self.status, self.code),
            (StatusCode::BAD_REQUEST, Some(code)),
            "{}",
            self.text()
        );
        assert_eq!(self.challenge(), None);
        let body = self.json();
        assert_eq!(
            (&body["jsonrpc"], &body["id"], &body["error"]["code"]),
            (&json!("2.0"), id, &json!(rpc_code))
        );
    }
}

/// A clock that stands still.
pub fn clock() -> Clock {
    Clock::at(UNIX_EPOCH + Duration::from_secs(1_800_000_000))
}

/// A token of this server that is good for a gate that trusts it.
pub fn token_of(server: &AuthorizationServer) -> TokenBuilder {
    server.token().audience(RESOURCE).scope("mcp:use")
}

/// Lets other tasks run until this is so, which it must be soon.
#[track_caller]
pub fn until(mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let asked_at = std::panic::Location::caller();
    async move {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < PATIENCE, "waited in vain at {asked_at}");
            tokio::task::yield_now().await;
        }
    }
}

/// No test waits longer than this for what should come at once.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Advances tokio's clock by this much, without waiting. Only on a current-thread runtime.
pub async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// A JSON-RPC request with id 1.
pub fn call(method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

/// A POST as MCP clients send it, with a bearer token.
pub fn post(token: &str, body: &str) -> Request<Full<Bytes>> {
    let mut request = post_without_token(body);
    request.headers_mut().insert(
        "authorization",
        format!("Bearer {token}").parse().expect("a header value"),
    );
    request
}

pub fn post_without_token(body: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(Method::POST).uri("/mcp");
    let request = request.header("content-type", "application/json");
    let request = request.header("accept", "application/json, text/event-stream");
    request
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .expect("a request")
}

/// A request without a body.
pub fn bare(method: Method, uri: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(uri)
        .body(Full::default())
        .expect("a request")
}
