//! Challenges, as clients in the wild read them. They search the whole header with a pattern and take the first hit, so
//! no text that a caller chose may look like a parameter, wherever it comes from.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use toolgate::{
    CallInfo, Decide, DecisionFailed, Principal, ScopeMap, Verdict, all_of, any_of, without_token,
};

use crate::world::{Answer, METADATA_URL, World, call, post, post_without_token};

/// The first match of `name=(?:"([^"]+)"|([^\s,]+))`, with which the SDKs of TypeScript (1.32.2, 2.4.0) and Python
/// (2.3.0) look for a parameter.
fn first_match<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    let wanted = format!("{name}=");
    header.match_indices(&wanted).find_map(|(at, _)| {
        let rest = &header[at + wanted.len()..];
        let quoted = rest
            .strip_prefix('"')
            .and_then(|rest| rest.split_once('"'))
            .map(|(value, _)| value);
        let bare = rest
            .split(|end: char| end.is_whitespace() || end == ',')
            .next();
        quoted
            .into_iter()
            .chain(bare)
            .find(|value| !value.is_empty())
    })
}

/// The same without regard to case, as rmcp looks for `scope`.
fn first_match_in_any_case(header: &str, name: &str) -> Option<String> {
    first_match(&header.to_ascii_lowercase(), name).map(str::to_owned)
}

/// Every position that any of the patterns may find.
fn all_matches(header: &str, name: &str) -> Vec<usize> {
    header
        .to_ascii_lowercase()
        .match_indices(&format!("{name}="))
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn the_patterns_find_what_the_sdks_find() {
    let header =
        r#"Bearer error="a", scope="x,scope=y", Resource_Metadata=z, error_description="b""#;
    assert_eq!(first_match(header, "error"), Some("a"));
    assert_eq!(first_match(header, "scope"), Some("x,scope=y"));
    assert_eq!(first_match(header, "resource_metadata"), None);
    assert_eq!(
        first_match_in_any_case(header, "resource_metadata").as_deref(),
        Some("z")
    );
    let stolen = r#"Bearer scope="tool:x,resource_metadata=http://evil/prm,", resource_metadata="https://ours/""#;
    assert_eq!(
        first_match(stolen, "resource_metadata"),
        Some("http://evil/prm")
    );
}

/// Needs what the caller's arguments say.
struct Follows;

impl Decide for Follows {
    async fn decide(&self, _: &Principal, call: &CallInfo<'_>) -> Result<Verdict, DecisionFailed> {
        let arguments = call.arguments::<Value>().unwrap_or_default();
        let needed = |name: &str| arguments[name].as_str().map(str::to_owned);
        Ok(match (needed("exactly"), needed("within")) {
            (Some(scope), _) => Verdict::need([scope]),
            (_, Some(part)) => Verdict::need(["own:fixed".to_owned(), format!("own:{part}:x")]),
            _ => Verdict::Allow,
        })
    }
}

async fn world() -> World {
    let map = ScopeMap::allow_unlisted()
        .every_request("mcp:use")
        .tool("*", all_of(["tool:{name}", "admin"]))
        .tool("either_*", any_of(["{name}", "admin"]))
        .prompt("*", "prompt:{name}")
        .method("x/*", "method:{name}")
        .method("ping", without_token())
        .resource("db://{table}/rows/*", "db:{table}")
        .resource("*", "files")
        .accumulate_in_challenges();
    World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(map)
            .decision(Follows)
    })
    .await
}

/// A scope that a gate like this may name: its own text, with plain text where a caller's may stand; or one that was
/// granted, if that is plain.
fn is_ours(scope: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/@~+-*".contains(&byte);
    scope.len() <= 128 + "prompt:".len() && scope.bytes().all(plain)
}

fn assert_nothing_foreign(answer: &Answer) {
    let Some(header) = answer.header("www-authenticate") else {
        return;
    };
    assert!(
        header.len() < 4096 + 512,
        "{} bytes of challenge",
        header.len()
    );
    // Held against RFC 6750 and the order of parameters.
    let challenge = answer.challenge().expect("a challenge");
    for name in ["resource_metadata", "scope", "error", "error_description"] {
        let own = challenge.get(name);
        assert_eq!(first_match(header, name), own, "{name} in {header}");
        let lower = own.map(str::to_ascii_lowercase);
        assert_eq!(
            first_match_in_any_case(header, name),
            lower,
            "{name} in {header}"
        );
        assert_eq!(
            all_matches(header, name).len(),
            usize::from(own.is_some()),
            "{name} in {header}"
        );
    }
    assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
    assert!(
        challenge.scopes().iter().all(|scope| is_ours(scope)),
        "{header}"
    );
    let body = answer.json();
    assert_eq!(
        body["scope"].as_str(),
        challenge.get("scope").filter(|_| answer.status == 403),
        "{header}"
    );
}

