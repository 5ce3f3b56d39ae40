//! Introspection and revocation where they meet: outages, clocks, odd runtimes, and what is forgotten when.

use std::pin::pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::{FutureExt, poll};
use serde_json::{Value, json};
use toolgate::testing::{Algorithm, AuthorizationServer, Endpoint, Fault, SigningKey};
use toolgate::{Config, Introspection, Issuer, Limits, Revocation, ScopeMap, Secret};

use crate::introspection::{around, asked, asking, asking_as};
use crate::logs::listen;
use crate::world::{RESOURCE, World, clock, pass, until};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_response_that_lasts_longer_than_the_jwt_is_not_cached_beyond_it() {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let world = World::around(server, clock, |builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret").every_token();
        let builder = builder.issuer(Issuer::new(server.issuer()).introspection(introspection));
        let limits = Limits::default().introspection_active_seconds(300);
        builder.scopes(ScopeMap::allow_unlisted()).limits(limits)
    });
    let token = world.token().expires_in(10).mint();
    world
        .server
        .introspect_as(&token, json!({ "active": true, "exp": 1_800_003_600 }));
    world.list_with(&token).await.assert_served();
    // Its leeway is a minute.
    world.clock.advance(Duration::from_secs(69));
    world.list_with(&token).await.assert_served();
    world.clock.advance(Duration::from_secs(1));
    world
        .list_with(&token)
        .await
        .assert_invalid_token("expired");
    assert_eq!(asked(&world), 1);
}

