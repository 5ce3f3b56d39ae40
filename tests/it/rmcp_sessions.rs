//! Sessions of a real MCP server, which looks only at their ids: only their owner can use them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, tool, tool_router};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::timeout;
use toolgate::testing::AuthorizationServer;
use toolgate::{Revocation, ScopeMap, Sessions, Toolgate, base_only};
use tower::Layer;

use crate::transports::{open, request, serve};
use crate::world::{PATIENCE, RESOURCE, call, token_of};

const KEY: &str = "a key for tests, of more than 32 bytes";

#[derive(Clone, Default)]
struct Tools {
    released: Arc<Notify>,
}

#[tool_router(server_handler)]
impl Tools {
    /// Says something to the listening client.
    #[tool]
    async fn announce(&self, context: RequestContext<RoleServer>) -> String {
        context
            .peer
            .notify_tool_list_changed()
            .await
            .expect("the session is there");
        "announced".to_owned()
    }

    /// Ends when `release` is called.
    #[tool]
    async fn wait(&self) -> String {
        self.released.notified().await;
        "waited".to_owned()
    }

    #[tool]
    async fn release(&self) -> String {
        self.released.notify_one();
        "released".to_owned()
    }
}

/// rmcp as it is by default, behind gates that share a key, as several processes would.
struct Server {
    authorization_server: AuthorizationServer,
    gates: [SocketAddr; 2],
    gate: Toolgate,
    version: Version,
}

impl Server {
    async fn start(version: Version) -> Self {
        let authorization_server = AuthorizationServer::start().await;
        let tools = Tools::default();
        let sessions = Arc::new(LocalSessionManager::default());
        let config = StreamableHttpServerConfig::default();
        let mcp = StreamableHttpService::new(move || Ok(tools.clone()), sessions, config);
        let gate = || {
            let builder = Toolgate::builder(RESOURCE).issuer(authorization_server.issuer());
            let builder = builder.scopes(ScopeMap::deny_unlisted().tool("*", base_only()));
            builder
                .sessions(Sessions::bound().key(KEY))
                .build()
                .unwrap()
        };
        let [gate, other] = [gate(), gate()];
        let gates = [
            serve(gate.layer().layer(mcp.clone())).await,
            serve(other.layer().layer(mcp.clone())).await,
        ];
        Self {
            authorization_server,
            gates,
            gate,
            version,
        }
    }

    fn client(&self, subject: &str) -> Client<'_> {
        Client {
            server: self,
            gate: self.gates[0],
            token: self.token(subject, "first"),
            session: None,
        }
    }

    fn token(&self, subject: &str, id: &str) -> String {
        token_of(&self.authorization_server)
            .subject(subject)
            .claim("jti", id)
            .mint()
    }
}

struct Client<'s> {
    server: &'s Server,
    gate: SocketAddr,
    token: String,
    session: Option<String>,
}

/// An answer, as far as it has been read.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    text: String,
}

impl Client<'_> {
    async fn begin(&mut self) {
        let hello = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let mut welcome = self.post(call("initialize", hello)).await;
        assert_eq!(welcome.status, StatusCode::OK);
        let session = welcome.headers["mcp-session-id"]
            .to_str()
            .unwrap()
            .to_owned();
        self.session = Some(session);
        welcome.until("protocolVersion").await;
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(
            self.post(initialized.to_string()).await.status,
            StatusCode::ACCEPTED
        );
    }

    async fn send(&self, method: &str, body: String, last_event_id: Option<&str>) -> Answer {
        let mut request = request(method, "/mcp", Some(&self.token), &body);
        if let Some(session) = &self.session {
            request
                .headers_mut()
                .insert("mcp-session-id", session.parse().unwrap());
        }
        if let Some(id) = last_event_id {
            request
                .headers_mut()
                .insert("last-event-id", id.parse().unwrap());
        }
        let answer = timeout(
            PATIENCE,
            open::<Full<Bytes>>(self.gate, self.server.version, request),
        )
        .await;
        let (head, body) = answer.expect("an answer").into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body,
            text: String::new(),
        }
    }

    async fn post(&self, body: String) -> Answer {
        self.send("POST", body, None).await
    }

    async fn tool(&self, name: &str) -> Answer {
        // In a session no two requests may have one id.
        static ID: AtomicUsize = AtomicUsize::new(2);
        let id = ID.fetch_add(1, Ordering::Relaxed);
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": name } });
        self.post(call.to_string()).await
    }

    async fn listen(&self) -> Answer {
        let mut stream = self.send("GET", String::new(), None).await;
        assert_eq!(stream.status, StatusCode::OK);
        stream.until("\n\n").await;
        stream
    }

    /// The session works, and so does a stream that listens to it.
    async fn assert_goes_on(&self, stream: &mut Answer) {
        stream.text.clear();
        self.tool("announce").await.until("announced").await;
        stream.until("notifications/tools/list_changed").await;
    }

    async fn assert_shut_out(&self) {
        let notification = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
        let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
        for (method, body, last_event_id, id) in [
            ("GET", String::new(), None, Value::Null),
            ("GET", String::new(), Some("0"), Value::Null),
            ("GET", String::new(), Some("0/0"), Value::Null),
            ("POST", call("tools/list", json!({})), None, json!(1)),
            (
                "POST",
                call("tools/call", json!({ "name": "release" })),
                None,
                json!(1),
            ),
            ("POST", notification.to_string(), None, Value::Null),
            ("POST", response.to_string(), None, Value::Null),
            ("DELETE", String::new(), None, Value::Null),
        ] {
            let mut refused = self.send(method, body, last_event_id).await;
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "{method}");
            refused.until("There is no such session").await;
            let error: Value = serde_json::from_str(&refused.text).unwrap();
            assert_eq!(
                (&error["id"], &error["error"]["code"]),
                (&id, &json!(-32600))
            );
        }
    }
}

