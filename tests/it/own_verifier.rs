//! A verifier of the operator's own: three outcomes, and what the gate makes of each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use toolgate::testing::{AuthorizationServer, Endpoint, ScriptedVerifier, api_key};
use toolgate::{
    ApiKeys, Builder, Caller, Config, ConfigProblemKind, Introspection, Issuer, Limits,
    OwnVerifier, Revocation, ScopeMap, TokenClaims, TokenVerdict, Toolgate, UnverifiedToken,
    VerificationFailed, VerifyToken,
};

use crate::introspection::asked;
use crate::logs::listen;
use crate::streams::{Stream, get};
use crate::world::{JKT, RESOURCE, World, call, clock, pass, post, until};

const ISSUER: &str = "urn:example:access-tokens";
const SECOND: Duration = Duration::from_secs(1);
/// The time of the world's clock when it begins.
const NOW: u64 = 1_800_000_000;

fn map() -> ScopeMap {
    ScopeMap::allow_unlisted()
        .every_request("mcp:use")
        .tool("wipe", "admin")
}

/// Claims that this gate accepts.
fn good() -> Value {
    json!({ "sub": "alice", "client_id": "cli", "aud": RESOURCE, "scope": "mcp:use" })
}

/// Good claims with this one in addition, or instead.
fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn verifier() -> ScriptedVerifier {
    ScriptedVerifier::accepting(good())
}

fn own(verifier: &ScriptedVerifier) -> OwnVerifier {
    OwnVerifier::new(ISSUER, verifier.clone()).token_prefix("pat_")
}

/// A gate with this verifier, for tokens that begin with `pat_`.
async fn world(verifier: &ScriptedVerifier) -> World {
    world_with(|builder| builder.verifier(own(verifier))).await
}

async fn world_with(configure: impl FnOnce(Builder) -> Builder) -> World {
    World::with(|builder, server| configure(builder.issuer(server.issuer()).scopes(map()))).await
}

#[tokio::test]
async fn its_claims_let_a_caller_in_with_their_scopes_and_no_other() {
    let (log, _guard) = listen();
    let verifier = verifier();
    let world = world(&verifier).await;
    let token = "pat_0123456789abcdefghijklmnop";
    world.list_with(token).await.assert_served();
    assert_eq!(verifier.tokens(), [token]);
    let reached = world.reached();
    assert!(!reached.headers.contains_key("authorization"));
    let principal = reached.principal.expect("a principal");
    assert_eq!(
        (
            principal.issuer(),
            principal.subject(),
            principal.client_id()
        ),
        (ISSUER, Some("alice"), Some("cli"))
    );
    assert_eq!(principal.claims::<Value>().unwrap(), good());
    assert_eq!(principal.expires_at(), None);
    let identity = principal.identity().expect("an identity");
    assert_eq!(
        (identity.issuer(), identity.is_machine(), identity.name()),
        (ISSUER, false, "alice")
    );
    let fields = log.decision()["fields"].clone();
    assert_eq!(
        (&fields["issuer"], &fields["subject"], &fields["client_id"]),
        (&json!(ISSUER), &json!("alice"), &json!("cli"))
    );
    world
        .call_tool(token, "wipe")
        .await
        .assert_needs(&["mcp:use", "admin"]);
    assert_eq!(verifier.calls(), 1, "the second request found it cached");
    assert!(!log.text().contains(token), "the token is in the log");
    assert_eq!(world.server.hits(Endpoint::Jwks), 0);
}

