//! The log: one event per decision, with stable fields and nothing secret.

use std::io;
use std::sync::{Arc, Mutex, Once};

use serde_json::{Value, json};
use toolgate::ScopeMap;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;

use crate::introspection::{asking, asking_as};
use crate::world::{JKT, World, bare, call, post};

/// Collects events as JSON lines.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Everything of the gate's own target.
    pub fn events(&self) -> Vec<Value> {
        let events = self
            .text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect::<Vec<Value>>();
        events
            .into_iter()
            .filter(|event| event["target"] == "toolgate")
            .collect()
    }

    /// The last decision.
    pub fn decision(&self) -> Value {
        let decided = |event: &Value| event["fields"].get("decision").is_some();
        self.events()
            .into_iter()
            .rfind(decided)
            .expect("a decision")
    }
}

/// Everything down to TRACE, of every crate, on this thread.
pub fn listen() -> (Log, tracing::subscriber::DefaultGuard) {
    listen_at(tracing::Level::TRACE)
}

/// Everything down to a level, of every crate, on this thread.
pub fn listen_at(level: tracing::Level) -> (Log, tracing::subscriber::DefaultGuard) {
    // An event that another thread comes upon for the first time just now would stay off for this one too.
    static KEPT_OPEN: Once = Once::new();
    KEPT_OPEN.call_once(|| {
        tracing::subscriber::set_global_default(KeptOpen).expect("no other test sets one")
    });
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(level)
        .with_writer(log.clone());
    (log, tracing::subscriber::set_default(subscriber.finish()))
}

/// Takes no event, but is asked for each: so `tracing` does not cache that an event has no subscriber.
struct KeptOpen;

impl Subscriber for KeptOpen {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn an_allowed_call_is_one_debug_event_with_the_caller_and_the_operation() {
    let (log, _guard) = listen();
    let world = World::with_scopes(ScopeMap::allow_unlisted().tool("t", "a")).await;
    let token = world.token().scope("a b").claim("jti", "j1").mint();
    world.call_tool(&token, "t").await.assert_served();
    let event = log.decision();
    assert_eq!(event["level"], "DEBUG");
    let fields = &event["fields"];
    for (name, value) in [
        ("decision", json!("allow")),
        ("issuer", json!(world.server.issuer())),
        ("subject", json!("alice")),
        ("client_id", json!("test-client")),
        ("token_id", json!("j1")),
        ("resource", json!("https://mcp.example.com/mcp")),
        ("method", json!("tools/call")),
        ("path", json!("/mcp")),
        ("target", json!("t")),
        ("target_kind", json!("tool")),
        ("granted", json!("a b")),
        ("cache", json!("miss")),
    ] {
        assert_eq!(fields[name], value, "{name} in {fields}");
    }
    assert!(fields["elapsed_us"].is_u64());
    world.call_tool(&token, "t").await.assert_served();
    assert_eq!(log.decision()["fields"]["cache"], "hit");