/// Text as an attacker writes it.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("resource_metadata="),
        Just("Resource_Metadata="),
        Just("scope="),
        Just("error="),
        Just("error_description="),
        Just("http://evil.example/prm"),
        Just("insufficient_scope"),
        Just("x"),
        Just("add"),
        Just("either_"),
        Just(","),
        Just(";"),
        Just("="),
        Just("%3D"),
        Just("'"),
        Just("\""),
        Just("\\"),
        Just(" "),
        Just("\t"),
        Just("\r\n"),
        Just("*"),
        Just("{name}"),
        Just("/"),
        Just("?"),
        Just("#"),
        Just("Bearer "),
        Just("ä"),
        Just("\u{a0}"),
        Just("\u{ff1d}"),
        Just("\0"),
    ];
    prop_oneof![
        4 => proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat()),
        2 => "[A-Za-z0-9_.:/@~+-]{0,20}",
        1 => "[!-~]{0,20}",
        1 => any::<String>(),
        1 => ("[a-z=,]{1,3}", 1..400_usize).prop_map(|(text, times)| text.repeat(times)),
    ]
}

fn asked() -> impl Strategy<Value = Value> {
    (0..11, hostile(), hostile()).prop_map(|(kind, text, other)| {
        let (method, params) = match kind {
            0 => ("tools/call", json!({ "name": text })),
            1 => (
                "tools/call",
                json!({ "name": "add", "arguments": { "exactly": text } }),
            ),
            2 => (
                "tools/call",
                json!({ "name": "add", "arguments": { "within": text } }),
            ),
            3 => ("prompts/get", json!({ "name": text })),
            4 => (
                "resources/read",
                json!({ "uri": format!("db://{text}/rows/{other}") }),
            ),
            5 => ("resources/read", json!({ "uri": text })),
            6 => {
                let uris = [format!("db://{text}/rows/"), format!("db://{other}/rows/7")];
                (
                    "subscriptions/listen",
                    json!({ "notifications": { "resourceSubscriptions": uris } }),
                )
            }
            7 => (
                "completion/complete",
                json!({ "ref": { "type": "ref/prompt", "name": text } }),
            ),
            8 => ("tools/preview", json!({ "name": text })),
            9 => ("ping", json!({})),
            _ => {
                let method = format!("x/{text}");
                return json!({ "jsonrpc": "2.0", "id": other, "method": method, "params": {} });
            }
        };
        json!({ "jsonrpc": "2.0", "id": text, "method": method, "params": params })
    })
}

fn granted() -> impl Strategy<Value = String> {
    let scope = prop_oneof![
        2 => Just("mcp:use".to_owned()),
        2 => Just("admin".to_owned()),
        1 => Just("tool:*".to_owned()),
        1 => Just("tool:add".to_owned()),
        3 => hostile(),
    ];
    proptest::collection::vec(scope, 0..6).prop_map(|scopes| scopes.join(" "))
}

#[test]
fn no_name_uri_verdict_or_grant_puts_a_parameter_into_a_challenge() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(world());
    let seen = std::cell::RefCell::new(BTreeSet::new());
    let messages = prop_oneof![
        3 => asked(),
        1 => proptest::collection::vec(asked(), 1..6).prop_map(Value::from),
    ];
    let header = prop_oneof![3 => Just(None), 1 => "[ -~]{0,40}".prop_map(Some)];
    proptest!(ProptestConfig::with_cases(2048), |(message in messages, granted in granted(), header in header)| {
        let mut request = post(&world.token().scope(&granted).mint(), &message.to_string());
        if let Some(header) = header {
            request.headers_mut().insert("authorization", header.parse().unwrap());
        }
        let answer = runtime.block_on(world.send(request));
        assert_nothing_foreign(&answer);
        seen.borrow_mut().insert(answer.code);
        let answer = runtime.block_on(world.send(post_without_token(&message.to_string())));
        assert_nothing_foreign(&answer);
    });
    let seen = seen.into_inner();
    for code in [
        "insufficient_scope",
        "name_no_scope",
        "decision_no_scope",
        "name_too_long",
    ] {
        assert!(
            seen.contains(&Some(code)),
            "no such case came up: {code} of {seen:?}"
        );
    }
    assert!(seen.contains(&None), "nothing was let in");
}

async fn ask(world: &World, granted: &str, method: &str, params: Value) -> Answer {
    let token = world.token().scope(granted).mint();
    world.send(post(&token, &call(method, params))).await
}

/// The names of the issue: each is a scope token of RFC 6749, and a parameter to a pattern.
const DISGUISED: [&str; 8] = [
    "x,resource_metadata=http://evil.example/prm,",
    "resource_metadata=http://evil.example/prm",
    "x,scope=admin,",
    "x,error=invalid_token,",
    "x;resource_metadata='http://evil.example/prm'",
    "x=y",
    "x,y",
    "*",
];

