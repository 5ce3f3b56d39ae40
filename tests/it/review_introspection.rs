//! Introspection and revocation where they meet: outages, clocks, odd runtimes, and what is forgotten when.

use std::pin::pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::{FutureExt, poll};
use serde_json::{Value, json};
use toolgate::testing::{Algorithm, AuthorizationServer, Endpoint, Fault, SigningKey};
use toolgate::{Introspection, Issuer, Limits, Revocation, ScopeMap, Secret};

use crate::introspection::{around, asked, asking, asking_as};
use crate::logs::listen;
use crate::world::{RESOURCE, World, clock, pass, until};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_answer_that_promises_more_than_the_jwt_outlives_it_in_no_cache() {
    let clock = clock();
    let server = AuthorizationServer::builder().clock(clock.clone()).start().await;
    let world = World::around(server, clock, |builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret").every_token();
        let builder = builder.issuer(Issuer::new(server.issuer()).introspection(introspection));
        let limits = Limits::default().introspection_active_seconds(300);
        builder.scopes(ScopeMap::allow_unlisted()).limits(limits)
    });
    let token = world.token().expires_in(10).mint();
    world.server.introspect_as(&token, json!({ "active": true, "exp": 1_800_003_600 }));
    world.list_with(&token).await.assert_served();
    // Its leeway is a minute.
    world.clock.advance(Duration::from_secs(69));
    world.list_with(&token).await.assert_served();
    world.clock.advance(Duration::from_secs(1));
    world.list_with(&token).await.assert_invalid_token("expired");
    assert_eq!(asked(&world), 1);
}

#[tokio::test]
async fn an_answer_is_as_old_as_its_question() {
    for (active, life) in [(true, 60), (false, 10)] {
        let world = asking().await;
        world.gate.warm_up().await;
        world.server.fail(Endpoint::Introspect, Some(Fault::Delay(Duration::from_millis(100))));
        world
            .server
            .introspect_as("opaque", json!({ "active": active, "aud": RESOURCE, "scope": "mcp:use" }));
        {
            let mut waiting = pin!(world.list_with("opaque"));
            assert!(poll!(&mut waiting).is_pending());
            until(|| asked(&world) == 1).await;
            world.clock.advance(Duration::from_secs(5));
            waiting.await;
        }
        world.clock.advance(Duration::from_secs(life - 6));
        world.list_with("opaque").await;
        assert_eq!(asked(&world), 1, "{active}");
        world.clock.advance(Duration::from_secs(1));
        world.list_with("opaque").await;
        assert_eq!(asked(&world), 2, "{active}");
    }
}

#[tokio::test]
async fn who_is_given_room_and_needs_none_leaves_it_to_the_next() {
    let world = asking().await;
    world.gate.warm_up().await;
    let ask = |token: String| {
        let world = &world;
        Box::pin(async move { world.list_with(&token).await })
    };
    let mut requests = Vec::new();
    // Two that land, and sixty-two that do not.
    for number in 0..64 {
        let late = Fault::Delay(Duration::from_secs(2));
        world.server.fail(Endpoint::Introspect, Some(if number < 2 { late } else { Fault::Hang }));
        let token = format!("opaque-{number}");
        let mut request = ask(token);
        assert!(poll!(&mut request).is_pending());
        requests.push(request);
        until(|| asked(&world) == number + 1).await;
    }
    for token in ["same", "same", "other"] {
        let mut request = ask(token.to_owned());
        assert!(poll!(&mut request).is_pending());
        requests.push(request);
    }
    // While something is to be done no time passes by itself.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    let mut all = pin!(futures_util::future::join_all(requests));
    until(|| {
        let _ = all.as_mut().now_or_never();
        asked(&world) == 66
    })
    .await;
}

