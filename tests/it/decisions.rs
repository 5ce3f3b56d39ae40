//! The operator's own decision about a call, with its arguments.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use toolgate::{CallInfo, Config, Decide, DecisionFailed, Principal, ScopeMap, Verdict, deny};

use crate::logs::listen;
use crate::world::{Answer, World, bare, call, post};

/// Answers as it is told, and remembers what it was asked.
#[derive(Clone, Default)]
struct Oracle {
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

#[derive(Deserialize)]
struct Wish<'a> {
    wish: &'a str,
}

impl Decide for Oracle {
    async fn decide(
        &self,
        principal: &Principal,
        call: &CallInfo<'_>,
    ) -> Result<Verdict, DecisionFailed> {
        assert_eq!(principal.subject(), Some("alice"));
        let name = call.tool().or(call.prompt()).map(str::to_owned);
        let name = name
            .or_else(|| call.resources().next().map(str::to_owned))
            .unwrap_or_default();
        let arguments = call.arguments::<Value>().unwrap();
        self.asked
            .lock()
            .unwrap()
            .push((format!("{} {name}", call.method()), arguments));
        let Ok(Wish { wish }) = call.arguments() else {
            return Ok(Verdict::Allow);
        };
        match wish {
            "more" => Ok(Verdict::need(["more:a", "more:b"])),
            "nonsense" => Ok(Verdict::need(["no scope"])),
            "never" => Ok(Verdict::Deny("never_on_sundays")),
            "failure" => Err("the database is down".into()),
            "patience" => std::future::pending().await,
            _ => Ok(Verdict::Allow),
        }
    }
}

async fn world(scopes: ScopeMap) -> (World, Oracle) {
    let oracle = Oracle::default();
    let own = oracle.clone();
    let world =
        World::with(|builder, server| builder.issuer(server.issuer()).scopes(scopes).decision(own))
            .await;
    (world, oracle)
}

async fn wish(world: &World, granted: &str, wish: &str) -> Answer {
    let token = world.token().scope(granted).mint();
    world
        .send(post(
            &token,
            &call(
                "tools/call",
                json!({ "name": "t", "arguments": { "wish": wish } }),
            ),
        ))
        .await
}

#[tokio::test]
async fn a_decision_sees_each_call_with_its_arguments_after_the_map_allowed_it() {
    let map = ScopeMap::allow_unlisted()
        .tool("guarded", "a")
        .tool("wipe", deny());
    let (world, oracle) = world(map).await;
    let token = world.token().scope("mcp:use").mint();
    let send =
        async |method: &str, params: Value| world.send(post(&token, &call(method, params))).await;
    send(
        "tools/call",
        json!({ "name": "t", "arguments": { "x": [1, { "y": 2.5 }] } }),
    )
    .await
    .assert_served();
    send("resources/read", json!({ "uri": "file:///a" }))
        .await
        .assert_served();
    send("prompts/get", json!({ "name": "greet", "arguments": null }))
        .await
        .assert_served();
    send("tools/list", json!({})).await.assert_served();
    send("tools/call", json!({ "name": "guarded" }))
        .await
        .assert_needs(&["a"]);
    send("tools/call", json!({ "name": "wipe" }))
        .await
        .assert_forbidden("denied");
    let asked = std::mem::take(&mut *oracle.asked.lock().unwrap());
    let expected = [
        ("tools/call t".to_owned(), json!({ "x": [1, { "y": 2.5 }] })),
        ("resources/read file:///a".to_owned(), json!({})),
        ("prompts/get greet".to_owned(), json!({})),
        ("tools/list ".to_owned(), json!({})),
    ];
    assert_eq!(asked, expected);

    world
        .send(bare(http::Method::GET, "/mcp"))
        .await
        .assert_asks_for_a_token();
    let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    world
        .send(post(&token, &response.to_string()))
        .await
        .assert_served();
    assert!(
        oracle.asked.lock().unwrap().is_empty(),
        "there is no call in these"
    );
}