#[tokio::test]
async fn a_name_that_looks_like_a_parameter_opens_with_no_scope_even_one_that_is_granted() {
    let world = world().await;
    for name in DISGUISED {
        for (method, params) in [
            ("tools/call", json!({ "name": name })),
            ("tools/call", json!({ "name": format!("either_{name}") })),
            ("prompts/get", json!({ "name": name })),
            (
                "completion/complete",
                json!({ "ref": { "type": "ref/prompt", "name": name } }),
            ),
            (&format!("x/{name}"), json!({})),
        ] {
            let granted =
                format!("mcp:use admin tool:{name} prompt:{name} method:x/{name} either_{name}");
            for granted in ["mcp:use", &granted] {
                let answer = ask(&world, granted, method, params.clone()).await;
                answer.assert_forbidden("name_no_scope");
                assert_nothing_foreign(&answer);
            }
        }
    }
    for table in ["x,resource_metadata=http:", "x=y", "x,y", "%75sers", "ä"] {
        let uri = json!({ "uri": format!("db://{table}/rows/7") });
        let answer = ask(
            &world,
            &format!("mcp:use db:{table} db:users"),
            "resources/read",
            uri,
        )
        .await;
        answer.assert_forbidden("name_no_scope");
        assert_nothing_foreign(&answer);
    }
}

#[tokio::test]
async fn a_decisions_scope_that_looks_like_a_parameter_opens_with_no_scope() {
    let world = world().await;
    for text in DISGUISED
        .into_iter()
        .chain(["", "a b", "a\"b", "ä", &"x".repeat(129)])
    {
        for member in ["exactly", "within"] {
            if (member, text) == ("within", "") {
                continue;
            }
            let params = json!({ "name": "add", "arguments": { member: text } });
            let granted = format!("mcp:use admin tool:add own:fixed {text} own:{text}:x");
            for granted in ["mcp:use admin tool:add", &granted] {
                let answer = ask(&world, granted, "tools/call", params.clone()).await;
                answer.assert_forbidden("decision_no_scope");
                assert_nothing_foreign(&answer);
            }
        }
    }
    let plain = "Az09_.:/@~+-";
    let params = json!({ "name": "add", "arguments": { "exactly": plain } });
    let answer = ask(
        &world,
        "mcp:use admin tool:add",
        "tools/call",
        params.clone(),
    )
    .await;
    answer.assert_needs(&["mcp:use", "tool:add", "admin", plain]);
    ask(
        &world,
        &format!("mcp:use admin tool:add {plain}"),
        "tools/call",
        params,
    )
    .await
    .assert_served();
}

#[tokio::test]
async fn a_placeholder_in_a_scope_takes_at_most_128_plain_bytes() {
    let world = world().await;
    for (length, fits) in [(1, true), (128, true), (129, false), (256, false)] {
        let name = "n".repeat(length);
        let answer = ask(&world, "mcp:use", "tools/call", json!({ "name": name })).await;
        if fits {
            answer.assert_needs(&["mcp:use", &format!("tool:{name}"), "admin"]);
        } else {
            answer.assert_forbidden("name_no_scope");
        }
    }
    let name = "Az09_.:/@~+-";
    let answer = ask(&world, "mcp:use", "tools/call", json!({ "name": name })).await;
    answer.assert_needs(&["mcp:use", &format!("tool:{name}"), "admin"]);
    ask(
        &world,
        &format!("mcp:use admin tool:{name}"),
        "tools/call",
        json!({ "name": name }),
    )
    .await
    .assert_served();
}

#[tokio::test]
async fn a_challenge_that_accumulates_repeats_only_plain_scopes_of_the_token() {
    let world = world().await;
    let odd = "x,resource_metadata=http://evil.example/prm, files?category=lab a,scope=admin Resource_Metadata=y";
    let granted = format!(
        "mcp:use kept {odd} https://h.example/read tool:* {}",
        "k".repeat(129)
    );
    let answer = ask(&world, &granted, "tools/call", json!({ "name": "add" })).await;
    answer.assert_needs(&[
        "mcp:use",
        "tool:add",
        "admin",
        "kept",
        "https://h.example/read",
        "tool:*",
    ]);
    assert_nothing_foreign(&answer);
}

#[tokio::test]
async fn over_4_kib_of_scopes_a_challenge_names_none() {
    const LIMIT: usize = 4096;
    let world = World::with_scopes(ScopeMap::allow_unlisted().tool("*", "{name}")).await;
    let token = world.token().mint();
    // 32 scopes of 127 bytes, each with what parts it from the next, but for the last.
    let names = |last: usize| {
        (0..32).map(move |n| format!("{n:0width$}", width = if n == 31 { last } else { 127 }))
    };
    assert_eq!(names(128).collect::<Vec<_>>().join(" ").len(), LIMIT);
    for (names, is_named) in [
        (names(128).collect::<Vec<_>>(), true),
        (names(128).chain(["x".to_owned()]).collect(), false),
        ((0..64).map(|n| format!("{n:0128}")).collect(), false),
    ] {
        let calls: Vec<Value> = names
            .iter()
            .map(|name| json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": name } }))
            .collect();
        let answer = world
            .send(post(&token, &Value::from(calls).to_string()))
            .await;
        if is_named {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            answer.assert_needs(&names);
        } else {
            assert_eq!(
                (answer.status.as_u16(), answer.code),
                (403, Some("insufficient_scope"))
            );
            let challenge = answer.challenge().expect("a challenge");
            assert_eq!(
                (challenge.get("error"), challenge.get("scope")),
                (Some("insufficient_scope"), None)
            );
            assert_eq!(answer.json().get("scope"), None);
        }
    }
}
