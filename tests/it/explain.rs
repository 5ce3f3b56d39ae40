//! Why a request would be let in, or refused.

use serde_json::json;
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey, TokenBuilder};
use toolgate::{
    CallInfo, Caller, Check, CheckOutcome, Decide, DecisionFailed, Explanation, Introspection,
    Issuer, Principal, RefusalKind, Revocation, ScopeMap, Verdict, base_only, deny, without_token,
};

use crate::logs::listen;
use crate::world::{JKT, RESOURCE, World, call, post, post_without_token, token_of};

fn map() -> ScopeMap {
    ScopeMap::deny_unlisted()
        .every_request("mcp:use")
        .tool("whoami", base_only())
        .tool("delete_file", "files:write")
        .tool("wipe", deny())
        .tool("opening_hours", without_token())
        .method("tools/list", without_token())
}

fn calling(tool: &str) -> String {
    call("tools/call", json!({ "name": tool }))
}

fn names(explanation: &Explanation, outcome: CheckOutcome) -> Vec<&'static str> {
    let checks = explanation
        .checks()
        .iter()
        .filter(|check| check.outcome() == outcome);
    checks.map(Check::name).collect()
}

fn named<'e>(explanation: &'e Explanation, name: &str) -> &'e Check {
    let mut checks = explanation.checks().iter();
    checks
        .find(|check| check.name() == name)
        .unwrap_or_else(|| panic!("no {name} in\n{explanation}"))
}

/// Returns the check that failed, and asserts that no check after it is said to have passed.
#[track_caller]
fn failed(explanation: &Explanation) -> (&'static str, &'static str) {
    let [failed] = names(explanation, CheckOutcome::Failed)[..] else {
        panic!("{explanation}")
    };
    let outcomes: Vec<CheckOutcome> = explanation.checks().iter().map(Check::outcome).collect();
    let at = outcomes
        .iter()
        .position(|outcome| *outcome == CheckOutcome::Failed)
        .unwrap();
    assert!(
        outcomes[..at]
            .iter()
            .all(|outcome| *outcome == CheckOutcome::Passed),
        "{explanation}"
    );
    assert!(
        outcomes[at + 1..]
            .iter()
            .all(|outcome| *outcome == CheckOutcome::NotReached),
        "{explanation}"
    );
    (failed, explanation.refusal().unwrap().code())
}

#[tokio::test]
async fn an_allowed_request_has_passed_every_check_in_the_order_of_the_path() {
    let world = World::with_scopes(map()).await;
    let token = world
        .token()
        .subject("alice")
        .client_id("editor")
        .scope("mcp:use files:write")
        .mint();
    // The second time it is remembered.
    for _ in 0..2 {
        let explanation = world
            .gate
            .explain(Caller::Token(&token), calling("delete_file"))
            .await;
        assert!(explanation.is_allowed() && explanation.refusal().is_none());
        assert_eq!(
            names(&explanation, CheckOutcome::Passed),
            [
                "credentials",
                "form",
                "issuer",
                "header",
                "signature",
                "claims",
                "audience",
                "time",
                "usage",
                "profile",
                "revocation",
                "binding",
                "caller",
                "base scopes",
                "body",
                "rules",
            ]
        );
        for (name, expected, got) in [
            ("issuer", world.server.issuer(), world.server.issuer()),
            ("audience", world.gate.resource(), world.gate.resource()),
            ("base scopes", "mcp:use", "mcp:use files:write"),
            ("rules", "mcp:use files:write", "mcp:use files:write"),
            (
                "body",
                "one JSON-RPC message, or a batch",
                "tools/call delete_file",
            ),
        ] {
            let check = named(&explanation, name);
            assert_eq!((check.expected(), check.got()), (expected, got), "{name}");
        }
        assert!(
            named(&explanation, "header").got().starts_with("alg ES256"),
            "{explanation}"
        );
        assert!(
            named(&explanation, "time").got().contains("exp 18"),
            "{explanation}"
        );
        let dates = ["at 2027-01-15T08:00:00Z; got exp 18", " (2027-01-15T"];
        let line = explanation.to_string();
        assert!(dates.iter().all(|date| line.contains(date)), "{line}");
        assert_eq!(named(&explanation, "caller").got(), "editor");
    }
    assert_eq!(world.reached_count(), 0);
}

