//! Clients that do not behave alike: a refusal in the form that each of them reads.

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use reqwest::Url;
use serde_json::{Value, json};
use toolgate::testing::{AuthorizationServer, Endpoint};
use toolgate::{Builder, Challenges, RefusalKind, ScopeMap, Toolgate, deny, without_token};

use tower::ServiceExt;

use crate::challenge::Challenge;
use crate::listing::through;
use crate::world::{Answer, METADATA_URL, RESOURCE, World, bare, call, post, post_without_token};

const CHATGPT: &str = "openai-mcp/1.0.0";

fn map() -> ScopeMap {
    ScopeMap::allow_unlisted()
        .every_request("mcp:use")
        .tool("delete_file", "files:write")
        .tool("wipe", deny())
}

pub fn auto(builder: Builder) -> Builder {
    builder.challenges(Challenges::Auto).describe_security()
}

async fn world(scopes: ScopeMap) -> World {
    World::with(|builder, server| auto(builder).issuer(server.issuer()).scopes(scopes)).await
}

pub fn as_chatgpt(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let agent = HeaderValue::from_static(CHATGPT);
    request.headers_mut().insert("user-agent", agent);
    request
}

pub fn call_of(tool: &str) -> String {
    call("tools/call", json!({ "name": tool }))
}

/// The challenges in the result of a tool.
pub fn challenges_in(body: &Value) -> Vec<Challenge> {
    let Some(lines) = body["result"]["_meta"]["mcp/www_authenticate"].as_array() else {
        return Vec::new();
    };
    let mut headers = http::HeaderMap::new();
    for line in lines {
        let line = line
            .as_str()
            .expect("a string")
            .parse()
            .expect("a header value");
        headers.append("www-authenticate", line);
    }
    Challenge::all_of(&headers)
}

/// A result that refuses, and its first challenge.
#[track_caller]
fn refused_in_result(answer: &Answer, id: &Value) -> Challenge {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("www-authenticate"), None);
    let body = answer.json();
    assert_eq!((&body["jsonrpc"], &body["id"]), (&json!("2.0"), id));
    assert_eq!(body["result"]["isError"], true);
    assert_eq!(body["result"]["content"][0]["type"], "text");
    let mut challenges = challenges_in(&body);
    for challenge in &challenges {
        assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
        for name in ["error", "error_description"] {
            assert!(challenge.get(name).is_some(), "{name}");
        }
    }
    challenges.remove(0)
}

#[tokio::test]
async fn the_results_are_those_of_the_public_examples() {
    let world = world(map()).await;
    let body = r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"delete_file"}}"#;
    let without = world.send(as_chatgpt(post_without_token(body))).await;
    assert_eq!(
        without.json(),
        json!({
            "jsonrpc": "2.0",
            "id": 4,
            "result": {
                "content": [{ "type": "text", "text": "Log in to get an access token for this operation" }],
                "_meta": { "mcp/www_authenticate": [
                    format!("Bearer error=\"insufficient_scope\", resource_metadata=\"{METADATA_URL}\", \
                             scope=\"mcp:use\", \
                             error_description=\"Log in to get an access token for this operation\""),
                    format!("DPoP error=\"insufficient_scope\", resource_metadata=\"{METADATA_URL}\", \
                             scope=\"mcp:use\", algs=\"{ALGORITHMS}\", \
                             error_description=\"Log in to get an access token for this operation\""),
                ] },
                "isError": true,
            },
        })
    );
    assert_eq!(without.kind, Some(RefusalKind::NoToken));
    let token = world.token().mint();
    let lacking = world.send(as_chatgpt(post(&token, body))).await;
    let sentence = "The access token lacks scopes that this operation needs";
    assert_eq!(
        lacking.json()["result"]["_meta"]["mcp/www_authenticate"][0],
        format!(
            "Bearer error=\"insufficient_scope\", resource_metadata=\"{METADATA_URL}\", \
             scope=\"mcp:use files:write\", error_description=\"{sentence}\""
        )
    );
    assert_eq!(lacking.json()["result"]["content"][0]["text"], sentence);
    assert_eq!(lacking.kind, Some(RefusalKind::InsufficientScope));
}

const ALGORITHMS: &str = "ES256 ES384 EdDSA PS256 RS256";