#[tokio::test]
async fn a_private_key_is_read_in_every_form_it_is_commonly_kept_in() {
    for algorithm in
        [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa]
    {
        let key = SigningKey::generate(algorithm).without_kid();
        let jwk = private_jwk(&key);
        let mut bare = jwk.clone();
        bare.as_object_mut().unwrap().remove("alg");
        let mut forms =
            vec![key.to_pem(), key.to_pem().replace('\n', "\r\n"), jwk.to_string(), bare.to_string()];
        let inner = inner_key(&key);
        match algorithm {
            Algorithm::Rs256 => forms.push(pem("RSA PRIVATE KEY", &inner)),
            Algorithm::Es256 => {
                let sec1 = pem("EC PRIVATE KEY", &inner);
                // OpenSSL writes the curve before the key.
                let curve = pem("EC PARAMETERS", b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
                forms.extend([format!("{curve}{sec1}"), sec1]);
            }
            _ => {}
        }
        for form in forms {
            assert_asks_with(&key, Introspection::private_key_jwt("rs", form)).await;
        }
    }
}

#[tokio::test]
async fn what_is_named_beside_a_key_wins_over_what_a_jwk_says_itself() {
    let key = SigningKey::generate(Algorithm::Ps384).with_kid("own");
    let jwk = private_jwk(&key);
    assert_asks_with(&key, Introspection::private_key_jwt("rs", jwk.to_string())).await;
    let mut other = jwk;
    other["alg"] = "RS256".into();
    other["kid"] = "another".into();
    let introspection = Introspection::private_key_jwt("rs", other.to_string());
    assert_asks_with(&key, introspection.algorithm("PS384").key_id("own")).await;
}

#[tokio::test]
async fn an_assertion_is_good_for_a_minute() {
    let key = SigningKey::generate(Algorithm::Es256);
    let introspection = Introspection::private_key_jwt("rs", private_jwk(&key).to_string());
    let claims = assert_asks_with(&key, introspection).await;
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(1_800_000_000), &json!(1_800_000_060)));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("rs"), &json!("rs")));
}

#[tokio::test]
async fn a_question_on_a_runtime_that_nobody_drives_is_given_up_and_does_not_come_back() {
    let world = asking().await;
    world.gate.warm_up().await;
    let token = world.server.mint_opaque(&world.token());
    let idle = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _context = idle.enter();
            assert!(world.list_with(&token).now_or_never().is_none());
        });
    });
    pass(Duration::from_secs(30)).await;
    world.server.fail(Endpoint::Introspect, Some(Fault::Delay(Duration::from_millis(100))));
    let mut first = pin!(world.list_with(&token));
    assert!(poll!(&mut first).is_pending());
    until(|| asked(&world) == 1).await;
    // It lands at last, and ends nothing that came after it.
    tokio::task::spawn_blocking(move || drop(idle)).await.unwrap();
    let mut second = pin!(world.list_with(&token));
    assert!(poll!(&mut second).is_pending());
    first.await.assert_served();
    second.await.assert_served();
    assert_eq!(asked(&world), 1);
}

#[tokio::test]
async fn questions_on_a_runtime_that_nobody_drives_take_up_no_room_for_ever() {
    let world = asking().await;
    world.gate.warm_up().await;
    let idle = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _context = idle.enter();
            for number in 0..64 {
                assert!(world.list_with(&format!("opaque-{number}")).now_or_never().is_none());
            }
        });
    });
    pass(Duration::from_secs(30)).await;
    world.list_with(&world.server.mint_opaque(&world.token())).await.assert_served();
    tokio::task::spawn_blocking(move || drop(idle)).await.unwrap();
}

#[tokio::test]
async fn an_answer_counts_by_its_status_and_type_and_an_error_by_whom_it_is_about() {
    let good = json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use" });
    let about = |error: &str| json!({ "error": error });
    for (status, kind, body, code) in [
        (200, "application/json", &good, None),
        (200, "Application/JSON; charset=utf-8", &good, None),
        (200, "text/html", &good, Some("introspection_unusable")),
        (200, "application/token-introspection+jwt", &good, Some("introspection_unusable")),
        (200, "", &good, Some("introspection_unusable")),
        (201, "application/json", &good, Some("introspection_unavailable")),
        (400, "application/json", &about("invalid_client"), Some("introspection_unauthorized")),
        (400, "application/json", &about("unauthorized_client"), Some("introspection_unauthorized")),
        (400, "application/json", &about("invalid_request"), Some("introspection_unavailable")),
        (400, "application/json", &good, Some("introspection_unavailable")),
    ] {
        let answers = wiremock::MockServer::start().await;
        let answer = wiremock::ResponseTemplate::new(status).set_body_raw(body.to_string(), kind);
        wiremock::Mock::given(wiremock::matchers::any()).respond_with(answer).mount(&answers).await;
        let clock = clock();
        let server = AuthorizationServer::builder().clock(clock.clone()).start().await;
        let introspection = Introspection::basic("rs", "rs-secret").endpoint(answers.uri());
        let answer = around(server, clock, introspection).list_with("opaque").await;
        assert_eq!(answer.code, code, "{status} {kind} {body}");
        code.into_iter().for_each(|code| answer.assert_unavailable(code));
    }
}

