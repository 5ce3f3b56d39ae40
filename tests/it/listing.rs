//! Lists that show only what may be called.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use rmcp::model::PromptMessage;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{
    StreamableHttpClientTransport, StreamableHttpServerConfig, StreamableHttpService,
};
use rmcp::{
    ServiceExt as _, prompt, prompt_handler, prompt_router, tool, tool_handler, tool_router,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use toolgate::testing::AuthorizationServer;
use toolgate::{
    RequestBody, ResponseBody, Rule, ScopeMap, Sessions, Toolgate, base_only, deny, without_token,
};
use tower::{Layer, ServiceExt, service_fn};

use crate::world::{PATIENCE, World, bare, call, post, post_without_token};

fn map() -> ScopeMap {
    ScopeMap::deny_unlisted()
        .every_request("mcp:use")
        .tool("whoami", base_only())
        .tool("write", "files:write")
        .tool("wipe", deny())
        .tool("export", Rule::from("premium").listed())
        .prompt("greet", "prompts:use")
        .resource("file:///public/*", base_only())
        .resource("file:///secret/*", "files:secret")
        .list_callable()
}

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// The list that a server without a gate would show to everyone.
fn tools() -> Value {
    let tool = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
    json!([
        tool("whoami"),
        tool("write"),
        tool("wipe"),
        tool("export"),
        tool("unknown")
    ])
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .expect("a list")
        .iter()
        .map(|element| element["name"].as_str().expect("a name"))
        .collect()
}

fn result(id: impl Into<Value>, result: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id.into(), "result": result }).to_string()
}

fn of_type(content_type: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    response
        .headers_mut()
        .insert("content-type", content_type.parse().unwrap());
    response
}

/// Sends through the layer to a service that gives this answer, and returns what it was asked besides.
pub async fn through<R>(
    world: &World,
    request: Request<Full<Bytes>>,
    answer: Response<R>,
) -> (Response<ResponseBody<R>>, HeaderMap)
where
    R: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let (asked, mut was_asked) = mpsc::unbounded_channel();
    let answer = Arc::new(std::sync::Mutex::new(Some(answer)));
    let inner = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
        asked.send(request.headers().clone()).unwrap();
        let answer = answer.lock().unwrap().take().expect("it is asked once");
        async move { Ok::<_, Infallible>(answer) }
    });
    let response = world
        .gate
        .layer()
        .layer(inner)
        .oneshot(request)
        .await
        .unwrap();
    (
        response,
        was_asked.recv().await.expect("the request is let in"),
    )
}