#[tokio::test]
async fn the_id_is_answered_as_it_was_written_and_one_that_is_none_is_not() {
    let world = world(map()).await;
    for id in [
        "7",
        "-1",
        "\"seven\"",
        "\"\"",
        "\"a\\\"b\"",
        "9007199254740993",
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"x"}},"id":{id}}}"#
        );
        let answer = world.send(as_chatgpt(post_without_token(&body))).await;
        refused_in_result(&answer, &serde_json::from_str(id).unwrap());
        assert!(answer.text().contains(&format!("\"id\":{id},")), "{id}");
    }
    let long = format!("\"{}\"", "x".repeat(300));
    for id in ["null", "1.5", "[1]", "{}", "true", &long] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"x"}},"id":{id}}}"#
        );
        let answer = world.send(as_chatgpt(post_without_token(&body))).await;
        answer.assert_asks_for_a_token();
    }
}

#[tokio::test]
async fn scopes_of_every_request_are_asked_for_by_a_result_too() {
    let world = world(map()).await;
    let token = world.token().scope("other").mint();
    let answer = world.send(as_chatgpt(post(&token, &call_of("x")))).await;
    assert_eq!(refused_in_result(&answer, &json!(1)).scopes(), ["mcp:use"]);
    // The body of a caller that lacks them is read under the limit for those without a token.
    let long = format!("{}{}", call_of("x"), " ".repeat(200_000));
    let answer = world.send(as_chatgpt(post(&token, &long))).await;
    answer.assert_needs(&["mcp:use"]);
}

#[tokio::test]
async fn everything_but_one_call_that_lacks_scopes_or_a_token_is_refused_by_http() {
    let world = world(map()).await;
    let token = world.token().mint();
    let one = call_of("delete_file");
    // A bad token, and one that no scope helps.
    let bad = world.send(as_chatgpt(post("bad", &one))).await;
    assert_eq!(
        (bad.status, bad.kind),
        (StatusCode::UNAUTHORIZED, Some(RefusalKind::InvalidToken))
    );
    let expired = world.token().expires_in(-3600).mint();
    let expired = world.send(as_chatgpt(post(&expired, &one))).await;
    expired.assert_invalid_token("expired");
    let denied = world.send(as_chatgpt(post(&token, &call_of("wipe")))).await;
    denied.assert_forbidden("denied");
    // A batch, a notification, another method, nothing, and what cannot be read.
    let notification =
        json!({ "jsonrpc": "2.0", "method": "tools/call", "params": { "name": "delete_file" } });
    for body in [format!("[{one}]"), notification.to_string()] {
        let answer = world.send(as_chatgpt(post(&token, &body))).await;
        answer.assert_needs(&["mcp:use", "files:write"]);
        let answer = world.send(as_chatgpt(post_without_token(&body))).await;
        answer.assert_asks_for_a_token();
    }
    for body in [
        call("tools/list", json!({})),
        call("initialize", json!({})),
        String::new(),
        "{".into(),
        format!("{one} x"),
    ] {
        let answer = world.send(as_chatgpt(post_without_token(&body))).await;
        answer.assert_asks_for_a_token();
    }
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let answer = world.send(as_chatgpt(bare(method, "/mcp"))).await;
        answer.assert_asks_for_a_token();
    }
    let mut mirrored = post_without_token(&one);
    let name = HeaderValue::from_static("another");
    mirrored.headers_mut().insert("mcp-name", name);
    world
        .send(as_chatgpt(mirrored))
        .await
        .assert_asks_for_a_token();
    // Two Authorization lines.
    let mut several = post(&token, &one);
    let line = several.headers()["authorization"].clone();
    several.headers_mut().append("authorization", line);
    assert_eq!(
        world.send(as_chatgpt(several)).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(world.reached_count(), 0);
}

