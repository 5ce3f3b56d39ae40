//! Handlers that find out that more scopes are needed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, tool, tool_router};
use serde_json::json;
use tokio::sync::mpsc;
use toolgate::{
    Builder, Challenges, Principal, Refusal, RequestBody, ScopeMap, StepUp, StepUpError,
    without_token,
};
use tower::{Layer, ServiceExt, service_fn};

use crate::challenge::Challenge;
use crate::clients::{Obeys, Scripted, as_chatgpt, auto, call_of, challenges_in, scripted_app};
use crate::logs::listen_at;
use crate::world::{World, bare, call, pass, post, post_without_token};

fn map() -> ScopeMap {
    ScopeMap::allow_unlisted()
        .every_request("mcp:use")
        .tool("edit", "files:read")
        .tool("open", without_token())
}

async fn world(configure: impl FnOnce(Builder) -> Builder) -> World {
    World::with(|builder, server| {
        let builder = configure(builder).step_up_in_handlers();
        builder.issuer(server.issuer()).scopes(map())
    })
    .await
}

/// Sends to a handler that does this with its handle and answers with JSON.
async fn handled(
    world: &World,
    request: Request<Full<Bytes>>,
    handle: impl Fn(Option<&StepUp>) + Clone + Send + Sync + 'static,
) -> (http::response::Parts, String) {
    let inner = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
        handle(request.extensions().get());
        async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"inner")))) }
    });
    let answer = world.gate.layer().layer(inner).oneshot(request).await;
    let (head, body) = answer.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head, String::from_utf8(body.to_vec()).unwrap())
}

fn asks_for_write(step_up: Option<&StepUp>) {
    step_up.unwrap().need(["files:write"]).unwrap();
}

#[tokio::test]
async fn the_client_gets_the_challenge_that_a_rule_would_have_caused() {
    let world = world(|builder| builder).await;
    let token = world.token().scope("mcp:use files:read").mint();
    let (log, _guard) = listen_at(tracing::Level::INFO);
    let (head, body) = handled(&world, post(&token, &call_of("edit")), asks_for_write).await;
    assert_eq!(head.status, StatusCode::FORBIDDEN);
    assert_eq!(head.headers["cache-control"], "no-store");
    let challenge = Challenge::of(&head.headers).expect("a challenge");
    assert_eq!(challenge.get("error"), Some("insufficient_scope"));
    assert_eq!(challenge.scopes(), ["mcp:use", "files:read", "files:write"]);
    assert!(!body.contains("inner"));
    let refusal = head.extensions.get::<Refusal>().expect("a refusal");
    assert_eq!(refusal.code(), "insufficient_scope");
    let refused = log
        .events()
        .into_iter()
        .find(|event| event["fields"]["reason"] == "insufficient_scope");
    let refused = refused.expect("an event");
    assert_eq!(
        refused["fields"]["required"],
        "mcp:use files:read files:write"
    );
    assert_eq!(refused["fields"]["target"], "edit");
    // With the scope, the handler finds nothing missing.
    let granted = world.token().scope("mcp:use files:read files:write").mint();
    let (head, body) = handled(&world, post(&granted, &call_of("edit")), |_| {}).await;
    assert_eq!((head.status, &*body), (StatusCode::OK, "inner"));
}

#[tokio::test]
async fn a_client_that_reads_results_gets_one() {
    let world = world(auto).await;
    let token = world.token().scope("mcp:use files:read").mint();
    let request = as_chatgpt(post(&token, &call_of("edit")));
    let (head, body) = handled(&world, request, asks_for_write).await;
    assert_eq!(head.status, StatusCode::OK);
    let challenges = challenges_in(&serde_json::from_str(&body).unwrap());
    assert_eq!(
        challenges[0].scopes(),
        ["mcp:use", "files:read", "files:write"]
    );
    let (head, body) = handled(
        &world,
        as_chatgpt(post_without_token(&call_of("open"))),
        asks_for_write,
    )
    .await;
    assert_eq!(head.status, StatusCode::OK);
    let challenges = challenges_in(&serde_json::from_str(&body).unwrap());
    assert_eq!(challenges[0].scopes(), ["mcp:use"]);
}

