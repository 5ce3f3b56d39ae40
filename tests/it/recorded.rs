//! The responses to many requests, compared byte for byte with a record. The explanation of each request must end as the
//! request did.
//!
//! The record is `recorded.txt` beside this file. It shows in a review what a change does on the wire. If that is
//! intended, `RECORD=1 cargo test --test it recorded` writes it anew.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use toolgate::testing::{
    Algorithm, AuthorizationServer, Endpoint, Fault, SigningKey, TokenBuilder,
};
use toolgate::{
    Check, CheckOutcome, Dpop, Holder, Introspection, Issuer, Limits, Metadata, Principal, Refusal,
    Revocation, Rule, ScopeMap, Sessions, any_of, base_only, deny, without_token,
};

use crate::logs::listen;
use crate::world::{Answer, JKT, RESOURCE, World, bare, call, clock, post, post_without_token};

const RECORD: &str = include_str!("recorded.txt");

/// Fewer would be a record of something else.
const MIN_REQUESTS: usize = 150;

/// The headers that the gate may write.
const HEADERS: [&str; 18] = [
    "www-authenticate",
    "retry-after",
    "content-type",
    "content-length",
    "cache-control",
    "allow",
    "location",
    "vary",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-max-age",
    "mcp-session-id",
    "dpop-nonce",
    "etag",
    "expires",
    "x-inner",
];

#[tokio::test]
async fn statuses_heads_documents_and_codes_are_what_they_were() {
    let mut record = Record::default();
    tokens(&mut record).await;
    presentations(&mut record).await;
    calls(&mut record).await;
    heads(&mut record).await;
    documents(&mut record).await;
    origins(&mut record).await;
    callers(&mut record).await;
    without_tokens(&mut record).await;
    introspected(&mut record).await;
    sessions(&mut record).await;
    outages(&mut record).await;
    limits(&mut record).await;
    challenges(&mut record).await;
    proofs(&mut record).await;
    logins(&mut record).await;
    assert!(
        record.requests >= MIN_REQUESTS,
        "{} requests",
        record.requests
    );
    if std::env::var_os("RECORD").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/recorded.txt");
        std::fs::write(path, &record.text).unwrap();
        return;
    }
    for (line, (recorded, now)) in RECORD.lines().zip(record.text.lines()).enumerate() {
        assert_eq!(now, recorded, "recorded.txt:{}", line + 1);
    }
    assert_eq!(
        record.text.len(),
        RECORD.len(),
        "there are more or fewer requests than were recorded"
    );
}

#[derive(Default)]
struct Record {
    text: String,
    requests: usize,
}

impl Record {
    async fn add(&mut self, what: &str, world: &World, request: Request<Full<Bytes>>) {
        let asked = request.clone();
        let (log, _guard) = listen();
        let reached_before = world.reached_count();
        let answer = world.send(request).await;
        let logged = log.events().into_iter().rev().find_map(|event| {
            let decision = event["fields"].get("decision")?.as_str()?.to_owned();
            Some((
                decision,
                event["fields"]["reason"].as_str().map(str::to_owned),
            ))
        });
        self.requests += 1;
        let is_reached = world.reached_count() > reached_before;
        assert_explained(what, world, asked, &answer, is_reached, logged).await;
        writeln!(
            self.text,
            "# {what}\n{} {}",
            answer.status.as_u16(),
            answer.code.unwrap_or("-")
        )
        .unwrap();
        for name in HEADERS {
            for value in answer.headers.get_all(name) {
                writeln!(
                    self.text,
                    "{name}: {}",
                    plain(value.to_str().unwrap(), world)
                )
                .unwrap();
            }
        }
        let others = answer
            .headers
            .keys()
            .filter(|name| !HEADERS.contains(&name.as_str()));
        others.for_each(|name| writeln!(self.text, "{name}: …").unwrap());
        writeln!(self.text, "{}", plain(&answer.text(), world)).unwrap();
        if answer.code.is_none() && answer.body == "inner" {
            let reached = world.reached();
            writeln!(
                self.text,
                "=> principal: {:?}",
                reached.principal.as_ref().and_then(Principal::subject)
            )
            .unwrap();
            for (name, value) in &reached.headers {
                writeln!(
                    self.text,
                    "=> {name}: {}",
                    plain(value.to_str().unwrap(), world)
                )
                .unwrap();
            }
            writeln!(
                self.text,
                "=> {}",
                plain(&String::from_utf8_lossy(&reached.body), world)
            )
            .unwrap();
        }
        self.text.push('\n');
    }
}

