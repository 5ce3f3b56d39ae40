//! Filtered lists, by whatever way they come: servers route answers by ids that callers choose.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use rmcp::model::{
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use toolgate::testing::AuthorizationServer;
use toolgate::{ResponseBody, ScopeMap, Toolgate, base_only, deny, without_token};
use tower::{Layer, ServiceExt};

use crate::listing::through;
use crate::transports::request;
use crate::world::{PATIENCE, RESOURCE, World, bare, call, post, token_of};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

fn map() -> ScopeMap {
    ScopeMap::deny_unlisted()
        .every_request("mcp:use")
        .tool("whoami", base_only())
        .tool("wipe", deny())
        .list_callable()
}

/// Lists its tools and answers pings when it is told to.
#[derive(Clone)]
struct Slow {
    lists: Arc<Semaphore>,
    pings: Arc<Semaphore>,
    asked: mpsc::UnboundedSender<&'static str>,
}

impl ServerHandler for Slow {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.asked.send("list").unwrap();
        self.lists.acquire().await.unwrap().forget();
        let schema = Arc::new(Map::from_iter([("type".to_owned(), json!("object"))]));
        let tools = ["whoami", "wipe"].map(|name| Tool::new(name, "", schema.clone()));
        Ok(ListToolsResult::with_all_items(tools.to_vec()))
    }

    async fn ping(&self, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.asked.send("ping").unwrap();
        self.pings.acquire().await.unwrap().forget();
        Ok(())
    }
}

type Mcp = StreamableHttpService<Slow, LocalSessionManager>;

/// A session of rmcp behind a gate, with or without a token.
struct Session {
    gate: Toolgate,
    mcp: Mcp,
    handler: Slow,
    was_asked: mpsc::UnboundedReceiver<&'static str>,
    token: Option<String>,
    id: Option<String>,
}

type Body = ResponseBody<http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>>;

impl Session {
    async fn begin(map: ScopeMap, with_token: bool) -> Self {
        let server = AuthorizationServer::start().await;
        let gate = Toolgate::builder(RESOURCE)
            .issuer(server.issuer())
            .scopes(map)
            .build()
            .unwrap();
        let (asked, was_asked) = mpsc::unbounded_channel();
        let nothing = || Arc::new(Semaphore::new(0));
        let handler = Slow {
            lists: nothing(),
            pings: nothing(),
            asked,
        };
        let made = handler.clone();
        let sessions = Arc::new(LocalSessionManager::default());
        let config = StreamableHttpServerConfig::default();
        let mcp = StreamableHttpService::new(move || Ok(made.clone()), sessions, config);
        let token = with_token.then(|| token_of(&server).mint());
        let mut session = Self {
            gate,
            mcp,
            handler,
            was_asked,
            token,
            id: None,
        };
        let hello = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let welcome = session.send("POST", &call("initialize", hello)).await;
        assert_eq!(welcome.status(), StatusCode::OK);
        session.id = Some(
            welcome.headers()["mcp-session-id"]
                .to_str()
                .unwrap()
                .to_owned(),
        );
        text_until(welcome, "protocolVersion").await;
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let accepted = session.send("POST", &initialized.to_string()).await;
        assert_eq!(accepted.status(), StatusCode::ACCEPTED);
        session
    }

    async fn send(&self, method: &str, body: &str) -> Response<Body> {
        let mut request = request(method, "/mcp", self.token.as_deref(), body);
        if let Some(id) = &self.id {
            request
                .headers_mut()
                .insert("mcp-session-id", id.parse().unwrap());
        }
        let answer = self.gate.layer().layer(self.mcp.clone()).oneshot(request);
        timeout(PATIENCE, answer).await.expect("an answer").unwrap()
    }

