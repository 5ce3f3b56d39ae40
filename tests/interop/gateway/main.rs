//! A gate in front of an MCP server that is not in Rust: what it lets in is sent on there, with who it is from.
#![allow(clippy::print_stdout, reason = "that is how it says that it listens")]

use std::error::Error;
use std::net::SocketAddr;
use std::{env, fs};

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::{Extension, Router};
use http::StatusCode;
use reqwest::Client;
use reqwest::redirect::Policy;
use serde_json::json;
use tokio::net::TcpListener;
use toolgate::{Config, Peer, Principal};

/// As many as the gate reads.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: CONFIG.toml ADDRESS URL");
    let (file, address, server) = (next()?, next()?, next()?);
    tracing_subscriber::fmt()
        .with_env_filter("toolgate=info")
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let config: Config = toml::from_str(&fs::read_to_string(file)?)?;
    let gate = config.into_builder().build()?;
    // A connection that the server has closed meanwhile must not be used again.
    let client = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .pool_max_idle_per_host(0)
        .build()?;
    let app = Router::new()
        .fallback(send_on)
        .with_state((client, server))
        .layer(gate.layer())
        .layer(Peer::layer(|info: &ConnectInfo<SocketAddr>| info.0.ip()))
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind(address).await?;
    println!("listening");
    Ok(axum::serve(listener, app).await?)
}

/// Values that the sender put there are replaced. In production, only the gateway may be able to reach the server.
async fn send_on(
    State((client, server)): State<(Client, String)>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Result<Response, StatusCode> {
    let (mut parts, body) = request.into_parts();
    let principal = json!({
        "client_id": principal.client_id(),
        "scopes": principal.scopes().iter().collect::<Vec<_>>(),
        "audience": principal.audience().collect::<Vec<_>>(),
    });
    let principal = principal
        .to_string()
        .try_into()
        .map_err(|_| StatusCode::BAD_GATEWAY)?;
    parts.headers.insert("x-principal", principal);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let body = to_bytes(body, MAX_BODY_BYTES)
        .await
        .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let sent_on = client
        .request(parts.method, format!("{server}{path}"))
        .headers(parts.headers)
        .body(body);
    let answer = sent_on.send().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(http::Response::<reqwest::Body>::from(answer).map(Body::new))
}