#[tokio::test]
async fn it_refuses_or_fails_and_no_text_of_it_reaches_the_caller() {
    let (log, _guard) = listen();
    let verifier = verifier();
    let world = world(&verifier).await;
    verifier.answer(TokenVerdict::Refused("unknown_token"));
    let answer = world.list_with("pat_a").await;
    answer.assert_invalid_token("verifier_refused");
    assert!(!answer.text().contains("unknown_token"));
    let decision = log.decision();
    assert_eq!(
        (&decision["fields"]["got"], &decision["level"]),
        (
            &json!(format!("unknown_token, by {ISSUER}")),
            &json!("INFO")
        )
    );
    // The refusal is cached for ten seconds, the clock of which is the gate's.
    verifier.answer(TokenVerdict::claims(good()));
    world
        .list_with("pat_a")
        .await
        .assert_invalid_token("verifier_refused");
    assert_eq!(verifier.calls(), 1);
    world.clock.advance(10 * SECOND);
    world.list_with("pat_a").await.assert_served();

    // An outage is not cached, and is never a 401.
    verifier.fail("the database is down");
    let answer = world.list_with("pat_b").await;
    answer.assert_unavailable("verifier_unavailable");
    assert!(!answer.text().contains("database"));
    assert!(!format!("{:?}", answer.headers).contains("database"));
    let decision = log.decision();
    assert_eq!(decision["level"], "ERROR");
    let source = decision["fields"]["source"].as_str().unwrap();
    assert!(source.contains("the database is down"), "{source}");
    // A token that is cached is served during the outage, as long as the cache has it.
    world.list_with("pat_a").await.assert_served();
    world.clock.advance(60 * SECOND);
    world
        .list_with("pat_a")
        .await
        .assert_unavailable("verifier_unavailable");
    verifier.answer(TokenVerdict::claims(good()));
    for token in ["pat_a", "pat_b"] {
        world.list_with(token).await.assert_served();
    }
}

#[tokio::test]
async fn claims_for_another_server_another_issuer_or_another_time_are_refused() {
    let verifier = verifier();
    let world = world(&verifier).await;
    let cases = [
        (without("aud"), "audience_missing"),
        (with("aud", json!([])), "audience_missing"),
        (
            with("aud", json!("https://other.example.com/mcp")),
            "audience_mismatch",
        ),
        (
            with("aud", json!(format!("{RESOURCE}/x"))),
            "audience_mismatch",
        ),
        (with("aud", json!(7)), "bad_claim"),
        (with("iss", json!(world.server.issuer())), "issuer_mismatch"),
        (
            with("iss", json!("urn:toolgate:api-keys")),
            "issuer_mismatch",
        ),
        (with("iss", json!(7)), "issuer_mismatch"),
        (with("exp", json!(NOW)), "expired"),
        (with("exp", json!(NOW - 1)), "expired"),
        (with("exp", json!("soon")), "bad_claim"),
        (with("nbf", json!(NOW + 61)), "not_yet_valid"),
        (with("iat", json!(NOW + 301)), "issued_in_future"),
        (with("sub", json!(["alice"])), "bad_claim"),
        (with("token_use", json!("refresh")), "token_use_not_access"),
        (
            with("token_type", json!("refresh_token")),
            "token_use_not_access",
        ),
        (with("events", json!({})), "security_event"),
        (with("scope", json!("a ".repeat(5000))), "scope_too_long"),
        (with("cnf", json!({ "jkt": "?" })), "unknown_binding"),
        // A token that is bound to a key is refused without its proof.
        (with("cnf", json!({ "jkt": JKT })), "dpop_token_as_bearer"),
    ];
    for (number, (claims, code)) in cases.into_iter().enumerate() {
        verifier.answer(TokenVerdict::claims(&claims));
        let answer = world.list_with(&format!("pat_{number}")).await;
        answer.assert_invalid_token(code);
    }
    for (number, claims) in [
        with("iss", json!(ISSUER)),
        with("aud", json!(["x", RESOURCE])),
        with("aud", json!(format!("{RESOURCE}/"))),
        with("exp", json!(NOW + 1)),
        with("nbf", json!(NOW + 60)),
    ]
    .into_iter()
    .enumerate()
    {
        verifier.answer(TokenVerdict::claims(&claims));
        let answer = world.list_with(&format!("pat_good-{number}")).await;
        answer.assert_served();
    }
}

