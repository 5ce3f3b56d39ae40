//! A tool that asks for a recent and strong login: `cargo run --example step_up`.
//!
//! It differs from `quickstart` in one rule, which is about the login behind a token (RFC 9470). Few clients know the
//! answer yet, so the program is its own client: it reads the challenge, and gets the token of a better login.
#![allow(
    clippy::print_stdout,
    reason = "a program that people start talks to them"
)]

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use http::Request;
use http::header::WWW_AUTHENTICATE;
use serde_json::json;
use toolgate::testing::AuthorizationServer;
use toolgate::{Refusal, Rule, ScopeMap, Toolgate};
use tower::ServiceExt;

const RESOURCE: &str = "https://mcp.example.com/mcp";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let authorization_server = AuthorizationServer::start().await;
    let five_minutes = Duration::from_secs(300);
    let gate = Toolgate::builder(RESOURCE)
        .issuer(authorization_server.issuer())
        .scopes(
            ScopeMap::deny_unlisted()
                .every_request("mcp:use")
                .tool("read", "mcp:use")
                .tool(
                    "wipe",
                    Rule::from("admin").acr(["phr"]).max_age(five_minutes),
                ),
        )
        .build()?;
    // Instead of an MCP server, a handler: the layer is the same.
    let app = Router::new()
        .route("/mcp", post(async || "done\n"))
        .layer(gate.layer());

    // The claims that an authorization server writes after a login.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let token = |scope: &str, acr: &str, seconds_ago: u64| {
        let token = authorization_server.token().audience(RESOURCE).scope(scope);
        token
            .claim("acr", acr)
            .claim("auth_time", now - seconds_ago)
            .mint()
    };

    let morning = token("mcp:use", "pwd", 3600);
    let refreshed = token("mcp:use admin", "pwd", 3600);
    let login = token("mcp:use admin", "phr", 10);
    for (what, tool, token) in [
        ("read, with the token of this morning", "read", &morning),
        ("wipe, with the same token", "wipe", &morning),
        (
            "wipe, after a refresh: scopes, and the same login",
            "wipe",
            &refreshed,
        ),
        ("wipe, after a login with a hardware key", "wipe", &login),
    ] {
        let answer = app.clone().oneshot(call(tool, token)?).await?;
        println!("{what}: {}", answer.status());
        if let Some(refusal) = answer.extensions().get::<Refusal>() {
            println!("  the log says: {}", refusal.code());
        }
        if let Some(challenge) = answer.headers().get(WWW_AUTHENTICATE) {
            println!("  {}", challenge.to_str()?);
        }
    }
    Ok(())
}

fn call(tool: &str, token: &str) -> Result<Request<Body>, http::Error> {
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": {} },
    });
    Request::post("/mcp")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(message.to_string()))
}