#[tokio::test]
async fn a_response_is_as_old_as_its_request() {
    for (active, life) in [(true, 60), (false, 10)] {
        let world = asking().await;
        world.gate.warm_up().await;
        world.server.fail(
            Endpoint::Introspect,
            Some(Fault::Delay(Duration::from_millis(100))),
        );
        world.server.introspect_as(
            "opaque",
            json!({ "active": active, "aud": RESOURCE, "scope": "mcp:use" }),
        );
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
async fn a_waiter_that_does_not_use_its_slot_passes_it_on() {
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
        world.server.fail(
            Endpoint::Introspect,
            Some(if number < 2 { late } else { Fault::Hang }),
        );
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
async fn a_result_that_arrives_during_the_wait_for_a_slot_is_used() {
    for active in [true, false] {
        let world = asking().await;
        world.gate.warm_up().await;
        let ask = |token: String| {
            let world = &world;
            Box::pin(async move { world.list_with(&token).await })
        };
        let mut requests = Vec::new();
        for number in 0..64 {
            let late = Fault::Delay(Duration::from_secs(2));
            world.server.fail(
                Endpoint::Introspect,
                Some(if number == 0 { late } else { Fault::Hang }),
            );
            let mut request = ask(format!("opaque-{number}"));
            assert!(poll!(&mut request).is_pending());
            requests.push(request);
            until(|| asked(&world) == number + 1).await;
        }
        world.server.fail(Endpoint::Introspect, None);
        let answer = json!({ "active": active, "aud": RESOURCE, "scope": "mcp:use" });
        world.server.introspect_as("same", answer);
        let mut waiting: Vec<_> = (0..3).map(|_| ask("same".to_owned())).collect();
        for request in &mut waiting {
            assert!(poll!(request).is_pending());
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(2)).await;
        let mut all = pin!(futures_util::future::join_all(waiting));
        let mut answers = None;
        until(|| {
            answers = all.as_mut().now_or_never();
            answers.is_some()
        })
        .await;
        let expected = if active { None } else { Some("inactive") };
        assert!(
            answers
                .unwrap()
                .iter()
                .all(|answer| answer.code == expected)
        );
        assert_eq!(asked(&world), 65);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_private_key_is_read_in_every_form_it_is_commonly_kept_in() {
    for algorithm in [
        Algorithm::Rs256,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::EdDsa,
    ] {
        let key = SigningKey::generate(algorithm).without_kid();
        let jwk = private_jwk(&key);
        let mut bare = jwk.clone();
        bare.as_object_mut().unwrap().remove("alg");
        let mut forms = vec![
            key.to_pem(),
            key.to_pem().replace('\n', "\r\n"),
            jwk.to_string(),
            bare.to_string(),
        ];
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
async fn settings_beside_a_key_override_members_of_the_jwk() {
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
    assert_eq!(
        (&claims["iat"], &claims["exp"]),
        (&json!(1_800_000_000), &json!(1_800_000_060))
    );
    assert_eq!(
        (&claims["iss"], &claims["sub"]),
        (&json!("rs"), &json!("rs"))
    );
}

#[tokio::test]
async fn an_introspection_on_a_runtime_that_does_not_run_is_given_up_for_good() {
    let world = asking().await;
    world.gate.warm_up().await;
    let token = world.server.mint_opaque(&world.token());
    let idle = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _context = idle.enter();
            assert!(world.list_with(&token).now_or_never().is_none());
        });
    });
    pass(Duration::from_secs(30)).await;
    world.server.fail(
        Endpoint::Introspect,
        Some(Fault::Delay(Duration::from_millis(100))),
    );
    let mut first = pin!(world.list_with(&token));
    assert!(poll!(&mut first).is_pending());
    until(|| asked(&world) == 1).await;
    // It lands at last, and ends nothing that came after it.
    tokio::task::spawn_blocking(move || drop(idle))
        .await
        .unwrap();
    let mut second = pin!(world.list_with(&token));
    assert!(poll!(&mut second).is_pending());
    first.await.assert_served();
    second.await.assert_served();
    assert_eq!(asked(&world), 1);
}

#[tokio::test]
async fn introspections_on_a_runtime_that_does_not_run_free_their_slots() {
    let world = asking().await;
    world.gate.warm_up().await;
    let idle = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _context = idle.enter();
            for number in 0..64 {
                assert!(
                    world
                        .list_with(&format!("opaque-{number}"))
                        .now_or_never()
                        .is_none()
                );
            }
        });
    });
    pass(Duration::from_secs(30)).await;
    world
        .list_with(&world.server.mint_opaque(&world.token()))
        .await
        .assert_served();
    tokio::task::spawn_blocking(move || drop(idle))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_response_counts_by_its_status_and_type_and_its_error_code() {
    let good = json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use" });
    let about = |error: &str| json!({ "error": error });
    for (status, kind, body, code) in [
        (200, "application/json", &good, None),
        (200, "Application/JSON; charset=utf-8", &good, None),
        (200, "text/html", &good, Some("introspection_unusable")),
        (
            200,
            "application/token-introspection+jwt",
            &good,
            Some("introspection_unusable"),
        ),
        (200, "", &good, Some("introspection_unusable")),
        (
            201,
            "application/json",
            &good,
            Some("introspection_unavailable"),
        ),
        (
            400,
            "application/json",
            &about("invalid_client"),
            Some("introspection_unauthorized"),
        ),
        (
            400,
            "application/json",
            &about("unauthorized_client"),
            Some("introspection_unauthorized"),
        ),
        (
            400,
            "application/json",
            &about("invalid_request"),
            Some("introspection_unavailable"),
        ),
        (
            400,
            "application/json",
            &good,
            Some("introspection_unavailable"),
        ),
    ] {
        let answers = wiremock::MockServer::start().await;
        let answer = wiremock::ResponseTemplate::new(status).set_body_raw(body.to_string(), kind);
        wiremock::Mock::given(wiremock::matchers::any())
            .respond_with(answer)
            .mount(&answers)
            .await;
        let clock = clock();
        let server = AuthorizationServer::builder()
            .clock(clock.clone())
            .start()
            .await;
        let introspection = Introspection::basic("rs", "rs-secret").endpoint(answers.uri());
        let answer = around(server, clock, introspection)
            .list_with("opaque")
            .await;
        assert_eq!(answer.code, code, "{status} {kind} {body}");
        code.into_iter()
            .for_each(|code| answer.assert_unavailable(code));
    }
}

#[tokio::test]
async fn an_issuer_without_keys_is_served_as_long_as_it_answers() {
    let world = asking().await;
    world.server.fail(Endpoint::Jwks, Some(Fault::Status(404)));
    let health = world.gate.warm_up().await;
    assert!(health[0].is_serving(), "its opaque tokens are judged");
    assert_eq!(
        health[0].problem().unwrap().to_string(),
        "its key set could not be fetched"
    );
    world
        .server
        .fail(Endpoint::Introspect, Some(Fault::Status(500)));
    world
        .list_with("opaque")
        .await
        .assert_unavailable("introspection_unavailable");
    assert!(!world.gate.health()[0].is_serving());
}

