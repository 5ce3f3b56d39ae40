//! Explanations of whole requests, of calls of every revision, and of causes.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use toolgate::testing::{Endpoint, Fault};
use toolgate::{
    CallInfo, Caller, Check, CheckOutcome, Decide, DecisionFailed, Explanation, Principal, Refusal,
    ScopeMap, Sessions, Verdict, base_only, deny, without_token,
};

use crate::logs::listen;
use crate::world::{World, bare, call, post, post_without_token};

fn map() -> ScopeMap {
    ScopeMap::deny_unlisted()
        .every_request("mcp:use")
        .tool("whoami", base_only())
        .tool("Größe", base_only())
        .tool("delete_file", "files:write")
        .tool("wipe", deny())
        .tool("hours", without_token())
        .resource("file:///a%20b", base_only())
        .prompt(" x", "p")
}

const REVISIONS: [&str; 4] = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

/// A message as a client of this revision writes it.
fn written(revision: &str, mut message: Value) -> Value {
    message["jsonrpc"] = json!("2.0");
    if revision == "2026-07-28" && message.get("method").is_some() {
        message["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": revision,
        });
    }
    message
}

/// The head with which a client of this revision sends a message.
fn with_head(
    revision: &str,
    message: &Value,
    mut request: Request<Full<Bytes>>,
) -> Request<Full<Bytes>> {
    let mut write = |name: &'static str, value: &str| {
        request.headers_mut().insert(name, value.parse().unwrap());
    };
    if revision != "2025-03-26" {
        write("mcp-protocol-version", revision);
    }
    let method = message["method"].as_str();
    if let Some(method) = method.filter(|_| revision == "2026-07-28") {
        write("mcp-method", method);
        let params = &message["params"];
        let name = match method {
            "tools/call" | "prompts/get" => params["name"].as_str(),
            "resources/read" => params["uri"].as_str(),
            "tasks/get" => params["taskId"].as_str(),
            _ => None,
        };
        if let Some(name) = name {
            let plain = name.is_ascii() && name.trim() == name;
            let encoded = format!("=?base64?{}?=", BASE64_STANDARD.encode(name));
            write("mcp-name", if plain { name } else { &encoded });
        }
    }
    request
}

#[tokio::test]
async fn a_message_of_every_revision_is_explained_as_that_of_a_correct_client_is_decided() {
    let world = World::with_scopes(map()).await;
    let token = world.token().mint();
    world
        .send(post(
            &token,
            &call("tools/call", json!({ "name": "whoami" })),
        ))
        .await
        .assert_served();
    let principal = world.reached().principal.unwrap();
    let request =
        |method: &str, params: Value| json!({ "id": 7, "method": method, "params": params });
    let messages = [
        request("initialize", json!({})),
        request("ping", json!({})),
        request("server/discover", json!({})),
        request("tools/list", json!({})),
        request("tools/call", json!({ "name": "whoami" })),
        request("tools/call", json!({ "name": "Größe" })),
        request("tools/call", json!({ "name": "delete_file" })),
        request("tools/call", json!({ "name": "wipe" })),
        request("tools/call", json!({ "name": "hours" })),
        request("tools/call", json!({ "name": "unknown" })),
        request("tools/call", json!({ "name": ["whoami"] })),
        request("prompts/get", json!({ "name": " x" })),
        request("resources/read", json!({ "uri": "file:///a%20b" })),
        request("tasks/get", json!({ "taskId": "t-1" })),
        request("subscriptions/listen", json!({})),
        request("vendor/thing", json!({})),
        json!({ "method": "notifications/initialized", "params": {} }),
        json!({ "method": "notifications/vendor", "params": {} }),
        json!({ "id": 1, "result": {} }),
    ];
    let (mut allowed, mut refused) = (0, 0);
    for revision in REVISIONS {
        for message in &messages {
            let message = written(revision, message.clone());
            let body = message.to_string();
            for (caller, sent) in [
                (Caller::Token(&token), post(&token, &body)),
                (Caller::Principal(&principal), post(&token, &body)),
                (Caller::Anonymous, post_without_token(&body)),
            ] {
                let answer = world.send(with_head(revision, &message, sent)).await;
                let explanation = world.gate.explain(caller, body.clone()).await;
                let code = explanation.refusal().map(Refusal::code);
                assert_eq!(
                    code, answer.code,
                    "{revision} {caller:?} {body}\n{explanation}"
                );
                assert_eq!(explanation.is_allowed(), code.is_none());
                *(if code.is_none() {
                    &mut allowed
                } else {
                    &mut refused
                }) += 1;
            }
        }
    }
    assert!(allowed > 80 && refused > 80, "{allowed} {refused}");
}