/// A check, the reason it fails for, and how to spoil a token so that it does.
type Defect = (
    &'static str,
    &'static str,
    fn(TokenBuilder, &World) -> TokenBuilder,
);

const DEFECTS: [Defect; 11] = [
    ("form", "duplicate_claim", |token, _| {
        token.payload(r#"{"iss":"a","iss":"b"}"#)
    }),
    ("issuer", "issuer_mismatch", |token, _| {
        token.claim("iss", "https://x.example")
    }),
    ("header", "alg_not_allowed", |token, _| {
        token.header("alg", "HS256")
    }),
    ("signature", "bad_signature", |token, world| {
        let kid = world.server.jwks()["keys"][0]["kid"].clone();
        token
            .signed_with(&SigningKey::generate(Algorithm::Es256))
            .header("kid", kid)
    }),
    ("audience", "audience_mismatch", |token, _| {
        token.audience("https://other.example")
    }),
    ("time", "expired", |token, _| token.expires_in(-7_200)),
    ("usage", "token_use_not_access", |token, _| {
        token.claim("token_use", "id")
    }),
    ("profile", "scope_too_long", |token, _| {
        token.scope("s".repeat(9_000))
    }),
    ("binding", "certificate_off", |token, _| {
        token.claim("cnf", json!({ "x5t#S256": JKT }))
    }),
    ("caller", "client_denied", |token, _| {
        token.client_id("leaky")
    }),
    ("base scopes", "insufficient_scope", |token, _| {
        token.scope("other")
    }),
];

#[tokio::test]
async fn the_first_defect_on_the_path_is_reported() {
    let world = World::with(|builder, server| {
        builder
            .issuer(Issuer::new(server.issuer()).deny_client("leaky"))
            .scopes(map())
    })
    .await;
    for (position, (name, code, spoil)) in DEFECTS.iter().enumerate() {
        for (_, _, spoil_too) in &DEFECTS[position..] {
            for tool in ["whoami", "wipe"] {
                // The first one is put on last, or it would be spoilt itself.
                let token = spoil(spoil_too(world.token(), &world), &world).mint();
                let explanation = world
                    .gate
                    .explain(Caller::Token(&token), calling(tool))
                    .await;
                assert_eq!(failed(&explanation), (*name, *code), "{explanation}");
            }
        }
    }
}

#[tokio::test]
async fn an_explanation_agrees_with_the_real_path() {
    let world = World::with_scopes(map()).await;
    let tokens = [
        world.token().mint(),
        world.token().scope("mcp:use files:write").mint(),
        world.token().scope("files:write").mint(),
        world.token().expires_in(-100).mint(),
        world.token().without("aud").mint(),
        "garbage".to_owned(),
        "a b".to_owned(),
        "a\nb".to_owned(),
        String::new(),
        "x".repeat(20_000),
    ];
    for token in &tokens {
        for body in [
            calling("delete_file"),
            calling("whoami"),
            calling("wipe"),
            "no json".into(),
            "[]".into(),
        ] {
            let explanation = world.gate.explain(Caller::Token(token), body.clone()).await;
            let code = explanation.refusal().map(toolgate::Refusal::code);
            if token != "a\nb" {
                assert_eq!(code, world.send(post(token, &body)).await.code, "{body}");
            }
            assert_eq!(explanation.is_allowed(), code.is_none());
            assert_eq!(
                explanation.is_allowed(),
                names(&explanation, CheckOutcome::Failed).is_empty()
            );
            for shown in [
                format!("{explanation}"),
                format!("{explanation:?}"),
                format!("{:?}", Caller::Token(token)),
            ] {
                assert!(
                    token.len() < 20 || !shown.contains(token),
                    "the token is shown"
                );
            }
        }
    }
}

#[tokio::test]
async fn missing_scopes_are_shown_with_the_required_ones() {
    let world = World::with_scopes(map()).await;
    let token = world.token().mint();
    let explanation = world
        .gate
        .explain(Caller::Token(&token), calling("delete_file"))
        .await;
    assert_eq!(failed(&explanation), ("rules", "insufficient_scope"));
    assert_eq!(
        explanation.refusal().unwrap().kind(),
        RefusalKind::InsufficientScope
    );
    let rules = named(&explanation, "rules");
    assert_eq!(
        (rules.expected(), rules.got()),
        ("mcp:use files:write", "mcp:use")
    );
    let text = explanation.to_string();
    let line = text.lines().find(|line| line.starts_with("FAIL")).unwrap();
    assert_eq!(
        line,
        "FAIL  rules         expects mcp:use files:write; got mcp:use"
    );
    assert!(text.ends_with("\nrefused: insufficient_scope"), "{text}");
}

#[tokio::test]
async fn a_given_principal_skips_the_checks_of_the_token() {
    let world = World::with_scopes(map()).await;
    world
        .send(post(&world.token().mint(), &calling("whoami")))
        .await
        .assert_served();
    let principal = world.reached().principal.unwrap();
    let explanation = world
        .gate
        .explain(Caller::Principal(&principal), calling("whoami"))
        .await;
    let passed = ["credentials", "caller", "base scopes", "body", "rules"];
    assert_eq!(names(&explanation, CheckOutcome::Passed), passed);
    let explanation = world
        .gate
        .explain(Caller::Principal(&principal), calling("delete_file"))
        .await;
    assert_eq!(failed(&explanation), ("rules", "insufficient_scope"));
    let explanation = world
        .gate
        .explain(Caller::Principal(&principal), "{}")
        .await;
    assert_eq!(failed(&explanation), ("body", "body_unparsable"));
}

#[tokio::test]
async fn a_caller_without_a_token_also_sees_the_failure_behind_the_401() {
    let world = World::with_scopes(map()).await;
    let explanation = world
        .gate
        .explain(Caller::Anonymous, calling("opening_hours"))
        .await;
    assert_eq!(
        names(&explanation, CheckOutcome::Passed),
        ["credentials", "body", "rules"]
    );
    for (body, name) in [
        (calling("delete_file"), "rules"),
        (calling("wipe"), "rules"),
        (calling("unheard_of"), "rules"),
        ("{}".to_owned(), "body"),
        (" ".repeat(70_000), "body"),
    ] {
        let explanation = world.gate.explain(Caller::Anonymous, body).await;
        assert_eq!(failed(&explanation), (name, "no_token"));
    }
    let world = World::new().await;
    let explanation = world
        .gate
        .explain(Caller::Anonymous, calling("whoami"))
        .await;
    assert_eq!(failed(&explanation), ("credentials", "no_token"));
}

#[tokio::test]
async fn an_opaque_token_is_explained_without_introspection_if_there_is_none() {
    let world = World::new().await;
    let explanation = world
        .gate
        .explain(Caller::Token("opaque"), call("ping", json!({})));
    let explanation = explanation.await;
    assert_eq!(failed(&explanation), ("form", "not_a_jwt"));
    assert!(
        !explanation.to_string().contains("calls active"),
        "{explanation}"
    );
    assert_eq!(
        named(&explanation, "signature").expected(),
        "a JWT: no issuer has introspection"
    );
}

#[tokio::test]
async fn an_opaque_token_is_introspected() {
    let server = AuthorizationServer::builder()
        .clock(crate::world::clock())
        .client("rs", "s3cret")
        .start()
        .await;
    let world = World::around(server, crate::world::clock(), |builder, server| {
        let introspection = Introspection::basic("rs", "s3cret");
        builder
            .issuer(Issuer::new(server.issuer()).introspection(introspection))
            .scopes(map())
    });
    let good = world.server.mint_opaque(&token_of(&world.server));
    let explanation = world
        .gate
        .explain(Caller::Token(&good), calling("whoami"))
        .await;
    assert!(explanation.is_allowed(), "{explanation}");
    assert_eq!(named(&explanation, "form").got(), "an opaque token");
    assert_eq!(named(&explanation, "audience").got(), world.gate.resource());
    assert!(
        !explanation
            .checks()
            .iter()
            .any(|check| check.name() == "header"),
        "{explanation}"
    );
    let explanation = world
        .gate
        .explain(Caller::Token("made-up"), calling("whoami"))
        .await;
    assert_eq!(failed(&explanation), ("signature", "inactive"));
    let elsewhere = world
        .server
        .mint_opaque(&token_of(&world.server).audience("https://other.example"));
    let explanation = world
        .gate
        .explain(Caller::Token(&elsewhere), calling("whoami"))
        .await;
    assert_eq!(failed(&explanation), ("audience", "audience_mismatch"));
    let audience = named(&explanation, "audience");
    assert_eq!(
        (audience.expected(), audience.got()),
        (world.gate.resource(), "https://other.example")
    );
}

#[tokio::test]
async fn a_revoked_token_fails_the_check_of_revocations() {
    let world = World::with_scopes(map()).await;
    let token = world.token().claim("jti", "t-1").mint();
    let revocation = Revocation::token(world.server.issuer(), "t-1");
    world
        .gate
        .revoke(revocation, std::time::Duration::from_secs(60))
        .await
        .unwrap();
    let explanation = world
        .gate
        .explain(Caller::Token(&token), calling("whoami"))
        .await;
    assert_eq!(failed(&explanation), ("revocation", "revoked"));
}

struct Moody;

impl Decide for Moody {
    async fn decide(&self, _: &Principal, call: &CallInfo<'_>) -> Result<Verdict, DecisionFailed> {
        match call.tool() {
            Some("whoami") => Ok(Verdict::need(["mood"])),
            Some("delete_file") => Ok(Verdict::Deny("not_today")),
            _ => Err("out for lunch".into()),
        }
    }
}

#[tokio::test]
async fn a_decision_is_asked_and_shown_apart_from_the_rules() {
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(map())
            .decision(Moody)
    })
    .await;
    let token = world.token().scope("mcp:use files:write").mint();
    for (tool, code) in [
        ("whoami", "insufficient_scope"),
        ("delete_file", "decision_denied"),
        ("opening_hours", "decision_unavailable"),
    ] {
        let explanation = world
            .gate
            .explain(Caller::Token(&token), calling(tool))
            .await;
        assert_eq!(failed(&explanation), ("decision", code), "{explanation}");
    }
    let explanation = world
        .gate
        .explain(Caller::Token(&token), calling("wipe"))
        .await;
    assert_eq!(failed(&explanation), ("rules", "denied"));
}