/// Holds the explanation of the same request against what the layer answered and logged.
async fn assert_explained(
    what: &str,
    world: &World,
    request: Request<Full<Bytes>>,
    answer: &Answer,
    is_reached: bool,
    logged: Option<(String, Option<String>)>,
) {
    let (head, body) = request.into_parts();
    let is_spent = is_reached && head.headers.contains_key("dpop");
    let body = body.collect().await.unwrap().to_bytes();
    let explanation = world
        .gate
        .explain_request(Request::from_parts(head, body))
        .await;
    let is_answered = !is_reached && answer.code.is_none();
    let context = format!("{what}\n{explanation}");
    if is_spent {
        // The request has used up its proof.
        let code = explanation.refusal().map(Refusal::code);
        assert_eq!(code, Some("dpop_replayed"), "{context}");
        return;
    }
    assert_eq!(explanation.is_allowed(), is_reached, "{context}");
    assert_eq!(
        explanation.answered(),
        is_answered.then_some(answer.status),
        "{context}"
    );
    let refusal = explanation.refusal();
    assert_eq!(refusal.map(Refusal::code), answer.code, "{context}");
    assert_eq!(refusal.map(Refusal::kind), answer.kind, "{context}");
    let decision = match (is_reached, answer.code) {
        // A response that is withheld has a further event.
        (true, None) if answer.status == 502 => Some(("withhold", Some("session_id_unusable"))),
        (true, None) => Some(("allow", None)),
        (_, Some(code)) => Some(("refuse", Some(code))),
        (false, None) => None,
    };
    let logged = logged
        .as_ref()
        .map(|(decision, reason)| (decision.as_str(), reason.as_deref()));
    assert_eq!(logged, decision, "{context}");
    let mut outcomes = explanation.checks().iter().map(Check::outcome);
    let is_failed = |outcome| outcome == CheckOutcome::Failed;
    assert_eq!(outcomes.any(is_failed), refusal.is_some(), "{context}");
    assert!(
        outcomes.all(|outcome| outcome == CheckOutcome::NotReached),
        "{context}"
    );
}

/// Without what differs from run to run.
fn plain(text: &str, world: &World) -> String {
    text.replace(world.server.issuer(), "ISSUER")
        .replace('\r', "\\r")
        .replace('\n', "\\n")
}

fn map() -> ScopeMap {
    ScopeMap::deny_unlisted()
        .every_request("mcp:use")
        .tool("whoami", base_only())
        .tool("write", "files:write")
        .tool("either", any_of(["one", "two"]))
        .tool("own_*", "tool:{name}")
        .tool("wipe", deny())
        .resource("file:///secret/*", "files:secret")
        .resource("db://{table}/rows/*", "db:{table}")
        .prompt("greet", "prompts:use")
        .method("completion/complete", "complete:use")
        .method("vendor/*", "vendor:use")
        .implies("admin", ["files:write", "files:secret"])
        .wildcard_grants()
}

async fn proofs(record: &mut Record) {
    for (dpop, nonces) in [
        (Dpop::Off, false),
        (Dpop::Accepted, false),
        (Dpop::Accepted, true),
        (Dpop::Required, false),
    ] {
        let world = World::with(|builder, server| {
            let holder = Holder::default().dpop(dpop);
            let sessions = Sessions::bound().key("a key that the record can rely on");
            builder
                .issuer(server.issuer())
                .scopes(map())
                .sessions(sessions)
                .holder(if nonces {
                    holder.demand_nonces()
                } else {
                    holder
                })
        })
        .await;
        let key = SigningKey::generate(Algorithm::Es256);
        let (bound, unbound) = (world.token().bound_to(&key).mint(), world.token().mint());
        let proof = |token: &str| {
            let proof = world.server.proof(&key, "POST", RESOURCE);
            proof.for_token(token).mint()
        };
        let other = world.server.proof(&key, "GET", RESOURCE);
        let body = call("tools/call", json!({ "name": "whoami" }));
        for (what, scheme, token, proofs) in [
            ("none", "", "", vec![]),
            ("bound, no proof", "DPoP", &*bound, vec![]),
            ("bound, good proof", "DPoP", &bound, vec![proof(&bound)]),
            ("bound, two proofs", "DPoP", &bound, vec![proof(&bound); 2]),
            ("bound, another method", "DPoP", &bound, vec![other.mint()]),
            ("bound as bearer", "Bearer", &bound, vec![proof(&bound)]),
            (
                "unbound, good proof",
                "DPoP",
                &unbound,
                vec![proof(&unbound)],
            ),
            ("unbound as bearer", "Bearer", &unbound, vec![]),
        ] {
            let mut request = post_without_token(&body);
            if !scheme.is_empty() {
                let line = format!("{scheme} {token}").parse().unwrap();
                request.headers_mut().insert("authorization", line);
            }
            for proof in proofs {
                let line = proof.parse().unwrap();
                request.headers_mut().append("dpop", line);
            }
            let what = format!("{dpop:?}, nonces {nonces}: {what}");
            record.add(&what, &world, request).await;
        }
    }
}

