//! Calls without a token, where an operator opened something.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use toolgate::{
    CallInfo, Config, Decide, DecisionFailed, Limits, Principal, RefusalKind, Rule, ScopeMap,
    Verdict, base_only, deny, without_token,
};

use crate::logs::listen;
use crate::world::{Answer, World, bare, call, post, post_without_token};

fn map() -> ScopeMap {
    ScopeMap::deny_unlisted()
        .every_request("mcp:use")
        .method("initialize", without_token())
        .method("notifications/initialized", without_token())
        .method("tools/list", without_token())
        .method("resources/subscribe", without_token())
        .tool("opening_hours", without_token())
        .tool("menu_*", without_token())
        .tool("menu_of_the_chef", "chef")
        .tool("whoami", base_only())
        .tool("book_table", "tables:book")
        .tool("wipe", deny())
        .resource("docs://public/*", without_token())
        .resource("docs://public/secret/*", "secret")
        .prompt("greet", without_token())
}

/// Sends one call without a token.
async fn ask(world: &World, method: &str, params: Value) -> Answer {
    world.send(post_without_token(&call(method, params))).await
}

#[tokio::test]
async fn open_operations_are_served_without_a_token_and_all_others_get_401() {
    let world = World::with_scopes(map()).await;
    for (method, params, open) in [
        ("initialize", json!({}), true),
        ("tools/list", json!({}), true),
        ("tools/call", json!({ "name": "opening_hours" }), true),
        (
            "tools/call",
            json!({ "name": "menu_today", "arguments": { "x": 1 } }),
            true,
        ),
        ("tools/call", json!({ "name": "menu_of_the_chef" }), false),
        ("tools/call", json!({ "name": "Opening_hours" }), false),
        ("tools/call", json!({ "name": "whoami" }), false),
        ("tools/call", json!({ "name": "book_table" }), false),
        ("tools/call", json!({ "name": "wipe" }), false),
        ("tools/call", json!({ "name": "unlisted" }), false),
        ("tools/call", json!({}), false),
        ("tools/call", json!({ "name": ["opening_hours"] }), false),
        ("prompts/get", json!({ "name": "greet" }), true),
        ("prompts/get", json!({ "name": "opening_hours" }), false),
        ("prompts/list", json!({}), false),
        ("resources/read", json!({ "uri": "docs://public/a" }), true),
        (
            "resources/read",
            json!({ "uri": "docs://public/secret/a" }),
            false,
        ),
        (
            "resources/read",
            json!({ "uri": "docs://public/x/../secret/a" }),
            false,
        ),
        (
            "resources/read",
            json!({ "uri": "docs://private/a" }),
            false,
        ),
        // Any other method on an open target must be opened too.
        (
            "resources/subscribe",
            json!({ "uri": "docs://public/a" }),
            true,
        ),
        (
            "resources/subscribe",
            json!({ "uri": "docs://private/a" }),
            false,
        ),
        (
            "resources/unsubscribe",
            json!({ "uri": "docs://public/a" }),
            false,
        ),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "greet" } }),
            false,
        ),
        (
            "subscriptions/listen",
            json!({ "notifications": { "resourceSubscriptions": ["docs://public/a"] } }),
            false,
        ),
        ("prompts/run", json!({ "name": "greet" }), false),
        ("ping", json!({}), false),
        ("server/discover", json!({}), false),
    ] {
        let answer = ask(&world, method, params.clone()).await;
        if open {
            assert_eq!(answer.status, StatusCode::OK, "{method} {params}");
            assert!(world.reached().principal.is_none());
        } else {
            answer.assert_asks_for_a_token();
            assert_eq!(
                answer.challenge().unwrap().scopes(),
                ["mcp:use"],
                "{method} {params}"
            );
        }
    }
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    world
        .send(post_without_token(&notification.to_string()))
        .await
        .assert_served();
    let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    world
        .send(post_without_token(&response.to_string()))
        .await
        .assert_asks_for_a_token();
}

#[tokio::test]
async fn an_open_tool_opens_nothing_that_has_no_rule() {
    let map = ScopeMap::allow_unlisted()
        .every_request("mcp:use")
        .tool("opening_hours", without_token());
    let world = World::with_scopes(map).await;
    ask(&world, "tools/call", json!({ "name": "opening_hours" }))
        .await
        .assert_served();
    for (method, params) in [
        ("tools/call", json!({ "name": "other" })),
        ("prompts/get", json!({ "name": "opening_hours" })),
        ("resources/read", json!({ "uri": "file:///etc/passwd" })),
        ("tools/list", json!({})),
        ("x/y", json!({ "name": "opening_hours" })),
        ("tools/x", json!({ "name": "opening_hours" })),
    ] {
        ask(&world, method, params).await.assert_asks_for_a_token();
    }
}