    let unnamed = world.token().scope("a").without("jti").mint();
    world.call_tool(&unnamed, "t").await.assert_served();
    assert_eq!(
        log.decision()["fields"]["token_id"].as_str().map(str::len),
        Some(16),
        "the hash stands in"
    );
}

#[tokio::test]
async fn a_refusal_is_one_event_with_its_reason_and_the_loudness_it_deserves() {
    let (log, _guard) = listen();
    let world = World::with_scopes(ScopeMap::deny_unlisted().tool("t", "a")).await;
    let good = world.token();

    world
        .send(bare(http::Method::POST, "/mcp"))
        .await
        .assert_asks_for_a_token();
    let event = log.decision();
    assert_eq!(
        (&event["level"], &event["fields"]["reason"]),
        (&json!("INFO"), &json!("no_token"))
    );

    world
        .list_with(&good.clone().expires_in(-100).mint())
        .await
        .assert_invalid_token("expired");
    let event = log.decision();
    assert_eq!(
        (&event["level"], &event["fields"]["reason"]),
        (&json!("INFO"), &json!("expired"))
    );
    assert_eq!(event["fields"]["subject"], "alice");
    assert!(
        event["fields"]["got"].as_str().unwrap().contains("100 s"),
        "{event}"
    );

    world
        .call_tool(&good.mint(), "t")
        .await
        .assert_needs(&["a"]);
    let event = log.decision();
    assert_eq!(
        (&event["level"], &event["fields"]["reason"]),
        (&json!("INFO"), &json!("insufficient_scope"))
    );
    assert_eq!(
        (&event["fields"]["required"], &event["fields"]["granted"]),
        (&json!("a"), &json!("mcp:use"))
    );

    world
        .list_with(&good.clone().audience("https://other").mint())
        .await
        .assert_invalid_token("audience_mismatch");
    let event = log.decision();
    assert_eq!(
        (&event["level"], &event["fields"]["reason"]),
        (&json!("WARN"), &json!("audience_mismatch"))
    );
    assert_eq!(event["fields"]["expected"], "https://mcp.example.com/mcp");
    assert_eq!(event["fields"]["got"], "https://other");

    world
        .call_tool(&good.mint(), "unknown")
        .await
        .assert_forbidden("tool_unmapped");
    let event = log.decision();
    assert_eq!(
        (&event["level"], &event["fields"]["got"]),
        (&json!("WARN"), &json!("unknown"))
    );

    let decisions = log
        .events()
        .into_iter()
        .filter(|event| event["fields"].get("decision").is_some());
    assert_eq!(decisions.count(), 5);
}

#[tokio::test]
async fn an_outage_is_an_error() {
    let (log, _guard) = listen();
    let world = World::new().await;
    world.server.fail(
        toolgate::testing::Endpoint::Jwks,
        Some(toolgate::testing::Fault::Status(500)),
    );
    world
        .list_with(&world.token().mint())
        .await
        .assert_unavailable("jwks_unavailable");
    let event = log.decision();
    assert_eq!(
        (&event["level"], &event["fields"]["reason"]),
        (&json!("ERROR"), &json!("jwks_unavailable"))
    );
    for _ in 0..20 {
        world
            .list_with(&world.token().mint())
            .await
            .assert_unavailable("jwks_unavailable");
    }
    let event = log.decision();
    assert_eq!(
        (&event["level"], &event["fields"]["rationed"]),
        (&json!("DEBUG"), &json!(true))
    );
    let loud = log
        .events()
        .into_iter()
        .filter(|event| event["level"] == "ERROR");
    assert_eq!(
        loud.count(),
        2,
        "one of the fetch, one of the decisions: strangers must not fill the log"
    );
}

#[tokio::test]
async fn a_subject_appears_only_once_its_signature_held() {
    let (log, _guard) = listen();
    let world = World::new().await;
    world.list_with(&world.token().mint()).await.assert_served();
    let forged = world
        .token()
        .subject("mallory")
        .mint_with_signature([0; 64]);
    world
        .list_with(&forged)
        .await
        .assert_invalid_token("bad_signature");
    assert!(!log.text().contains("mallory"));
    let event = log.decision();
    assert_eq!(event["fields"]["token_id"].as_str().unwrap().len(), 16);
    assert!(
        event["fields"].get("subject").is_none() && event["fields"].get("issuer").is_none(),
        "{event}"
    );
}

#[tokio::test]
async fn warnings_about_strangers_are_rationed_and_those_about_known_callers_are_not() {
    let (log, _guard) = listen();
    let world = World::with_scopes(ScopeMap::deny_unlisted()).await;
    for _ in 0..20 {
        world
            .list_with("garbage")
            .await
            .assert_invalid_token("not_a_jwt");
        world
            .call_tool(&world.token().mint(), "t")
            .await
            .assert_forbidden("tool_unmapped");
    }
    let warned = |reason: &str| {
        let events = log.events().into_iter();
        events
            .filter(|event| event["level"] == "WARN" && event["fields"]["reason"] == reason)
            .count()
    };
    assert_eq!((warned("not_a_jwt"), warned("tool_unmapped")), (1, 20));
}

#[tokio::test]
async fn events_that_anyone_can_cause_are_logged_rarely_with_the_number_of_the_others() {
    let (log, _guard) = listen();
    let world = asking().await;
    world
        .server
        .introspect_as("garbage", json!({ "active": false }));
    let expired = world.token().expires_in(-100).mint();
    let forged = format!("{}AAAA", &expired[..expired.len() - 4]);
    world
        .list_with(&expired)
        .await
        .assert_invalid_token("expired");
    for round in 0..2 {
        for _ in 0..20 {
            world
                .send(bare(http::Method::POST, "/mcp"))
                .await
                .assert_asks_for_a_token();
            world
                .list_with("garbage")
                .await
                .assert_invalid_token("inactive");
            world
                .list_with(&forged)
                .await
                .assert_invalid_token("bad_signature");
        }
        let suppressed = if round == 0 { Value::Null } else { json!(19) };
        for (reason, level) in [
            ("no_token", "INFO"),
            ("inactive", "INFO"),
            ("bad_signature", "WARN"),
        ] {
            let of_reason = log
                .events()
                .into_iter()
                .filter(|event| event["fields"]["reason"] == reason);
            let (quiet, loud): (Vec<_>, Vec<_>) =
                of_reason.partition(|event| event["level"] == "DEBUG");
            assert_eq!(
                (loud.len(), quiet.len()),
                (round + 1, 19 * (round + 1)),
                "{reason}"
            );
            let last = &loud.last().unwrap();
            assert_eq!(
                (&last["level"], &last["fields"]["suppressed"]),
                (&json!(level), &suppressed),
                "{reason}"
            );
            assert!(
                quiet
                    .iter()
                    .all(|event| event["fields"]["rationed"] == true)
            );
        }
        world.clock.advance(std::time::Duration::from_secs(11));
    }
}

#[tokio::test]
async fn no_denial_of_a_token_whose_signature_held_is_rationed() {
    let (log, _guard) = listen();
    let world = asking_as(toolgate::Introspection::every_token).await;
    let spoilt = [
        (world.token().expires_in(-100).mint(), "expired"),
        (
            world.token().audience("https://other").mint(),
            "audience_mismatch",
        ),
        (
            world.token().claim("cnf", json!({ "jkt": JKT })).mint(),
            "dpop_token_as_bearer",
        ),
    ];
    for (token, reason) in &spoilt {
        for _ in 0..5 {
            world.list_with(token).await.assert_invalid_token(reason);
            let event = log.decision();
            assert_ne!(event["level"], "DEBUG", "{reason}");
            assert_eq!(
                (&event["fields"]["subject"], &event["fields"]["reason"]),
                (&json!("alice"), &json!(reason))
            );
        }
    }
    for _ in 0..5 {
        let token = world.token().mint();
        world
            .server
            .introspect_as(&token, json!({ "active": false }));
        world
            .list_with(&token)
            .await
            .assert_invalid_token("inactive");
        let event = log.decision();
        assert_eq!(
            (&event["level"], &event["fields"]["subject"]),
            (&json!("INFO"), &json!("alice"))
        );
    }
}

#[tokio::test]
async fn text_that_a_caller_chose_is_escaped_and_cut() {
    let (log, _guard) = listen();
    let world = World::with_scopes(ScopeMap::deny_unlisted()).await;
    let token = world.token().claim("sub", "a\r\nforged line").mint();
    let name = format!("x\n{}", "y".repeat(254));
    world
        .send(post(&token, &call("tools/call", json!({ "name": name }))))
        .await
        .assert_forbidden("tool_unmapped");
    let event = log.decision();
    assert_eq!(event["fields"]["subject"], "a\\r\\nforged line");
    let tool = event["fields"]["target"].as_str().unwrap();
    assert!(
        tool.starts_with("x\\ny") && tool.len() < 200,
        "{}",
        tool.len()
    );

    // A longer one is not even shown.
    let name = "y".repeat(10_000);
    let answer = world
        .send(post(&token, &call("tools/call", json!({ "name": name }))))
        .await;
    answer.assert_rpc_error("name_too_long", -32600, &json!(1));
    let event = log.decision();
    assert_eq!(
        (&event["fields"]["got"], &event["fields"]["target"]),
        (&json!("10000 bytes"), &Value::Null)
    );
}

#[tokio::test]
async fn no_token_and_no_part_of_one_is_ever_logged() {
    let (log, _guard) = listen();
    let world = World::with_scopes(ScopeMap::deny_unlisted().tool("t", "a")).await;
    let tokens = [
        world.token().mint(),
        world
            .token()
            .scope("a")
            .claim("secret_claim", "hush")
            .mint(),
        world.token().expires_in(-100).mint(),
        world.token().audience("https://other").mint(),
        world.token().mint_with_signature([7; 64]),
        world.token().header("alg", json!("HS256")).mint(),
        world.token().claim("iss", "https://evil.example").mint(),
        "an-opaque-token-that-is-unknown".to_owned(),
        "a.b.c.d.eeeeeeeeeeeeeeeeeeee".to_owned(),
    ];
    for token in &tokens {
        world.call_tool(token, "t").await;
        world.list_with(&format!("{token},")).await;
    }
    let text = log.text();
    assert!(
        text.contains("insufficient_scope"),
        "the log was listened to"
    );
    for token in &tokens {
        assert!(!text.contains(token.as_str()), "a token was logged");
        for part in token.split('.').filter(|part| part.len() > 20) {
            assert!(!text.contains(part), "a part of a token was logged: {part}");
        }
    }
    assert!(!text.contains("hush"), "a claim was logged");
}

#[tokio::test]
async fn one_event_at_start_up_shows_the_configuration() {
    let (log, _guard) = listen();
    let world = World::with_scopes(
        ScopeMap::deny_unlisted()
            .every_request("mcp:use")
            .tool("t", "a"),
    )
    .await;
    let events = log.events();
    let [event] = events
        .iter()
        .filter(|event| event["level"] == "INFO")
        .collect::<Vec<_>>()[..]
    else {
        panic!("not one event: {events:?}")
    };
    let text = event.to_string();
    for part in [
        "https://mcp.example.com/mcp",
        world.gate.metadata_url(),
        world.server.issuer(),
        "mcp:use",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}