async fn tokens(record: &mut Record) {
    let world = World::with_scopes(map()).await;
    let good = || world.token();
    type Spoil = fn(TokenBuilder) -> TokenBuilder;
    let spoilt: [(&str, Spoil); 40] = [
        ("good", |token| token),
        ("alg none", |token| token.header("alg", "none")),
        ("alg HS256", |token| token.header("alg", "HS256")),
        ("no alg", |token| token.without_header("alg")),
        ("crit", |token| token.header("crit", json!(["exp"]))),
        ("b64", |token| token.header("b64", false)),
        ("typ id", |token| token.header("typ", "id+jwt")),
        ("typ number", |token| token.header("typ", 1)),
        ("typ JWT", |token| token.header("typ", "JWT")),
        ("no typ", |token| token.without_header("typ")),
        ("unknown kid", |token| {
            token.header("kid", "unknown").claim("iat", 1_700_000_000)
        }),
        ("kid number", |token| token.header("kid", 1)),
        ("no kid", |token| token.without_header("kid")),
        ("other issuer", |token| {
            token.claim("iss", "https://other.example.com")
        }),
        ("no iss", |token| token.without("iss")),
        ("iss list", |token| token.claim("iss", json!(["x"]))),
        ("other audience", |token| {
            token.audience("https://other.example.com")
        }),
        ("audience list", |token| {
            token.audience(json!([RESOURCE, "https://other.example.com"]))
        }),
        ("audience slash", |token| {
            token.audience(format!("{RESOURCE}/"))
        }),
        ("no aud", |token| token.without("aud")),
        ("aud number", |token| token.claim("aud", 1)),
        ("expired", |token| token.expires_in(-61)),
        ("within leeway", |token| token.expires_in(-59)),
        ("no exp", |token| token.without("exp")),
        ("exp text", |token| token.claim("exp", "1")),
        ("not yet", |token| token.claim("nbf", 1_800_000_100)),
        ("nbf text", |token| token.claim("nbf", "1")),
        ("issued ahead", |token| token.claim("iat", 1_800_000_400)),
        ("token_use id", |token| token.claim("token_use", "id")),
        ("at_hash", |token| {
            token.header("typ", "JWT").claim("at_hash", "x")
        }),
        ("nonce", |token| {
            token
                .header("typ", "JWT")
                .claim("nonce", "x")
                .without("scope")
        }),
        ("cnf jkt", |token| token.claim("cnf", json!({ "jkt": JKT }))),
        ("cnf x5t", |token| {
            token.claim("cnf", json!({ "x5t#S256": JKT }))
        }),
        ("cnf empty", |token| token.claim("cnf", json!({}))),
        ("events", |token| token.claim("events", json!({}))),
        ("long scope", |token| token.scope("x".repeat(9_000))),
        ("scope number", |token| token.claim("scope", 1)),
        ("no scope", |token| token.without("scope")),
        ("duplicate claim", |token| {
            token.payload(r#"{"iss":"a","iss":"b"}"#)
        }),
        ("not JSON", |token| token.payload("nonsense")),
    ];
    for (what, spoil) in spoilt {
        let request = post(
            &spoil(good()).mint(),
            &call("tools/call", json!({ "name": "whoami" })),
        );
        record.add(&format!("token: {what}"), &world, request).await;
    }
    let texts = [
        ("forged", good().mint_with_signature([0; 64])),
        ("padded", format!("{}=", good().mint())),
        ("encrypted", "a.b.c.d.e".to_owned()),
        ("opaque", "opaque".to_owned()),
        ("too long", "x".repeat(16 * 1024 + 1)),
    ];
    for (what, token) in texts {
        record
            .add(
                &format!("token: {what}"),
                &world,
                post(&token, &call("ping", json!({}))),
            )
            .await;
    }
    world
        .gate
        .revoke(
            Revocation::subject(world.server.issuer(), "alice"),
            Duration::from_secs(60),
        )
        .await
        .unwrap();
    record
        .add(
            "token: revoked",
            &world,
            post(&good().mint(), &call("ping", json!({}))),
        )
        .await;
    for algorithm in Algorithm::ALL {
        let world = World::with_scopes(map()).await;
        world.server.rotate(SigningKey::generate(algorithm));
        let request = post(&world.token().mint(), &call("ping", json!({})));
        record
            .add(&format!("token: {algorithm:?}"), &world, request)
            .await;
    }
}

async fn presentations(record: &mut Record) {
    let world = World::with_scopes(map()).await;
    let token = world.token().mint();
    for lines in [
        vec![],
        vec![String::new()],
        vec!["Bearer".to_owned()],
        vec!["Bearer  ".to_owned()],
        vec!["Basic eDp5".to_owned()],
        vec!["DPoP abc".to_owned()],
        vec!["Bearer\tabc".to_owned()],
        vec!["Bearer a b".to_owned()],
        vec!["Bearer a,b".to_owned()],
        vec!["Bearer =".to_owned()],
        vec!["Bearer a".to_owned(), "Bearer a".to_owned()],
        vec![format!("bEARER   {token}")],
    ] {
        let mut request = post_without_token(&call("ping", json!({})));
        for line in &lines {
            request
                .headers_mut()
                .append("authorization", HeaderValue::from_str(line).unwrap());
        }
        let what = lines
            .iter()
            .map(|line| line.replace(&token, "TOKEN"))
            .collect::<Vec<_>>();
        record
            .add(&format!("presented: {what:?}"), &world, request)
            .await;
    }
    let mut in_query = post_without_token(&call("ping", json!({})));
    *in_query.uri_mut() = format!("/mcp?access_token={token}").parse().unwrap();
    record
        .add("presented: in the query", &world, in_query)
        .await;
}

async fn calls(record: &mut Record) {
    let world = World::with_scopes(map()).await;
    let asked: [(&str, Value); 34] = [
        ("ping", json!({})),
        ("initialize", json!({})),
        ("tools/list", json!({})),
        ("tools/call", json!({ "name": "whoami" })),
        ("tools/call", json!({ "name": "write" })),
        ("tools/call", json!({ "name": "either" })),
        ("tools/call", json!({ "name": "own_x" })),
        ("tools/call", json!({ "name": "own_ä" })),
        ("tools/call", json!({ "name": "own_\"" })),
        ("tools/call", json!({ "name": "wipe" })),
        ("tools/call", json!({ "name": "unknown" })),
        ("tools/call", json!({})),
        ("tools/call", json!({ "name": 1 })),
        ("tools/call", json!({ "name": null })),
        ("resources/read", json!({ "uri": "file:///secret/x" })),
        ("resources/read", json!({ "uri": "FILE:///%73ecret/x" })),
        (
            "resources/read",
            json!({ "uri": "file:///public/../secret/x" }),
        ),
        ("resources/read", json!({ "uri": "file:///public" })),
        ("resources/read", json!({ "uri": "db://users/rows/1" })),
        ("resources/read", json!({})),
        ("resources/subscribe", json!({ "uri": "file:///secret/x" })),
        (
            "resources/unsubscribe",
            json!({ "uri": "file:///secret/x" }),
        ),
        (
            "subscriptions/listen",
            json!({ "notifications": { "resourceSubscriptions": ["file:///secret/x"] } }),
        ),
        ("subscriptions/listen", json!({})),
        ("prompts/get", json!({ "name": "greet" })),
        ("prompts/get", json!({ "name": "unknown" })),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "greet" } }),
        ),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/resource", "uri": "file:///secret/x" } }),
        ),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/other", "name": "greet" } }),
        ),
        ("vendor/thing", json!({})),
        ("unknown/method", json!({})),
        ("tasks/get", json!({ "taskId": "t" })),
        ("logging/setLevel", json!({ "level": "debug" })),
        ("notifications/cancelled", json!({})),
    ];
    for (method, params) in &asked {
        let token = world.token().mint();
        record
            .add(
                &format!("call: {method} {params}"),
                &world,
                post(&token, &call(method, params.clone())),
            )
            .await;
    }
    for granted in [
        "mcp:use admin",
        "mcp:use files:*",
        "files:write",
        "mcp:use two",
    ] {
        for tool in ["write", "either"] {
            let token = world.token().scope(granted).mint();
            let request = post(&token, &call("tools/call", json!({ "name": tool })));
            record
                .add(&format!("call: {tool} with {granted}"), &world, request)
                .await;
        }
    }
    let ping = call("ping", json!({}));
    let long_id = "x".repeat(300);
    let bodies = [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        format!("\u{feff}{ping}"),
        format!("[{ping}]"),
        format!(
            "[{ping},{}]",
            call("tools/call", json!({ "name": "write" }))
        ),
        format!("[{ping},{}]", call("tools/call", json!({ "name": "wipe" }))),
        format!("[{}]", vec![ping.clone(); 65].join(",")),
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"x"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#.to_owned(),
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":"a\"b","method":"tools/call","params":{"name":"write"}}"#
            .to_owned(),
        format!(r#"{{"jsonrpc":"2.0","id":"{long_id}","method":"x","params":1}}"#),
    ];
    for body in bodies {
        let shown: String = body.replace('\u{feff}', "BOM").chars().take(80).collect();
        record
            .add(
                &format!("body: {shown}"),
                &world,
                post(&world.token().mint(), &body),
            )
            .await;
    }
}