#[tokio::test]
async fn an_open_method_opens_no_tool() {
    let map = ScopeMap::allow_unlisted()
        .method("tools/call", without_token())
        .method("resources/*", without_token())
        .tool("guarded", "a");
    let world = World::with_scopes(map).await;
    for name in ["guarded", "unlisted"] {
        ask(&world, "tools/call", json!({ "name": name }))
            .await
            .assert_asks_for_a_token();
    }
    ask(&world, "resources/read", json!({ "uri": "file:///a" }))
        .await
        .assert_asks_for_a_token();
    ask(&world, "resources/list", json!({}))
        .await
        .assert_served();
}

#[tokio::test]
async fn an_open_target_does_not_open_a_method_that_needs_a_scope() {
    let map = ScopeMap::allow_unlisted()
        .method("tools/call", "caller")
        .tool("hours", without_token());
    let world = World::with_scopes(map).await;
    ask(&world, "tools/call", json!({ "name": "hours" }))
        .await
        .assert_asks_for_a_token();
}

#[tokio::test]
async fn a_presented_token_is_always_checked() {
    let world = World::with_scopes(map()).await;
    let hours = call("tools/call", json!({ "name": "opening_hours" }));
    world
        .send(post("garbage", &hours))
        .await
        .assert_invalid_token("not_a_jwt");
    let expired = world.token().expires_in(-3_600).mint();
    world
        .send(post(&expired, &hours))
        .await
        .assert_invalid_token("expired");
    let without_the_base = world.token().scope("other").mint();
    world
        .send(post(&without_the_base, &hours))
        .await
        .assert_needs(&["mcp:use"]);
    for (line, code) in [
        ("Bearer", "no_token"),
        ("Basic eDp5", "wrong_scheme"),
        ("", "wrong_scheme"),
    ] {
        let mut request = post_without_token(&hours);
        request
            .headers_mut()
            .insert("authorization", HeaderValue::from_static(line));
        let answer = world.send(request).await;
        answer.assert_asks_for_a_token();
        assert_eq!(answer.code, Some(code));
    }
    let token = world.token().subject("alice").mint();
    world.send(post(&token, &hours)).await.assert_served();
    assert_eq!(world.reached().principal.unwrap().subject(), Some("alice"));
}

#[tokio::test]
async fn a_batch_is_open_if_every_member_is() {
    let world = World::with_scopes(map()).await;
    let member = |id: u32, name: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": name } });
    let open = json!([member(1, "opening_hours"), member(2, "menu_today")]);
    world
        .send(post_without_token(&open.to_string()))
        .await
        .assert_served();
    for closed in ["book_table", "wipe", "unlisted"] {
        let mixed = json!([member(1, "opening_hours"), member(2, closed)]);
        world
            .send(post_without_token(&mixed.to_string()))
            .await
            .assert_asks_for_a_token();
    }
    world
        .send(post_without_token("[]"))
        .await
        .assert_asks_for_a_token();
}

#[tokio::test]
async fn a_request_that_cannot_be_read_gets_401_without_a_token() {
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(map())
            .limits(Limits::default().anonymous_body_bytes(200))
    })
    .await;
    let hours = |padding: usize| {
        call(
            "tools/call",
            json!({ "name": "opening_hours", "arguments": { "x": "y".repeat(padding) } }),
        )
    };
    world
        .send(post_without_token(&hours(10)))
        .await
        .assert_served();
    let token = world.token().mint();
    world.send(post(&token, &hours(200))).await.assert_served();
    for body in [
        hours(200),
        "not json".to_owned(),
        String::new(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"opening_hours","name":"wipe"}}"#
            .to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"opening_hours","Name":"wipe"}}"#
            .to_owned(),
    ] {
        world.send(post_without_token(&body)).await.assert_asks_for_a_token();
    }
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-encoding", "gzip"),
        ("mcp-method", "ping"),
        ("upgrade", "websocket"),
    ] {
        let mut request = post_without_token(&hours(10));
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        world.send(request).await.assert_asks_for_a_token();
    }
    for method in [
        Method::GET,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::CONNECT,
    ] {
        world
            .send(bare(method, "/mcp"))
            .await
            .assert_asks_for_a_token();
    }
}