/// Asks with `mcp:use` and these scopes, and returns head and body of what is made of the answer.
async fn asked(
    granted: &str,
    body: &str,
    answer: Response<Full<Bytes>>,
) -> (http::response::Parts, String) {
    let world = World::with_scopes(map()).await;
    let token = world.token().scope(format!("mcp:use {granted}")).mint();
    let (response, _) = through(&world, post(&token, body), answer).await;
    let (head, body) = response.into_parts();
    (
        head,
        String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn a_list_shows_names_that_the_caller_may_use_and_those_that_a_rule_always_lists() {
    for (granted, shown) in [
        ("", &["whoami", "export"][..]),
        ("files:write", &["whoami", "write", "export"]),
        ("files:write premium", &["whoami", "write", "export"]),
    ] {
        let whole = result(1, json!({ "tools": tools() }));
        for (content_type, whole) in [
            (JSON, whole.clone()),
            ("Application/JSON; charset=UTF-8", whole.clone()),
            (EVENTS, format!("data: {whole}\n\n")),
        ] {
            let (head, body) = asked(
                granted,
                &call("tools/list", json!({})),
                of_type(content_type, whole),
            )
            .await;
            assert_eq!(head.status, StatusCode::OK);
            let body = body.trim_start_matches("data: ");
            let body: Value = serde_json::from_str(body).unwrap();
            assert_eq!(
                names(&body["result"]["tools"]),
                shown,
                "{granted} {content_type}"
            );
        }
    }
}

#[tokio::test]
async fn a_caller_without_a_token_sees_open_names_and_those_that_a_rule_always_lists() {
    let map = map()
        .method("tools/list", without_token())
        .method("resources/templates/list", without_token());
    let map = map
        .tool("hours", without_token())
        .resource("docs://public/*", without_token());
    let world = World::with_scopes(map).await;
    let mut all = tools();
    all.as_array_mut().unwrap().push(json!({ "name": "hours" }));
    let list = async |body: &str, answer: Value| {
        let answer = of_type(JSON, result(1, answer));
        let (response, _) = through(&world, post_without_token(body), answer).await;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&body).unwrap()["result"].clone()
    };
    let shown = list(&call("tools/list", json!({})), json!({ "tools": all })).await;
    assert_eq!(names(&shown["tools"]), ["export", "hours"]);
    let template = |uri: &str| json!({ "name": uri, "uriTemplate": uri });
    let templates = ["docs://public/{x}", "file:///{x}", "other://{x}"].map(template);
    let answer = json!({ "resourceTemplates": templates });
    let shown = list(&call("resources/templates/list", json!({})), answer).await;
    assert_eq!(names(&shown["resourceTemplates"]), ["docs://public/{x}"]);
}

#[tokio::test]
async fn prompts_resources_and_templates_are_filtered_too() {
    let prompts = json!({ "prompts": [{ "name": "greet" }, { "name": "other" }] });
    let resources = json!({ "resources": [
        { "name": "a", "uri": "file:///public/a" },
        { "name": "b", "uri": "file:///secret/b" },
        { "name": "c", "uri": "file:///public/../secret/c" },
    ] });
    let templates = json!({ "resourceTemplates": [
        { "name": "a", "uriTemplate": "file:///public/{x}" },
        { "name": "b", "uriTemplate": "file:///secret/{x}" },
    ] });
    for (granted, method, whole, member, shown) in [
        ("", "prompts/list", &prompts, "prompts", &[][..]),
        (
            "prompts:use",
            "prompts/list",
            &prompts,
            "prompts",
            &["greet"],
        ),
        ("", "resources/list", &resources, "resources", &["a"]),
        (
            "files:secret",
            "resources/list",
            &resources,
            "resources",
            &["a", "b", "c"],
        ),
        (
            "",
            "resources/templates/list",
            &templates,
            "resourceTemplates",
            &["a"],
        ),
        (
            "files:secret",
            "resources/templates/list",
            &templates,
            "resourceTemplates",
            &["a", "b"],
        ),
    ] {
        let answer = of_type(JSON, result(1, whole.clone()));
        let (_, body) = asked(granted, &call(method, json!({})), answer).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            names(&body["result"][member]),
            shown,
            "{method} with {granted:?}"
        );
    }
}

#[tokio::test]
async fn without_the_setting_lists_pass_unchanged() {
    let odd = "{\"id\":1,\"result\":{\"tools\":[{\"name\":\"unknown\"}]},}";
    let answer = || {
        let mut answer = of_type("text/plain", odd);
        answer
            .headers_mut()
            .insert("content-encoding", "gzip".parse().unwrap());
        answer
            .headers_mut()
            .insert("etag", "\"x\"".parse().unwrap());
        answer
            .headers_mut()
            .insert("cache-control", "public".parse().unwrap());
        answer
    };
    let map = ScopeMap::deny_unlisted()
        .every_request("mcp:use")
        .tool("whoami", base_only());
    let world = World::with_scopes(map).await;
    for method in ["tools/list", "tools/call", "ping"] {
        let mut request = post(
            &world.token().mint(),
            &call(method, json!({ "name": "whoami" })),
        );
        request
            .headers_mut()
            .insert("accept-encoding", "gzip".parse().unwrap());
        let (response, headers) = through(&world, request, answer()).await;
        assert_eq!(headers["accept-encoding"], "gzip");
        assert_eq!(response.headers(), answer().headers());
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            odd
        );
    }
}