#[tokio::test]
async fn a_decision_can_require_scopes_which_join_those_of_the_map_in_one_challenge() {
    let map = ScopeMap::allow_unlisted()
        .every_request("mcp:use")
        .tool("t", "tool")
        .implies("all", ["more:a"]);
    let (world, _) = world(map).await;
    let needed = ["mcp:use", "tool", "more:a", "more:b"];
    wish(&world, "mcp:use tool", "more")
        .await
        .assert_needs(&needed);
    wish(&world, "mcp:use tool more:a", "more")
        .await
        .assert_needs(&needed);
    wish(&world, &needed.join(" "), "more")
        .await
        .assert_served();
    wish(&world, "mcp:use tool all more:b", "more")
        .await
        .assert_served();
    wish(&world, "mcp:use tool", "nothing")
        .await
        .assert_served();
}

#[tokio::test]
async fn a_decision_can_deny_and_its_code_is_logged() {
    let (log, _guard) = listen();
    let (world, _) = world(ScopeMap::allow_unlisted()).await;
    wish(&world, "", "never")
        .await
        .assert_forbidden("decision_denied");
    assert_eq!(log.decision()["fields"]["got"], "never_on_sundays");
}

#[tokio::test]
async fn a_decision_that_requires_an_invalid_scope_denies_and_is_logged() {
    let (log, _guard) = listen();
    let (world, _) = world(ScopeMap::allow_unlisted()).await;
    wish(&world, "no scope", "nonsense")
        .await
        .assert_forbidden("decision_no_scope");
    assert_eq!(log.decision()["fields"]["got"], "no scope");
}

#[tokio::test]
async fn a_decision_that_fails_is_503() {
    let (log, _guard) = listen();
    let (world, _) = world(ScopeMap::allow_unlisted()).await;
    for (cause, source) in [
        ("failure", "it failed: the database is down"),
        ("patience", "it took too long"),
    ] {
        let started = tokio::time::Instant::now();
        tokio::time::pause();
        wish(&world, "", cause)
            .await
            .assert_unavailable("decision_unavailable");
        tokio::time::resume();
        let event = log.decision();
        assert_eq!(event["fields"]["source"], source);
        assert!(started.elapsed() < Duration::from_secs(6), "{cause}");
    }
}

