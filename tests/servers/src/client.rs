//! A client of plain HTTP, of either kind of revision.

use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::challenge::Challenge;

pub const STATELESS: &str = "2026-07-28";
pub const WITH_SESSIONS: &str = "2025-11-25";

/// The time in which a response must end.
const PATIENCE: Duration = Duration::from_secs(15);

pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
    revision: &'static str,
    session: Option<String>,
    headers: HeaderMap,
}

/// A response, whose body may not have ended.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    body: reqwest::Response,
}

impl Client {
    pub fn new(url: &str, token: Option<String>) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        Self {
            http: http.build().unwrap(),
            url: url.to_owned(),
            token,
            revision: STATELESS,
            session: None,
            headers: HeaderMap::new(),
        }
    }

    /// Adds a header to every request.
    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    /// Opens a session, as the revisions before 2026-07-28 demand.
    pub async fn with_session(mut self) -> Self {
        let opened = self.initialize().await;
        assert_eq!(opened.status, 200);
        let id = opened.headers["mcp-session-id"].to_str().unwrap();
        self.join_session(id.to_owned());
        let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(self.post(&notification, &[]).await.status, 202);
        self
    }

    pub fn join_session(&mut self, id: String) {
        self.revision = WITH_SESSIONS;
        self.session = Some(id);
    }

    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    pub async fn initialize(&self) -> Answer {
        let client = json!({ "name": "plain", "version": "1" });
        let params =
            json!({ "protocolVersion": WITH_SESSIONS, "capabilities": {}, "clientInfo": client });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        self.post(&body, &[]).await
    }

    pub async fn call_tool(&self, name: &str) -> Answer {
        let params = json!({ "name": name, "arguments": {} });
        self.call("tools/call", Some(name), params).await
    }

    /// The value that a tool returns: JSON in the text of its result.
    pub async fn value_of(&self, tool: &str) -> Value {
        let answer = self.call_tool(tool).await;
        assert_eq!(answer.status, 200);
        let message = answer.message().await;
        let text = message["result"]["content"][0]["text"].as_str();
        let text = text.unwrap_or_else(|| panic!("no text in {message}"));
        serde_json::from_str(text).unwrap()
    }

    /// The names of the tools that the list shows.
    pub async fn tools(&self) -> Vec<String> {
        let answer = self.call("tools/list", None, json!({})).await;
        assert_eq!(answer.status, 200);
        let message = answer.message().await;
        let tools = message["result"]["tools"].as_array();
        let tools = tools.unwrap_or_else(|| panic!("no list in {message}"));
        let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    }

    /// Calls a method in the way of the client's revision.
    pub async fn call(&self, method: &str, name: Option<&str>, mut params: Value) -> Answer {
        let mut headers = vec![("mcp-protocol-version", self.revision)];
        if self.revision == STATELESS {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": STATELESS,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": { "name": "plain", "version": "1" },
            });
            headers.push(("mcp-method", method));
            headers.extend(name.map(|name| ("mcp-name", name)));
        }
        let body = json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params });
        self.post(&body, &headers).await
    }

    /// Opens the stream of a session.
    pub async fn listen_by_get(&self) -> Answer {
        let request = self.request(Method::GET, &self.url, "text/event-stream");
        answer(request).await
    }

    pub async fn get(&self, url: &str) -> Answer {
        answer(self.request(Method::GET, url, "application/json")).await
    }

    async fn post(&self, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let request = self.request(
            Method::POST,
            &self.url,
            "application/json, text/event-stream",
        );
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let request = request.header("content-type", "application/json");
        answer(request.body(body.to_string())).await
    }

    fn request(&self, method: Method, url: &str, accept: &str) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method, url).header("accept", accept);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        request.headers(self.headers.clone())
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let body = request.send().await.unwrap();
    Answer {
        status: body.status().as_u16(),
        headers: body.headers().clone(),
        body,
    }
}

impl Answer {
    pub fn challenge(&self) -> Challenge {
        Challenge::of(&self.headers).expect("a challenge")
    }

    pub fn is_stream(&self) -> bool {
        self.headers["content-type"] == "text/event-stream"
    }

    pub async fn json(self) -> Value {
        serde_json::from_slice(&self.body.bytes().await.unwrap()).unwrap()
    }

    /// The response of JSON-RPC in a body of either kind.
    pub async fn message(self) -> Value {
        if !self.is_stream() {
            return self.json().await;
        }
        let text = self.body.text().await.unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
        let mut messages = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        let response = messages.find(|message| message["id"] == 2);
        response.unwrap_or_else(|| panic!("no response in {text}"))
    }

    /// Reads the rest of the body, which must end without an error.
    pub async fn end(mut self) {
        while self.body.chunk().await.unwrap().is_some() {}
    }
}
