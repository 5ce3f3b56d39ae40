//! How much of a server's throughput is left behind the gate: `cargo bench --bench throughput`.
//!
//! The same server with and without it, on loopback, in short turns; the median of the ratios counts.

#![allow(missing_docs, clippy::print_stdout, reason = "a program of its own, for people to read")]
#![allow(clippy::unwrap_used, reason = "a benchmark may stop where it cannot go on")]

#[path = "shared/served.rs"]
mod served;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use futures_util::future::join_all;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{tool, tool_router};
use served::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use toolgate::testing::AuthorizationServer;
use toolgate::{ScopeMap, Toolgate};

const CONNECTIONS: usize = 16;
const TURN: Duration = Duration::from_millis(200);
const TURNS: usize = 25;

struct Weather;

#[tool_router(server_handler)]
impl Weather {
    #[tool(description = "The weather, which is always good")]
    async fn get_weather(&self) -> String {
        "Sunny".to_owned()
    }
}

fn main() {
    let runtime = current_thread();
    let server = runtime.block_on(AuthorizationServer::start());
    let around_nothing = || Router::new().route("/mcp", post(|| async {}));
    let around_rmcp = || {
        let config =
            StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
        let sessions = Arc::new(NeverSessionManager::default());
        Router::new().nest_service("/mcp", StreamableHttpService::new(|| Ok(Weather), sessions, config))
    };
    compare("a handler that does nothing", 0.82, &runtime, &server, around_nothing);
    compare("an rmcp tool", 0.92, &runtime, &server, around_rmcp);
}

fn compare(
    name: &str,
    allowed: f64,
    runtime: &Runtime,
    server: &AuthorizationServer,
    inner: impl Fn() -> Router,
) {
    const RESOURCE: &str = "http://localhost/mcp";
    let scopes = ScopeMap::deny_unlisted().every_request("mcp:use").tool("get_weather", "weather:read");
    let gate = Toolgate::builder(RESOURCE).issuer(server.issuer()).scopes(scopes).build().unwrap();
    let (gated, open) = (serve(inner().layer(gate.layer())), serve(inner()));
    let token = server.token().audience(RESOURCE).scope("mcp:use weather:read").expires_in(100_000).mint();
    let request = request(&token);
    let ratio_of_a_turn = |_| {
        let [gated, open] =
            [gated, open].map(|server| runtime.block_on(requests_in_a_turn(server, &request)));
        (gated as f64 / open as f64, open)
    };
    let mut ratios: Vec<(f64, usize)> = (0..TURNS).map(ratio_of_a_turn).collect();
    ratios.sort_by(|(left, _), (right, _)| left.total_cmp(right));
    let (ratio, open) = ratios.swap_remove(TURNS / 2);
    let per_second = open as f64 / TURN.as_secs_f64();
    println!("around {name}: {ratio:.2} of {per_second:.0} requests a second (at least {allowed})");
}

fn request(token: &str) -> String {
    let body =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_weather","arguments":{}}}"#;
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nAuthorization: Bearer {token}\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: get_weather\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn requests_in_a_turn(server: SocketAddr, request: &str) -> usize {
    let connections = (0..CONNECTIONS).map(|_| async {
        let mut connection = TcpStream::connect(server).await.unwrap();
        connection.set_nodelay(true).unwrap();
        let (mut count, mut answer) = (0, Vec::new());
        let began = Instant::now();
        while began.elapsed() < TURN {
            connection.write_all(request.as_bytes()).await.unwrap();
            read_answer(&mut connection, &mut answer).await;
            assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
            count += 1;
        }
        count
    });
    join_all(connections).await.into_iter().sum()
}

async fn read_answer(connection: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    loop {
        assert!(connection.read_buf(answer).await.unwrap() > 0, "the server hung up");
        let text = String::from_utf8_lossy(answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                return;
            }
        }
    }
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