#[tokio::test]
async fn claims_that_are_no_object_tell_nothing_about_the_token() {
    let (log, _guard) = listen();
    let verifier = verifier();
    let world = world(&verifier).await;
    // A map whose keys are lists is no JSON.
    let unwritable = HashMap::from([(vec![1], "x")]);
    for (number, claims) in [
        TokenClaims::new("alice"),
        TokenClaims::new(json!([good()])),
        TokenClaims::new(()),
        TokenClaims::new(unwritable),
    ]
    .into_iter()
    .enumerate()
    {
        verifier.answer(TokenVerdict::Claims(claims));
        for calls in [1, 2] {
            let answer = world.list_with(&format!("pat_{number}")).await;
            answer.assert_unavailable("verifier_unusable");
            assert_eq!(verifier.calls(), 2 * number + calls, "it is not cached");
        }
    }
    let mut events = log.events().into_iter();
    let unusable = events.find(|event| event["fields"]["reason"] == "verifier_unusable");
    assert_eq!(unusable.unwrap()["level"], "ERROR");
    // The one token may be at fault, so the verifier counts as working.
    assert!(
        world
            .gate
            .health()
            .iter()
            .all(|issuer| issuer.issuer() != ISSUER || issuer.is_serving())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_requests_with_one_new_token_call_it_once() {
    let verifier = verifier();
    for verdict in [TokenVerdict::claims(good()), TokenVerdict::Refused("no")] {
        let world = Arc::new(world(&verifier).await);
        let before = verifier.calls();
        verifier.answer(verdict.clone());
        let requests = (0..500).map(|_| {
            let world = world.clone();
            async move { world.list_with("pat_a").await }
        });
        let requests: JoinSet<_> = requests.collect();
        for answer in requests.join_all().await {
            match verdict {
                TokenVerdict::Claims(_) => answer.assert_served(),
                _ => answer.assert_invalid_token("verifier_refused"),
            }
        }
        assert_eq!(verifier.calls() - before, 1);
    }
}

#[tokio::test]
async fn requests_that_wait_for_one_call_all_get_its_outcome() {
    let verifier = verifier();
    let world = Arc::new(world(&verifier).await);
    verifier.hang();
    let request = || {
        let world = world.clone();
        async move { world.list_with("pat_a").await }
    };
    let requests: JoinSet<_> = (0..20).map(|_| request()).collect();
    until(|| verifier.calls() == 1).await;
    pass(5 * SECOND).await;
    for answer in requests.join_all().await {
        answer.assert_unavailable("verifier_unavailable");
    }
    assert_eq!(verifier.calls(), 1);
}

#[tokio::test]
async fn an_answer_is_remembered_until_what_it_says_and_no_longer_than_the_token_and_the_limit() {
    let seconds = Duration::from_secs;
    let until_exp = |left: u64| TokenClaims::new(with("exp", json!(NOW + left)));
    let plain = || TokenClaims::new(good());
    for (claims, limit, remembered) in [
        (plain(), None, 60),
        (plain(), Some(20), 20),
        (plain().remembered_for(seconds(7)), None, 7),
        (plain().remembered_for(seconds(600)), None, 60),
        (plain().remembered_for(Duration::MAX), None, 60),
        (plain().remembered_for(seconds(600)), Some(20), 20),
        (until_exp(5), None, 5),
        (until_exp(5).remembered_for(seconds(30)), None, 5),
        (until_exp(30).remembered_for(seconds(5)), None, 5),
        (until_exp(600), None, 60),
    ] {
        let shown = format!("{claims:?} {limit:?} {remembered}");
        let verifier = verifier();
        let world = world_with(|builder| {
            let limits = match limit {
                Some(limit) => Limits::default().introspection_active_seconds(limit),
                None => Limits::default(),
            };
            builder.limits(limits).verifier(own(&verifier))
        })
        .await;
        verifier.answer(TokenVerdict::Claims(claims));
        world.list_with("pat_a").await.assert_served();
        world
            .clock
            .advance(seconds(remembered) - Duration::from_millis(1));
        world.list_with("pat_a").await.assert_served();
        assert_eq!(verifier.calls(), 1, "{shown}");
        world.clock.advance(Duration::from_millis(1));
        world.list_with("pat_a").await;
        assert_eq!(verifier.calls(), 2, "{shown}");
    }
    // With zero, it is called for each request.
    let verifier = verifier();
    let world = world(&verifier).await;
    verifier.answer(TokenVerdict::Claims(plain().remembered_for(Duration::ZERO)));
    for calls in 1..4 {
        world.list_with("pat_a").await.assert_served();
        assert_eq!(verifier.calls(), calls);
    }
}

#[tokio::test]
async fn it_is_never_called_for_a_token_that_is_not_its_own() {
    let (of_key, stored) = api_key("tg_", "ci");
    let verifier = verifier();
    let clock = clock();
    let server = AuthorizationServer::builder().clock(clock.clone());
    let world = World::around(server.start().await, clock, |builder, server| {
        let asked = Introspection::basic("rs", "rs-secret");
        builder
            .issuer(Issuer::new(server.issuer()).introspection(asked))
            .scopes(map())
            .api_keys(ApiKeys::with_prefix("tg_").key(stored.scopes(["mcp:use"])))
            .verifier(own(&verifier))
    });
    let jwt = world.token().mint();
    let (head, _) = jwt.rsplit_once('.').unwrap();
    for (token, code) in [
        (jwt.clone(), None),
        (format!("{head}.AAAA"), Some("bad_signature")),
        (world.token().expires_in(-600).mint(), Some("expired")),
        (
            world.token().claim("iss", "https://else.example").mint(),
            Some("issuer_mismatch"),
        ),
        (of_key.clone(), None),
        (of_key.replace("tg_", "tg_x"), Some("api_key_unknown")),
        (world.server.mint_opaque(&world.token()), None),
        ("garbage".to_owned(), Some("inactive")),
        ("Pat_garbage".to_owned(), Some("inactive")),
        ("xpat_garbage".to_owned(), Some("inactive")),
    ] {
        let answer = world.list_with(&token).await;
        match code {
            None => answer.assert_served(),
            Some(code) => answer.assert_invalid_token(code),
        }
    }
    assert_eq!((verifier.calls(), asked(&world)), (0, 4));
    // A token with its prefix is its own or is refused, whatever it looks like, and no issuer sees it.
    verifier.answer(TokenVerdict::Refused("no"));
    let like_a_jwt = format!("pat_{jwt}");
    for token in ["pat_", "pat_a.b.c", "pat_a.b.c.d.e", &like_a_jwt] {
        world
            .list_with(token)
            .await
            .assert_invalid_token("verifier_refused");
    }
    assert_eq!((verifier.calls(), asked(&world)), (4, 4));
    // It does not see a line without a token.
    for (line, code) in [
        ("pat_a b", "malformed_header"),
        ("pat_a,pat_b", "multiple_credentials"),
    ] {
        let answer = world.list_with(line).await;
        assert_eq!((answer.status.as_u16(), answer.code), (400, Some(code)));
    }
    world
        .list_with(&format!("pat_{}", "a".repeat(16 * 1024)))
        .await
        .assert_invalid_token("token_too_large");
    assert_eq!(verifier.calls(), 4);
}

#[tokio::test]
async fn without_a_prefix_it_is_called_for_all_that_nothing_else_claims() {
    let (of_key, stored) = api_key("tg_", "ci");
    let [rest, pats] = [(); 2].map(|()| verifier());
    let clock = clock();
    let server = AuthorizationServer::builder().clock(clock.clone());
    let world = World::around(server.start().await, clock, |builder, server| {
        let asked = Introspection::basic("rs", "rs-secret").token_prefix("opaque-");
        builder
            .issuer(Issuer::new(server.issuer()).introspection(asked))
            .scopes(map())
            .api_keys(ApiKeys::with_prefix("tg_").key(stored.scopes(["mcp:use"])))
            .verifier(OwnVerifier::new("urn:example:rest", rest.clone()))
            .verifier(own(&pats))
    });
    let jwt = world.token().mint();
    let (head, _) = jwt.rsplit_once('.').unwrap();
    let none = serde_json::Value::Null;
    for (token, code) in [
        (jwt.clone(), None),
        (format!("{head}.AAAA"), Some("bad_signature")),
        (world.token().expires_in(-600).mint(), Some("expired")),
        (
            world.token().audience("https://else.example").mint(),
            Some("audience_mismatch"),
        ),
        (of_key, None),
        ("tg_x".to_owned(), Some("api_key_unknown")),
        ("opaque-garbage".to_owned(), Some("inactive")),
        ("pat_x".to_owned(), None),
        // No authority can say whose they are.
        ("a.b.c.d.e".to_owned(), Some("encrypted_jwt")),
        (
            world.token().claim("iss", json!(7)).mint(),
            Some("issuer_mismatch"),
        ),
        (
            world.token().claim("iss", none).mint(),
            Some("issuer_mismatch"),
        ),
    ] {
        let answer = world.list_with(&token).await;
        match code {
            None => answer.assert_served(),
            Some(code) => answer.assert_invalid_token(code),
        }
    }
    assert_eq!((rest.calls(), pats.calls(), asked(&world)), (0, 1, 1));
    let stranger = world.token().claim("iss", "https://else.example").mint();
    for token in ["anything", "a.b.c", &stranger] {
        world.list_with(token).await.assert_served();
        let principal = world.reached().principal.unwrap();
        assert_eq!(principal.issuer(), "urn:example:rest");
    }
    assert_eq!(rest.tokens(), ["anything", "a.b.c", &stranger]);
}

#[tokio::test]
async fn one_that_hangs_gets_503_in_five_seconds_and_gives_its_place_back() {
    let verifier = verifier();
    let world = Arc::new(world(&verifier).await);
    verifier.hang();
    // Twice as many as are verified at once.
    let requests = (0..64).map(|number| {
        let world = world.clone();
        async move { world.list_with(&format!("pat_{number}")).await }
    });
    let requests: JoinSet<_> = requests.collect();
    until(|| verifier.calls() == 32).await;
    pass(5 * SECOND).await;
    until(|| verifier.calls() == 64).await;
    pass(5 * SECOND).await;
    for answer in requests.join_all().await {
        assert_eq!(answer.status, 503);
        assert!(matches!(
            answer.code,
            Some("verifier_unavailable" | "verifier_busy")
        ));
    }
    let of_own = || {
        let mut health = world.gate.health().into_iter();
        health.find(|issuer| issuer.issuer() == ISSUER).unwrap()
    };
    assert!(!of_own().is_serving());
    let problem = of_own().problem().unwrap().to_string();
    assert_eq!(problem, "the verifier took longer than 5 s");
    verifier.answer(TokenVerdict::claims(good()));
    world.list_with("pat_0").await.assert_served();
    assert!(of_own().is_serving() && of_own().problem().is_none());
}

#[tokio::test]
async fn a_panic_in_it_gets_503_and_breaks_nothing_else() {
    let verifier = verifier();
    let world = world(&verifier).await;
    verifier.panic();
    for _ in 0..2 {
        world
            .list_with("pat_a")
            .await
            .assert_unavailable("verifier_unavailable");
    }
    assert_eq!(verifier.calls(), 2);
    verifier.answer(TokenVerdict::claims(good()));
    world.list_with("pat_a").await.assert_served();
    world.list_with(&world.token().mint()).await.assert_served();
}

#[tokio::test]
async fn the_health_of_a_gate_shows_its_outage_for_a_minute() {
    let verifier = verifier();
    let world = world(&verifier).await;
    let of_own = || {
        let mut health = world.gate.health().into_iter();
        let own = health.find(|issuer| issuer.issuer() == ISSUER).unwrap();
        (own.is_serving(), own.problem().map(ToString::to_string))
    };
    assert_eq!(of_own(), (true, None));
    verifier.fail("the database is down");
    world.list_with("pat_a").await;
    let failed = "the verifier failed".to_owned();
    assert_eq!(of_own(), (false, Some(failed)));
    let health = world.gate.health();
    let own = health.iter().find(|issuer| issuer.issuer() == ISSUER);
    let source = own.unwrap().problem().unwrap().source().unwrap();
    assert_eq!(source.to_string(), "the database is down");
    world.clock.advance(60 * SECOND);
    assert_eq!(of_own(), (true, None));
    assert_eq!(world.gate.warm_up().await.len(), 2);
}

#[tokio::test]
async fn a_revocation_holds_for_its_callers_and_their_streams() {
    let verifier = verifier();
    let world = world(&verifier).await;
    let hour = Duration::from_secs(3600);
    let of_alice = Stream::open(&world, get("pat_a")).await;
    verifier.answer(TokenVerdict::claims(with("sub", json!("bob"))));
    let mut of_bob = Stream::open(&world, get("pat_b")).await;
    let alice = Revocation::subject(ISSUER, "alice");
    world.gate.revoke(alice, hour).await.unwrap();
    of_alice.assert_over().await;
    of_bob.assert_open("data: 1\n\n").await;
    world.list_with("pat_b").await.assert_served();
    verifier.answer(TokenVerdict::claims(good()));
    for token in ["pat_a", "pat_another_of_alice"] {
        let answer = world.list_with(token).await;
        answer.assert_invalid_token("revoked");
    }
    // One that the issuer of people names "bob" is another.
    let namesake = world.token().subject("bob").mint();
    let bob = Revocation::subject(world.server.issuer(), "bob");
    world.gate.revoke(bob, hour).await.unwrap();
    world
        .list_with(&namesake)
        .await
        .assert_invalid_token("revoked");
    world.list_with("pat_b").await.assert_served();
}

#[tokio::test]
async fn a_stream_ends_once_its_token_is_refused_and_goes_on_during_an_outage() {
    let verifier = verifier();
    let world = world(&verifier).await;
    let mut stream = Stream::open(&world, get("pat_a")).await;
    verifier.fail("the database is down");
    assert!(stream.look_again(&world).await.is_some());
    assert_eq!(verifier.calls(), 2);
    stream.assert_open("data: 1\n\n").await;
    verifier.answer(TokenVerdict::Refused("withdrawn"));
    assert!(stream.look_again(&world).await.is_none());
}

#[tokio::test]
async fn a_session_belongs_to_the_caller_that_opened_it() {
    let verifier = verifier();
    let world = world(&verifier).await;
    world.answer_with("mcp-session-id", ["s-1"]);
    let answer = world.list_with("pat_a").await;
    let id = answer
        .header("mcp-session-id")
        .expect("a session")
        .to_owned();
    let within = async |token: &str| {
        let mut request = post(token, &call("tools/list", json!({})));
        let headers = request.headers_mut();
        headers.insert("mcp-session-id", id.parse().unwrap());
        world.send(request).await
    };
    within("pat_a").await.assert_served();
    within("pat_another_of_alice").await.assert_served();
    verifier.answer(TokenVerdict::claims(with("sub", json!("bob"))));
    assert_eq!(within("pat_b").await.code, Some("session_not_owned"));
    // A user of the authorization server with the same subject is another caller.
    let namesake = world.token().subject("alice").mint();
    assert_eq!(within(&namesake).await.code, Some("session_not_owned"));
}

#[tokio::test]
async fn a_reload_keeps_it_and_a_gate_for_another_resource_does_not_inherit_it() {
    let verifier = verifier();
    let world = world(&verifier).await;
    let file = |more: &str| {
        let issuer = world.server.issuer();
        let text = format!(
            "resource = {RESOURCE:?}\n[[issuers]]\nissuer = {issuer:?}\n{more}\n[scopes]\nunlisted = \"allow\""
        );
        toml::from_str::<Config>(&text).unwrap()
    };
    world.gate.reload(file("")).unwrap();
    world.list_with("pat_a").await.assert_served();
    // A configuration that would claim its tokens is refused, and the old one stays.
    let introspected = "[issuers.introspection]\nclient_id = \"rs\"\nclient_secret = \"x\"\ntoken_prefix = \"pat\"";
    let why = world.gate.reload(file(introspected)).unwrap_err();
    let [problem] = why.problems() else {
        panic!("{why}")
    };
    assert_eq!(
        (problem.field(), problem.kind()),
        ("verifiers[0].token_prefix", ConfigProblemKind::Conflict)
    );
    world.list_with("pat_b").await.assert_served();

    let calls = verifier.calls();
    let other = world.gate.for_resource("https://mcp.example.com/other");
    let other = other.scopes(map()).build().unwrap();
    let explained = other.explain(Caller::Token("pat_a"), "").await;
    assert_eq!(explained.refusal().unwrap().code(), "not_a_jwt");
    assert_eq!(verifier.calls(), calls);
    let revoked = other
        .revoke(Revocation::client(ISSUER, "cli"), SECOND)
        .await;
    assert!(revoked.is_err(), "its issuer is unknown there");
}

#[tokio::test]
async fn the_start_up_event_and_explain_say_what_it_is_called_for() {
    let (log, _guard) = listen();
    let [rest, pats] = [(); 2].map(|()| verifier());
    let world = world_with(|builder| {
        builder
            .verifier(own(&pats))
            .verifier(OwnVerifier::new("urn:example:rest", rest.clone()))
    })
    .await;
    let fields = log.events()[0]["fields"].clone();
    assert_eq!(
        fields["own_verifiers"],
        format!(
            r#"["{ISSUER}: tokens that begin with \"pat_\"", "urn:example:rest: tokens that nothing else claims"]"#
        )
    );
    let body = || call("tools/call", json!({ "name": "wipe" }));
    let explained = async |token: &str| {
        let explained = world.gate.explain(Caller::Token(token), body()).await;
        let code = explained.refusal().map(toolgate::Refusal::code);
        let text = explained.to_string();
        assert!(!text.contains(token), "{text}");
        (code, text)
    };
    let (code, text) = explained("pat_secret").await;
    assert_eq!(code, Some("insufficient_scope"));
    assert!(text.contains(ISSUER) && text.contains(RESOURCE), "{text}");
    let (code, text) = explained("another-secret").await;
    assert_eq!(code, Some("insufficient_scope"));
    assert!(text.contains("urn:example:rest"), "{text}");
    let stranger = world.token().claim("iss", "https://else.example").mint();
    rest.answer(TokenVerdict::Refused("unknown"));
    let (code, text) = explained(&stranger).await;
    assert_eq!(code, Some("verifier_refused"));
    assert!(text.contains("unknown, by urn:example:rest"), "{text}");
    assert!(!text.contains("https://else.example"), "{text}");
}

#[test]
fn two_that_could_both_claim_a_token_fail_at_build_and_so_does_every_other_wrong_setting() {
    let gate = || {
        let builder = Toolgate::builder(RESOURCE).issuer("https://auth.example.com");
        builder.scopes(map())
    };
    let own = |issuer: &str, prefix: Option<&str>| {
        let own = OwnVerifier::new(issuer, verifier());
        match prefix {
            Some(prefix) => own.token_prefix(prefix),
            None => own,
        }
    };
    let introspecting = |prefix: Option<&str>| {
        let asked = Introspection::basic("rs", "secret");
        let asked = match prefix {
            Some(prefix) => asked.token_prefix(prefix),
            None => asked,
        };
        Issuer::new("https://two.example.com").introspection(asked)
    };
    let keys = |prefix: &str| ApiKeys::with_prefix(prefix).key(api_key(prefix, "ci").1);
    let found = |builder: Builder| {
        let found = builder.build().err();
        let found = found.iter().flat_map(|error| error.problems());
        found
            .map(|problem| (problem.field().to_owned(), problem.kind()))
            .collect::<Vec<_>>()
    };
    use ConfigProblemKind::{Conflict, Missing, NotAllowed};
    let one = |field: &str, kind| vec![(format!("verifiers[{field}"), kind)];
    let a = "urn:example:a";
    let two = |one: Option<&str>, other: Option<&str>| {
        gate()
            .verifier(own(a, one))
            .verifier(own("urn:example:b", other))
    };
    for (builder, wrong) in [
        (two(Some("a_"), Some("b_")), vec![]),
        (two(None, Some("b_")), vec![]),
        (two(Some("a_"), None), vec![]),
        (two(None, None), one("1].token_prefix", Missing)),
        (
            two(Some("a_"), Some("a_")),
            one("1].token_prefix", Conflict),
        ),
        (
            two(Some("a_"), Some("a_b_")),
            one("1].token_prefix", Conflict),
        ),
        (
            two(Some("a_b_"), Some("a_")),
            one("1].token_prefix", Conflict),
        ),
        // Beside introspection.
        (
            gate()
                .issuer(introspecting(None))
                .verifier(own(a, Some("a_"))),
            vec![],
        ),
        (
            gate()
                .issuer(introspecting(Some("o_")))
                .verifier(own(a, None)),
            vec![],
        ),
        (
            gate()
                .issuer(introspecting(Some("o_")))
                .verifier(own(a, Some("a_"))),
            vec![],
        ),
        (
            gate().issuer(introspecting(None)).verifier(own(a, None)),
            one("0].token_prefix", Missing),
        ),
        (
            gate()
                .issuer(introspecting(Some("o_")))
                .verifier(own(a, Some("o"))),
            one("0].token_prefix", Conflict),
        ),
        (
            gate()
                .issuer(introspecting(Some("o")))
                .verifier(own(a, Some("o_"))),
            one("0].token_prefix", Conflict),
        ),
        // Beside API keys.
        (
            gate().api_keys(keys("tg_")).verifier(own(a, Some("a_"))),
            vec![],
        ),
        (gate().api_keys(keys("tg_")).verifier(own(a, None)), vec![]),
        (
            gate().api_keys(keys("tg_")).verifier(own(a, Some("tg_"))),
            one("0].token_prefix", Conflict),
        ),
        (
            gate().api_keys(keys("tg_")).verifier(own(a, Some("t"))),
            one("0].token_prefix", Conflict),
        ),
        // By itself.
        (
            gate().verifier(own(a, Some(""))),
            one("0].token_prefix", NotAllowed),
        ),
        (
            gate().verifier(own(a, Some("a b"))),
            one("0].token_prefix", NotAllowed),
        ),
        (
            gate().verifier(own(a, Some("a,"))),
            one("0].token_prefix", NotAllowed),
        ),
        (
            gate().verifier(own(a, Some("e"))),
            one("0].token_prefix", Conflict),
        ),
        (
            gate().verifier(own(a, Some("ey"))),
            one("0].token_prefix", Conflict),
        ),
        (
            gate().verifier(own(a, Some("eyJhbGciOi"))),
            one("0].token_prefix", Conflict),
        ),
        // The name of its issuer.
        (
            gate().verifier(own("", Some("a_"))),
            one("0].issuer", Missing),
        ),
        (
            gate().verifier(own("https://auth.example.com", Some("a_"))),
            one("0].issuer", Conflict),
        ),
        (
            gate().verifier(own("urn:toolgate:api-keys", Some("a_"))),
            one("0].issuer", Conflict),
        ),
        (
            gate()
                .verifier(own(a, Some("a_")))
                .verifier(own(a, Some("b_"))),
            one("1].issuer", Conflict),
        ),
    ] {
        let shown = format!("{builder:?}");
        assert_eq!(found(builder), wrong, "{shown}");
    }
    // All that is wrong is found at once.
    let builder = gate().verifier(own("", Some("ey")));
    assert_eq!(
        found(builder),
        [
            ("verifiers[0].issuer".to_owned(), Missing),
            ("verifiers[0].token_prefix".to_owned(), Conflict)
        ]
    );
}

#[tokio::test]
async fn no_debug_shows_a_token_or_a_claim() {
    #[derive(Default)]
    struct Noting(Arc<Mutex<String>>);
    impl VerifyToken for Noting {
        async fn verify(
            &self,
            token: UnverifiedToken<'_>,
        ) -> Result<TokenVerdict, VerificationFailed> {
            let verdict = TokenVerdict::claims(json!({ "sub": token.expose(), "aud": RESOURCE }));
            *self.0.lock().unwrap() = format!("{token:?} {verdict:?}");
            Ok(verdict)
        }
    }
    let noting = Noting::default();
    let noted = noting.0.clone();
    let own = OwnVerifier::new(ISSUER, noting).token_prefix("pat_");
    let shown = format!("{own:?}");
    let world = world_with(|builder| builder.verifier(own)).await;
    world
        .list_with("pat_secret")
        .await
        .assert_needs(&["mcp:use"]);
    let noted = noted.lock().unwrap().clone();
    assert!(noted.starts_with("UnverifiedToken(…) Claims("), "{noted}");
    assert!(!noted.contains("pat_") && !noted.contains("aud"), "{noted}");
    assert!(shown.contains(ISSUER), "{shown}");
}