async fn heads(record: &mut Record) {
    let world = World::with_scopes(map()).await;
    let lines: [&[(&str, &str)]; 22] = [
        &[("content-type", "text/plain")],
        &[("content-type", "application/json; charset=utf-16")],
        &[("content-type", "application/json; charset=\"UTF-8\"")],
        &[("content-encoding", "gzip")],
        &[("content-encoding", "identity")],
        &[("upgrade", "websocket")],
        &[("upgrade", "h2c")],
        &[("mcp-method", "tools/call")],
        &[("mcp-method", "tools/list")],
        &[("mcp-name", "write")],
        &[("mcp-name", "whoami")],
        &[("mcp-name", "=?base64?d2hvYW1p?=")],
        &[("mcp-name", "=?base64?!?=")],
        &[("mcp-method", "tools/call"), ("mcp-method", "tools/call")],
        &[("mcp-protocol-version", "2025-06-18")],
        &[("mcp-protocol-version", "2026-07-28")],
        &[
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
        ],
        &[
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "whoami"),
        ],
        &[
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-protocol-version", "2026-07-28"),
        ],
        &[("last-event-id", "1")],
        &[("mcp-session-id", "bare")],
        &[("mcp-session-id", "one"), ("mcp-session-id", "two")],
    ];
    for lines in lines {
        let mut request = post(
            &world.token().mint(),
            &call("tools/call", json!({ "name": "whoami" })),
        );
        for (position, (name, value)) in lines.iter().enumerate() {
            let name = HeaderName::from_static(name);
            if position == 0 {
                request.headers_mut().remove(&name);
            }
            request
                .headers_mut()
                .append(name, HeaderValue::from_static(value));
        }
        record
            .add(&format!("head: {lines:?}"), &world, request)
            .await;
    }
    for method in [
        Method::GET,
        Method::HEAD,
        Method::DELETE,
        Method::OPTIONS,
        Method::PUT,
        Method::CONNECT,
    ] {
        for body in ["", "x"] {
            let mut request = bare(method.clone(), "/mcp");
            let token = format!("Bearer {}", world.token().mint());
            request
                .headers_mut()
                .insert("authorization", token.parse().unwrap());
            *request.body_mut() = Full::from(body);
            record
                .add(&format!("method: {method} {body:?}"), &world, request)
                .await;
        }
    }
}

