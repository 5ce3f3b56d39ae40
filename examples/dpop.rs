//! Tokens that only the holder of a key can use: `cargo run -p toolgate-examples --example dpop`.
//!
//! It differs from `quickstart` in that every token must be bound to a DPoP key (RFC 9449). A proof cannot be made with
//! `curl`, so the program is its own client: it sends four requests to itself, and prints what becomes of each.
#![allow(
    clippy::print_stdout,
    reason = "a program that people start talks to them"
)]

use std::error::Error;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use http::Request;
use http::header::WWW_AUTHENTICATE;
use serde_json::json;
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey};
use toolgate::{Dpop, Holder, Refusal, ScopeMap, Toolgate};
use tower::ServiceExt;

const RESOURCE: &str = "https://mcp.example.com/mcp";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let authorization_server = AuthorizationServer::start().await;
    let gate = Toolgate::builder(RESOURCE)
        .issuer(authorization_server.issuer())
        .scopes(ScopeMap::deny_unlisted().tool("whoami", "mcp:use"))
        .holder(Holder::default().dpop(Dpop::Required))
        .build()?;
    // Instead of an MCP server, a handler: the layer is the same.
    let app = Router::new()
        .route("/mcp", post(async || "done\n"))
        .layer(gate.layer());

    // The client makes a key. Its authorization server binds the token to that key.
    let key = SigningKey::generate(Algorithm::Es256);
    let token = authorization_server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use")
        .bound_to(&key)
        .mint();
    let new_proof = |key: &SigningKey| {
        let proof = authorization_server.proof(key, "POST", RESOURCE);
        proof.for_token(&token).mint()
    };

    let proof = new_proof(&key);
    let thief = SigningKey::generate(Algorithm::Es256);
    for (what, scheme, proof) in [
        ("the client, with a new proof", "DPoP", Some(proof.clone())),
        ("a thief of token and proof", "DPoP", Some(proof)),
        ("a thief of the token", "DPoP", Some(new_proof(&thief))),
        ("a thief who tries it as a bearer token", "Bearer", None),
    ] {
        let answer = app.clone().oneshot(call(scheme, &token, proof)?).await?;
        println!("{what}: {}", answer.status());
        if let Some(refusal) = answer.extensions().get::<Refusal>() {
            println!("  the log says: {}", refusal.code());
        }
        for challenge in answer.headers().get_all(WWW_AUTHENTICATE) {
            println!("  {}", challenge.to_str()?);
        }
    }
    Ok(())
}

fn call(scheme: &str, token: &str, proof: Option<String>) -> Result<Request<Body>, http::Error> {
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "whoami", "arguments": {} },
    });
    let mut request = Request::post("/mcp")
        .header("content-type", "application/json")
        .header("authorization", format!("{scheme} {token}"));
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    request.body(Body::from(message.to_string()))
}