/// The body of its request is read before it is refused, which must not make it a request that needs no token.
#[tokio::test]
async fn without_a_token_no_request_gets_in_that_the_map_does_not_open_by_name() {
    for map in [
        ScopeMap::allow_unlisted(),
        ScopeMap::allow_unlisted().tool("any", toolgate::base_only()),
    ] {
        let world = World::with(|builder, server| {
            let builder = builder.issuer(server.issuer()).scopes(map);
            let builder = builder.challenges(Challenges::ToolResult);
            builder.describe_security()
        })
        .await;
        let any = call("tools/call", json!({ "name": "any" }));
        let answer = world.send(post_without_token(&any)).await;
        assert_eq!(answer.code, Some("no_token"));
        for body in [
            call("tools/list", json!({})),
            call("initialize", json!({})),
            "[]".to_owned(),
            String::new(),
        ] {
            let answer = world.send(post_without_token(&body)).await;
            answer.assert_asks_for_a_token();
        }
        for method in ["GET", "DELETE"] {
            let request = Request::builder().method(method).uri("/mcp");
            let answer = world.send(request.body(Full::default()).unwrap()).await;
            answer.assert_asks_for_a_token();
        }
        assert_eq!(world.reached_count(), 0);
    }
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_can_read_the_result() {
    let world = world(map()).await;
    let mut request = post_without_token(&call_of("x"));
    let origin = HeaderValue::from_static("https://mcp.example.com");
    request.headers_mut().insert("origin", origin);
    let answer = world.send(as_chatgpt(request)).await;
    refused_in_result(&answer, &json!(1));
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://mcp.example.com")
    );
}

#[tokio::test]
async fn the_client_is_known_by_its_product_alone_and_by_default_every_client_gets_http() {
    let quiet = World::with_scopes(map()).await;
    quiet
        .send(as_chatgpt(post_without_token(&call_of("x"))))
        .await
        .assert_asks_for_a_token();
    let auto = world(map()).await;
    let answer = auto.send(post_without_token(&call_of("x"))).await;
    answer.assert_asks_for_a_token();
    let named = World::with(|builder, server| {
        let builder = builder
            .challenges(Challenges::Auto)
            .tool_results_for("acme");
        builder
            .describe_security()
            .issuer(server.issuer())
            .scopes(map())
    })
    .await;
    let answer = named
        .send(as_chatgpt(post_without_token(&call_of("x"))))
        .await;
    answer.assert_asks_for_a_token();
    let mut acme = post_without_token(&call_of("x"));
    acme.headers_mut()
        .insert("user-agent", HeaderValue::from_static("Acme/2"));
    refused_in_result(&named.send(acme).await, &json!(1));
    let always = World::with(|builder, server| {
        let builder = builder
            .challenges(Challenges::ToolResult)
            .describe_security();
        builder.issuer(server.issuer()).scopes(map())
    })
    .await;
    refused_in_result(
        &always.send(post_without_token(&call_of("x"))).await,
        &json!(1),
    );
}

#[tokio::test]
async fn a_call_that_is_open_needs_no_result_and_an_outage_stays_one() {
    let world = world(map().tool("ping", without_token())).await;
    world
        .send(as_chatgpt(post_without_token(&call_of("ping"))))
        .await
        .assert_served();
    refused_in_result(
        &world
            .send(as_chatgpt(post_without_token(&call_of("x"))))
            .await,
        &json!(1),
    );
    world
        .server
        .fail(Endpoint::Jwks, Some(toolgate::testing::Fault::Status(500)));
    let token = world.token().mint();
    let answer = world.send(as_chatgpt(post(&token, &call_of("x")))).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn results_need_descriptions_and_products_have_names() {
    let problems = |configure: fn(Builder) -> Builder| {
        let builder = Toolgate::builder("https://mcp.example.com/mcp")
            .issuer("https://auth.example.com")
            .scopes(map());
        let why = configure(builder).build().err();
        why.map(|why| why.to_string()).unwrap_or_default()
    };
    for challenges in [Challenges::Auto, Challenges::ToolResult] {
        let why = match challenges {
            Challenges::Auto => problems(|builder| builder.challenges(Challenges::Auto)),
            _ => problems(|builder| builder.challenges(Challenges::ToolResult)),
        };
        assert!(why.contains("clients.describe_security"), "{why}");
    }
    let why = problems(|builder| auto(builder).tool_results_for("a b"));
    assert!(why.contains("clients.tool_results_for[0]"), "{why}");
    assert_eq!(problems(auto), "");
    assert_eq!(problems(|builder| builder.describe_security()), "");
}

#[tokio::test]
async fn text_of_the_caller_shapes_no_challenge_of_a_result() {
    let map = ScopeMap::allow_unlisted().tool("*", "tool:{name}");
    let world = world(map).await;
    let token = world.token().mint();
    for name in ["x\", error=\"y", "x\ny", "x,scope=\"admin\"", "\u{e9}"] {
        let answer = world.send(as_chatgpt(post(&token, &call_of(name)))).await;
        answer.assert_forbidden("name_no_scope");
    }
    let answer = world.send(as_chatgpt(post(&token, &call_of("fine")))).await;
    assert_eq!(
        refused_in_result(&answer, &json!(1)).scopes(),
        ["tool:fine"]
    );
}

// Descriptions of tools.

/// The body that the layer makes of this response to `tools/list`.
async fn described(world: &World, content_type: &'static str, body: impl Into<Bytes>) -> String {
    let mut answer = http::Response::new(Full::new(body.into()));
    let content_type = HeaderValue::from_static(content_type);
    answer.headers_mut().insert("content-type", content_type);
    let token = world.token().mint();
    let list = call("tools/list", json!({}));
    let (answer, _) = through(world, post(&token, &list), answer).await;
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&body).into_owned()
}