async fn documents(record: &mut Record) {
    let plain = World::with_scopes(map()).await;
    let metadata = || {
        let metadata = Metadata::default()
            .resource_name("A server")
            .extra("resource_name#fr", "Un serveur");
        metadata.without_root_copy().redirect_legacy_clients()
    };
    let rich = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(map().initial(["mcp:use", "more"]))
            .metadata(metadata())
    })
    .await;
    for (which, world) in [("plain", &plain), ("rich", &rich)] {
        for (method, path) in [
            (Method::GET, "/.well-known/oauth-protected-resource/mcp"),
            (Method::HEAD, "/.well-known/oauth-protected-resource/mcp"),
            (Method::OPTIONS, "/.well-known/oauth-protected-resource/mcp"),
            (Method::POST, "/.well-known/oauth-protected-resource/mcp"),
            (Method::GET, "/.well-known/oauth-protected-resource"),
            (Method::GET, "/.well-known/oauth-protected-resource/mcp/"),
            (Method::GET, "/.well-known/oauth-protected-resource/other"),
            (Method::GET, "/mcp/.well-known/oauth-protected-resource"),
            (Method::GET, "/.well-known/oauth-authorization-server"),
            (Method::GET, "/.well-known/oauth-authorization-server/mcp"),
        ] {
            record
                .add(
                    &format!("document: {which} {method} {path}"),
                    world,
                    bare(method, path),
                )
                .await;
        }
    }
}