#[tokio::test]
async fn a_batch_is_explained_as_that_of_the_one_revision_that_has_batches() {
    let world = World::with_scopes(map()).await;
    let token = world.token().mint();
    let whoami = call("tools/call", json!({ "name": "whoami" }));
    for (other, code) in [
        (call("ping", json!({})), None),
        (
            call("tools/call", json!({ "name": "wipe" })),
            Some("denied"),
        ),
    ] {
        let body = format!("[{whoami},{other}]");
        let explanation = world
            .gate
            .explain(Caller::Token(&token), body.clone())
            .await;
        assert_eq!(explanation.refusal().map(Refusal::code), code);
        assert_eq!(world.send(post(&token, &body)).await.code, code);
    }
}

#[tokio::test]
async fn a_method_that_no_header_can_mirror_is_told_by_its_header_and_not_as_a_missing_one() {
    let world = World::with_scopes(map().method("été", base_only())).await;
    let token = world.token().mint();
    let body = written("2026-07-28", json!({ "id": 1, "method": "été" })).to_string();
    let explanation = world.gate.explain(Caller::Token(&token), body).await;
    let failed = failed(&explanation);
    assert_eq!(failed.got(), "Mcp-Method: été");
    assert_eq!(failed.expected(), "Mcp-Method: visible ASCII");
}

#[tokio::test]
async fn a_new_stream_is_explained_as_refused_while_streams_are_closed() {
    let world = World::with_scopes(map()).await;
    let token = world.token().mint();
    let whoami = call("tools/call", json!({ "name": "whoami" }));
    world.send(post(&token, &whoami)).await.assert_served();
    let principal = world.reached().principal.unwrap();
    world.gate.close_streams();
    let body = call("subscriptions/listen", json!({}));
    for caller in [Caller::Token(&token), Caller::Principal(&principal)] {
        let explanation = world.gate.explain(caller, body.clone()).await;
        assert_eq!(ended(&explanation), ("streams", Some("shutting_down")));
        let explanation = world.gate.explain(caller, whoami.clone()).await;
        assert!(explanation.is_allowed(), "{explanation}");
    }
}

#[track_caller]
fn failed(explanation: &Explanation) -> &Check {
    let mut checks = explanation.checks().iter();
    checks
        .find(|check| check.outcome() == CheckOutcome::Failed)
        .unwrap_or_else(|| panic!("{explanation}"))
}

/// The name of the failed check and the code.
#[track_caller]
fn ended(explanation: &Explanation) -> (&'static str, Option<&'static str>) {
    let code = explanation.refusal().map(Refusal::code);
    (failed(explanation).name(), code)
}

/// The same request as one with its body as bytes.
async fn whole(request: Request<Full<Bytes>>) -> Request<Bytes> {
    let (head, body) = request.into_parts();
    Request::from_parts(head, body.collect().await.unwrap().to_bytes())
}

fn with(
    mut request: Request<Full<Bytes>>,
    name: &'static str,
    value: &str,
) -> Request<Full<Bytes>> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

async fn sessions_world() -> World {
    World::with(|builder, server| {
        let key = "0123456789abcdef0123456789abcdef";
        let builder = builder.issuer(server.issuer()).scopes(map());
        builder.sessions(Sessions::bound().key(key))
    })
    .await
}