#[tokio::test]
async fn an_issuer_without_keys_is_served_as_long_as_it_answers() {
    let world = asking().await;
    world.server.fail(Endpoint::Jwks, Some(Fault::Status(404)));
    let health = world.gate.warm_up().await;
    assert!(health[0].is_serving(), "its opaque tokens are judged");
    assert_eq!(health[0].problem().unwrap().to_string(), "its key set could not be fetched");
    world.server.fail(Endpoint::Introspect, Some(Fault::Status(500)));
    world.list_with("opaque").await.assert_unavailable("introspection_unavailable");
    assert!(!world.gate.health()[0].is_serving());
}

#[tokio::test]
async fn who_is_asked_about_every_token_is_served_only_with_keys_too() {
    let world = asking_as(Introspection::every_token).await;
    world.server.fail(Endpoint::Jwks, Some(Fault::Status(404)));
    assert!(!world.gate.warm_up().await[0].is_serving());
}

#[tokio::test]
async fn a_subject_revoked_again_loses_what_was_issued_in_between_too() {
    let world = World::new().await;
    let revoke = || world.gate.revoke(Revocation::subject(world.server.issuer(), "alice"), HOUR).unwrap();
    revoke();
    world.clock.advance(Duration::from_secs(600));
    let token = world.token().mint();
    world.list_with(&token).await.assert_served();
    revoke();
    world.list_with(&token).await.assert_invalid_token("revoked");
}

#[tokio::test]
async fn a_strict_profile_asks_nothing_more_of_an_answer() {
    let clock = clock();
    let server = AuthorizationServer::builder().clock(clock.clone()).start().await;
    let world = World::around(server, clock, |builder, server| {
        let issuer = Issuer::new(server.issuer()).introspection(Introspection::basic("rs", "rs-secret"));
        builder.issuer(issuer.strict_rfc9068()).scopes(ScopeMap::allow_unlisted())
    });
    world.server.introspect_as("opaque", json!({ "active": true, "aud": RESOURCE }));
    world.list_with("opaque").await.assert_served();
}

#[tokio::test]
async fn an_answer_may_begin_as_far_ahead_as_clocks_may_differ() {
    let world = asking().await;
    for (token, start, is_served) in [("soon", 1_800_000_060, true), ("later", 1_800_000_061, false)] {
        let answer = json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use", "nbf": start });
        world.server.introspect_as(token, answer);
        assert_eq!(world.list_with(token).await.status == 200, is_served, "{token}");
    }
}