#[tokio::test]
async fn the_inner_service_is_not_asked_to_compress_a_list() {
    let world = World::with_scopes(map()).await;
    let mut request = post(&world.token().mint(), &call("tools/list", json!({})));
    request
        .headers_mut()
        .insert("accept-encoding", "gzip, br".parse().unwrap());
    let (_, headers) = through(
        &world,
        request,
        of_type(JSON, result(1, json!({ "tools": [] }))),
    )
    .await;
    assert!(!headers.contains_key("accept-encoding"), "{headers:?}");
}

#[tokio::test]
async fn a_list_that_cannot_be_filtered_becomes_a_502_with_an_error_for_the_request() {
    let list = || result(1, json!({ "tools": tools() }));
    let with = |name: &'static str, value: &str, mut answer: Response<Full<Bytes>>| {
        answer.headers_mut().append(name, value.parse().unwrap());
        answer
    };
    for (why, answer) in [
        (
            "compressed",
            with("content-encoding", "gzip", of_type(JSON, list())),
        ),
        (
            "compressed events",
            with(
                "content-encoding",
                "br",
                of_type(EVENTS, format!("data: {}\n\n", list())),
            ),
        ),
        ("no content type", Response::new(Full::new(list().into()))),
        ("another content type", of_type("text/html", list())),
        (
            "two content types",
            with("content-type", JSON, of_type(JSON, list())),
        ),
        (
            "another charset",
            of_type("application/json; charset=utf-16", list()),
        ),
        ("not JSON", of_type(JSON, list() + "}")),
        (
            "not UTF-8",
            of_type(JSON, [list().as_bytes(), b"\xff"].concat()),
        ),
        (
            "a name twice",
            of_type(
                JSON,
                list().replacen("\"name\"", "\"name\":\"whoami\",\"name\"", 1),
            ),
        ),
        (
            "no name",
            of_type(JSON, list().replacen("\"name\"", "\"nom\"", 1)),
        ),
        ("no list", of_type(JSON, result(1, json!({ "tools": {} })))),
        (
            "too long",
            of_type(
                JSON,
                result(1, json!({ "tools": [], "x": "x".repeat(4 * 1024 * 1024) })),
            ),
        ),
    ] {
        let (head, body) = asked("", &call("tools/list", json!({})), answer).await;
        assert_eq!(head.status, StatusCode::BAD_GATEWAY, "{why}: {body}");
        assert_eq!(head.headers["content-type"], JSON, "{why}");
        assert_eq!(head.headers["cache-control"], "no-store", "{why}");
        assert!(!head.headers.contains_key("content-encoding"), "{why}");
        let message = "The server's answer cannot be shown";
        let error =
            json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32603, "message": message } });
        assert_eq!(
            serde_json::from_str::<Value>(&body).unwrap(),
            error,
            "{why}"
        );
    }
}

#[tokio::test]
async fn the_log_says_why_a_list_was_withheld() {
    let (log, _guard) = crate::logs::listen();
    let nameless = result(1, json!({ "tools": [{ "secret": "s3cret" }] }));
    for answer in [
        of_type(JSON, nameless.clone()),
        of_type(EVENTS, format!("data: {nameless}\n\n")),
    ] {
        asked("", &call("tools/list", json!({})), answer).await;
        let event = log.decision();
        assert_eq!(event["level"], "ERROR");
        let fields = &event["fields"];
        assert_eq!(
            (&fields["decision"], &fields["reason"], &fields["method"]),
            (
                &json!("withhold"),
                &json!("list_nameless"),
                &json!("tools/list")
            )
        );
        assert!(!log.text().contains("s3cret"));
    }
    let world = World::with_scopes(map()).await;
    let starts = log
        .events()
        .into_iter()
        .rfind(|event| event["fields"].get("policy").is_some())
        .unwrap();
    let policy = starts["fields"]["policy"].as_str().unwrap();
    assert!(
        policy.contains("lists show what is callable; tool export is listed anyway"),
        "{policy}"
    );
    drop(world);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_list() {
    struct Broken;
    impl Body for Broken {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            std::task::Poll::Ready(Some(Err("gone")))
        }
    }
    let world = World::with_scopes(map()).await;
    for (content_type, status) in [(JSON, StatusCode::BAD_GATEWAY), (EVENTS, StatusCode::OK)] {
        let inner = service_fn(move |_: Request<RequestBody<Full<Bytes>>>| async move {
            Response::builder()
                .header("content-type", content_type)
                .body(Broken)
        });
        let request = post(&world.token().mint(), &call("tools/list", json!({})));
        let response = world
            .gate
            .layer()
            .layer(inner)
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(
            response.into_body().collect().await.err(),
            (content_type == EVENTS).then_some("gone")
        );
    }
}