async fn origins(record: &mut Record) {
    let strict = World::with_scopes(map()).await;
    let open = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(map())
            .allow_origin("vscode-webview://*")
            .leave_cors_to_others()
    })
    .await;
    for (which, world) in [("strict", &strict), ("open", &open)] {
        for origin in [
            "https://mcp.example.com",
            "http://localhost:1234",
            "http://[::1]",
            "https://evil.example.com",
            "null",
            "vscode-webview://abc",
        ] {
            let with_origin = |mut request: Request<Full<Bytes>>| {
                request
                    .headers_mut()
                    .insert("origin", HeaderValue::from_static(origin));
                request
            };
            let mut preflight = bare(Method::OPTIONS, "/mcp");
            preflight.headers_mut().insert(
                "access-control-request-method",
                HeaderValue::from_static("POST"),
            );
            let asked = HeaderValue::from_static("authorization, mcp-param-x, x-other");
            preflight
                .headers_mut()
                .insert("access-control-request-headers", asked);
            let what = format!("origin: {which} {origin}");
            record
                .add(&format!("{what}, preflight"), world, with_origin(preflight))
                .await;
            let anonymous = post_without_token(&call("ping", json!({})));
            record
                .add(&format!("{what}, no token"), world, with_origin(anonymous))
                .await;
            let good = post(&world.token().mint(), &call("ping", json!({})));
            record
                .add(&format!("{what}, good"), world, with_origin(good))
                .await;
        }
    }
    let mut twice = post(&strict.token().mint(), &call("ping", json!({})));
    twice
        .headers_mut()
        .append("origin", HeaderValue::from_static("http://localhost"));
    twice
        .headers_mut()
        .append("origin", HeaderValue::from_static("http://localhost"));
    record.add("origin: twice", &strict, twice).await;
}

async fn callers(record: &mut Record) {
    let world = World::with(|builder, server| {
        let issuer = Issuer::new(server.issuer())
            .deny_client("denied")
            .only_client("test-client");
        let issuer = issuer.only_client("denied").require_claim("tenant", ["a"]);
        builder
            .issuer(issuer.scope_request_prefix("api://x/"))
            .scopes(map())
    })
    .await;
    for (what, token) in [
        ("good", world.token().claim("tenant", "a")),
        (
            "denied client",
            world.token().claim("tenant", "a").client_id("denied"),
        ),
        (
            "unlisted client",
            world.token().claim("tenant", "a").client_id("other"),
        ),
        ("other tenant", world.token().claim("tenant", "b")),
        (
            "no base scope",
            world.token().claim("tenant", "a").scope("other"),
        ),
        (
            "no token scope",
            world.token().claim("tenant", "a").without("scope"),
        ),
    ] {
        let request = post(
            &token.mint(),
            &call("tools/call", json!({ "name": "write" })),
        );
        record
            .add(&format!("caller: {what}"), &world, request)
            .await;
    }
}