#[tokio::test]
async fn the_body_stays_unread_if_no_rule_depends_on_it() {
    let world = World::new().await;
    let token = world.token().mint();
    let explanation = world
        .gate
        .explain(Caller::Token(&token), "not even JSON")
        .await;
    assert!(explanation.is_allowed());
    assert_eq!(
        named(&explanation, "body").got(),
        "not read: no rule depends on it"
    );
    assert!(
        !explanation
            .checks()
            .iter()
            .any(|check| check.name() == "rules")
    );
}

#[tokio::test]
async fn text_of_others_is_escaped_and_no_decision_is_logged() {
    let (log, _guard) = listen();
    let world = World::with_scopes(map()).await;
    let token = world
        .token()
        .claim("iss", "https://evil\u{1b}[31m\nok")
        .mint();
    let explanation = world
        .gate
        .explain(Caller::Token(&token), calling("a\nb"))
        .await;
    assert_eq!(failed(&explanation).0, "issuer");
    let text = explanation.to_string();
    assert_eq!(
        text.lines().count(),
        explanation.checks().len() + 1,
        "{text}"
    );
    assert!(
        !text.contains('\u{1b}') && text.contains("\\u{1b}"),
        "{text}"
    );
    assert!(
        !log.events()
            .iter()
            .any(|event| event["fields"].get("decision").is_some())
    );
}