#[tokio::test]
async fn errors_of_the_server_pass_and_so_does_an_answer_without_a_body() {
    let error = r#"{"jsonrpc":"2.0", "id":1, "error":{"code":-32000,"message":"no"}}"#;
    let (head, body) = asked("", &call("tools/list", json!({})), of_type(JSON, error)).await;
    assert_eq!((head.status, body.as_str()), (StatusCode::OK, error));
    let mut not_found = of_type("text/html", "<p>no such session");
    *not_found.status_mut() = StatusCode::NOT_FOUND;
    let (head, body) = asked("", &call("tools/list", json!({})), not_found).await;
    assert_eq!(
        (head.status, body.as_str()),
        (StatusCode::NOT_FOUND, "<p>no such session")
    );
    let mut accepted = Response::new(Full::default());
    *accepted.status_mut() = StatusCode::ACCEPTED;
    let notification = json!({ "jsonrpc": "2.0", "method": "tools/list" }).to_string();
    let (head, body) = asked("", &notification, accepted).await;
    assert_eq!((head.status, body.as_str()), (StatusCode::ACCEPTED, ""));
}

#[tokio::test]
async fn in_a_batch_lists_are_filtered_and_other_answers_keep_their_bytes() {
    let ask = json!([
        { "jsonrpc": "2.0", "id": "a", "method": "tools/list" },
        { "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "whoami" } },
        { "jsonrpc": "2.0", "id": 3, "method": "prompts/list" },
    ]);
    let other = r#"{"jsonrpc" :"2.0","id":2,"result":{"z":1e2,"content":[{"name":"wipe"}]}}"#;
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"tools":[{"name":"wipe"}]}}"#;
    let list = result("a", json!({ "tools": tools() }));
    let left = result("a", json!({ "tools": [tools()[0], tools()[3]] }));
    let prompts = |prompts: Value| result(3, json!({ "prompts": prompts }));
    let (greet, none) = (prompts(json!([{ "name": "greet" }])), prompts(json!([])));

    let (_, body) = asked(
        "",
        &ask.to_string(),
        of_type(JSON, format!("[{other}, {list},{greet}]")),
    )
    .await;
    assert_eq!(body, format!("[{other}, {left},{none}]"));
    let stream = |list: &str, prompts: &str| {
        format!(
            ": hi\n\ndata:{progress}\nid: 1\n\ndata: {list}\n\ndata:{other}\n\ndata: [{other},{prompts}]\n\n"
        )
    };
    let (_, body) = asked("", &ask.to_string(), of_type(EVENTS, stream(&list, &greet))).await;
    assert_eq!(body, stream(&left, &none));
}