#[tokio::test]
async fn a_header_with_twins_makes_a_jwt_too() {
    let world = asking().await;
    for header in [r#"{"alg":"none","alg":"none"}"#, r#"{"alg":"none","x":{"y":1,"y":1}}"#] {
        let token = format!("{}.e30.x", URL_SAFE_NO_PAD.encode(header));
        world.server.introspect_as(&token, json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use" }));
        world.list_with(&token).await.assert_invalid_token("duplicate_claim");
    }
    assert_eq!(asked(&world), 0);
}

#[tokio::test]
async fn a_secret_keeps_its_blanks() {
    let clock = clock();
    let server = AuthorizationServer::builder().client("rs", " spaced ").clock(clock.clone());
    let path = std::env::temp_dir().join(format!("toolgate-spaced-{}", std::process::id()));
    std::fs::write(&path, " spaced \n").unwrap();
    let introspection = Introspection::basic("rs", Secret::file(&path));
    let world = around(server.start().await, clock, introspection);
    let answer = world.list_with(&world.server.mint_opaque(&world.token())).await;
    std::fs::remove_file(&path).unwrap();
    answer.assert_served();
}

#[tokio::test]
async fn no_way_of_asking_shows_its_secret_or_the_token_in_a_log() {
    let (log, _guard) = listen();
    let key = SigningKey::generate(Algorithm::Es256).without_kid();
    for introspection in [
        Introspection::basic("rs", "rs-secret"),
        Introspection::post("rs", "rs-secret"),
        Introspection::bearer("rs-secret"),
        Introspection::private_key_jwt("rs", key.to_pem()),
    ] {
        let clock = clock();
        let server = AuthorizationServer::builder().client_key("rs", key.clone()).clock(clock.clone());
        let world = around(server.start().await, clock, introspection);
        let token = world.server.mint_opaque(&world.token());
        world.list_with(&token).await.assert_served();
        for fault in [Fault::Status(401), Fault::Reset, Fault::Html] {
            world.server.fail(Endpoint::Introspect, Some(fault));
            let other = world.server.mint_opaque(&world.token());
            assert_eq!(world.list_with(&other).await.status, 503);
            assert!(!log.text().contains(&other));
        }
        for secret in [token.as_str(), "rs-secret", "cnM6cnMtc2VjcmV0", "client_assertion", "eyJ"] {
            assert!(!log.text().contains(secret), "{secret}");
        }
    }
}

#[tokio::test]
async fn what_an_endpoint_is_asked_with_in_its_query_is_in_no_log() {
    let (log, _guard) = listen();
    let clock = clock();
    let server = AuthorizationServer::builder().clock(clock.clone()).start().await;
    let introspection = Introspection::basic("rs", "x").endpoint("http://127.0.0.1:1/x?api_key=t0psecret");
    let world = around(server, clock, introspection);
    world.list_with("opaque").await.assert_unavailable("introspection_unavailable");
    assert!(!log.text().contains("t0psecret"));
}

/// Asks with this key, which must be believed, and returns the claims of the assertion.
async fn assert_asks_with(key: &SigningKey, introspection: Introspection) -> Value {
    let clock = clock();
    let server = AuthorizationServer::builder().client_key("rs", key.clone());
    let world = around(server.clock(clock.clone()).start().await, clock, introspection);
    world.list_with(&world.server.mint_opaque(&world.token())).await.assert_served();
    let question = world.server.requests(Endpoint::Introspect).pop().expect("a question");
    let form: Vec<_> = form_urlencoded::parse(&question.body).collect();
    let (_, assertion) = form.iter().find(|(name, _)| name == "client_assertion").expect("an assertion");
    let payload = assertion.split('.').nth(1).expect("three parts");
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(claims["aud"], world.server.issuer());
    claims
}

/// The public JWK with the private members added.
fn private_jwk(key: &SigningKey) -> Value {
    let mut jwk = key.jwk();
    let inner = inner_key(key);
    let base64url = |bytes: &[u8]| Value::from(URL_SAFE_NO_PAD.encode(bytes));
    match jwk["kty"].as_str().unwrap() {
        "RSA" => {
            let numbers = members(&inner);
            for (name, number) in ["d", "p", "q", "dp", "dq", "qi"].into_iter().zip(&numbers[3..]) {
                jwk[name] = base64url(number.strip_prefix(&[0]).unwrap_or(number));
            }
        }
        "EC" => jwk["d"] = base64url(members(&inner)[1]),
        _ => jwk["d"] = base64url(element(&inner).0),
    }
    jwk
}

/// What PKCS#8 wraps: PKCS#1, SEC 1, or the seed.
fn inner_key(key: &SigningKey) -> Vec<u8> {
    let pem = key.to_pem();
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(text).unwrap();
    members(&der)[2].to_vec()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// The elements of a DER sequence.
fn members(der: &[u8]) -> Vec<&[u8]> {
    let (mut rest, _) = element(der);
    let mut members = Vec::new();
    while !rest.is_empty() {
        let (content, after) = element(rest);
        members.push(content);
        rest = after;
    }
    members
}

/// The content of the first DER element, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, start) = match der[1] {
        short @ ..=0x7f => (short.into(), 2),
        long => {
            let bytes = &der[2..2 + usize::from(long & 0x7f)];
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), 2 + bytes.len())
        }
    };
    der[start..].split_at(length)
}
