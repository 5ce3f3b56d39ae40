//! Finds the caller inside a tool of an rmcp server: `cargo run -p toolgate-examples --example rmcp`.
//!
//! It differs from `quickstart` in that its one tool asks who is calling: rmcp keeps the parts of the HTTP request for
//! handlers, and the gate put the principal into their extensions. The layer is the same, and so is everything that a
//! client sees.
#![allow(
    clippy::print_stdout,
    reason = "a program that people start talks to them"
)]

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use http::request::Parts;
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, tool, tool_router};
use tokio::net::TcpListener;
use toolgate::testing::AuthorizationServer;
use toolgate::{Principal, ScopeMap, Toolgate};

struct Notes;

#[tool_router(server_handler)]
impl Notes {
    #[tool(description = "Count the caller's notes")]
    async fn count_notes(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let principal = context
            .extensions
            .get::<Parts>()
            .and_then(|parts| parts.extensions.get::<Principal>())
            .ok_or_else(|| ErrorData::internal_error("this server is not behind a gate", None))?;
        // Store and compare `identity`: two issuers may both have an `alice`.
        let owner = principal.identity();
        Ok(format!("{owner:?} has no notes yet."))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let authorization_server = AuthorizationServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);

    let gate = Toolgate::builder(&resource)
        .issuer(authorization_server.issuer())
        .scopes(ScopeMap::deny_unlisted().tool("count_notes", "notes:read"))
        .build()?;

    // On a public host, add `.with_allowed_hosts(["mcp.example.com"])`: rmcp answers only to host names that it is
    // given.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let mcp = StreamableHttpService::new(
        || Ok(Notes),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let app = Router::new().nest_service("/mcp", mcp).layer(gate.layer());

    let token = authorization_server
        .token()
        .audience(&*resource)
        .scope("notes:read")
        .mint();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count_notes"}}"#;
    println!("{authorization_server}\n");
    println!("curl -i {resource} -H 'Authorization: Bearer {token}' \\");
    println!(
        "  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\"
    );
    println!("  -d '{call}'\n");
    axum::serve(listener, app).await?;
    Ok(())
}