#[tokio::test]
async fn by_default_64_kib_are_read_of_those_without_a_token_and_never_more_than_of_others() {
    let sized = |bytes: usize| {
        let body = |padding: usize| {
            call(
                "tools/call",
                json!({ "name": "opening_hours", "arguments": { "x": "y".repeat(padding) } }),
            )
        };
        body(bytes - body(0).len())
    };
    let world = World::with_scopes(map()).await;
    world
        .send(post_without_token(&sized(64 * 1024)))
        .await
        .assert_served();
    world
        .send(post_without_token(&sized(64 * 1024 + 1)))
        .await
        .assert_asks_for_a_token();
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(map())
            .limits(Limits::default().max_body_bytes(200))
    })
    .await;
    world
        .send(post_without_token(&sized(200)))
        .await
        .assert_served();
    world
        .send(post_without_token(&sized(201)))
        .await
        .assert_asks_for_a_token();
}

#[tokio::test]
async fn a_web_page_from_elsewhere_stays_out() {
    let world = World::with_scopes(map()).await;
    let mut request = post_without_token(&call("tools/list", json!({})));
    request
        .headers_mut()
        .insert("origin", HeaderValue::from_static("https://evil.example"));
    let answer = world.send(request).await;
    assert_eq!(
        (answer.status, answer.code),
        (StatusCode::FORBIDDEN, Some("origin_not_allowed"))
    );
    assert_eq!(answer.challenge(), None);
}

#[tokio::test]
async fn a_principal_of_an_outer_layer_does_not_count_for_a_request_without_a_token() {
    let world = World::with_scopes(map()).await;
    let hours = call("tools/call", json!({ "name": "opening_hours" }));
    world
        .send(post(&world.token().mint(), &hours))
        .await
        .assert_served();
    let known = world.reached().principal.unwrap();
    let mut request = post_without_token(&hours);
    request.extensions_mut().insert::<Principal>(known);
    world.send(request).await.assert_served();
    assert!(world.reached().principal.is_none());
}

#[test]
fn an_open_rule_must_name_its_target_and_excludes_any_origin() {
    let error = |map: ScopeMap| {
        let gate = toolgate::Toolgate::builder("https://mcp.example.com/mcp")
            .issuer("https://auth.example.com");
        gate.scopes(map).build().unwrap_err().to_string()
    };
    let start = ScopeMap::allow_unlisted;
    assert!(error(start().every_request(without_token())).contains("scopes.every_request"));
    assert!(error(start().tool("*", without_token())).contains("scopes.tools"));
    assert!(error(start().method("*", without_token())).contains("scopes.methods"));
    for any in [r#"allowed = "any""#, r#"allowed = ["null"]"#] {
        let config = |rule: &str| {
            let text = format!(
                "resource = \"https://mcp.example.com/mcp\"\n[[issuers]]\nissuer = \"https://auth.example.com\"\n\
                 [origins]\n{any}\n[scopes]\nunlisted = \"deny\"\n[scopes.tools]\nhours = {rule}\n"
            );
            toml::from_str::<Config>(&text)
                .unwrap()
                .into_builder()
                .build()
        };
        assert!(
            config("{ without_token = true }")
                .unwrap_err()
                .to_string()
                .contains("origins.allowed")
        );
        config("{}").unwrap();
    }
}

#[tokio::test]
async fn the_log_warns_of_open_operations_and_gives_the_reason_of_each_refusal() {
    let (log, _guard) = listen();
    let world = World::with_scopes(map()).await;
    let events = log.events();
    let loud = events
        .iter()
        .find(|event| event["level"] == "WARN")
        .expect("a warning");
    assert_eq!(
        loud["fields"]["open"],
        "tool menu_*; tool opening_hours; resource docs://public/*; prompt greet; method initialize; \
         method notifications/initialized; method resources/subscribe; method tools/list"
    );
    ask(&world, "tools/call", json!({ "name": "opening_hours" }))
        .await
        .assert_served();
    let decision = log.decision();
    assert_eq!(decision["fields"]["decision"], "allow");
    assert_eq!(decision["fields"].get("subject"), None);
    ask(&world, "tools/call", json!({ "name": "wipe" }))
        .await
        .assert_asks_for_a_token();
    let decision = log.decision();
    assert_eq!(decision["fields"]["reason"], "no_token");
    assert_eq!(decision["fields"]["source"], "refused: denied");
    assert_eq!(decision["fields"]["target"], "wipe");
}

/// Lets pass whom it knows, and of the others those who say please.
struct Polite;

