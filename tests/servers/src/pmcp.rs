//! pmcp: its axum router, which serves revisions with sessions, and 2026-07-28 where a server asks for it.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use pmcp::server::auth::{AuthContext, AuthProvider};
use pmcp::{ProtocolVersion, RequestHandlerExtra, Server, ServerCapabilities, ToolHandler};
use serde_json::{Value, json};

use crate::caller::caller;
use crate::client::{STATELESS, WITH_SESSIONS};
use crate::world::World;

#[tokio::test]
async fn pmcp_is_behind_the_gate_from_the_first_refusal_to_the_call_of_a_tool() {
    let world = World::around(server(CallersOfTheGate::AreKnown)).await;
    world.refuses_and_says_where_to_get_a_token().await;

    let lacking = world.client("alice", "mcp:use").with_session().await;
    let having = world.client("bob", "mcp:use files:write");
    let having = having.with_session().await;
    world
        .asks_for_the_scope_that_a_tool_needs(&lacking, &having)
        .await;
    let alice = json!({ "user": "alice", "scopes": ["mcp:use"] });
    assert_eq!(lacking.value_of("whoami").await, alice);
}

#[tokio::test]
async fn pmcp_serves_requests_without_a_session_too() {
    let world = World::around(server(CallersOfTheGate::AreKnown)).await;
    let lacking = world.client("alice", "mcp:use");
    let having = world.client("bob", "mcp:use files:write");
    world
        .asks_for_the_scope_that_a_tool_needs(&lacking, &having)
        .await;
    let alice = json!({ "user": "alice", "scopes": ["mcp:use"] });
    assert_eq!(lacking.value_of("whoami").await, alice);
}

#[tokio::test]
async fn a_session_of_pmcp_is_for_its_owner_alone_and_its_stream_ends_when_the_gate_says_so() {
    let world = World::around(server(CallersOfTheGate::AreKnown)).await;
    let alice = world.client("alice", "mcp:use").with_session().await;
    let mut mallory = world.client("mallory", "mcp:use");
    mallory.join_session(alice.session().unwrap().to_owned());
    assert_eq!(mallory.call_tool("whoami").await.status, 404);
    assert_eq!(mallory.listen_by_get().await.status, 404);

    let stream = alice.listen_by_get().await;
    assert_eq!(stream.status, 200);
    assert!(stream.is_stream());
    world.gate.close_streams();
    stream.end().await;
}

/// Why the way of the caller in this file matters.
#[tokio::test]
async fn without_an_auth_provider_pmcp_believes_headers_that_any_client_can_write() {
    for (callers, expected) in [
        (CallersOfTheGate::AreUnknown, "admin"),
        (CallersOfTheGate::AreKnown, "alice"),
    ] {
        let world = World::around(server(callers)).await;
        let liar = world.client("alice", "mcp:use");
        let liar = liar.with_header("x-pmcp-user-id", "admin");
        assert_eq!(liar.value_of("whoami").await["user"], expected);
    }
}

#[derive(Clone, Copy)]
enum CallersOfTheGate {
    AreKnown,
    AreUnknown,
}

fn server(callers: CallersOfTheGate) -> Router {
    let server = Server::builder()
        .name("gated")
        .version("1")
        .capabilities(ServerCapabilities::tools_only())
        .with_supported_protocol_versions(
            [WITH_SESSIONS, STATELESS].map(|name| ProtocolVersion(name.to_owned())),
        )
        .tool("whoami", WhoAmI)
        .tool("delete_file", DeleteFile);
    let server = match callers {
        CallersOfTheGate::AreKnown => server.auth_provider(FromTheGate),
        CallersOfTheGate::AreUnknown => server,
    };
    let server = Arc::new(server.build().unwrap());
    // pmcp serves the root of its router alone.
    Router::new().nest("/mcp", pmcp::axum::concurrent_router(server))
}

/// Verifies nothing: whatever comes here has passed the gate, which took the token.
struct FromTheGate;

#[async_trait]
impl AuthProvider for FromTheGate {
    async fn validate_request(&self, _: Option<&str>) -> pmcp::Result<Option<AuthContext>> {
        Ok(caller().map(|caller| AuthContext {
            scopes: caller
                .scopes()
                .iter()
                .map(|scope| scope.to_string())
                .collect(),
            client_id: caller.client_id().map(str::to_owned),
            ..AuthContext::new(caller.subject().unwrap_or_default())
        }))
    }
}

struct WhoAmI;

#[async_trait]
impl ToolHandler for WhoAmI {
    async fn handle(&self, _: Value, extra: RequestHandlerExtra) -> pmcp::Result<Value> {
        let caller = extra.auth_context().expect("pmcp knows a caller");
        Ok(json!({ "user": caller.subject, "scopes": caller.scopes }))
    }
}

struct DeleteFile;

#[async_trait]
impl ToolHandler for DeleteFile {
    async fn handle(&self, _: Value, _: RequestHandlerExtra) -> pmcp::Result<Value> {
        Ok(json!("gone"))
    }
}