#[tokio::test]
async fn a_request_with_a_head_of_its_own_ends_at_the_check_that_refuses_it() {
    let world = sessions_world().await;
    let token = world.token().mint();
    let poor = world.token().scope("other").mint();
    let whoami = call("tools/call", json!({ "name": "whoami" }));
    let hours = call("tools/call", json!({ "name": "hours" }));
    let delete = call("tools/call", json!({ "name": "delete_file" }));
    let get = |token: &str| {
        with(
            bare(Method::GET, "/mcp"),
            "authorization",
            &format!("Bearer {token}"),
        )
    };
    let evil = "https://evil.example";
    let own = "https://mcp.example.com";
    for (request, place, code, expected, got) in [
        (
            with(post(&token, &whoami), "origin", evil),
            "origin",
            "origin_not_allowed",
            "Origin: https://mcp.example.com",
            "Origin: https://evil.example",
        ),
        (
            with(with(post(&token, &whoami), "origin", own), "origin", own),
            "origin",
            "duplicate_header",
            "one Origin line",
            "several Origin lines",
        ),
        (
            with(post(&token, &whoami), "authorization", "Bearer x"),
            "credentials",
            "multiple_credentials",
            "one Authorization line",
            "several Authorization lines",
        ),
        (
            get("garbage"),
            "form",
            "not_a_jwt",
            "a JWT",
            "an opaque token of 7 bytes",
        ),
        (
            get(&poor),
            "base scopes",
            "insufficient_scope",
            "mcp:use",
            "other",
        ),
        (
            with(bare(Method::GET, "/mcp"), "accept", "text/event-stream"),
            "rules",
            "no_token",
            "operations that are open without a token",
            "",
        ),
        (
            get(&token).map(|_| Full::from("x")),
            "body",
            "unexpected_body",
            "no body",
            "GET with a body",
        ),
        (
            with(get(&token), "upgrade", "websocket"),
            "body",
            "upgrade_refused",
            "no body",
            "Upgrade: websocket",
        ),
        (
            with(post(&token, &whoami), "content-encoding", "gzip"),
            "body",
            "unsupported_encoding",
            "no Content-Encoding",
            "Content-Encoding: gzip",
        ),
        (
            with(post(&token, &whoami), "mcp-method", "tools/list"),
            "body",
            "header_mismatch",
            "Mcp-Method: tools/call",
            "Mcp-Method: tools/list",
        ),
        (
            with(post(&token, &whoami), "mcp-session-id", "forged"),
            "session",
            "session_unknown",
            "a session of the caller, or none",
            "Mcp-Session-Id: without a seal",
        ),
        (
            with(
                with(get(&token), "mcp-session-id", "a"),
                "mcp-session-id",
                "b",
            ),
            "session",
            "duplicate_header",
            "one Mcp-Session-Id line",
            "several Mcp-Session-Id lines",
        ),
        (
            with(get(&token), "last-event-id", "1"),
            "session",
            "resumed_without_session",
            "Last-Event-ID beside Mcp-Session-Id",
            "Last-Event-ID alone",
        ),
        (
            with(post(&token, &delete), "mcp-session-id", "forged"),
            "session",
            "session_unknown",
            "a session of the caller, or none",
            "Mcp-Session-Id: without a seal",
        ),
        (
            with(post_without_token(&whoami), "mcp-session-id", "forged"),
            "rules",
            "no_token",
            "operations that are open without a token",
            "tools/call whoami",
        ),
        (
            with(post_without_token(&hours), "mcp-session-id", "forged"),
            "session",
            "session_unknown",
            "a session of the caller, or none",
            "Mcp-Session-Id: without a seal",
        ),
        (
            post(&token, &delete),
            "rules",
            "insufficient_scope",
            "mcp:use files:write",
            "mcp:use",
        ),
    ] {
        let answer = world.send(request.clone()).await;
        let explanation = world.gate.explain_request(whole(request).await).await;
        assert_eq!(ended(&explanation), (place, Some(code)), "{explanation}");
        assert_eq!(answer.code, Some(code), "{explanation}");
        let failed = failed(&explanation);
        assert_eq!(
            (failed.expected(), failed.got()),
            (expected, got),
            "{explanation}"
        );
        assert!(!explanation.to_string().contains(&token));
        assert!(!explanation.to_string().contains("forged"), "{explanation}");
    }
}

#[tokio::test]
async fn an_allowed_request_is_explained_with_its_origin_and_its_session() {
    let world = sessions_world().await;
    let token = world.token().mint();
    world.answer_with("mcp-session-id", ["inner"]);
    let opened = world
        .send(post(&token, &call("initialize", json!({}))))
        .await;
    let session = opened.header("mcp-session-id").unwrap();
    let whoami = call("tools/call", json!({ "name": "whoami" }));
    let request = with(post(&token, &whoami), "mcp-session-id", session);
    let request = with(request, "origin", "http://localhost:6274");
    let explanation = world.gate.explain_request(whole(request).await).await;
    assert!(explanation.is_allowed(), "{explanation}");
    let text = explanation.to_string();
    for line in [
        "ok    metadata      got /mcp",
        "ok    session       expects a session of the caller, or none; got Mcp-Session-Id",
        "ok    body          expects one JSON-RPC message, or a batch; got tools/call whoami",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    assert!(!text.contains(session), "a session id is shown");
    let names: Vec<_> = explanation.checks().iter().map(Check::name).collect();
    assert_eq!(names[..4], ["metadata", "origin", "credentials", "form"]);
    assert_eq!(
        names[names.len() - 4..],
        ["base scopes", "body", "session", "rules"]
    );
    let mut bodiless = bare(Method::DELETE, "/mcp");
    bodiless
        .headers_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    let explanation = world.gate.explain_request(whole(bodiless).await).await;
    assert!(explanation.is_allowed(), "{explanation}");
    let names: Vec<_> = explanation.checks().iter().map(Check::name).collect();
    assert_eq!(names[names.len() - 3..], ["base scopes", "body", "session"]);
}

#[tokio::test]
async fn a_request_that_the_gate_answers_meets_no_check_behind_that() {
    let world = World::with_scopes(map()).await;
    let metadata = world.gate.metadata_paths().remove(0);
    let mut preflight = with(bare(Method::OPTIONS, "/mcp"), "origin", "http://localhost");
    preflight = with(preflight, "access-control-request-method", "POST");
    for (request, status, names, end) in [
        (
            bare(Method::GET, &metadata),
            200,
            &["metadata"][..],
            "answered by the gate: 200 OK",
        ),
        (
            bare(Method::POST, &metadata),
            405,
            &["metadata"],
            "answered by the gate: 405 Method Not Allowed",
        ),
        (
            preflight,
            204,
            &["metadata", "origin"],
            "answered by the gate: 204 No Content",
        ),
    ] {
        let (log, _guard) = listen();
        let explanation = world.gate.explain_request(whole(request).await).await;
        assert_eq!(explanation.answered().unwrap(), status);
        assert!(!explanation.is_allowed() && explanation.refusal().is_none());
        let checks = explanation.checks();
        assert_eq!(checks.iter().map(Check::name).collect::<Vec<_>>(), names);
        assert!(
            checks
                .iter()
                .all(|check| check.outcome() == CheckOutcome::Passed)
        );
        let text = explanation.to_string();
        assert!(
            checks
                .last()
                .unwrap()
                .got()
                .ends_with(": the gate answers it"),
            "{text}"
        );
        assert_eq!(text.lines().last(), Some(end));
        assert_eq!(log.events(), Vec::<Value>::new());
    }
}

#[derive(Debug)]
struct OutForLunch(std::num::ParseIntError);

impl fmt::Display for OutForLunch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out for\nlunch")
    }
}