impl Answer {
    /// Reads on until this has come.
    #[track_caller]
    fn until(&mut self, text: &str) -> impl Future<Output = ()> {
        let asked_at = std::panic::Location::caller();
        async move {
            while !self.text.contains(text) {
                let frame = timeout(PATIENCE, self.body.frame()).await;
                let frame = frame.unwrap_or_else(|_| panic!("waited in vain at {asked_at}"));
                let frame =
                    frame.unwrap_or_else(|| panic!("{:?} is all, at {asked_at}", self.text));
                let data = frame.unwrap().into_data().unwrap_or_default();
                self.text.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    }
}

async fn assert_only_the_owner_can_use_a_session(version: Version) {
    let server = Server::start(version).await;
    let (mut alice, mut bob) = (server.client("alice"), server.client("bob"));
    alice.begin().await;
    bob.begin().await;
    let mut listening = alice.listen().await;
    let mut waiting = alice.tool("wait").await;
    alice.assert_goes_on(&mut listening).await;

    // With the id that Alice was given, and with the one that the server gave her.
    let of_alice = alice.session.clone().unwrap();
    let mut of_bob = bob.listen().await;
    let inner = of_alice.rsplit_once('.').unwrap().0.to_owned();
    for stolen in [of_alice.clone(), inner] {
        let thief = Client {
            session: Some(stolen),
            ..server.client("bob")
        };
        thief.assert_shut_out().await;
    }
    alice.assert_goes_on(&mut listening).await;
    bob.assert_goes_on(&mut of_bob).await;

    // With her next token, and through the other gate.
    alice.token = server.token("alice", "second");
    alice.assert_goes_on(&mut listening).await;
    alice.gate = server.gates[1];
    alice.assert_goes_on(&mut listening).await;
    let thief = Client {
        session: Some(of_alice),
        gate: server.gates[1],
        ..server.client("bob")
    };
    thief.assert_shut_out().await;
    alice.tool("release").await.until("released").await;
    waiting.until("waited").await;

    assert_eq!(
        alice.send("DELETE", String::new(), None).await.status,
        StatusCode::ACCEPTED
    );
    // rmcp's own answer: to the gate it still is her session.
    let mut gone = alice.tool("announce").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    gone.until("Session not found").await;
    bob.assert_goes_on(&mut of_bob).await;
}

#[tokio::test]
async fn on_http_1_only_the_owner_can_use_a_session_and_notices_no_gate() {
    assert_only_the_owner_can_use_a_session(Version::HTTP_11).await;
}

#[tokio::test]
async fn on_http_2_only_the_owner_can_use_a_session_and_notices_no_gate() {
    assert_only_the_owner_can_use_a_session(Version::HTTP_2).await;
}

async fn a_stream_ends_with_its_token(version: Version) {
    let server = Server::start(version).await;
    let (mut alice, mut bob) = (server.client("alice"), server.client("bob"));
    bob.token = server.token("bob", "of-bob");
    alice.begin().await;
    bob.begin().await;
    let (mut listening, mut of_bob) = (alice.listen().await, bob.listen().await);
    alice.assert_goes_on(&mut listening).await;

    let stolen = Revocation::token(server.authorization_server.issuer(), "first");
    server
        .gate
        .revoke(stolen, Duration::from_secs(3600))
        .await
        .unwrap();
    let end = timeout(PATIENCE, listening.body.collect())
        .await
        .expect("an end");
    assert!(
        end.unwrap().to_bytes().is_empty(),
        "an end that is no error, and nothing before it"
    );
    assert_eq!(
        alice.tool("announce").await.status,
        StatusCode::UNAUTHORIZED
    );
    bob.assert_goes_on(&mut of_bob).await;

    // As clients do: with the next token to the same session.
    alice.token = server.token("alice", "second");
    let mut listening = alice.listen().await;
    alice.assert_goes_on(&mut listening).await;
}

#[tokio::test]
async fn on_http_1_a_stream_ends_with_its_token_and_its_session_goes_on_with_the_next() {
    a_stream_ends_with_its_token(Version::HTTP_11).await;
}

#[tokio::test]
async fn on_http_2_a_stream_ends_with_its_token_and_its_session_goes_on_with_the_next() {
    a_stream_ends_with_its_token(Version::HTTP_2).await;
}
