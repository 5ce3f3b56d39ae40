//! Opaque tokens, and how to revoke one: `cargo run -p toolgate-examples --example introspection`.
//!
//! It differs from `quickstart` in that only the issuer can read the tokens, so the gate introspects them (RFC 7662),
//! and in that Enter revokes the token that was printed. The layer is the same, and so is everything that a client
//! sees.
#![allow(
    clippy::print_stdout,
    reason = "a program that people start talks to them"
)]

use std::error::Error;
use std::io::stdin;
use std::thread;
use std::time::Duration;

use axum::Router;
use rmcp::transport::StreamableHttpServerConfig;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use toolgate::testing::AuthorizationServer;
use toolgate::{Introspection, Issuer, Revocation, ScopeMap, Toolgate};

mod shared;

/// The longest life of a token of this authorization server. After that, its revocation may be forgotten.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Yours may be Ory Hydra, Zitadel, Clerk, …: their tokens are opaque by default.
    let authorization_server = AuthorizationServer::builder()
        .client("mcp-server", "s3cret")
        .start()
        .await;
    let issuer = authorization_server.issuer().to_owned();

    shared::log("toolgate=debug")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);
    let gate = Toolgate::builder(&resource)
        // A real secret comes from Secret::env("…") or Secret::file("…").
        .issuer(Issuer::new(&issuer).introspection(Introspection::basic("mcp-server", "s3cret")))
        .scopes(
            ScopeMap::deny_unlisted()
                .every_request("mcp:use")
                .tool("get_weather", "weather:read"),
        )
        .build()?;
    // Without sessions, so that one `curl` is a whole conversation.
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let mcp = shared::mcp_service(&["127.0.0.1"], config);
    let app = Router::new().nest_service("/mcp", mcp).layer(gate.layer());

    let token = authorization_server
        .token()
        .audience(&*resource)
        .scope("mcp:use weather:read");
    let token = authorization_server.mint_opaque(&token.claim("jti", "token-1").expires_in(3600));
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_weather","arguments":{"city":"Paris"}}}"#;
    let stop_signal = shared::stop_signal()?;
    println!("{authorization_server}\n");
    println!("curl -i {resource} -H 'Authorization: Bearer {token}' \\");
    println!(
        "  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\"
    );
    println!("  -d '{call}'\n");
    println!(
        "It is allowed, and introspected once a minute. Press Enter to revoke it here and now."
    );

    let runtime = Handle::current();
    let revoking = gate.clone();
    thread::spawn(move || {
        if stdin()
            .read_line(&mut String::new())
            .is_ok_and(|length| length > 0)
        {
            let revocation = Revocation::token(issuer, "token-1");
            match runtime.block_on(revoking.revoke(revocation, LONGEST_LIFE)) {
                Ok(()) => println!("revoked: the same command gets 401 now"),
                Err(why) => println!("not revoked: {why}"),
            }
        }
    });
    Ok(shared::serve(listener, app, &[gate], stop_signal).await?)
}
