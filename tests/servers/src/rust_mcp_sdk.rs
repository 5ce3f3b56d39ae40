//! rust-mcp-sdk: the routes of rust-mcp-axum, which serve 2026-07-28 alone.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use http::{Request, Response};
use rust_mcp_axum::{McpMountOptions, mcp_routes};
use rust_mcp_sdk::auth::AuthInfo;
use rust_mcp_sdk::id_generator::{FastIdGenerator, UuidGenerator};
use rust_mcp_sdk::mcp_http::{
    DEFAULT_MAX_LISTEN_STREAMS, GenericBody, McpAppState, McpHttpHandler, McpHttpResult,
    Middleware, MiddlewareNext,
};
use rust_mcp_sdk::mcp_server::{ServerHandler, ToMcpServerHandler};
use rust_mcp_sdk::schema::schema_utils::CallToolError;
use rust_mcp_sdk::schema::{
    CallToolRequestParams, CallToolResult, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, RequestId, RpcError, ServerCapabilities, ServerCapabilitiesTools,
    ServerResult, SubscriptionsListenRequestParams, SubscriptionsListenResult, TextContent,
};
use rust_mcp_sdk::{McpServer, RequestContext, ServerDetails};
use serde_json::json;

use crate::caller::caller;
use crate::world::World;

#[tokio::test]
async fn rust_mcp_sdk_is_behind_the_gate_from_the_first_refusal_to_the_call_of_a_tool() {
    for responses in [Responses::Events, Responses::Json] {
        let world = World::around(server(responses)).await;
        world.refuses_and_says_where_to_get_a_token().await;

        let lacking = world.client("alice", "mcp:use");
        let having = world.client("bob", "mcp:use files:write");
        world
            .asks_for_the_scope_that_a_tool_needs(&lacking, &having)
            .await;
        let alice = json!({ "user": "alice", "scopes": ["mcp:use"] });
        assert_eq!(lacking.value_of("whoami").await, alice);
    }
}

#[tokio::test]
async fn a_stream_of_rust_mcp_sdk_ends_when_the_gate_says_so() {
    let world = World::around(server(Responses::Events)).await;
    let alice = world.client("alice", "mcp:use");
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let stream = alice.call("subscriptions/listen", None, filter).await;
    assert_eq!(stream.status, 200);
    assert!(stream.is_stream());
    world.gate.close_streams();
    stream.end().await;
}

/// Its routes for the transport of 2024 are mounted too, beside the resource.
#[tokio::test]
async fn no_route_of_rust_mcp_sdk_is_open() {
    let world = World::around(server(Responses::Events)).await;
    let client = world.client_without_token();
    for path in ["/sse", "/messages", "/health", "/"] {
        let url = world.resource.replace("/mcp", path);
        assert_eq!(client.get(&url).await.status, 401, "{path}");
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Responses {
    Events,
    Json,
}

fn server(responses: Responses) -> Router {
    let state = McpAppState {
        id_generator: Arc::new(UuidGenerator {}),
        stream_id_gen: Arc::new(FastIdGenerator::new(None)),
        server_details: Arc::new(ServerDetails {
            server_info: Implementation {
                name: "gated".to_owned(),
                version: "1".to_owned(),
                title: None,
                description: None,
                icons: Vec::new(),
                website_url: None,
            },
            capabilities: ServerCapabilities {
                tools: Some(ServerCapabilitiesTools { list_changed: None }),
                ..ServerCapabilities::default()
            },
            instructions: None,
            meta: None,
        }),
        handler: Tools.to_mcp_server_handler(),
        // The head of a stream's response comes with its first line.
        ping_interval: Duration::from_millis(10),
        transport_options: Arc::default(),
        enable_json_response: responses == Responses::Json,
        message_observer: None,
        extensions: Arc::default(),
        active_listen_streams: Arc::default(),
        max_listen_streams: DEFAULT_MAX_LISTEN_STREAMS,
    };
    let handler = McpHttpHandler::new(None, vec![Arc::new(FromTheGate)], None);
    let mount = McpMountOptions {
        health_endpoint: Some("/health".to_owned()),
        ..McpMountOptions::default()
    };
    mcp_routes(Arc::new(state), &mount, handler)
}

/// Verifies nothing: whatever comes here has passed the gate, which took the token.
struct FromTheGate;

#[async_trait]
impl Middleware for FromTheGate {
    async fn handle<'req>(
        &self,
        mut request: Request<&'req str>,
        state: Arc<McpAppState>,
        next: MiddlewareNext<'req>,
    ) -> McpHttpResult<Response<GenericBody>> {
        if let Some(caller) = caller() {
            let scopes = caller.scopes().iter();
            request.extensions_mut().insert(AuthInfo {
                token_unique_id: caller.token_id().unwrap_or_default().to_owned(),
                client_id: caller.client_id().map(str::to_owned),
                user_id: caller.subject().map(str::to_owned),
                scopes: Some(scopes.map(|scope| scope.to_string()).collect()),
                expires_at: caller.expires_at(),
                audience: None,
                extra: None,
            });
        }
        next(request, state).await
    }
}

struct Tools;

#[async_trait]
impl ServerHandler for Tools {
    async fn handle_list_tools_request(
        &self,
        _: Option<PaginatedRequestParams>,
        _: &RequestContext,
        _: Arc<dyn McpServer>,
    ) -> Result<ListToolsResult, RpcError> {
        let tool = |name| json!({ "name": name, "inputSchema": { "type": "object" } });
        let list = json!({
            "tools": [tool("whoami"), tool("delete_file")],
            "resultType": "complete",
            "cacheScope": "private",
            "ttlMs": 0,
        });
        Ok(serde_json::from_value(list).expect("a list of tools"))
    }

    async fn handle_call_tool_request(
        &self,
        call: CallToolRequestParams,
        _: &RequestContext,
        runtime: Arc<dyn McpServer>,
    ) -> Result<ServerResult, CallToolError> {
        let value = match call.name.as_str() {
            "whoami" => {
                let caller = runtime.auth_info_cloned().await;
                let caller = caller.expect("the server knows the caller");
                json!({ "user": caller.user_id, "scopes": caller.scopes })
            }
            "delete_file" => json!("gone"),
            _ => return Err(CallToolError::unknown_tool(call.name)),
        };
        let text = TextContent::new(value.to_string(), None, None);
        Ok(ServerResult::CallToolResult(CallToolResult {
            content: vec![ContentBlock::TextContent(text)],
            is_error: None,
            meta: None,
            result_type: "complete".to_owned(),
            structured_content: None,
        }))
    }

    /// The default ends the stream at once.
    async fn handle_subscriptions_listen_request(
        &self,
        _: RequestId,
        params: SubscriptionsListenRequestParams,
        _: &RequestContext,
        runtime: Arc<dyn McpServer>,
    ) -> Result<SubscriptionsListenResult, RpcError> {
        runtime.store_subscription(params.notifications);
        pending().await
    }
}