    async fn ask(&self, id: u64, method: &str) -> Response<Body> {
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        let answer = self.send("POST", &body.to_string()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{method}");
        answer
    }

    async fn asked_for(&mut self, what: &str) {
        assert_eq!(
            timeout(PATIENCE, self.was_asked.recv())
                .await
                .expect("it is asked"),
            Some(what)
        );
    }
}

/// The part of a response that has arrived once it contains `wanted`.
async fn text_until(answer: Response<Body>, wanted: &str) -> String {
    let (mut body, mut text) = (answer.into_body(), String::new());
    while !text.contains(wanted) {
        let frame = timeout(PATIENCE, body.frame())
            .await
            .unwrap_or_else(|_| panic!("only {text:?} came"));
        let frame = frame.unwrap_or_else(|| panic!("{text:?} is all")).unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap_or_default()).unwrap());
    }
    text
}

#[tokio::test]
async fn a_list_that_rmcp_gives_as_the_answer_to_a_ping_is_filtered() {
    let open = map()
        .method("initialize", without_token())
        .method("notifications/initialized", without_token())
        .method("tools/list", without_token())
        .method("ping", without_token());
    for (map, with_token) in [(map(), true), (open, false)] {
        let mut session = Session::begin(map, with_token).await;
        let list = session.ask(7, "tools/list").await;
        session.asked_for("list").await;
        let ping = session.ask(7, "ping").await;
        session.asked_for("ping").await;
        session.handler.lists.add_permits(1);
        let text = text_until(ping, "\"tools\"").await;
        assert!(!text.contains("wipe"), "with a token: {with_token}: {text}");
        drop(list);
    }
}

#[tokio::test]
async fn however_lists_and_pings_under_one_id_race_in_rmcp_no_stream_shows_what_is_hidden() {
    let session = Session::begin(map(), true).await;
    let listening = session.send("GET", "").await;
    assert_eq!(listening.status(), StatusCode::OK);
    session.handler.lists.add_permits(1_000);
    session.handler.pings.add_permits(1_000);
    let mut answers = vec![listening];
    for id in 10..110 {
        let (ping, list) = tokio::join!(session.ask(id, "ping"), session.ask(id, "tools/list"));
        answers.extend([ping, list]);
    }
    // All are answered, as far as they will be, when the last one is.
    answers.push(session.ask(1, "tools/list").await);
    text_until(answers.pop().unwrap(), "whoami").await;
    let mut shown = 0;
    for answer in answers {
        let mut body = answer.into_body();
        while let Some(Some(frame)) = body.frame().now_or_never() {
            let data = frame.unwrap().into_data().unwrap_or_default();
            let text = String::from_utf8_lossy(&data);
            shown += usize::from(text.contains("whoami"));
            assert!(!text.contains("wipe"), "{text}");
        }
    }
    assert!(shown > 0);
}

fn tools(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "name": name })).collect()
}

fn of_type(content_type: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    if !content_type.is_empty() {
        response
            .headers_mut()
            .insert("content-type", content_type.parse().unwrap());
    }
    response
}

fn get(world: &World) -> Request<Full<Bytes>> {
    let mut request = bare(Method::GET, "/mcp");
    let bearer = format!("Bearer {}", world.token().mint());
    request
        .headers_mut()
        .insert("authorization", bearer.parse().unwrap());
    request
}