#[tokio::test]
async fn a_caller_without_a_token_is_asked_for_one() {
    let world = world(|builder| builder).await;
    let (head, _) = handled(&world, post_without_token(&call_of("open")), asks_for_write).await;
    assert_eq!(head.status, StatusCode::UNAUTHORIZED);
    assert_eq!(Challenge::of(&head.headers).unwrap().get("error"), None);
}

#[tokio::test]
async fn scopes_that_the_token_has_are_a_bug_and_cause_no_loop() {
    for configure in [auto as fn(Builder) -> Builder, |builder| builder] {
        let world = world(configure).await;
        let token = world.token().scope("mcp:use files:read files:write").mint();
        for scopes in [&["files:write"][..], &["files:read", "files:write"], &[]] {
            let request = as_chatgpt(post(&token, &call_of("edit")));
            let (head, _) = handled(&world, request, move |step_up| {
                step_up.unwrap().need(scopes).unwrap();
            })
            .await;
            assert_eq!(head.status, StatusCode::INTERNAL_SERVER_ERROR);
            assert!(!head.headers.contains_key("www-authenticate"));
            let refusal = head.extensions.get::<Refusal>().expect("a refusal");
            assert_eq!(refusal.code(), "step_up_met");
        }
    }
}

#[tokio::test]
async fn only_calls_have_a_handle_and_only_where_it_is_asked_for() {
    let gate = world(|builder| builder).await;
    let token = gate.token().scope("mcp:use files:read").mint();
    let mut get = bare(Method::GET, "/mcp");
    get.headers_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    let (head, _) = handled(&gate, get, |step_up| assert!(step_up.is_none())).await;
    assert_eq!(head.status, StatusCode::OK);
    let quiet = World::with_scopes(map()).await;
    let token = quiet.token().scope("mcp:use files:read").mint();
    let (head, _) = handled(&quiet, post(&token, &call_of("edit")), |step_up| {
        assert!(step_up.is_none())
    })
    .await;
    assert_eq!(head.status, StatusCode::OK);
}

#[tokio::test]
async fn after_the_head_it_is_too_late() {
    let world = world(|builder| builder).await;
    let token = world.token().scope("mcp:use files:read").mint();
    let (kept, mut keeps) = mpsc::unbounded_channel();
    let (head, body) = handled(&world, post(&token, &call_of("edit")), move |step_up| {
        kept.send(step_up.cloned()).unwrap();
    })
    .await;
    assert_eq!((head.status, &*body), (StatusCode::OK, "inner"));
    let step_up = keeps.recv().await.unwrap().unwrap();
    assert_eq!(step_up.need(["files:write"]), Err(StepUpError::TooLate));
    assert_eq!(step_up.need(["a b"]), Err(StepUpError::NotAScope));
}

#[tokio::test]
async fn after_a_request_that_ended_without_a_response_it_is_too_late() {
    let world = world(|builder| builder).await;
    let token = world.token().scope("mcp:use files:read").mint();
    let (kept, mut keeps) = mpsc::unbounded_channel();
    let inner = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
        let step_up = request.extensions().get::<StepUp>().cloned();
        kept.send(step_up.unwrap()).unwrap();
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    });
    let request = post(&token, &call_of("edit"));
    let mut answer = Box::pin(world.gate.layer().layer(inner).oneshot(request));
    let step_up = tokio::select! {
        _ = answer.as_mut() => panic!("it has no answer"),
        step_up = keeps.recv() => step_up.unwrap(),
    };
    assert_eq!(step_up.need(["files:write"]), Ok(()));
    // The client has gone.
    drop(answer);
    assert_eq!(step_up.need(["files:write"]), Err(StepUpError::TooLate));
}