const LIST: &str = r#"{ "jsonrpc":"2.0", "id":1, "result":{"tools":[
    {"name":"ping"}, {"name":"delete_file","_meta":{ "a": 1e2 }} ,{"_meta":{},"name":"read"},
    {"name":"wipe"},{"title":"no name"}, 7, {"name":"ping","_meta":7,"securitySchemes":[{"type":"noauth"}]},
    {"_meta":{"securitySchemes":null},"name":"read"}
],"nextCursor":"c"} }"#;

const DESCRIBED: &str = r#"{ "jsonrpc":"2.0", "id":1, "result":{"tools":[
    {"_meta":{"securitySchemes":OPEN},"securitySchemes":OPEN,"name":"ping"}, {"securitySchemes":WRITE,"name":"delete_file","_meta":{"securitySchemes":WRITE, "a": 1e2 }} ,{"securitySchemes":USE,"_meta":{"securitySchemes":USE},"name":"read"},
    {"name":"wipe"},{"title":"no name"}, 7, {"name":"ping","_meta":7,"securitySchemes":OPEN},
    {"securitySchemes":USE,"_meta":{"securitySchemes":USE},"name":"read"}
],"nextCursor":"c"} }"#;

fn expected() -> String {
    DESCRIBED
        .replace("OPEN", r#"[{"type":"noauth"}]"#)
        .replace(
            "WRITE",
            r#"[{"scopes":["mcp:use","files:write"],"type":"oauth2"}]"#,
        )
        .replace("USE", r#"[{"scopes":["mcp:use"],"type":"oauth2"}]"#)
}

fn describing(builder: Builder) -> Builder {
    builder.describe_security()
}

async fn world_that_describes(scopes: ScopeMap) -> World {
    World::with(|builder, server| describing(builder).issuer(server.issuer()).scopes(scopes)).await
}

#[tokio::test]
async fn each_tool_of_a_list_says_what_it_needs_and_all_other_bytes_stay() {
    let world = world_that_describes(map().tool("ping", without_token())).await;
    let json = described(&world, "application/json", LIST).await;
    assert_eq!(json, expected());
    let event = |text: &str| {
        format!(
            ": c\nid: 1\ndata: {}\n\nevent: x\ndata: {{\n\n",
            text.replace('\n', "")
        )
    };
    let events = described(&world, "text/event-stream", event(LIST)).await;
    assert_eq!(events, event(&expected()));
    let batch = described(&world, "application/json", format!("[{LIST},{{}}]")).await;
    assert_eq!(batch, format!("[{},{{}}]", expected()));
}

#[tokio::test]
async fn what_cannot_be_read_passes_as_it_is() {
    let world = world_that_describes(map()).await;
    let long = format!("{}{}", LIST, " ".repeat(5 * 1024 * 1024));
    let long_event = format!("data: {}\n\ndata: x\n\n", long.replace('\n', ""));
    for body in [
        "",
        "{",
        "tools",
        "[[]]",
        "{} {}",
        r#"{"result":{"tools":[{"name":"a"}]},"result":{}}"#,
        r#"{"result":{"tools":[{"name":"a","name":"b"}]}}"#,
        r#"{"result":{"tools":{"name":"a"}}}"#,
        r#"{"result":{"tools":[{"name":"a"},{"name":"b","_meta":{"securitySchemes":1,"securitySchemes":2}}]}}"#,
        &long,
    ] {
        assert_eq!(
            described(&world, "application/json", body.to_owned()).await,
            body
        );
        assert_eq!(described(&world, "text/html", body.to_owned()).await, body);
        let event = format!("data: {}\n\n", body.replace('\n', ""));
        assert_eq!(
            described(&world, "text/event-stream", event.clone()).await,
            event
        );
    }
    assert_eq!(
        described(&world, "text/event-stream", long_event.clone()).await,
        long_event
    );
    let latin = Bytes::from_static(b"{\"result\":{\"tools\":[{\"name\":\"\xe9\"}]}}");
    let shown = described(&world, "application/json", latin.clone()).await;
    assert_eq!(shown, String::from_utf8_lossy(&latin));
}

#[tokio::test]
async fn a_filtered_list_is_described_as_well() {
    let world = world_that_describes(map().list_callable()).await;
    let list = r#"{"result":{"tools":[{"name":"read"},{"name":"delete_file"}]}}"#;
    let shown: Value =
        serde_json::from_str(&described(&world, "application/json", list).await).unwrap();
    let schemes = json!([{ "type": "oauth2", "scopes": ["mcp:use"] }]);
    let tool = json!({ "name": "read", "securitySchemes": schemes, "_meta": { "securitySchemes": schemes } });
    assert_eq!(shown["result"]["tools"], json!([tool]));
}

#[tokio::test]
async fn only_answers_to_a_request_for_the_list_are_held() {
    let world = world_that_describes(map()).await;
    let token = world.token().mint();
    let mut answer = http::Response::new(Full::new(Bytes::from_static(LIST.as_bytes())));
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert("content-type", json);
    let mut request = post(&token, &call_of("read"));
    let encodings = HeaderValue::from_static("gzip");
    request.headers_mut().insert("accept-encoding", encodings);
    let (answer, asked) = through(&world, request, answer).await;
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        (body, asked.contains_key("accept-encoding")),
        (Bytes::from_static(LIST.as_bytes()), true)
    );
}

// Scripted clients.

/// Where a client looks for a challenge.
#[derive(Clone, Copy, PartialEq)]
pub enum Obeys {
    /// Only a status and `WWW-Authenticate`, as Claude does.
    Http,
    /// Only results of tools, as ChatGPT does. It gives up at any other status than 200.
    Results,
}

pub struct Scripted {
    app: Router,
    obeys: Obeys,
    client_id: Option<String>,
    token: Option<String>,
    pub logins: Vec<Vec<String>>,
}

impl Scripted {
    pub fn new(app: &Router, obeys: Obeys) -> Self {
        Self {
            app: app.clone(),
            obeys,
            client_id: None,
            token: None,
            logins: Vec::new(),
        }
    }

    /// Calls a tool, and logs in where it is told to. Whether the tool said `done`.
    pub async fn call(&mut self, tool: &str, done: &str) -> bool {
        for _ in 0..3 {
            let body = call_of(tool);
            let mut request = match &self.token {
                Some(token) => post(token, &body),
                None => post_without_token(&body),
            };
            if self.obeys == Obeys::Results {
                request = as_chatgpt(request);
            }
            let (head, body) = self.send(request).await;
            if body.contains(done) {
                return true;
            }
            let challenge = match self.obeys {
                Obeys::Http if head.status == StatusCode::OK => None,
                Obeys::Http => Challenge::of(&head.headers),
                Obeys::Results if head.status != StatusCode::OK => None,
                Obeys::Results => {
                    let body = serde_json::from_str(&body).unwrap_or_default();
                    challenges_in(&body).into_iter().next()
                }
            };
            let Some(challenge) = challenge.filter(|challenge| !challenge.scopes().is_empty())
            else {
                return false;
            };
            self.log_in(&challenge).await;
        }
        false
    }

    async fn send(&self, mut request: Request<Full<Bytes>>) -> (http::response::Parts, String) {
        let host = HeaderValue::from_static("localhost");
        request.headers_mut().insert("host", host);
        let answer = self.app.clone().oneshot(request.map(Body::new)).await;
        let (head, body) = answer.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head, String::from_utf8(body.to_vec()).unwrap())
    }

    /// From the challenge alone to a token: metadata, registration, consent, code.
    async fn log_in(&mut self, challenge: &Challenge) {
        let http = reqwest::Client::builder().no_proxy();
        let http = http
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let metadata = challenge
            .get("resource_metadata")
            .expect("where the metadata is");
        let path = Url::parse(metadata).unwrap().path().to_owned();
        let (_, metadata) = self.send(bare(Method::GET, &path)).await;
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        let issuer = metadata["authorization_servers"][0]
            .as_str()
            .unwrap()
            .to_owned();
        let found = http.get(format!("{issuer}/.well-known/oauth-authorization-server"));
        let found: Value = json_of(found).await;
        let endpoint = |name: &str| found[name].as_str().unwrap().to_owned();
        let callback = "http://127.0.0.1:1/callback";
        if self.client_id.is_none() {
            let register = http.post(endpoint("registration_endpoint"));
            let asked = json!({
                "redirect_uris": [callback], "client_name": "scripted", "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code"], "response_types": ["code"],
            });
            let registered = json_of(
                register
                    .header("content-type", "application/json")
                    .body(asked.to_string()),
            )
            .await;
            self.client_id = registered["client_id"].as_str().map(str::to_owned);
        }
        let client_id = self.client_id.clone().unwrap();
        let verifier = "v".repeat(64);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        let scopes = challenge.scopes().join(" ");
        let resource = metadata["resource"].as_str().unwrap();
        let mut page = Url::parse(&endpoint("authorization_endpoint")).unwrap();
        page.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &client_id)
            .append_pair("redirect_uri", callback)
            .append_pair("scope", &scopes)
            .append_pair("resource", resource)
            .append_pair("state", "s")
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(hash))
            .append_pair("code_challenge_method", "S256");
        let led_to = http.get(page).send().await.unwrap();
        let led_to = Url::parse(led_to.headers()["location"].to_str().unwrap()).unwrap();
        let code = led_to
            .query_pairs()
            .find(|(name, _)| name == "code")
            .expect("a code")
            .1
            .into_owned();
        let mut form = Url::parse("http://form.invalid").unwrap();
        form.query_pairs_mut()
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", &code)
            .append_pair("client_id", &client_id)
            .append_pair("redirect_uri", callback)
            .append_pair("resource", resource)
            .append_pair("code_verifier", &verifier);
        let redeem = http.post(endpoint("token_endpoint"));
        let redeem = redeem.header("content-type", "application/x-www-form-urlencoded");
        let tokens = json_of(redeem.body(form.query().unwrap().to_owned())).await;
        self.token = tokens["access_token"].as_str().map(str::to_owned);
        self.logins
            .push(challenge.scopes().into_iter().map(str::to_owned).collect());
    }
}