async fn text<R>(response: Response<ResponseBody<R>>) -> String
where
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: std::fmt::Debug,
{
    String::from_utf8(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

#[tokio::test]
async fn responses_to_all_requests_are_filtered() {
    let world = World::with_scopes(map()).await;
    let token = world.token().mint();
    let list = |id: Value, names: &[&str]| json!({ "jsonrpc": "2.0", "id": id, "result": { "tools": tools(names) } });
    let notification =
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "ping" },
        { "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "whoami" } },
    ]);
    let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string();
    let asking = [
        post(&token, &call("ping", json!({}))),
        post(&token, &call("tools/call", json!({ "name": "whoami" }))),
        post(&token, &call("prompts/list", json!({}))),
        post(&token, &notification),
        post(&token, &response),
        post(&token, &batch.to_string()),
        get(&world),
    ];
    for request in asking {
        for id in [json!(1), json!("1"), json!(2), Value::Null] {
            let (whole, left) = (list(id.clone(), &["whoami", "wipe"]), list(id, &["whoami"]));
            for (content_type, whole, left) in [
                (JSON, whole.to_string(), left.to_string()),
                (
                    EVENTS,
                    format!("data: {whole}\n\n"),
                    format!("data: {left}\n\n"),
                ),
            ] {
                let (answer, _) =
                    through(&world, request.clone(), of_type(content_type, whole)).await;
                assert_eq!(answer.headers()["cache-control"], "private, no-store");
                assert_eq!(text(answer).await, left, "{request:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_response_without_a_list_passes_unchanged() {
    let world = World::with_scopes(map()).await;
    let token = world.token().mint();
    let result = |result: Value| json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string();
    let structured =
        result(json!({ "content": [], "structuredContent": { "tools": [{ "name": "wipe" }] } }));
    let initialized = result(json!({ "capabilities": { "tools": {}, "prompts": {} } }));
    let sampling = json!({ "jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": { "tools": [{}] } });
    for body in [
        structured.as_str(),
        &initialized,
        &sampling.to_string(),
        r#"{"tools":[{"x":1}]}"#,
        "5",
        "",
    ] {
        for request in [post(&token, &call("ping", json!({}))), get(&world)] {
            let mut answer = of_type(JSON, body.to_owned());
            answer
                .headers_mut()
                .insert("etag", "\"x\"".parse().unwrap());
            answer
                .headers_mut()
                .insert("cache-control", "public".parse().unwrap());
            let head = answer.headers().clone();
            let (answer, _) = through(&world, request, answer).await;
            assert_eq!(answer.headers(), &head);
            assert_eq!(text(answer).await, body);
        }
    }
}

#[tokio::test]
async fn an_answer_in_another_form_passes_where_no_list_can_be_in_it() {
    let world = World::with_scopes(map()).await;
    let token = world.token().mint();
    let list =
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools(&["wipe"]) } }).to_string();
    let list = list.as_str();
    let ping = || post(&token, &call("ping", json!({})));
    for (request, content_type, encoding, body, passes) in [
        // As older transports answer.
        (ping(), "", "", "Accepted", true),
        (ping(), "text/plain", "", "Accepted", true),
        (ping(), "application/json; charset=utf-16", "", "", true),
        (ping(), "", "", list, false),
        (ping(), "text/plain", "", list, false),
        (ping(), "application/json; charset=utf-16", "", list, false),
        (ping(), JSON, "gzip", "Accepted", false),
        (ping(), "text/plain", "gzip", "Accepted", false),
        // Pages and files beside the MCP server.
        (get(&world), "text/html", "", list, true),
        (get(&world), "text/html", "gzip", list, true),
        (get(&world), "image/png", "", "{", true),
        (get(&world), "", "", "hello", true),
        (get(&world), "", "", list, false),
        (get(&world), JSON, "gzip", list, false),
        (get(&world), EVENTS, "gzip", list, false),
        (
            get(&world),
            "text/event-stream; charset=latin1",
            "",
            list,
            false,
        ),
    ] {
        let mut answer = of_type(content_type, body.to_owned());
        if !encoding.is_empty() {
            answer
                .headers_mut()
                .insert("content-encoding", encoding.parse().unwrap());
        }
        let method = request.method().clone();
        let (answer, _) = through(&world, request, answer).await;
        let status = answer.status();
        let got = text(answer).await;
        let what = format!("{method} {content_type:?} {encoding:?} {body:?}: {got}");
        if passes {
            assert_eq!((status, got.as_str()), (StatusCode::OK, body), "{what}");
        } else {
            assert_eq!(status, StatusCode::BAD_GATEWAY, "{what}");
            assert!(!got.contains("wipe"), "{what}");
        }
    }
}

#[tokio::test]
async fn with_filtered_lists_no_answer_is_asked_for_in_a_compressed_form() {
    let world = World::with_scopes(map()).await;
    for request in [
        post(&world.token().mint(), &call("ping", json!({}))),
        get(&world),
    ] {
        let mut request = request;
        request
            .headers_mut()
            .insert("accept-encoding", "gzip, br".parse().unwrap());
        let (_, headers) = through(&world, request, of_type(JSON, "{}")).await;
        assert!(!headers.contains_key("accept-encoding"), "{headers:?}");
    }
}

/// A body in pieces of 64 KiB.
fn in_pieces(
    content_type: &str,
    body: String,
) -> Response<impl http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static>
{
    let body = Bytes::from(body);
    let pieces: Vec<Bytes> = (0..body.len())
        .step_by(65_536)
        .map(|at| body.slice(at..body.len().min(at + 65_536)))
        .collect();
    let frames = stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(piece))));
    Response::builder()
        .header("content-type", content_type)
        .body(StreamBody::new(frames))
        .unwrap()
}