#[tokio::test]
async fn a_body_of_the_newest_revision_is_explained_with_the_headers_it_demands() {
    let map = map()
        .tool("Größe =?base64?eA==?=", base_only())
        .resource("file:///a%20b", base_only())
        .prompt(" x", "p");
    let world = World::with_scopes(map).await;
    let token = world.token().mint();
    let modern = |method: &str, mut params: serde_json::Value| {
        params["_meta"] = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
        call(method, params)
    };
    for (body, code) in [
        (modern("tools/call", json!({ "name": "whoami" })), None),
        (
            modern("tools/call", json!({ "name": "Größe =?base64?eA==?=" })),
            None,
        ),
        (
            modern("tools/call", json!({ "name": "=?base64?d2hvYW1p?=" })),
            Some("tool_unmapped"),
        ),
        (
            modern("tools/call", json!({ "name": "wipe" })),
            Some("denied"),
        ),
        (
            modern("prompts/get", json!({ "name": " x" })),
            Some("insufficient_scope"),
        ),
        (
            modern("resources/read", json!({ "uri": "file:///a%20b" })),
            None,
        ),
        (modern("tasks/get", json!({ "taskId": "\u{e9}" })), None),
        (modern("server/discover", json!({})), None),
        (modern("tools/list", json!({})), None),
        (modern("été", json!({})), Some("header_mismatch")),
        (
            format!("[{}]", modern("tools/list", json!({}))),
            Some("batch_not_allowed"),
        ),
        (
            format!("[{},{}]", calling("whoami"), call("tools/list", json!({}))),
            None,
        ),
        (
            modern("tools/call", json!({ "name": ["whoami"] })),
            Some("body_unparsable"),
        ),
    ] {
        let explanation = world
            .gate
            .explain(Caller::Token(&token), body.clone())
            .await;
        assert_eq!(
            explanation.refusal().map(toolgate::Refusal::code),
            code,
            "{body}\n{explanation}"
        );
    }
    let explanation = world
        .gate
        .explain(Caller::Anonymous, modern("tools/list", json!({})))
        .await;
    assert!(explanation.is_allowed(), "{explanation}");
    world
        .send(post(&token, &calling("whoami")))
        .await
        .assert_served();
    let principal = world.reached().principal.unwrap();
    let whoami = modern("tools/call", json!({ "name": "whoami" }));
    let explanation = world
        .gate
        .explain(Caller::Principal(&principal), whoami)
        .await;
    assert!(explanation.is_allowed(), "{explanation}");
}

