//! How much of a server's throughput is left behind the gate: `cargo bench --bench throughput`.
//!
//! Server and client share one runtime on two cores, so that neither waits for the other, and waking up is no part of
//! what is measured. The same server takes turns without a gate, with one, with one that leaves bodies unread, and with
//! a layer that does only what no gate can do without; the medians of the ratios count. Every round begins with new
//! servers, since some run slower than their likes for as long as they run.

#![allow(
    missing_docs,
    clippy::print_stdout,
    reason = "a program of its own, for people to read"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may stop where it cannot go on"
)]

#[path = "shared/parts.rs"]
mod parts;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{Route, post};
use futures_util::future::join_all;
use parts::Parts;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{tool, tool_router};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use toolgate::testing::AuthorizationServer;
use toolgate::{ScopeMap, Toolgate};
use tower::layer::layer_fn;
use tower::{Service, ServiceExt, service_fn};

const CORES: usize = 2;
const CONNECTIONS: usize = 16;
const TURN: Duration = Duration::from_millis(50);
const TURNS: usize = 12;
const ROUNDS: usize = 8;
/// That take turns.
const SERVERS: usize = 4;

const RESOURCE: &str = "http://localhost/mcp";
const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_weather","arguments":{}}}"#;

struct Weather;

#[tool_router(server_handler)]
impl Weather {
    #[tool(description = "The weather, which is always good")]
    async fn get_weather(&self) -> String {
        "Sunny".to_owned()
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let server = AuthorizationServer::start().await;
    let around_nothing = || Router::new().route("/mcp", post(|| async {}));
    let around_rmcp = || {
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true);
        let sessions = Arc::new(NeverSessionManager::default());
        Router::new().nest_service(
            "/mcp",
            StreamableHttpService::new(|| Ok(Weather), sessions, config),
        )
    };
    compare("a handler that does nothing", 0.82, &server, around_nothing).await;
    compare("an rmcp tool", 0.92, &server, around_rmcp).await;
}

async fn compare(
    name: &str,
    allowed: f64,
    server: &AuthorizationServer,
    inner: impl Fn() -> Router,
) {
    let gate = |scopes: ScopeMap| {
        let scopes = scopes.every_request("mcp:use");
        Toolgate::builder(RESOURCE)
            .issuer(server.issuer())
            .scopes(scopes)
            .build()
            .unwrap()
    };
    let gates = [
        gate(ScopeMap::deny_unlisted().tool("get_weather", "weather:read")),
        gate(ScopeMap::allow_unlisted()),
    ];
    let token = server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use weather:read")
        .expires_in(100_000)
        .mint();
    let (request, parts) = (request(&token), Arc::new(Parts::of(&token, BODY)));
    let floor = layer_fn(move |inner| only_the_parts(parts.clone(), inner));

    let mut turns = Vec::new();
    for _ in 0..ROUNDS {
        let [gated, unread] = gates.each_ref().map(|gate| inner().layer(gate.layer()));
        let mut servers = Vec::new();
        for app in [inner(), gated, unread, inner().layer(floor.clone())] {
            servers.push(Served::start(app, &request).await);
        }
        for first in 0..TURNS {
            let mut micros = [0.0; SERVERS];
            for next in 0..SERVERS {
                let which = (first + next) % SERVERS;
                micros[which] = servers[which].micros_of_a_request().await;
            }
            turns.push(micros);
        }
    }
    let open = median(turns.iter().map(|[open, ..]| *open));
    let left = |which: usize| median(turns.iter().map(|turn| turn[0] / turn[which]));
    println!(
        "around {name}, {open:.0} us of both cores a request: {:.2} (at least {allowed})",
        left(1)
    );
    println!("  where no rule depends on the body: {:.2}", left(2));
    println!(
        "  with only the body, one AES-GMAC, one look-up and the JSON: {:.2}",
        left(3)
    );
}

/// A service with only the work that no gate can do without.
fn only_the_parts(
    parts: Arc<Parts>,
    inner: Route,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone {
    service_fn(move |request: Request| {
        let (parts, inner) = (parts.clone(), inner.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            parts.run();
            inner
                .oneshot(Request::from_parts(head, Body::from(body)))
                .await
        }
    })
}

/// A server, and connections to it.
struct Served {
    connections: Vec<TcpStream>,
    request: Arc<str>,
    /// Each answer is as long as the others.
    answer_length: usize,
}

impl Served {
    async fn start(app: Router, request: &Arc<str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        let connections = (0..CONNECTIONS).map(|_| async move {
            let connection = TcpStream::connect(address).await.unwrap();
            connection.set_nodelay(true).unwrap();
            connection
        });
        let mut connections = join_all(connections).await;
        let answer_length = first_answer(&mut connections[0], request).await;
        Self {
            connections,
            request: request.clone(),
            answer_length,
        }
    }

    /// Of all cores together.
    async fn micros_of_a_request(&mut self) -> f64 {
        let (began, length) = (Instant::now(), self.answer_length);
        let tasks: Vec<JoinHandle<_>> = self
            .connections
            .drain(..)
            .map(|mut connection| {
                let request = self.request.clone();
                tokio::spawn(async move {
                    let (mut count, mut answer) = (0_u32, vec![0; length]);
                    while began.elapsed() < TURN {
                        connection.write_all(request.as_bytes()).await.unwrap();
                        connection.read_exact(&mut answer).await.unwrap();
                        assert!(
                            answer.starts_with(b"HTTP/1.1 200 "),
                            "{}",
                            String::from_utf8_lossy(&answer)
                        );
                        count += 1;
                    }
                    (connection, count)
                })
            })
            .collect();
        let mut requests = 0;
        for task in tasks {
            let (connection, count) = task.await.unwrap();
            self.connections.push(connection);
            requests += count;
        }
        began.elapsed().as_secs_f64() * 1e6 * CORES as f64 / f64::from(requests)
    }
}

async fn first_answer(connection: &mut TcpStream, request: &str) -> usize {
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        assert!(
            connection.read_buf(&mut answer).await.unwrap() > 0,
            "the server hung up"
        );
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                return answer.len();
            }
        }
    }
}

fn request(token: &str) -> Arc<str> {
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nAuthorization: Bearer {token}\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: get_weather\r\nContent-Length: {}\r\n\r\n",
        BODY.len()
    );
    (head + BODY).into()
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
