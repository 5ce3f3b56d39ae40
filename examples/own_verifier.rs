//! Tokens that only your database knows: `cargo run -p toolgate-examples --example own_verifier`.
//!
//! It differs from `quickstart` in that personal access tokens are accepted too, by a verifier of the server's own. The
//! program is its own client: it sends four requests to itself, and prints what becomes of each.
#![allow(
    clippy::print_stdout,
    reason = "a program that people start talks to them"
)]

use std::collections::HashMap;
use std::error::Error;
use std::io;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use http::Request;
use serde_json::json;
use toolgate::testing::AuthorizationServer;
use toolgate::{
    OwnVerifier, Refusal, ScopeMap, TokenVerdict, Toolgate, UnverifiedToken, VerificationFailed,
    VerifyToken,
};
use tower::ServiceExt;

const RESOURCE: &str = "https://mcp.example.com/mcp";

/// Stands for a database: who has which token. A real one would have hashes of tokens only.
struct AccessTokens(HashMap<&'static str, &'static str>);

impl VerifyToken for AccessTokens {
    async fn verify(&self, token: UnverifiedToken<'_>) -> Result<TokenVerdict, VerificationFailed> {
        if token.expose() == "pat_while-the-database-is-down" {
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        }
        let Some(user) = self.0.get(token.expose()) else {
            return Ok(TokenVerdict::Refused("unknown"));
        };
        Ok(TokenVerdict::claims(json!({
            "sub": user,
            "aud": RESOURCE,
            "scope": "mcp:use",
        })))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let authorization_server = AuthorizationServer::start().await;
    let access_tokens = AccessTokens(HashMap::from([("pat_of-alice", "alice")]));
    let gate = Toolgate::builder(RESOURCE)
        .issuer(authorization_server.issuer())
        .scopes(ScopeMap::deny_unlisted().tool("whoami", "mcp:use"))
        .verifier(OwnVerifier::new("urn:example:access-tokens", access_tokens).token_prefix("pat_"))
        .build()?;
    // Instead of an MCP server, a handler: the layer is the same.
    let app = Router::new()
        .route("/mcp", post(async || "done\n"))
        .layer(gate.layer());

    let of_issuer = authorization_server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use")
        .mint();
    for (what, token) in [
        ("a token of the authorization server", of_issuer.as_str()),
        ("a token of the database", "pat_of-alice"),
        (
            "a token that the database does not know",
            "pat_of-a-stranger",
        ),
        (
            "any token during an outage",
            "pat_while-the-database-is-down",
        ),
    ] {
        let answer = app.clone().oneshot(call(token)?).await?;
        println!("{what}: {}", answer.status());
        if let Some(refusal) = answer.extensions().get::<Refusal>() {
            println!("  {}", refusal.code());
        }
    }
    Ok(())
}

fn call(token: &str) -> Result<Request<Body>, http::Error> {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami"}}"#;
    Request::post("/mcp")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Body::from(body))
}