#[tokio::test]
async fn a_compressed_stream_is_not_held_since_no_event_is_found_in_it() {
    let world = world(|builder| builder).await;
    let token = world.token().scope("mcp:use files:read").mint();
    let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| {
        let frames = stream::pending::<Result<http_body::Frame<Bytes>, Infallible>>();
        let answer = Response::builder()
            .header("content-type", "text/event-stream")
            .header("content-encoding", "gzip")
            .body(StreamBody::new(frames))
            .unwrap();
        async { Ok::<_, Infallible>(answer) }
    });
    let request = post(&token, &call_of("edit"));
    let answer = world.gate.layer().layer(inner).oneshot(request);
    // A held head comes after 10 seconds.
    let answer = tokio::time::timeout(Duration::from_secs(5), answer).await;
    assert_eq!(answer.expect("its head").unwrap().status(), StatusCode::OK);
}

/// A step of an inner service that answers with a stream.
enum Says {
    Sends(&'static str),
    Asks,
    Breaks,
}

/// Sends to a service that answers with a stream, in which this is said piece by piece.
async fn streamed(world: &World, said: Vec<Says>) -> (http::response::Parts, Vec<Bytes>) {
    let said = Arc::new(std::sync::Mutex::new(Some(said)));
    let inner = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
        let step_up = request.extensions().get::<StepUp>().cloned().unwrap();
        let said = said.lock().unwrap().take().unwrap();
        let frames = stream::iter(said).then(move |says| {
            let step_up = step_up.clone();
            async move {
                match says {
                    Says::Sends(text) => {
                        Ok(http_body::Frame::data(Bytes::from_static(text.as_bytes())))
                    }
                    Says::Asks => {
                        // Whether it is too late is for the test to see.
                        let asked = step_up.need(["files:write"]);
                        let said = if asked.is_ok() {
                            "data: asked\n\n"
                        } else {
                            "data: too late\n\n"
                        };
                        Ok(http_body::Frame::data(Bytes::from_static(said.as_bytes())))
                    }
                    Says::Breaks => Err(std::io::Error::other("broken")),
                }
            }
        });
        let mut answer = Response::new(StreamBody::new(Box::pin(frames)));
        let events = http::HeaderValue::from_static("text/event-stream");
        answer.headers_mut().insert("content-type", events);
        async { Ok::<_, Infallible>(answer) }
    });
    let token = world.token().scope("mcp:use files:read").mint();
    let answer = world
        .gate
        .layer()
        .layer(inner)
        .oneshot(post(&token, &call_of("edit")))
        .await;
    let (head, mut body) = answer.unwrap().into_parts();
    let mut pieces = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        pieces.extend(frame.into_data());
    }
    (head, pieces)
}

const PRIMING: &str = "id: 0\nretry: 3000\ndata:\n\n";

#[tokio::test]
async fn the_head_of_a_stream_is_held_until_its_first_message() {
    use Says::{Asks, Breaks, Sends};
    let world = world(|builder| builder).await;
    let (head, _) = streamed(&world, vec![Sends(PRIMING), Sends(": ping\n\n"), Asks]).await;
    assert_eq!(head.status, StatusCode::FORBIDDEN);
    let (head, pieces) = streamed(&world, vec![Sends(PRIMING), Sends("data: {}\n\n"), Asks]).await;
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(pieces, [PRIMING, "data: {}\n\n", "data: too late\n\n"]);
    let (head, pieces) = streamed(&world, vec![Sends(PRIMING)]).await;
    assert_eq!(
        (head.status, pieces.concat()),
        (StatusCode::OK, PRIMING.into())
    );
    let (head, _) = streamed(&world, vec![Sends(PRIMING), Breaks]).await;
    assert_eq!(head.status, StatusCode::BAD_GATEWAY);
    // Only so much is held.
    let long: &'static str = format!(":{}\n\n", "x".repeat(5000)).leak();
    let (head, pieces) = streamed(&world, vec![Sends(long), Asks]).await;
    assert_eq!(
        (head.status, pieces.last().unwrap().as_ref()),
        (StatusCode::OK, b"data: too late\n\n".as_slice())
    );
}