async fn without_tokens(record: &mut Record) {
    let world = World::with_scopes(
        map()
            .method("initialize", without_token())
            .tool("hours", without_token()),
    )
    .await;
    for (method, params) in [
        ("initialize", json!({})),
        ("tools/call", json!({ "name": "hours" })),
        ("tools/call", json!({ "name": "whoami" })),
        ("tools/call", json!({ "name": "wipe" })),
        ("tools/call", json!({})),
        ("ping", json!({})),
    ] {
        let request = post_without_token(&call(method, params.clone()));
        record
            .add(&format!("anonymous: {method} {params}"), &world, request)
            .await;
    }
    for (what, request) in [
        ("unreadable", post_without_token("{")),
        ("GET", bare(Method::GET, "/mcp")),
        (
            "bad token",
            post("garbage", &call("tools/call", json!({ "name": "hours" }))),
        ),
        ("empty bearer", {
            let mut request = post_without_token(&call("tools/call", json!({ "name": "hours" })));
            request
                .headers_mut()
                .insert("authorization", HeaderValue::from_static("Bearer"));
            request
        }),
    ] {
        record
            .add(&format!("anonymous: {what}"), &world, request)
            .await;
    }
}

async fn introspected(record: &mut Record) {
    let server = AuthorizationServer::builder()
        .clock(clock())
        .client("rs", "secret")
        .start()
        .await;
    let world = World::around(server, clock(), |builder, server| {
        let issuer =
            Issuer::new(server.issuer()).introspection(Introspection::basic("rs", "secret"));
        builder
            .issuer(issuer.unbound_tokens_of_client("unbound"))
            .scopes(map())
    });
    let good = json!({ "active": true, "aud": RESOURCE, "sub": "alice", "client_id": "c", "scope": "mcp:use" });
    for (what, changes) in [
        ("good", json!({})),
        ("inactive", json!({ "active": false })),
        ("active text", json!({ "active": "true" })),
        (
            "other audience",
            json!({ "aud": "https://other.example.com" }),
        ),
        ("no audience", json!({ "aud": [] })),
        (
            "unbound",
            json!({ "aud": [], "client_id": "unbound", "token_type": "Bearer" }),
        ),
        (
            "other issuer",
            json!({ "iss": "https://other.example.com" }),
        ),
        ("expired", json!({ "exp": 1_799_999_999 })),
        ("refresh", json!({ "token_use": "refresh" })),
        ("token type", json!({ "token_type": "mac" })),
        ("dpop", json!({ "token_type": "DPoP" })),
        ("no scope", json!({ "scope": "" })),
        ("cnf", json!({ "cnf": { "jkt": JKT } })),
    ] {
        let token = what.replace(' ', "_");
        let mut answer = good.clone();
        answer
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        world.server.introspect_as(&token, answer);
        let request = post(&token, &call("tools/call", json!({ "name": "whoami" })));
        record
            .add(&format!("introspected: {what}"), &world, request)
            .await;
    }
    for (what, fault) in [
        ("500", Fault::Status(500)),
        ("401", Fault::Status(401)),
        ("HTML", Fault::Html),
        ("nonsense", Fault::Body("{}".into())),
    ] {
        world.server.fail(Endpoint::Introspect, Some(fault));
        let request = post(&format!("new-{what}"), &call("ping", json!({})));
        record
            .add(&format!("introspected: {what}"), &world, request)
            .await;
    }
}

async fn sessions(record: &mut Record) {
    let key = "0123456789abcdef0123456789abcdef";
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(map())
            .sessions(Sessions::bound().key(key))
    })
    .await;
    world.answer_with("mcp-session-id", ["inner"]);
    let token = |subject: &str| world.token().subject(subject).mint();
    let opened = world
        .send(post(&token("alice"), &call("initialize", json!({}))))
        .await;
    let sealed = opened.header("mcp-session-id").unwrap().to_owned();
    assert_eq!(sealed.len(), "inner".len() + 44);
    world.answer_with::<&str>("mcp-session-id", []);
    let in_session = |token: &str, id: &str, body: &str| {
        let mut request = post(token, body);
        request
            .headers_mut()
            .insert("mcp-session-id", id.parse().unwrap());
        request
    };
    let ping = call("ping", json!({}));
    for (what, request) in [
        ("own", in_session(&token("alice"), &sealed, &ping)),
        ("another's", in_session(&token("bob"), &sealed, &ping)),
        ("bare", in_session(&token("alice"), "inner", &ping)),
        (
            "forged",
            in_session(
                &token("alice"),
                &format!("{}x", &sealed[..sealed.len() - 1]),
                &ping,
            ),
        ),
        ("unreadable", in_session(&token("bob"), &sealed, "{")),
    ] {
        record
            .add(&format!("session: {what}"), &world, request)
            .await;
    }
    for lines in [vec!["one", "two"], vec!["sp ace"], vec![""]] {
        world.answer_with("mcp-session-id", lines.clone());
        record
            .add(
                &format!("session: answered {lines:?}"),
                &world,
                post(&token("alice"), &ping),
            )
            .await;
    }
}