impl std::error::Error for OutForLunch {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

struct Absent;

impl Decide for Absent {
    async fn decide(&self, _: &Principal, _: &CallInfo<'_>) -> Result<Verdict, DecisionFailed> {
        Err(Box::new(OutForLunch("x".parse::<i32>().unwrap_err())))
    }
}

#[tokio::test]
async fn a_failed_check_has_its_causes_from_the_outermost_to_the_root() {
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(map())
            .decision(Absent)
    })
    .await;
    let token = world.token().mint();
    let whoami = call("tools/call", json!({ "name": "whoami" }));
    let explanation = world
        .gate
        .explain(Caller::Token(&token), whoami.clone())
        .await;
    assert_eq!(
        ended(&explanation),
        ("decision", Some("decision_unavailable"))
    );
    let root = "invalid digit found in string";
    assert_eq!(
        failed(&explanation).causes(),
        ["it failed", r"out for\nlunch", root]
    );
    let line = format!(
        "FAIL  decision      expects your own decision  because it failed: out for\\nlunch: {root}"
    );
    let text = explanation.to_string();
    assert!(text.lines().any(|shown| shown == line), "{text}");
    assert_eq!(text.lines().last(), Some("refused: decision_unavailable"));

    let world = World::new().await;
    world.server.fail(Endpoint::Jwks, Some(Fault::Status(404)));
    let explanation = world
        .gate
        .explain(Caller::Token(&world.token().mint()), whoami)
        .await;
    assert_eq!(ended(&explanation), ("signature", Some("jwks_unavailable")));
    let url = world.server.url(Endpoint::Jwks);
    let at_url = format!("{url}: the server answered 404");
    let key_set = "its key set could not be fetched";
    assert_eq!(failed(&explanation).causes(), [key_set, &at_url]);

    let broken = world.token().payload("nonsense").mint();
    let explanation = world.gate.explain(Caller::Token(&broken), "").await;
    assert_eq!(ended(&explanation), ("form", Some("bad_json")));
    assert!(!failed(&explanation).causes().is_empty(), "{explanation}");
}

#[tokio::test]
async fn behind_a_401_without_a_token_the_cause_is_why_the_request_is_not_open() {
    let named = "a\nok    rules";
    let world = World::with_scopes(map().tool(named, base_only())).await;
    let sneaky = call("tools/call", json!({ "name": named }));
    for (body, place, cause) in [
        (
            call("tools/call", json!({ "name": "whoami" })),
            "rules",
            "not open without a token: tools/call whoami",
        ),
        (
            sneaky,
            "rules",
            r"not open without a token: tools/call a\nok    rules",
        ),
        ("{}".to_owned(), "body", "refused: body_unparsable"),
    ] {
        let explanation = world.gate.explain(Caller::Anonymous, body).await;
        assert_eq!(ended(&explanation), (place, Some("no_token")));
        assert_eq!(failed(&explanation).causes(), [cause]);
        let text = explanation.to_string();
        assert_eq!(
            text.lines().count(),
            explanation.checks().len() + 1,
            "{text}"
        );
    }
    let world = World::new().await;
    let explanation = world.gate.explain(Caller::Anonymous, "{}").await;
    assert_eq!(
        failed(&explanation).causes(),
        ["nothing is open without a token"]
    );
}