#[tokio::test]
async fn an_issuer_that_introspects_every_token_also_needs_its_keys() {
    let world = asking_as(Introspection::every_token).await;
    world.server.fail(Endpoint::Jwks, Some(Fault::Status(404)));
    assert!(!world.gate.warm_up().await[0].is_serving());
}

#[tokio::test]
async fn a_subject_revoked_again_loses_what_was_issued_in_between_too() {
    let world = World::new().await;
    let revoke = async || {
        world
            .gate
            .revoke(Revocation::subject(world.server.issuer(), "alice"), HOUR)
            .await
            .unwrap()
    };
    revoke().await;
    world.clock.advance(Duration::from_secs(600));
    let token = world.token().mint();
    world.list_with(&token).await.assert_served();
    revoke().await;
    world
        .list_with(&token)
        .await
        .assert_invalid_token("revoked");
}

#[tokio::test]
async fn a_strict_profile_requires_nothing_more_of_a_response() {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let world = World::around(server, clock, |builder, server| {
        let issuer =
            Issuer::new(server.issuer()).introspection(Introspection::basic("rs", "rs-secret"));
        builder
            .issuer(issuer.strict_rfc9068())
            .scopes(ScopeMap::allow_unlisted())
    });
    world
        .server
        .introspect_as("opaque", json!({ "active": true, "aud": RESOURCE }));
    world.list_with("opaque").await.assert_served();
}

#[tokio::test]
async fn an_answer_may_begin_as_far_ahead_as_clocks_may_differ() {
    let world = asking().await;
    for (token, start, is_served) in [
        ("soon", 1_800_000_060, true),
        ("later", 1_800_000_061, false),
    ] {
        let answer = json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use", "nbf": start });
        world.server.introspect_as(token, answer);
        assert_eq!(
            world.list_with(token).await.status == 200,
            is_served,
            "{token}"
        );
    }
}

#[tokio::test]
async fn a_header_with_twins_makes_a_jwt_too() {
    let world = asking().await;
    for header in [
        r#"{"alg":"none","alg":"none"}"#,
        r#"{"alg":"none","x":{"y":1,"y":1}}"#,
    ] {
        let token = format!("{}.e30.x", URL_SAFE_NO_PAD.encode(header));
        world.server.introspect_as(
            &token,
            json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use" }),
        );
        world
            .list_with(&token)
            .await
            .assert_invalid_token("duplicate_claim");
    }
    assert_eq!(asked(&world), 0);
}

#[tokio::test]
async fn a_secret_keeps_its_blanks() {
    let clock = clock();
    let server = AuthorizationServer::builder()
        .client("rs", " spaced ")
        .clock(clock.clone());
    let path = std::env::temp_dir().join(format!("toolgate-spaced-{}", std::process::id()));
    std::fs::write(&path, " spaced \n").unwrap();
    let introspection = Introspection::basic("rs", Secret::file(&path));
    let world = around(server.start().await, clock, introspection);
    let answer = world
        .list_with(&world.server.mint_opaque(&world.token()))
        .await;
    std::fs::remove_file(&path).unwrap();
    answer.assert_served();
}

#[tokio::test]
async fn a_token_that_expires_during_its_introspection_is_rejected() {
    let world = asking().await;
    world.gate.warm_up().await;
    world.server.fail(
        Endpoint::Introspect,
        Some(Fault::Delay(Duration::from_millis(100))),
    );
    let answer =
        json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use", "exp": 1_800_000_003 });
    world.server.introspect_as("opaque", answer);
    let mut waiting = pin!(world.list_with("opaque"));
    assert!(poll!(&mut waiting).is_pending());
    until(|| asked(&world) == 1).await;
    world.clock.advance(Duration::from_secs(3));
    waiting.await.assert_invalid_token("expired");
}