async fn outages(record: &mut Record) {
    for (what, endpoint, fault) in [
        ("keys 500", Endpoint::Jwks, Fault::Status(500)),
        ("keys HTML", Endpoint::Jwks, Fault::Html),
        (
            "keys empty",
            Endpoint::Jwks,
            Fault::Body(r#"{"keys":[]}"#.into()),
        ),
        ("metadata of another", Endpoint::Rfc8414, Fault::WrongIssuer),
        ("metadata 404", Endpoint::Rfc8414, Fault::Status(404)),
    ] {
        let world = World::with_scopes(map()).await;
        world.server.fail(endpoint, Some(fault));
        record
            .add(
                &format!("outage: {what}"),
                &world,
                post(&world.token().mint(), &call("ping", json!({}))),
            )
            .await;
    }
    let world = World::with_scopes(map()).await;
    record
        .add(
            "outage: none",
            &world,
            post(&world.token().mint(), &call("ping", json!({}))),
        )
        .await;
    let unknown = world.token().header("kid", "unknown").mint();
    record
        .add(
            "outage: unknown kid in the cooldown",
            &world,
            post(&unknown, &call("ping", json!({}))),
        )
        .await;
}

async fn limits(record: &mut Record) {
    let world = World::with(|builder, server| {
        let limits = Limits::default().max_body_bytes(200);
        builder.issuer(server.issuer()).scopes(map()).limits(limits)
    })
    .await;
    let token = world.token().mint();
    for length in [10, 1000] {
        let body = call("tools/call", json!({ "name": "x".repeat(length) }));
        record
            .add(
                &format!("limit: a name of {length} bytes"),
                &world,
                post(&token, &body),
            )
            .await;
    }
}

async fn challenges(record: &mut Record) {
    for accumulate in [false, true] {
        let mut scopes = ScopeMap::allow_unlisted()
            .every_request("a")
            .tool("t", "b")
            .initial(["a", "i"]);
        if accumulate {
            scopes = scopes.accumulate_in_challenges();
        }
        let world = World::with_scopes(scopes).await;
        for granted in ["", "a", "c a", "b"] {
            let token = world.token().scope(granted).mint();
            let request = post(&token, &call("tools/call", json!({ "name": "t" })));
            record
                .add(
                    &format!("challenge: {granted:?}, accumulate {accumulate}"),
                    &world,
                    request,
                )
                .await;
        }
        record
            .add(
                "challenge: nothing",
                &world,
                post_without_token(&call("ping", json!({}))),
            )
            .await;
    }
    let world = World::with_scopes(ScopeMap::allow_unlisted()).await;
    record
        .add(
            "challenge: no scope to name",
            &world,
            post_without_token("{}"),
        )
        .await;
    record
        .add(
            "challenge: unread",
            &world,
            post(&world.token().mint(), "not JSON"),
        )
        .await;
}

async fn logins(record: &mut Record) {
    let age = Duration::from_secs(300);
    let scopes = ScopeMap::allow_unlisted()
        .every_request(Rule::from("mcp:use").acr(["mfa", "phr"]))
        .tool("wipe", Rule::from("admin").acr(["phr"]).max_age(age));
    let world = World::with_scopes(scopes).await;
    let wipe = call("tools/call", json!({ "name": "wipe" }));
    for (what, scope, acr, time) in [
        ("good", "mcp:use admin", "phr", 1_799_999_900),
        (
            "too weak for any request",
            "mcp:use admin",
            "pwd",
            1_799_999_900,
        ),
        ("too weak", "mcp:use admin", "mfa", 1_799_999_900),
        ("too old", "mcp:use admin", "phr", 1_799_990_000),
        (
            "too old, and a scope is missing",
            "mcp:use",
            "phr",
            1_799_990_000,
        ),
        (
            "good, and a scope is missing",
            "mcp:use",
            "phr",
            1_799_999_900,
        ),
    ] {
        let token = world.token().scope(scope).claim("acr", acr);
        let token = token.claim("auth_time", time);
        let what = format!("login: {what}");
        record.add(&what, &world, post(&token.mint(), &wipe)).await;
        let machine = token.subject("test-client").mint();
        let what = format!("{what}, of a machine");
        record.add(&what, &world, post(&machine, &wipe)).await;
    }
}
