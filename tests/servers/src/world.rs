//! A server behind a gate at an address of this machine, and what every such server must do.

use axum::Router;
use axum::middleware::from_fn;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use toolgate::testing::AuthorizationServer;
use toolgate::{ScopeMap, Toolgate, base_only};

use crate::caller::remember_caller;
use crate::client::Client;

/// The servers have two tools: `whoami`, and `delete_file`, which needs `files:write` besides.
pub struct World {
    pub gate: Toolgate,
    pub resource: String,
    authorization_server: AuthorizationServer,
}

impl World {
    /// Serves this MCP server under `/mcp`, behind a gate.
    pub async fn around(mcp: Router) -> Self {
        let authorization_server = AuthorizationServer::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let resource = format!("http://{}/mcp", listener.local_addr().unwrap());
        let gate = Toolgate::builder(&resource)
            .issuer(authorization_server.issuer())
            .scopes(
                ScopeMap::deny_unlisted()
                    .every_request("mcp:use")
                    .tool("whoami", base_only())
                    .tool("delete_file", "files:write")
                    .list_callable(),
            )
            .build()
            .unwrap();
        let app = mcp.layer(from_fn(remember_caller)).layer(gate.layer());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            gate,
            resource,
            authorization_server,
        }
    }

    pub fn client(&self, subject: &str, scope: &str) -> Client {
        let token = self.authorization_server.token().audience(&*self.resource);
        let token = token.subject(subject).scope(scope).mint();
        Client::new(&self.resource, Some(token))
    }

    pub fn client_without_token(&self) -> Client {
        Client::new(&self.resource, None)
    }

    /// A client that has no token learns from the 401 alone where to get one.
    pub async fn refuses_and_says_where_to_get_a_token(&self) {
        let client = self.client_without_token();
        for refused in [
            client.initialize().await,
            client.call_tool("whoami").await,
            client.listen_by_get().await,
        ] {
            assert_eq!(refused.status, 401);
            let challenge = refused.challenge();
            assert_eq!(challenge.get("error"), None);
            assert_eq!(challenge.scopes(), ["mcp:use"]);
            let metadata = challenge.get("resource_metadata").unwrap();
            let document = client.get(metadata).await;
            assert_eq!(document.status, 200);
            let document: Value = document.json().await;
            assert_eq!(document["resource"], self.resource);
            let servers = json!([self.authorization_server.issuer()]);
            assert_eq!(document["authorization_servers"], servers);
        }
    }

    /// A call that needs another scope is refused with a challenge that names it, and the list does not show the tool. With
    /// the scope, both work.
    pub async fn asks_for_the_scope_that_a_tool_needs(&self, lacking: &Client, having: &Client) {
        assert_eq!(lacking.tools().await, ["whoami"]);
        let refused = lacking.call_tool("delete_file").await;
        assert_eq!(refused.status, 403);
        let challenge = refused.challenge();
        assert_eq!(challenge.get("error"), Some("insufficient_scope"));
        assert_eq!(challenge.scopes(), ["mcp:use", "files:write"]);

        let mut tools = having.tools().await;
        tools.sort();
        assert_eq!(tools, ["delete_file", "whoami"]);
        assert_eq!(having.value_of("delete_file").await, "gone");
    }
}