#[tokio::test]
async fn a_bound_token_is_explained_as_if_its_client_had_sent_a_good_proof() {
    let world = World::new().await;
    let bound = world.token().claim("cnf", json!({ "jkt": JKT })).mint();
    let body = call("tools/list", json!({}));
    let explanation = world.gate.explain(Caller::Token(&bound), body).await;
    assert!(explanation.is_allowed(), "{explanation}");
    let text = explanation.to_string();
    assert!(text.contains("bound to a DPoP key"), "{text}");
}

#[tokio::test]
async fn explaining_a_whole_request_does_not_use_its_proof_up() {
    let world = World::new().await;
    let key = SigningKey::generate(Algorithm::Es256);
    let token = world.token().bound_to(&key).mint();
    let proof = world.server.proof(&key, "POST", RESOURCE);
    let mut request = post_without_token(&call("tools/list", json!({})));
    let headers = request.headers_mut();
    headers.insert("authorization", format!("DPoP {token}").parse().unwrap());
    headers.insert("dpop", proof.for_token(&token).mint().parse().unwrap());
    let whole = || request.clone().map(|_| call("tools/list", json!({})));
    for _ in 0..2 {
        let explanation = world.gate.explain_request(whole()).await;
        assert!(explanation.is_allowed(), "{explanation}");
    }
    world.send(request.clone()).await.assert_served();
    let explanation = world.gate.explain_request(whole()).await;
    let code = explanation.refusal().map(toolgate::Refusal::code);
    assert_eq!(code, Some("dpop_replayed"), "{explanation}");
}