#[tokio::test]
async fn a_filtered_list_is_for_its_caller_alone() {
    let list = result(
        1,
        json!({ "tools": tools(), "ttlMs": 60000, "cacheScope": "public" }),
    );
    for (content_type, list) in [(JSON, list.clone()), (EVENTS, format!("data: {list}\n\n"))] {
        let mut answer = of_type(content_type, list.clone());
        for (name, value) in [
            ("content-length", list.len().to_string().as_str()),
            ("cache-control", "public, max-age=60, No-Transform"),
            ("etag", "\"x\""),
            ("last-modified", "Tue, 01 Sep 2026 00:00:00 GMT"),
            ("cdn-cache-control", "max-age=600"),
            ("content-digest", "sha-256=:eA==:"),
            ("mcp-session-id", "s"),
        ] {
            answer.headers_mut().insert(name, value.parse().unwrap());
        }
        let (head, body) = asked("", &call("tools/list", json!({})), answer).await;
        let left = body.trim_start_matches("data: ");
        assert_eq!(
            serde_json::from_str::<Value>(left).unwrap()["result"]["cacheScope"],
            "private"
        );
        assert_eq!(
            head.headers["cache-control"],
            "private, no-store, no-transform"
        );
        assert_eq!(
            head.headers["mcp-session-id"].len(),
            "s".len() + 44,
            "it is bound to its caller"
        );
        let length = head
            .headers
            .get("content-length")
            .map(|length| length.to_str().unwrap().to_owned());
        assert_eq!(
            length,
            (content_type == JSON).then(|| body.len().to_string())
        );
        for name in [
            "etag",
            "last-modified",
            "cdn-cache-control",
            "content-digest",
        ] {
            assert!(!head.headers.contains_key(name), "{name}");
        }
    }
}

#[tokio::test]
async fn the_first_event_arrives_before_the_second_is_sent() {
    let world = World::with_scopes(map()).await;
    let (send, mut receive) = mpsc::unbounded_channel::<Bytes>();
    let events = stream::poll_fn(move |cx| receive.poll_recv(cx));
    let frames =
        futures_util::StreamExt::map(events, |data| Ok::<_, Infallible>(Frame::data(data)));
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
    let mut next = async || {
        let frame = tokio::time::timeout(PATIENCE, body.frame())
            .await
            .expect("it comes at once");
        frame.unwrap().unwrap().into_data().unwrap()
    };

    let progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\r\n\r\n";
    send.send(progress.into()).unwrap();
    assert_eq!(next().await, progress);
    let list = format!("data: {}\n\n", result(1, json!({ "tools": tools() })));
    let (start, end) = list.split_at(20);
    send.send(start.to_owned().into()).unwrap();
    send.send(end.to_owned().into()).unwrap();
    let left = json!({ "tools": [tools()[0], tools()[3]] });
    assert_eq!(next().await, format!("data: {}\n\n", result(1, left)));
    drop(send);
    assert!(body.frame().await.is_none() && body.is_end_stream());
}

#[tokio::test]
async fn a_resumed_stream_shows_no_more_than_the_first_one() {
    let world = World::with(|builder, server| {
        let sessions = Sessions::bound().resume_without_session();
        builder
            .issuer(server.issuer())
            .scopes(map())
            .sessions(sessions)
    })
    .await;
    let stream =
        |tools: Value| format!("id: 7\ndata: {}\n\n", result(41, json!({ "tools": tools })));
    let resumed = |content_type: &str| {
        let mut request = bare(Method::GET, "/mcp");
        let bearer = format!("Bearer {}", world.token().mint()).parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        request
            .headers_mut()
            .insert("last-event-id", "6".parse().unwrap());
        (request, of_type(content_type, stream(tools())))
    };
    let (request, answer) = resumed(EVENTS);
    let body = through(&world, request, answer).await.0.into_body();
    let left = stream(json!([tools()[0], tools()[3]]));
    assert_eq!(body.collect().await.unwrap().to_bytes(), left);
    let (request, answer) = resumed("text/html");
    let body = through(&world, request, answer).await.0.into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes(), stream(tools()));
}