impl Decide for Polite {
    async fn decide(&self, _: &Principal, _: &CallInfo<'_>) -> Result<Verdict, DecisionFailed> {
        Ok(Verdict::Allow)
    }

    async fn decide_without_token(&self, call: &CallInfo<'_>) -> Result<Verdict, DecisionFailed> {
        #[derive(serde::Deserialize)]
        struct Said {
            say: String,
        }
        match call.arguments().map(|Said { say }| say).as_deref() {
            Ok("please") => Ok(Verdict::Allow),
            Ok("sudo") => Ok(Verdict::need(["admin"])),
            Ok("help") => Err("out of office".into()),
            Ok("wait") => std::future::pending().await,
            _ => Ok(Verdict::Deny("impolite")),
        }
    }
}

struct KnowsPrincipalsOnly;

impl Decide for KnowsPrincipalsOnly {
    async fn decide(&self, _: &Principal, _: &CallInfo<'_>) -> Result<Verdict, DecisionFailed> {
        Ok(Verdict::Allow)
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_can_restrict_open_operations_and_opens_none_by_default() {
    let hours = |say: &str| json!({ "name": "opening_hours", "arguments": { "say": say } });
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(map())
            .decision(KnowsPrincipalsOnly)
    })
    .await;
    ask(&world, "tools/call", hours("please"))
        .await
        .assert_asks_for_a_token();
    world
        .call_tool(&world.token().mint(), "opening_hours")
        .await
        .assert_served();

    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(map())
            .decision(Polite)
    })
    .await;
    ask(&world, "tools/call", hours("please"))
        .await
        .assert_served();
    ask(&world, "tools/call", hours("now!"))
        .await
        .assert_asks_for_a_token();
    ask(&world, "tools/call", hours("sudo"))
        .await
        .assert_asks_for_a_token();
    ask(&world, "tools/call", hours("help"))
        .await
        .assert_unavailable("decision_unavailable");
    let waiting = tokio::time::Instant::now();
    ask(&world, "tools/call", hours("wait"))
        .await
        .assert_unavailable("decision_unavailable");
    assert_eq!(
        waiting.elapsed().as_secs(),
        Duration::from_secs(5).as_secs()
    );
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"opening_hours","arguments":{"say":"please","say":"x"}}}"#;
    world
        .send(post_without_token(twice))
        .await
        .assert_asks_for_a_token();
}

#[tokio::test]
async fn without_a_token_a_foreign_session_is_401_for_closed_and_404_for_open_operations() {
    for own_decision in [false, true] {
        let world = World::with(|builder, server| {
            let builder = builder.issuer(server.issuer()).scopes(map());
            if own_decision {
                builder.decision(Polite)
            } else {
                builder
            }
        })
        .await;
        world.answer_with("mcp-session-id", ["theirs"]);
        let answer = world
            .send(post(
                &world.token().mint(),
                &call("tools/call", json!({ "name": "whoami" })),
            ))
            .await;
        let sealed = answer.header("mcp-session-id").unwrap().to_owned();
        for session in [sealed.as_str(), "theirs", "made-up"] {
            let ask = async |params: Value| {
                let mut request = post_without_token(&call("tools/call", params));
                request
                    .headers_mut()
                    .insert("mcp-session-id", session.parse().unwrap());
                world.send(request).await
            };
            let please = json!({ "say": "please" });
            let open = ask(json!({ "name": "opening_hours", "arguments": please })).await;
            assert_eq!(
                (open.status, open.kind),
                (StatusCode::NOT_FOUND, Some(RefusalKind::SessionNotFound))
            );
            assert_eq!(open.json()["id"], 1);
            for closed in ["whoami", "book_table", "wipe", "unlisted"] {
                ask(json!({ "name": closed, "arguments": please }))
                    .await
                    .assert_asks_for_a_token();
            }
            if own_decision {
                ask(json!({ "name": "opening_hours" }))
                    .await
                    .assert_asks_for_a_token();
            }
        }
        assert_eq!(world.reached_count(), 1);
    }
}

#[test]
fn a_file_can_open_the_same_operations() {
    let rule: Rule = serde_json::from_value(json!({ "without_token": true })).unwrap();
    assert_eq!(rule, without_token());
    for wrong in [
        json!({ "without_token": false }),
        json!({ "without_token": true, "all": ["a"] }),
        json!({ "deny": true, "without_token": true }),
    ] {
        assert!(serde_json::from_value::<Rule>(wrong).is_err());
    }
}
