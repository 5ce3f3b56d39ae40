//! How long the first event of a stream takes, with lists filtered and without: `cargo bench --bench first_event`.
//!
//! The same server behind two gates on loopback, in turns; the medians count. One is rmcp; the other is made by
//! hand, and sends a second event long after the first, which must not wait for it.

#![allow(
    missing_docs,
    clippy::print_stdout,
    reason = "a program of its own, for people to read"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark may stop where it cannot go on"
)]

#[path = "shared/served.rs"]
mod served;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::routing::post;
use futures_util::stream::unfold;
use rmcp::model::{
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Map, json};
use served::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;
use toolgate::testing::AuthorizationServer;
use toolgate::{ScopeMap, Toolgate};

const RESOURCE: &str = "http://localhost/mcp";
const TURNS: usize = 300;
const TOOLS: usize = 100;
/// Between the first event and the second of the server made by hand.
const PAUSE: Duration = Duration::from_millis(20);

/// Every second tool may be called.
fn tools() -> impl Iterator<Item = (String, &'static str)> {
    let kind = |number: usize| {
        if number.is_multiple_of(2) {
            "open"
        } else {
            "closed"
        }
    };
    (0..TOOLS).map(move |number| {
        (
            format!("{}_{number}", kind(number)),
            "What it is good for, in a sentence or two.",
        )
    })
}

struct Rmcp;

impl ServerHandler for Rmcp {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = Arc::new(Map::from_iter([("type".to_owned(), json!("object"))]));
        let tools = tools().map(|(name, about)| Tool::new(name, about, schema.clone()));
        Ok(ListToolsResult::with_all_items(tools.collect()))
    }
}

fn of_rmcp() -> Router {
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let sessions = Arc::new(NeverSessionManager::default());
    Router::new().nest_service(
        "/mcp",
        StreamableHttpService::new(|| Ok(Rmcp), sessions, config),
    )
}

fn made_by_hand() -> Router {
    let tool = |(name, about)| json!({ "name": name, "description": about, "inputSchema": { "type": "object" } });
    let tools: Vec<_> = tools().map(tool).collect();
    let list = json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools } });
    let first = Bytes::from(format!("data: {list}\n\n"));
    let answer = move || {
        let events = unfold((0, first.clone()), |(sent, first)| async move {
            match sent {
                0 => Some((Ok::<_, Infallible>(first.clone()), (1, first))),
                1 => {
                    sleep(PAUSE).await;
                    Some((
                        Ok(Bytes::from_static(
                            b"data: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n",
                        )),
                        (2, first),
                    ))
                }
                _ => None,
            }
        });
        let answer = Response::builder().header("content-type", "text/event-stream");
        async move { answer.body(Body::from_stream(events)).unwrap() }
    };
    Router::new().route("/mcp", post(answer))
}

fn main() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(AuthorizationServer::start());
    compare("rmcp", of_rmcp, &runtime, &server);
    compare("a server made by hand", made_by_hand, &runtime, &server);
}

fn compare(name: &str, inner: fn() -> Router, runtime: &Runtime, server: &AuthorizationServer) {
    let scopes = || {
        ScopeMap::deny_unlisted()
            .every_request("mcp:use")
            .tool("open_*", "mcp:use")
            .tool("closed_*", "more")
    };
    let gated = |scopes: ScopeMap| {
        let gate = Toolgate::builder(RESOURCE)
            .issuer(server.issuer())
            .scopes(scopes)
            .build()
            .unwrap();
        serve(inner().layer(gate.layer()))
    };
    let servers = [gated(scopes()), gated(scopes().list_callable())];
    let token = server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use")
        .expires_in(100_000)
        .mint();
    let mut times = [Vec::new(), Vec::new()];
    let mut bytes = [0, 0];
    for _ in 0..TURNS {
        for ((server, times), bytes) in servers.iter().zip(&mut times).zip(&mut bytes) {
            let (time, length) = runtime.block_on(first_event(*server, &token));
            times.push(time);
            *bytes = length;
        }
    }
    let [whole, filtered] = times.map(|mut times| {
        times.sort();
        times.swap_remove(TURNS / 2).as_secs_f64() * 1e6
    });
    println!(
        "{name}: the first event after {whole:.0} µs ({} bytes) as it is,",
        bytes[0]
    );
    println!(
        "  after {filtered:.0} µs ({} bytes) filtered: {:+.0} µs",
        bytes[1],
        filtered - whole
    );
}

/// From the request to the blank line behind the first event that says something, and how long that is.
async fn first_event(server: SocketAddr, token: &str) -> (Duration, usize) {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut connection = TcpStream::connect(server).await.unwrap();
    connection.set_nodelay(true).unwrap();
    let began = Instant::now();
    connection.write_all(request.as_bytes()).await.unwrap();
    let (mut answer, mut first) = (Vec::new(), None);
    while connection.read_buf(&mut answer).await.unwrap() > 0 {
        if first.is_none() && has_event(&answer) {
            first = Some((began.elapsed(), answer.len()));
        }
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    first.unwrap()
}

fn has_event(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    text.split_once("data: {")
        .is_some_and(|(_, rest)| rest.contains("\n\n"))
}