#[test]
fn a_file_can_filter_lists_too() {
    let config = |scopes: &str| {
        let text = format!(
            "resource = \"https://mcp.example.com/mcp\"\n[[issuers]]\nissuer = \"https://auth.example.com\"\n[scopes]\nunlisted = \"deny\"\nlisting = \"callable\"\n{scopes}"
        );
        let config: Result<toolgate::Config, _> = toml::from_str(&text);
        config
            .map_err(|why| why.to_string())?
            .into_builder()
            .build()
            .map_err(|why| why.to_string())
    };
    for good in [
        "",
        "[scopes.tools]\nt = { all = [\"a\"], listed = true }",
        "[scopes.prompts]\nt = { listed = true, any = [\"a\", \"b\"] }",
    ] {
        config(good).expect(good);
    }
    for (bad, part) in [
        (
            "[scopes.tools]\nt = { deny = true, listed = true }",
            "scopes.tools.t",
        ),
        (
            "[scopes.methods]\n\"tools/call\" = { all = [\"a\"], listed = true }",
            "scopes.methods.tools/call",
        ),
        (
            "[scopes.tools]\nt = { all = [\"a\"], listed = false }",
            "leave it out",
        ),
        (
            "[scopes.tools]\nt = { all = [\"a\"], listed = \"yes\" }",
            "boolean",
        ),
    ] {
        let error = config(bad).expect_err(bad);
        assert!(error.contains(part), "{error}");
    }
}

struct Server;

#[tool_router]
impl Server {
    #[tool]
    async fn whoami(&self) -> String {
        "you".to_owned()
    }

    #[tool]
    async fn write(&self) -> String {
        "written".to_owned()
    }

    #[tool]
    async fn wipe(&self) -> String {
        unreachable!("the gate refuses every call")
    }
}

#[prompt_router]
impl Server {
    #[prompt]
    async fn greet(&self) -> Vec<PromptMessage> {
        Vec::new()
    }
}

#[tool_handler]
#[prompt_handler]
impl rmcp::ServerHandler for Server {}

#[tokio::test]
async fn a_client_of_the_rust_sdk_sees_what_it_may_call() {
    let sessions = StreamableHttpServerConfig::default();
    let stateless = || StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    for (kind, config) in [
        ("sessions", sessions),
        ("events", stateless()),
        ("json", stateless().with_json_response(true)),
    ] {
        let authorization_server = AuthorizationServer::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let resource = format!("http://{}/mcp", listener.local_addr().unwrap());
        let gate = Toolgate::builder(&resource)
            .issuer(authorization_server.issuer())
            .scopes(map())
            .build()
            .unwrap();
        let app = if kind == "sessions" {
            let sessions = Arc::new(LocalSessionManager::default());
            Router::new().nest_service(
                "/mcp",
                StreamableHttpService::new(|| Ok(Server), sessions, config),
            )
        } else {
            let never = Arc::new(NeverSessionManager::default());
            Router::new().nest_service(
                "/mcp",
                StreamableHttpService::new(|| Ok(Server), never, config),
            )
        };
        let app = app.layer(gate.layer());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

        for (granted, tools, prompts) in [
            ("mcp:use", &["whoami"][..], &[][..]),
            (
                "mcp:use files:write prompts:use",
                &["whoami", "write"],
                &["greet"],
            ),
        ] {
            let token = authorization_server
                .token()
                .audience(resource.as_str())
                .scope(granted)
                .mint();
            let config =
                StreamableHttpClientTransportConfig::with_uri(resource.as_str()).auth_header(token);
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let client =
                ().serve(StreamableHttpClientTransport::with_client(http, config))
                    .await
                    .unwrap();
            let mut seen: Vec<String> = client
                .list_all_tools()
                .await
                .unwrap()
                .into_iter()
                .map(|tool| tool.name.into())
                .collect();
            seen.sort_unstable();
            assert_eq!(seen, tools, "{kind} with {granted}");
            let seen = client.list_all_prompts().await.unwrap();
            let seen: Vec<String> = seen.into_iter().map(|prompt| prompt.name).collect();
            assert_eq!(seen, prompts, "{kind} with {granted}");
            client.cancel().await.unwrap();
        }
    }
}