#[tokio::test]
async fn no_way_of_introspection_shows_its_secret_or_the_token_in_a_log() {
    let (log, _guard) = listen();
    let key = SigningKey::generate(Algorithm::Es256).without_kid();
    for introspection in [
        Introspection::basic("rs", "rs-secret"),
        Introspection::post("rs", "rs-secret"),
        Introspection::bearer("rs-secret"),
        Introspection::private_key_jwt("rs", key.to_pem()),
    ] {
        let clock = clock();
        let server = AuthorizationServer::builder()
            .client_key("rs", key.clone())
            .clock(clock.clone());
        let world = around(server.start().await, clock, introspection);
        let token = world.server.mint_opaque(&world.token());
        world.list_with(&token).await.assert_served();
        for fault in [Fault::Status(401), Fault::Reset, Fault::Html] {
            world.server.fail(Endpoint::Introspect, Some(fault));
            let other = world.server.mint_opaque(&world.token());
            assert_eq!(world.list_with(&other).await.status, 503);
            assert!(!log.text().contains(&other));
        }
        for secret in [
            token.as_str(),
            "rs-secret",
            "cnM6cnMtc2VjcmV0",
            "client_assertion",
            "eyJ",
        ] {
            assert!(!log.text().contains(secret), "{secret}");
        }
    }
}

#[tokio::test]
async fn the_query_of_an_endpoint_is_in_no_log() {
    let (log, _guard) = listen();
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let introspection =
        Introspection::basic("rs", "x").endpoint("http://127.0.0.1:1/x?api_key=t0psecret");
    let world = around(server, clock, introspection);
    world
        .list_with("opaque")
        .await
        .assert_unavailable("introspection_unavailable");
    assert!(!log.text().contains("t0psecret"));
}

#[tokio::test]
async fn a_token_that_was_revoked_here_is_not_introspected_again_and_again() {
    let world = asking().await;
    world.server.introspect_as(
        "opaque",
        json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use" }),
    );
    let (log, _guard) = listen();
    world.list_with("opaque").await.assert_served();
    let token_id = log.decision()["fields"]["token_id"]
        .as_str()
        .unwrap()
        .to_owned();
    world
        .gate
        .revoke(Revocation::token(world.server.issuer(), token_id), HOUR)
        .await
        .unwrap();
    let before = asked(&world);
    for _ in 0..100 {
        world
            .list_with("opaque")
            .await
            .assert_invalid_token("revoked");
    }
    assert!(
        asked(&world) <= before + 1,
        "{} questions",
        asked(&world) - before
    );
}

#[tokio::test]
async fn a_token_that_was_revoked_here_by_its_hash_is_refused_through_an_outage_of_its_issuer() {
    let world = asking().await;
    world.server.introspect_as(
        "opaque",
        json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use" }),
    );
    let (log, _guard) = listen();
    world.list_with("opaque").await.assert_served();
    let token_id = log.decision()["fields"]["token_id"]
        .as_str()
        .unwrap()
        .to_owned();
    world
        .gate
        .revoke(Revocation::token(world.server.issuer(), token_id), HOUR)
        .await
        .unwrap();
    world
        .server
        .fail(Endpoint::Introspect, Some(Fault::Status(500)));
    for _ in 0..2 {
        world
            .list_with("opaque")
            .await
            .assert_invalid_token("revoked");
    }
}

#[tokio::test]
async fn a_jwt_that_was_revoked_here_is_not_introspected_and_is_rejected_through_an_outage() {
    let world = asking_as(Introspection::every_token).await;
    let token = world.token().claim("jti", "stolen").mint();
    world.list_with(&token).await.assert_served();
    world
        .gate
        .revoke(Revocation::token(world.server.issuer(), "stolen"), HOUR)
        .await
        .unwrap();
    world
        .server
        .fail(Endpoint::Introspect, Some(Fault::Status(500)));
    for _ in 0..2 {
        world
            .list_with(&token)
            .await
            .assert_invalid_token("revoked");
    }
}

#[tokio::test]
async fn a_token_is_revoked_by_any_name_that_the_log_gives_it() {
    let (log, _guard) = listen();
    let long = "j".repeat(200);
    for jti in ["j1", "a\"b", long.as_str()] {
        let world = World::new().await;
        let token = world.token().claim("jti", jti).mint();
        world.list_with(&token).await.assert_served();
        let token_id = log.decision()["fields"]["token_id"]
            .as_str()
            .unwrap()
            .to_owned();
        world
            .gate
            .revoke(Revocation::token(world.server.issuer(), &*token_id), HOUR)
            .await
            .unwrap();
        let answer = world.list_with(&token).await;
        assert_eq!(answer.code, Some("revoked"), "{token_id}");
    }
}