#[tokio::test]
async fn ambiguous_arguments_are_refused_before_the_decision_is_asked() {
    let (world, oracle) = world(ScopeMap::allow_unlisted()).await;
    let token = world.token().mint();
    let send = async |arguments: &str| {
        let params = format!(r#"{{"name":"t","arguments":{arguments}}}"#);
        world
            .send(post(
                &token,
                &format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#),
            ))
            .await
    };
    for arguments in [
        r#"{"path":"/a","path":"/b"}"#,
        r#"{"path":"/a","p\u0061th":"/b"}"#,
        r#"{"path":"/a","PATH":"/b"}"#,
        r#"{"path":"/a","path\u0000":"/b"}"#,
        r#"{"x":{"path":"/a","path":"/b"}}"#,
        r#"{"x":[{"path":"/a","path":"/b"}]}"#,
        r#"{"x":[{"path":"/a","Path":"/b"}]}"#,
        // As Go and Java compare keys.
        r#"{"path":"/a","pa\u017fs":"/b","pass":"/c"}"#,
        r#"{"pass":"/a","pa\u017fs":"/b"}"#,
        r#"{"id":"/a","\u0130d":"/b"}"#,
        r#"{"id":"/a","\u0131d":"/b"}"#,
        r#"{"x":{"key":"/a","\u212aey":"/b"}}"#,
        r#"{"path":"/a","path\u0000.txt":"/b"}"#,
    ] {
        let answer = send(arguments).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code),
            (400, Some("duplicate_key")),
            "{arguments}"
        );
    }
    for twin in [
        "Arguments",
        "ARGUMENTS",
        "argument\\u017f",
        "_arguments",
        "arguments\\u0000",
        "arguments\\u0000x",
    ] {
        let answer = send(&format!(r#"{{}},"{twin}":{{"path":"/b"}}"#)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code),
            (400, Some("duplicate_key")),
            "{twin}"
        );
    }
    assert!(oracle.asked.lock().unwrap().is_empty());
    // Two places, and words joined otherwise, are no twins.
    send(r#"{"path":"/a","x":{"PATH":"/b"},"y":[{"path":"/c"},{"Path":"/d"}]}"#)
        .await
        .assert_served();
    send(r#"{"user_id":1,"userId":2,"files":{"re-sign.js":1,"resign.js":2}}"#)
        .await
        .assert_served();
    send(r#"[{"path":"/a"}]"#).await.assert_served();
}

#[tokio::test]
async fn arguments_that_some_parsers_cannot_read_are_reported_as_unparsable_and_not_as_duplicates()
{
    let (world, oracle) = world(ScopeMap::allow_unlisted()).await;
    let token = world.token().mint();
    for arguments in [
        format!("{}{}", "[".repeat(200), "]".repeat(200)),
        r#"{"path":"\ud800"}"#.to_owned(),
        r#"{"\udc00":"/a"}"#.to_owned(),
        r#"{"size":1e400}"#.to_owned(),
    ] {
        let params = format!(r#"{{"name":"t","arguments":{arguments}}}"#);
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        world.send(post(&token, &body)).await.assert_rpc_error(
            "body_unparsable",
            -32600,
            &json!(1),
        );
    }
    assert!(oracle.asked.lock().unwrap().is_empty());
}

/// Panics before its future is there, in it at once, and in it after a while.
struct Panics;

impl Decide for Panics {
    fn decide(
        &self,
        _: &Principal,
        call: &CallInfo<'_>,
    ) -> impl Future<Output = Result<Verdict, DecisionFailed>> + Send {
        let tool = call.tool().unwrap_or_default().to_owned();
        assert!(tool != "early", "the secret of the one who decides");
        async move {
            assert!(tool != "at_once", "the secret of the one who decides");
            tokio::task::yield_now().await;
            assert!(tool != "late", "the secret of the one who decides");
            Ok(Verdict::Allow)
        }
    }
}

#[tokio::test]
async fn a_decision_that_panics_is_503() {
    let (log, _guard) = listen();
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
            .decision(Panics)
    })
    .await;
    let token = world.token().mint();
    for tool in ["early", "at_once", "late"] {
        world
            .call_tool(&token, tool)
            .await
            .assert_unavailable("decision_unavailable");
        assert_eq!(log.decision()["fields"]["source"], "it panicked");
        world.call_tool(&token, "calm").await.assert_served();
    }
    assert!(!log.text().contains("secret"));
}

#[tokio::test]
async fn each_member_of_a_batch_is_decided_and_all_must_agree() {
    let (world, oracle) = world(ScopeMap::allow_unlisted()).await;
    let token = world.token().scope("").mint();
    let batch = async |wishes: &[&str]| {
        let members = wishes.iter().enumerate().map(|(id, wish)| {
            let params = json!({ "name": "t", "arguments": { "wish": wish } });
            json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
        });
        let mut request = post(
            &token,
            &Value::from(members.collect::<Vec<_>>()).to_string(),
        );
        request
            .headers_mut()
            .insert("mcp-protocol-version", "2025-03-26".parse().unwrap());
        world.send(request).await
    };
    batch(&["a", "b"]).await.assert_served();
    assert_eq!(oracle.asked.lock().unwrap().len(), 2);
    batch(&["a", "more"])
        .await
        .assert_needs(&["more:a", "more:b"]);
    batch(&["more", "never"])
        .await
        .assert_forbidden("decision_denied");
    batch(&["a", "failure"])
        .await
        .assert_unavailable("decision_unavailable");
}

#[tokio::test]
async fn with_a_decision_the_body_is_read_and_bounded_though_the_map_has_no_rule() {
    let (world, _) = world(ScopeMap::allow_unlisted()).await;
    let token = world.token().mint();
    let mut zipped = post(&token, "whatever");
    zipped
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(world.send(zipped).await.code, Some("unsupported_encoding"));
}

#[tokio::test]
async fn a_decision_survives_a_reload() {
    struct Counts(Arc<AtomicUsize>);
    impl Decide for Counts {
        async fn decide(&self, _: &Principal, _: &CallInfo<'_>) -> Result<Verdict, DecisionFailed> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Verdict::Deny("no"))
        }
    }
    let count = Arc::new(AtomicUsize::new(0));
    let counts = Counts(count.clone());
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
            .decision(counts)
    })
    .await;
    let text = format!(
        "resource = {:?}\n[[issuers]]\nissuer = {:?}\n[scopes]\nunlisted = \"allow\"",
        crate::world::RESOURCE,
        world.server.issuer()
    );
    world
        .gate
        .reload(toml::from_str::<Config>(&text).unwrap())
        .unwrap();
    world
        .call_tool(&world.token().mint(), "t")
        .await
        .assert_forbidden("decision_denied");
    assert_eq!(count.load(Ordering::Relaxed), 1);
}
