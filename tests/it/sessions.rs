//! Session ids are bound to the caller they were issued to, and open for no other.

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use proptest::prelude::*;
use serde_json::{Value, json};
use toolgate::testing::{AuthorizationServer, TokenBuilder};
use toolgate::{
    Config, Introspection, Issuer, Limits, RefusalKind, ScopeMap, Secret, Sessions, Toolgate,
    without_token,
};

use crate::logs::listen;
use crate::world::{Answer, RESOURCE, World, bare, call, clock, post, post_without_token};

const KEY: &str = "a key for tests, of more than 32 bytes";
const OTHER_KEY: &str = "another key, of more than 32 bytes too";

/// A world whose bodies are read.
async fn world() -> World {
    World::with_scopes(ScopeMap::deny_unlisted().every_request("mcp:use")).await
}

async fn world_with(sessions: Sessions) -> World {
    let scopes = ScopeMap::deny_unlisted().every_request("mcp:use");
    World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(scopes)
            .sessions(sessions)
    })
    .await
}

/// Begins a session: as the client is told its id.
async fn begin(world: &World, token: &str, id: &str) -> String {
    world.answer_with("mcp-session-id", [id]);
    let answer = world
        .send(post(token, &call("initialize", json!({}))))
        .await;
    answer.assert_served();
    world.answer_with("mcp-session-id", [""; 0]);
    answer
        .header("mcp-session-id")
        .expect("a session")
        .to_owned()
}