#[tokio::test]
async fn a_long_answer_without_a_list_passes_and_one_with_a_list_breaks_off_before_it() {
    let world = World::with_scopes(map()).await;
    let token = world.token().mint();
    let blob = "x\\\"tools\\\":[".repeat(1_000_000);
    let result = |inside: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{inside}}}}}"#);
    let content = format!(
        r#""content":[{{"tools":[1],"text":"{blob}"}}],"structuredContent":{{"tools":[2]}}"#
    );
    let list = r#""t\u006fols":[{"name":"wipe"}]"#;
    for (content_type, before, after) in
        [(JSON, "", ""), (EVENTS, "id: 1\ndata: ", "\n\n: ping\n\n")]
    {
        let around = |inside: &str| format!("{before}{}{after}", result(inside));
        let ask = || post(&token, &call("tools/call", json!({ "name": "whoami" })));
        let whole = around(&content);
        let (answer, _) = through(&world, ask(), in_pieces(content_type, whole.clone())).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(
            text(answer).await == whole,
            "{content_type}: it passes as it is"
        );

        let late = around(&format!("{content},{list}"));
        let (answer, _) = through(&world, ask(), in_pieces(content_type, late)).await;
        let got = text(answer).await;
        assert!(
            got.len() > 4_000_000 && !got.contains("wipe"),
            "{content_type}: {}",
            &got[got.len() - 200..]
        );
        assert_eq!(got.ends_with(": ping\n\n"), content_type == EVENTS);

        let early = around(&format!("{list},{content}"));
        let (answer, _) = through(&world, ask(), in_pieces(content_type, early)).await;
        let status = if content_type == JSON {
            StatusCode::BAD_GATEWAY
        } else {
            StatusCode::OK
        };
        assert_eq!(answer.status(), status);
        let got = text(answer).await;
        assert!(
            got.len() < 1_000 && !got.contains("wipe") && got.contains("-32603"),
            "{got}"
        );
    }
}

#[tokio::test]
async fn lines_that_cannot_be_data_pass_unchanged_as_they_come() {
    let world = World::with_scopes(map()).await;
    let (send, mut receive) = mpsc::unbounded_channel::<Bytes>();
    let events = stream::poll_fn(move |cx| receive.poll_recv(cx));
    let frames = futures_util::StreamExt::map(events, |data| {
        Ok::<_, std::convert::Infallible>(Frame::data(data))
    });
    let answer = Response::builder()
        .header("content-type", EVENTS)
        .body(StreamBody::new(frames))
        .unwrap();
    let (response, _) = through(
        &world,
        post(&world.token().mint(), &call("tools/list", json!({}))),
        answer,
    )
    .await;
    let mut body = response.into_body();
    for piece in [
        ": ping\n",
        ": ping\r\n",
        ":",
        " pi",
        "ng",
        "\r",
        "\n",
        "\n",
        "id: 7\nretry: 3\n",
        ": ping\n",
    ] {
        send.send(piece.into()).unwrap();
        let frame = timeout(Duration::from_secs(5), body.frame()).await;
        let frame = frame
            .unwrap_or_else(|_| panic!("{piece:?} waits"))
            .unwrap()
            .unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
}