async fn json_of(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}"))
}

/// A gate before this service, and an authorization server whose user always consents.
pub async fn scripted_app(
    inner: Router,
    configure: impl FnOnce(Builder) -> Builder,
) -> (AuthorizationServer, Router) {
    let server = AuthorizationServer::builder()
        .scopes(["mcp:use", "files:write"])
        .approve_as("ada")
        .start()
        .await;
    let builder = configure(Toolgate::builder(RESOURCE))
        .issuer(server.issuer())
        .scopes(map());
    let gate = builder.build().expect("the configuration is good");
    (server, inner.layer(gate.layer()))
}

fn inner() -> Router {
    Router::new().route("/mcp", any(async || "inner"))
}

#[tokio::test]
async fn a_client_of_either_kind_logs_in_and_steps_up_at_one_server() {
    let (_server, app) = scripted_app(inner(), auto).await;
    for obeys in [Obeys::Results, Obeys::Http] {
        let mut client = Scripted::new(&app, obeys);
        assert!(client.call("read", "inner").await);
        assert_eq!(client.logins, [["mcp:use"].map(str::to_owned)]);
        assert!(client.call("delete_file", "inner").await);
        let stepped_up = [["mcp:use", "files:write"].map(str::to_owned)];
        assert_eq!(client.logins[1..], stepped_up);
        // A tool that no scope opens sends neither of them round in circles.
        assert!(!client.call("wipe", "inner").await);
        assert_eq!(client.logins.len(), 2);
    }
}

#[tokio::test]
async fn the_client_that_reads_results_needs_the_setting() {
    let (_server, app) = scripted_app(inner(), |builder| builder).await;
    assert!(
        !Scripted::new(&app, Obeys::Results)
            .call("read", "inner")
            .await
    );
    assert!(Scripted::new(&app, Obeys::Http).call("read", "inner").await);
}