#[tokio::test]
async fn the_head_of_a_stream_without_a_message_is_held_for_10_seconds_at_most() {
    let world = world(|builder| builder).await;
    let token = world.token().scope("mcp:use files:read").mint();
    // So that the keys are known, and nothing but the stream is waited for.
    handled(&world, post(&token, &call_of("edit")), |_| {}).await;
    let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| {
        let frames = stream::pending::<Result<http_body::Frame<Bytes>, Infallible>>();
        let mut answer = Response::new(StreamBody::new(frames));
        let events = http::HeaderValue::from_static("text/event-stream");
        answer.headers_mut().insert("content-type", events);
        async { Ok::<_, Infallible>(answer) }
    });
    let request = post(&token, &call_of("edit"));
    let mut answer = Box::pin(world.gate.layer().layer(inner).oneshot(request));
    assert!(futures_util::poll!(answer.as_mut()).is_pending());
    pass(Duration::from_secs(9)).await;
    assert!(futures_util::poll!(answer.as_mut()).is_pending());
    pass(Duration::from_secs(2)).await;
    assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
}

// An rmcp tool.

struct Files;

#[tool_router(server_handler)]
impl Files {
    #[tool]
    async fn tidy_up(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let parts = context
            .extensions
            .get::<Parts>()
            .expect("the parts of the request");
        let principal = parts.extensions.get::<Principal>().expect("a principal");
        if !principal.scopes().contains("files:write") {
            let step_up = parts.extensions.get::<StepUp>().expect("a handle");
            let asked = step_up.need(["files:write"]);
            let why = asked.map_or_else(|why| why.to_string(), |()| "asked".to_owned());
            return Err(ErrorData::internal_error(why, None));
        }
        Ok("gone".to_owned())
    }
}

fn rmcp(config: StreamableHttpServerConfig) -> Router {
    let sessions = Arc::new(NeverSessionManager::default());
    let config = config.with_legacy_session_mode(false);
    let mcp = StreamableHttpService::new(|| Ok(Files), sessions, config);
    Router::new().nest_service("/mcp", mcp)
}

#[tokio::test]
async fn clients_of_either_kind_step_up_for_an_rmcp_tool_that_answers_by_json_or_by_a_stream() {
    for json in [true, false] {
        let mcp = rmcp(StreamableHttpServerConfig::default().with_json_response(json));
        let configure = |builder: Builder| auto(builder).step_up_in_handlers();
        let (_server, app) = scripted_app(mcp, configure).await;
        for obeys in [Obeys::Results, Obeys::Http] {
            let mut client = Scripted::new(&app, obeys);
            assert!(client.call("tidy_up", "gone").await, "{json}");
            let expected = [vec!["mcp:use"], vec!["mcp:use", "files:write"]];
            assert_eq!(client.logins, expected, "{json}");
        }
    }
}

#[tokio::test]
async fn an_rmcp_tool_in_a_session_steps_up_as_well() {
    let config = StreamableHttpServerConfig::default();
    let mcp = StreamableHttpService::new(
        || Ok(Files),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let mcp = Router::new().nest_service("/mcp", mcp);
    let configure = |builder: Builder| builder.challenges(Challenges::Http).step_up_in_handlers();
    let (server, app) = scripted_app(mcp, configure).await;
    let token = |scope: &str| {
        server
            .token()
            .audience(crate::world::RESOURCE)
            .scope(scope)
            .mint()
    };
    let weak = token("mcp:use");
    let send = async |mut request: Request<Full<Bytes>>, session: Option<&http::HeaderValue>| {
        let headers = request.headers_mut();
        headers.insert("host", http::HeaderValue::from_static("localhost"));
        if let Some(session) = session {
            headers.insert("mcp-session-id", session.clone());
        }
        app.clone().oneshot(request.map(Body::new)).await.unwrap()
    };
    let hello = json!({
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    let begun = send(post(&weak, &call("initialize", hello)), None).await;
    assert_eq!(begun.status(), StatusCode::OK);
    let session = begun.headers()["mcp-session-id"].clone();
    let begun = begun.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&begun).contains("serverInfo"));
    let initialized =
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    let accepted = send(post(&weak, &initialized), Some(&session)).await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let refused = send(post(&weak, &call_of("tidy_up")), Some(&session)).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let challenge = Challenge::of(refused.headers()).expect("a challenge");
    assert_eq!(challenge.scopes(), ["mcp:use", "files:write"]);
}