#[tokio::test]
async fn a_token_is_revoked_by_the_name_that_it_had_in_the_log_during_an_outage() {
    let (log, _guard) = listen();
    let world = asking().await;
    world.gate.warm_up().await;
    let token = world.server.mint_opaque(&world.token().claim("jti", "j1"));
    world
        .server
        .fail(Endpoint::Introspect, Some(Fault::Status(500)));
    world
        .list_with(&token)
        .await
        .assert_unavailable("introspection_unavailable");
    let token_id = log.decision()["fields"]["token_id"]
        .as_str()
        .unwrap()
        .to_owned();
    world
        .gate
        .revoke(Revocation::token(world.server.issuer(), &*token_id), HOUR)
        .await
        .unwrap();
    world.server.fail(Endpoint::Introspect, None);
    world
        .list_with(&token)
        .await
        .assert_invalid_token("revoked");
}

#[tokio::test]
async fn a_refused_token_keeps_the_name_it_had_in_the_log() {
    let (log, _guard) = listen();
    let world = World::new().await;
    let token = world.token().claim("jti", "j1").mint();
    world.list_with(&token).await.assert_served();
    assert_eq!(log.decision()["fields"]["token_id"], "j1");
    world
        .gate
        .revoke(Revocation::subject(world.server.issuer(), "alice"), HOUR)
        .await
        .unwrap();
    world
        .list_with(&token)
        .await
        .assert_invalid_token("revoked");
    assert_eq!(log.decision()["fields"]["token_id"], "j1");
}

#[tokio::test]
async fn a_token_of_any_date_that_was_served_before_its_subject_was_revoked_is_rejected() {
    let world = World::new().await;
    // The issuer's clock is ahead, as far as is tolerated.
    let token = world.token().claim("iat", 1_800_000_240).mint();
    world.list_with(&token).await.assert_served();
    world
        .gate
        .revoke(Revocation::subject(world.server.issuer(), "alice"), HOUR)
        .await
        .unwrap();
    world
        .list_with(&token)
        .await
        .assert_invalid_token("revoked");
}

#[tokio::test]
async fn a_revocation_repeated_after_the_clock_was_set_back_covers_no_less_than_before() {
    let world = World::new().await;
    let token = world.token().claim("iat", 1_800_000_000).mint();
    let revoke = async || {
        world
            .gate
            .revoke(
                Revocation::subject(world.server.issuer(), "alice"),
                2 * HOUR,
            )
            .await
            .unwrap()
    };
    revoke().await;
    world
        .list_with(&token)
        .await
        .assert_invalid_token("revoked");
    world
        .clock
        .set(std::time::UNIX_EPOCH + Duration::from_secs(1_799_999_800));
    revoke().await;
    world
        .list_with(&token)
        .await
        .assert_invalid_token("revoked");
}

#[tokio::test]
async fn outside_of_a_runtime_an_opaque_token_is_refused_and_nothing_panics() {
    let world = asking().await;
    world.gate.warm_up().await;
    let token = world.server.mint_opaque(&world.token());
    let answered = std::thread::scope(|scope| {
        let world = &world;
        scope
            .spawn(move || world.list_with(&token).now_or_never())
            .join()
    });
    let answer = answered
        .expect("it panics")
        .expect("there is nothing to wait for");
    answer.assert_unavailable("introspection_unavailable");
}

#[tokio::test]
async fn an_issuer_that_recovered_is_reported_so_without_another_introspection() {
    let world = asking_as(Introspection::every_token).await;
    world.gate.warm_up().await;
    world
        .server
        .fail(Endpoint::Introspect, Some(Fault::Status(500)));
    world
        .list_with(&world.token().mint())
        .await
        .assert_unavailable("introspection_unavailable");
    world.server.fail(Endpoint::Introspect, None);
    // A probe that takes an unready server out of traffic also takes away the questions that would tell.
    world.clock.advance(HOUR);
    assert!(
        world.gate.warm_up().await[0].is_serving(),
        "unready for ever"
    );
}