fn of_method(method: Method, token: &str) -> Request<Full<bytes::Bytes>> {
    let mut request = bare(method, "/mcp");
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// One request of each kind that a session has: to send, to listen, to close; and the id to answer to.
fn requests(token: &str) -> [(Request<Full<bytes::Bytes>>, Value); 3] {
    [
        (post(token, &call("tools/list", json!({}))), json!(1)),
        (of_method(Method::GET, token), Value::Null),
        (of_method(Method::DELETE, token), Value::Null),
    ]
}

/// Sends one of each in the session.
async fn send_in(world: &World, token: &str, session: &[u8]) -> Vec<(Answer, Value)> {
    let mut answers = Vec::new();
    for (mut request, id) in requests(token) {
        let session = http::HeaderValue::from_bytes(session).unwrap();
        request.headers_mut().insert("mcp-session-id", session);
        answers.push((world.send(request).await, id));
    }
    answers
}

#[track_caller]
fn assert_not_found(answer: &Answer, code: &str, id: &Value) {
    assert_eq!(
        (answer.status, answer.code),
        (StatusCode::NOT_FOUND, Some(code)),
        "{}",
        answer.text()
    );
    assert_eq!(answer.kind, Some(RefusalKind::SessionNotFound));
    assert_eq!(answer.challenge(), None);
    // The error is the same for all of them, so that no caller learns whether there is such a session.
    let error = json!({ "code": -32600, "message": "There is no such session" });
    assert_eq!(
        answer.json(),
        json!({ "jsonrpc": "2.0", "id": id, "error": error })
    );
}

async fn assert_all_not_found(world: &World, token: &str, session: &[u8], code: &str) {
    for (answer, id) in send_in(world, token, session).await {
        assert_not_found(&answer, code, &id);
    }
}

async fn assert_all_served(world: &World, token: &str, session: &str, inner: &str) {
    for (answer, _) in send_in(world, token, session.as_bytes()).await {
        answer.assert_served();
        assert_eq!(world.reached().headers["mcp-session-id"], inner);
    }
}

#[tokio::test]
async fn the_client_gets_a_sealed_id_and_the_service_sees_its_own() {
    let world = world().await;
    let alice = world.token().mint();
    for id in [
        "3f2b",
        "with.dots.",
        "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
        &"x".repeat(4096),
    ] {
        let session = begin(&world, &alice, id).await;
        assert_eq!(session.len(), id.len() + 44);
        assert!(session.starts_with(id));
        assert!(session.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_all_served(&world, &alice, &session, id).await;
    }
}

#[tokio::test]
async fn a_session_goes_on_with_the_next_token_of_its_owner() {
    let world = world().await;
    let session = begin(&world, &world.token().claim("jti", "first").mint(), "s").await;
    for next in [
        world.token().claim("jti", "second"),
        world.token().scope("mcp:use more").expires_in(10),
        world.token().client_id("another-client"),
    ] {
        assert_all_served(&world, &next.mint(), &session, "s").await;
    }
}

#[tokio::test]
async fn a_session_opens_for_no_other_caller_and_does_not_show_that_it_exists() {
    let (world, neighbour) = World::with_neighbour(Limits::default()).await;
    let of_neighbour = || neighbour.token().audience(RESOURCE).scope("mcp:use");
    // Each has the name of another one somewhere.
    let machine = |token: TokenBuilder| token.client_id("alice").without("sub");
    let callers = [
        world.token(),
        world.token().subject("bob"),
        world.token().subject("Alice"),
        world.token().subject(""),
        machine(world.token()),
        of_neighbour(),
        machine(of_neighbour()),
        world.token().without("sub").without("client_id"),
    ]
    .map(|token| token.mint());
    for (position, owner) in callers.iter().enumerate() {
        let session = begin(&world, owner, "s").await;
        for (other, token) in callers.iter().enumerate() {
            if position == other {
                assert_all_served(&world, token, &session, "s").await;
                continue;
            }
            let reached = world.reached_count();
            // Nothing here depends on bodies: they stay unread, so the error has no id.
            for (answer, _) in send_in(&world, token, session.as_bytes()).await {
                assert_not_found(&answer, "session_not_owned", &Value::Null);
            }
            assert_eq!(world.reached_count(), reached);
        }
    }
}

#[tokio::test]
async fn a_caller_without_identity_owns_a_session_by_its_token() {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .client("rs", "secret")
        .start()
        .await;
    let world = World::around(server, clock, |builder, server| {
        let issuer =
            Issuer::new(server.issuer()).introspection(Introspection::basic("rs", "secret"));
        builder
            .issuer(issuer)
            .scopes(ScopeMap::deny_unlisted().every_request("mcp:use"))
    });
    let mint = || {
        world
            .server
            .mint_opaque(&world.token().without("sub").without("client_id"))
    };
    let (one, two) = (mint(), mint());
    let session = begin(&world, &one, "s").await;
    assert_all_served(&world, &one, &session, "s").await;
    assert_all_not_found(&world, &two, session.as_bytes(), "session_not_owned").await;
}

#[tokio::test]
async fn ids_that_were_never_given_out_are_not_found() {
    let world = world().await;
    let alice = world.token().mint();
    let session = begin(&world, &alice, "s-1").await;
    let seal = session.strip_prefix("s-1").unwrap();
    let of_other_gate = begin(&twin(&world, Sessions::bound()), &alice, "s-1").await;
    for (id, code) in [
        ("s-1", "session_unknown"),
        ("", "session_unknown"),
        (seal.strip_prefix('.').unwrap(), "session_unknown"),
        (seal, "session_not_owned"),
        (&format!("s-2{seal}"), "session_not_owned"),
        (&format!("S-1{seal}"), "session_not_owned"),
        (&format!("{session}{seal}"), "session_not_owned"),
        (&format!("{session}="), "session_unknown"),
        (&of_other_gate, "session_not_owned"),
    ] {
        assert_all_not_found(&world, &alice, id.as_bytes(), code).await;
    }
    assert_all_not_found(&world, &alice, b"s\xff1", "session_unknown").await;
    assert_all_not_found(
        &world,
        &alice,
        format!("s-1\t{seal}").as_bytes(),
        "session_not_owned",
    )
    .await;
}

#[tokio::test]
async fn an_id_twice_is_refused_as_unreadable() {
    let world = world().await;
    let alice = world.token().mint();
    let session = begin(&world, &alice, "s").await;
    for (mut request, id) in requests(&alice) {
        for _ in 0..2 {
            request
                .headers_mut()
                .append("mcp-session-id", session.parse().unwrap());
        }
        world
            .send(request)
            .await
            .assert_rpc_error("duplicate_header", -32600, &id);
    }
}

#[tokio::test]
async fn a_refusal_for_other_reasons_comes_first_where_it_is_about_the_caller() {
    let world = world().await;
    let session = begin(&world, &world.token().mint(), "s").await;
    let expired = world.token().subject("bob").expires_in(-3600).mint();
    for (answer, _) in send_in(&world, &expired, session.as_bytes()).await {
        answer.assert_invalid_token("expired");
    }
    let without_scope = world.token().subject("bob").scope("other").mint();
    for (answer, _) in send_in(&world, &without_scope, session.as_bytes()).await {
        answer.assert_needs(&["mcp:use"]);
    }
}

#[tokio::test]
async fn a_stream_resumes_only_in_its_session_unless_configured_otherwise() {
    let world = world().await;
    let alice = world.token().mint();
    let session = begin(&world, &alice, "s").await;
    for (mut request, id) in requests(&alice) {
        request
            .headers_mut()
            .insert("last-event-id", "3".parse().unwrap());
        let refused = world.send(request.clone()).await;
        refused.assert_rpc_error("resumed_without_session", -32600, &id);
        request
            .headers_mut()
            .insert("mcp-session-id", session.parse().unwrap());
        world.send(request).await.assert_served();
        assert_eq!(world.reached().headers["last-event-id"], "3");
    }
    let loose = world_with(Sessions::bound().resume_without_session()).await;
    let alice = loose.token().mint();
    for (mut request, _) in requests(&alice) {
        request
            .headers_mut()
            .insert("last-event-id", "3".parse().unwrap());
        loose.send(request).await.assert_served();
    }
}

#[tokio::test]
async fn a_response_with_an_id_that_cannot_be_bound_is_withheld() {
    let (log, _guard) = listen();
    let world = world().await;
    let alice = world.token().mint();
    for lines in [
        &[&b""[..]][..],
        &[b"a b"],
        &[b"a\tb"],
        &[b"\xc3\xa4"],
        &[b"a", b"b"],
        &[b"a", b"a"],
    ] {
        world.answer_with("mcp-session-id", lines);
        let answer = world
            .send(post(&alice, &call("initialize", json!({}))))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{lines:?}");
        assert_eq!(answer.header("mcp-session-id"), None);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let error = json!({ "code": -32603, "message": "The server's session cannot be used" });
        assert_eq!(
            answer.json(),
            json!({ "jsonrpc": "2.0", "id": null, "error": error })
        );
        let fields = &log.decision()["fields"];
        assert_eq!(
            (&fields["decision"], &fields["reason"]),
            (&json!("withhold"), &json!("session_id_unusable"))
        );
    }
}

#[tokio::test]
async fn every_answer_that_names_a_session_names_it_sealed() {
    let world = world().await;
    let alice = world.token().mint();
    let session = begin(&world, &alice, "s").await;
    world.answer_with("mcp-session-id", ["s"]);
    for (answer, _) in send_in(&world, &alice, session.as_bytes()).await {
        assert_eq!(answer.header("mcp-session-id"), Some(&*session));
    }
}

#[tokio::test]
async fn unbound_sessions_open_for_every_caller() {
    let world = world_with(Sessions::unbound()).await;
    assert_eq!(begin(&world, &world.token().mint(), "s").await, "s");
    for token in [world.token(), world.token().subject("bob")] {
        assert_all_served(&world, &token.mint(), "s", "s").await;
        let mut request = of_method(Method::GET, &token.mint());
        request
            .headers_mut()
            .append("mcp-session-id", "a".parse().unwrap());
        request
            .headers_mut()
            .append("mcp-session-id", "b".parse().unwrap());
        world.send(request).await.assert_served();
        let mut request = of_method(Method::GET, &token.mint());
        request
            .headers_mut()
            .append("last-event-id", "3".parse().unwrap());
        world.send(request).await.assert_served();
    }
}

/// Another gate before the same authorization server, as another process would have it.
fn twin(world: &World, sessions: Sessions) -> World {
    let scopes = ScopeMap::deny_unlisted().every_request("mcp:use");
    World::around(
        world.server.clone(),
        world.clock.clone(),
        |builder, server| {
            builder
                .issuer(server.issuer())
                .scopes(scopes)
                .sessions(sessions)
        },
    )
}

#[tokio::test]
async fn gates_with_one_key_know_each_others_sessions_and_keys_can_be_replaced() {
    let one = world_with(Sessions::bound().key(KEY)).await;
    let (alice, bob) = (one.token().mint(), one.token().subject("bob").mint());
    let session = begin(&one, &alice, "s").await;

    let two = twin(&one, Sessions::bound().key(KEY));
    assert_all_served(&two, &alice, &session, "s").await;
    assert_all_not_found(&two, &bob, session.as_bytes(), "session_not_owned").await;

    let replacing = twin(&one, Sessions::bound().key(OTHER_KEY).key(KEY));
    assert_all_served(&replacing, &alice, &session, "s").await;
    assert_all_not_found(&replacing, &bob, session.as_bytes(), "session_not_owned").await;
    let newer = begin(&replacing, &alice, "t").await;

    let replaced = twin(&one, Sessions::bound().key(OTHER_KEY));
    assert_all_served(&replaced, &alice, &newer, "t").await;
    assert_all_not_found(&replaced, &alice, session.as_bytes(), "session_not_owned").await;

    let of_its_own = twin(&one, Sessions::bound());
    assert_all_not_found(&of_its_own, &alice, session.as_bytes(), "session_not_owned").await;
}

#[tokio::test]
async fn a_reload_keeps_sessions_and_takes_over_keys() {
    let world = world().await;
    let alice = world.token().mint();
    let config = |sessions: &str| -> Config {
        let issuer = world.server.issuer();
        let text = format!(
            "resource = {RESOURCE:?}\n[[issuers]]\nissuer = {issuer:?}\n[scopes]\nunlisted = \"deny\""
        );
        toml::from_str(&format!("{text}\n{sessions}")).unwrap()
    };
    let session = begin(&world, &alice, "s").await;
    world.gate.reload(config("")).unwrap();
    assert_all_served(&world, &alice, &session, "s").await;

    let path = std::env::temp_dir().join(format!("toolgate-sessions-{}", std::process::id()));
    std::fs::write(&path, format!("{KEY}\n")).unwrap();
    let in_file = format!("[sessions]\nkeys = [{{ file = {path:?} }}]");
    world.gate.reload(config(&in_file)).unwrap();
    assert_all_not_found(&world, &alice, session.as_bytes(), "session_not_owned").await;
    let session = begin(&world, &alice, "s").await;
    world
        .gate
        .reload(config(&format!("[sessions]\nkeys = [{KEY:?}]")))
        .unwrap();
    assert_all_served(&world, &alice, &session, "s").await;

    // A file is read when the configuration is, and not in between.
    world.gate.reload(config(&in_file)).unwrap();
    std::fs::write(&path, OTHER_KEY).unwrap();
    assert_all_served(&world, &alice, &session, "s").await;
    world.gate.reload(config(&in_file)).unwrap();
    assert_all_not_found(&world, &alice, session.as_bytes(), "session_not_owned").await;
    std::fs::remove_file(&path).unwrap();

    world
        .gate
        .reload(config("[sessions]\nbinding = \"off\""))
        .unwrap();
    assert_all_served(&world, &alice, "bare", "bare").await;
}

#[test]
fn a_key_that_is_no_secret_makes_no_gate() {
    let build = |key: Secret| {
        let builder = Toolgate::builder(RESOURCE).issuer("https://auth.example.com");
        let builder = builder.scopes(ScopeMap::deny_unlisted());
        builder
            .sessions(Sessions::bound().key(KEY).key(key))
            .build()
    };
    let short = "31 bytes are too few for a key.";
    let refused = build(Secret::text(short)).unwrap_err();
    assert_eq!(refused.problems()[0].field(), "sessions.keys[1]");
    assert!(refused.to_string().contains("at least 32"), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains(short));
    // The newline at the end of a file is not part of the secret.
    build(Secret::text(format!("{short}\n"))).unwrap_err();
    build(Secret::text(format!("{short}!"))).unwrap();
    let unset = build(Secret::env("TOOLGATE_NO_SUCH_VARIABLE")).unwrap_err();
    assert!(
        unset.to_string().contains("TOOLGATE_NO_SUCH_VARIABLE"),
        "{unset}"
    );
}

#[tokio::test]
async fn handlers_seal_for_their_caller_and_for_one_purpose() {
    let world = world_with(Sessions::unbound().key(KEY)).await;
    let principal = async |token: TokenBuilder| {
        world.list_with(&token.mint()).await.assert_served();
        world.reached().principal.expect("a principal")
    };
    let (alice, bob) = (
        principal(world.token()).await,
        principal(world.token().subject("bob")).await,
    );
    let payload = b"\x00task\xff 7";
    let sealed = alice.seal("task", payload);
    assert!(
        sealed
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
        "{sealed}"
    );
    assert_eq!(alice.open("task", &sealed).as_deref(), Some(&payload[..]));
    let refreshed = principal(world.token().claim("jti", "next")).await;
    assert_eq!(
        refreshed.open("task", &sealed).as_deref(),
        Some(&payload[..])
    );

    for (principal, purpose) in [
        (&bob, "task"),
        (&alice, "tas"),
        (&alice, ""),
        (&alice, "session"),
    ] {
        assert_eq!(principal.open(purpose, &sealed), None, "{purpose}");
    }
    for spoilt in [
        "",
        ".",
        &sealed[1..],
        &format!("{sealed}A"),
        &sealed.to_uppercase(),
    ] {
        assert_eq!(alice.open("task", spoilt), None, "{spoilt}");
    }

    // A value that a handler sealed does not open as a session, nor a session as such a value.
    let bound = twin(&world, Sessions::bound().key(KEY));
    for purpose in ["", "session", "task"] {
        let sealed = alice.seal(purpose, b"s");
        assert_all_not_found(
            &bound,
            &world.token().mint(),
            sealed.as_bytes(),
            "session_not_owned",
        )
        .await;
        let session = begin(&bound, &world.token().mint(), "cw").await;
        assert_eq!(alice.open(purpose, &session), None);
    }
}

#[tokio::test]
async fn neither_a_key_nor_a_session_is_shown_anywhere() {
    let (log, _guard) = listen();
    let sessions = Sessions::bound().key(KEY);
    let shown = format!("{sessions:?}");
    let world = world_with(sessions).await;
    let alice = world.token().mint();
    let session = begin(&world, &alice, "the-inner-id").await;
    assert_all_served(&world, &alice, &session, "the-inner-id").await;
    let bob = world.token().subject("bob").mint();
    assert_all_not_found(&world, &bob, session.as_bytes(), "session_not_owned").await;
    let principal = world.reached().principal.expect("a principal");
    let text = format!("{shown} {:?} {principal:?} {}", world.gate, log.text());
    for secret in [KEY, "the-inner-id", session.rsplit_once('.').unwrap().1] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn only_issued_ids_open() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(world());
    let (alice, bob) = (world.token().mint(), world.token().subject("bob").mint());
    let changes = (any::<proptest::sample::Index>(), "[!-~]{0,2}", 0..3_usize);
    proptest!(ProptestConfig::with_cases(256), |(id in "[!-~]{1,40}", (at, put, cut) in changes)| {
        let session = runtime.block_on(begin(&world, &alice, &id));
        prop_assert_eq!(session.len(), id.len() + 44);
        let to = |token: &str, session: &str| {
            let mut request = of_method(Method::GET, token);
            request.headers_mut().insert("mcp-session-id", session.parse().unwrap());
            runtime.block_on(world.send(request))
        };
        prop_assert_eq!(to(&alice, &session).status, StatusCode::OK);
        prop_assert_eq!(&world.reached().headers["mcp-session-id"], &*id);
        prop_assert_eq!(to(&bob, &session).status, StatusCode::NOT_FOUND);

        let at = at.index(session.len());
        let changed = format!("{}{put}{}", &session[..at], &session[(at + cut).min(session.len())..]);
        prop_assume!(changed != session);
        prop_assert_eq!(to(&alice, &changed).status, StatusCode::NOT_FOUND);
    });
}

#[tokio::test]
async fn a_session_that_began_without_a_token_opens_for_no_token() {
    let open = ScopeMap::deny_unlisted()
        .method("initialize", without_token())
        .method("ping", without_token());
    let world = World::with_scopes(open).await;
    world.answer_with("mcp-session-id", ["s"]);
    let answer = world
        .send(post_without_token(&call("initialize", json!({}))))
        .await;
    let without_owner = answer
        .header("mcp-session-id")
        .expect("a session")
        .to_owned();
    let of_alice = begin(&world, &world.token().subject("alice").mint(), "t").await;
    let anonymously = async |session: &str, method: &str| {
        let mut request = post_without_token(&call(method, json!({})));
        request
            .headers_mut()
            .insert("mcp-session-id", session.parse().unwrap());
        world.send(request).await
    };
    anonymously(&without_owner, "ping").await.assert_served();
    assert_eq!(world.reached().headers["mcp-session-id"], "s");
    anonymously(&without_owner, "tools/list")
        .await
        .assert_asks_for_a_token();
    assert_not_found(
        &anonymously(&of_alice, "ping").await,
        "session_not_owned",
        &json!(1),
    );
    assert_not_found(
        &anonymously("t", "ping").await,
        "session_unknown",
        &json!(1),
    );
    assert_all_not_found(
        &world,
        &world.token().subject("alice").mint(),
        without_owner.as_bytes(),
        "session_not_owned",
    )
    .await;
}
