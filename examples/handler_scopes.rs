//! A tool that finds out while it works which scope it needs: `cargo run -p toolgate-examples --example handler_scopes`.
//!
//! It differs from `quickstart` in that the scope depends on what the server stores, and not on the name of the tool. So the
//! tool asks for it, and the gate sends the challenge. The program is its own client.
#![allow(
    clippy::print_stdout,
    reason = "a program that people start talks to them"
)]

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::Request;
use http::header::WWW_AUTHENTICATE;
use http::request::Parts;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, schemars, tool, tool_router};
use serde::Deserialize;
use serde_json::json;
use toolgate::testing::AuthorizationServer;
use toolgate::{Principal, ScopeMap, StepUp, Toolgate};
use tower::ServiceExt;

const RESOURCE: &str = "https://mcp.example.com/mcp";

struct Documents;

#[derive(Deserialize, schemars::JsonSchema)]
struct Which {
    document: String,
}

#[tool_router(server_handler)]
impl Documents {
    #[tool(description = "Deletes a document")]
    async fn delete(
        &self,
        Parameters(Which { document }): Parameters<Which>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        // A real server looks up which project the document belongs to.
        let needed = match document.as_str() {
            "contract" => "legal:write",
            _ => "docs:write",
        };
        let missing = |why: &'static str| ErrorData::internal_error(why, None);
        let parts = context.extensions.get::<Parts>();
        let extensions = &parts.ok_or(missing("no request"))?.extensions;
        let caller = extensions.get::<Principal>().ok_or(missing("no caller"))?;
        if !caller.scopes().contains(needed) {
            let step_up = extensions.get::<StepUp>().ok_or(missing("no gate"))?;
            step_up
                .need([needed])
                .map_err(|why| ErrorData::internal_error(why.to_string(), None))?;
            // The gate drops this, and sends its challenge.
            return Err(missing("asked"));
        }
        Ok(format!("{document} is deleted"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let authorization_server = AuthorizationServer::start().await;
    let gate = Toolgate::builder(RESOURCE)
        .issuer(authorization_server.issuer())
        .scopes(ScopeMap::deny_unlisted().tool("delete", "mcp:use"))
        .step_up_in_handlers()
        .build()?;
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let sessions = Arc::new(NeverSessionManager::default());
    let mcp = StreamableHttpService::new(|| Ok(Documents), sessions, config);
    let app = Router::new().nest_service("/mcp", mcp).layer(gate.layer());

    let token = |scope: &str| {
        let token = authorization_server.token().audience(RESOURCE);
        token.scope(scope).mint()
    };
    for (document, scope) in [
        ("draft", "mcp:use docs:write"),
        ("contract", "mcp:use docs:write"),
        ("contract", "mcp:use legal:write"),
    ] {
        let answer = app.clone().oneshot(call(document, &token(scope))?).await?;
        println!("{document}, with {scope}: {}", answer.status());
        if let Some(challenge) = answer.headers().get(WWW_AUTHENTICATE) {
            println!("  {}", challenge.to_str()?);
        }
    }
    Ok(())
}

fn call(document: &str, token: &str) -> Result<Request<Body>, http::Error> {
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "delete", "arguments": { "document": document } },
    });
    Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(message.to_string()))
}