#[tokio::test]
async fn a_response_narrows_the_scopes_under_any_claim_name() {
    for (own, told) in [("scope", "scp"), ("scp", "scope"), ("scope", "scopes")] {
        let world = asking_as(Introspection::every_token).await;
        let token = world
            .server
            .token()
            .audience(RESOURCE)
            .claim(own, "mcp:use admin")
            .mint();
        let mut answer = json!({ "active": true });
        answer[told] = json!("mcp:use");
        world.server.introspect_as(&token, answer);
        world.list_with(&token).await.assert_served();
        let principal = world.reached().principal.unwrap();
        assert_eq!(
            principal.scopes().iter().collect::<Vec<_>>(),
            ["mcp:use"],
            "{own} narrowed by {told}"
        );
    }
}

#[tokio::test]
async fn the_leeway_of_a_jwt_is_the_same_if_it_is_introspected() {
    for configure in [std::convert::identity, Introspection::every_token] {
        let world = asking_as(configure).await;
        let token = world.token().expires_in(-30).mint();
        world
            .server
            .introspect_as(&token, json!({ "active": true, "token_type": "Bearer" }));
        world.list_with(&token).await.assert_served();
    }
}

#[tokio::test]
async fn a_jwt_without_audience_of_a_named_client_also_passes_if_it_is_introspected() {
    for configure in [std::convert::identity, Introspection::every_token] {
        let clock = clock();
        let server = AuthorizationServer::builder()
            .clock(clock.clone())
            .start()
            .await;
        let world = World::around(server, clock, |builder, server| {
            let introspection = configure(Introspection::basic("rs", "rs-secret"));
            let issuer = Issuer::new(server.issuer()).introspection(introspection);
            builder
                .issuer(issuer.unbound_tokens_of_client("test-client"))
                .scopes(ScopeMap::allow_unlisted())
        });
        let token = world.server.token().mint();
        world
            .server
            .introspect_as(&token, json!({ "active": true }));
        world.list_with(&token).await.assert_served();
    }
}

#[tokio::test]
async fn a_header_that_is_an_object_makes_a_jwt_however_odd_its_members() {
    let world = asking().await;
    let deep = format!(
        r#"{{"alg":"none","x":{}{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    for header in [
        r#"{"alg":"none","x":1e999}"#,
        r#"{"alg":"none","x":"\ud800"}"#,
        r#"{"alg":"none","$serde_json::private::RawValue":"1"}"#,
        &deep,
    ] {
        let token = format!("{}.e30.x", URL_SAFE_NO_PAD.encode(header));
        world.server.introspect_as(
            &token,
            json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use" }),
        );
        let answer = world.list_with(&token).await;
        assert_eq!(
            (answer.status.as_u16(), asked(&world)),
            (401, 0),
            "{header}"
        );
    }
}

#[test]
fn a_secret_that_is_no_text_is_refused_without_being_shown() {
    for secret in [
        json!(471_147_114_711_i64),
        json!(-471_147_114_711_i64),
        json!(4711.4711),
    ] {
        let shown = secret.to_string();
        let config = serde_json::from_value::<Config>(json!({
            "resource": RESOURCE,
            "issuers": [{
                "issuer": "https://auth.example.com",
                "introspection": { "client_id": "rs", "client_secret": secret },
            }],
        }));
        let why = config.expect_err("it is no text").to_string();
        assert!(!why.contains(shown.trim_start_matches('-')), "{why}");
    }
}

#[test]
fn a_secret_that_no_header_can_carry_is_reported_by_build() {
    let issuer =
        Issuer::new("https://auth.example.com").introspection(Introspection::bearer("two\nlines"));
    let built = toolgate::Toolgate::builder(RESOURCE)
        .issuer(issuer)
        .scopes(ScopeMap::allow_unlisted())
        .build();
    assert_eq!(
        built.unwrap_err().problems()[0].field(),
        "issuers[0].introspection.client_secret"
    );
}

#[test]
fn a_client_id_that_is_not_used_is_a_mistake() {
    let config = serde_json::from_value::<Config>(json!({
        "resource": RESOURCE,
        "issuers": [{
            "issuer": "https://auth.example.com",
            "introspection": { "auth": "bearer", "client_id": "rs", "client_secret": "s" },
        }],
        "scopes": { "unlisted": "allow" },
    }));
    let built = config.unwrap().into_builder().build();
    assert_eq!(
        built.unwrap_err().problems()[0].field(),
        "issuers[0].introspection.client_id"
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_secret_file_that_blocks_harms_no_later_introspection() {
    use std::os::unix::fs::OpenOptionsExt as _;
    const O_NONBLOCK: i32 = 0o4000;
    let path = std::env::temp_dir().join(format!("toolgate-blocks-{}", std::process::id()));
    std::fs::write(&path, "rs-secret").unwrap();
    let clock = clock();
    let server = AuthorizationServer::builder()
        .clock(clock.clone())
        .start()
        .await;
    let world = around(
        server,
        clock,
        Introspection::basic("rs", Secret::file(&path)),
    );
    world.gate.warm_up().await;
    std::fs::remove_file(&path).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let token = world.server.mint_opaque(&world.token());
    let mut stuck = Box::pin(world.list_with(&token));
    assert!(poll!(&mut stuck).is_pending());
    // It opens once there is a reader.
    let mut writer = None;
    until(|| {
        let opened = std::fs::OpenOptions::new()
            .write(true)
            .custom_flags(O_NONBLOCK)
            .open(&path);
        writer = opened.ok();
        writer.is_some()
    })
    .await;
    // The last good one has to do, for this question and for those that come while the file still blocks.
    pass(Duration::from_secs(1)).await;
    stuck.await.assert_served();
    world
        .list_with(&world.server.mint_opaque(&world.token()))
        .await
        .assert_served();
    drop(writer);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn one_token_that_an_issuer_cannot_answer_for_does_not_make_it_unserved() {
    let world = asking_as(Introspection::every_token).await;
    world.gate.warm_up().await;
    world
        .server
        .fail(Endpoint::Introspect, Some(Fault::Status(413)));
    assert_eq!(world.list_with(&"a".repeat(16_000)).await.status, 503);
    world.server.fail(Endpoint::Introspect, None);
    assert!(
        world.gate.health()[0].is_serving(),
        "a caller who sends garbage decides it"
    );
}

#[tokio::test]
async fn an_old_failure_does_not_hide_later_successes() {
    let world = asking_as(Introspection::every_token).await;
    world.gate.warm_up().await;
    world.server.fail(Endpoint::Introspect, Some(Fault::Hang));
    let mut stuck = pin!(world.list_with("opaque"));
    assert!(poll!(&mut stuck).is_pending());
    until(|| asked(&world) == 1).await;
    world.server.fail(Endpoint::Introspect, None);
    world.list_with(&world.token().mint()).await.assert_served();
    pass(Duration::from_secs(5)).await;
    stuck.await.assert_unavailable("introspection_unavailable");
    assert!(
        world.gate.health()[0].is_serving(),
        "the last question asked had an answer"
    );
}

/// Asks with this key, which must be believed, and returns the claims of the assertion.
async fn assert_asks_with(key: &SigningKey, introspection: Introspection) -> Value {
    let clock = clock();
    let server = AuthorizationServer::builder().client_key("rs", key.clone());
    let world = around(
        server.clock(clock.clone()).start().await,
        clock,
        introspection,
    );
    world
        .list_with(&world.server.mint_opaque(&world.token()))
        .await
        .assert_served();
    let question = world
        .server
        .requests(Endpoint::Introspect)
        .pop()
        .expect("a question");
    let form: Vec<_> = form_urlencoded::parse(&question.body).collect();
    let (_, assertion) = form
        .iter()
        .find(|(name, _)| name == "client_assertion")
        .expect("an assertion");
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
            for (name, number) in ["d", "p", "q", "dp", "dq", "qi"]
                .into_iter()
                .zip(&numbers[3..])
            {
                jwk[name] = base64url(number.strip_prefix(&[0]).unwrap_or(number));
            }
        }
        "EC" => jwk["d"] = base64url(members(&inner)[1]),
        _ => jwk["d"] = base64url(element(&inner).0),
    }
    jwk
}

/// The key inside PKCS#8: PKCS#1, SEC 1, or the seed.
fn inner_key(key: &SigningKey) -> Vec<u8> {
    let pem = key.to_pem();
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(text).unwrap();
    members(&der)[2].to_vec()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
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
            (
                bytes
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte)),
                2 + bytes.len(),
            )
        }
    };
    der[start..].split_at(length)
}
