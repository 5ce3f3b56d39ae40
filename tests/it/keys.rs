//! The source of keys, the times when they are fetched again, and outages, which never count as bad tokens.

use std::time::Duration;

use serde_json::json;
use toolgate::testing::{Algorithm, AuthorizationServer, Clock, Endpoint, Fault, SigningKey};
use toolgate::{Issuer, Limits, ScopeMap};

use crate::world::World;

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256)
}

/// Lets the fetch that a request has just started in the background land.
async fn settle(world: &World, hits: usize) {
    while world.server.hits(Endpoint::Jwks) < hits {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn keys_are_found_by_whichever_metadata_form_the_issuer_has() {
    for form in [
        Endpoint::Rfc8414,
        Endpoint::OidcInserted,
        Endpoint::OidcAppended,
    ] {
        let clock = Clock::system();
        let builder = AuthorizationServer::builder()
            .issuer_path("/tenant")
            .discovery_forms([form]);
        let server = builder.clock(clock.clone()).start().await;
        let world = World::around(server, clock, |builder, server| {
            builder
                .issuer(server.issuer())
                .scopes(ScopeMap::allow_unlisted())
        });
        world.list_with(&world.token().mint()).await.assert_served();
        assert!(world.server.hits(form) > 0);
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_is_not_believed_and_the_next_form_is_tried() {
    let world = World::new().await;
    let token = world.token().mint();
    for endpoint in [Endpoint::Rfc8414, Endpoint::OidcInserted] {
        world.server.fail(endpoint, Some(Fault::WrongIssuer));
    }
    world
        .list_with(&token)
        .await
        .assert_unavailable("discovery_issuer_mismatch");
    world.server.fail(Endpoint::OidcInserted, None);
    world.clock.advance(Duration::from_secs(1));
    world.list_with(&token).await.assert_served();
}

#[tokio::test]
async fn every_failure_of_the_keys_is_an_outage_and_never_a_bad_token() {
    let faults: Vec<(&str, Fault)> = vec![
        ("jwks_unavailable", Fault::Status(500)),
        ("jwks_unavailable", Fault::Status(404)),
        ("jwks_unavailable", Fault::Status(401)),
        ("jwks_unavailable", Fault::Reset),
        ("jwks_unavailable", Fault::Truncate),
        (
            "jwks_unavailable",
            Fault::Redirect("https://evil.example/jwks".to_owned()),
        ),
        ("jwks_unavailable", Fault::Huge(300 * 1024)),
        ("jwks_unusable", Fault::Html),
        ("jwks_unusable", Fault::Body("{}".into())),
        ("jwks_unusable", Fault::Body(r#"{"keys":[]}"#.into())),
        (
            "jwks_unusable",
            Fault::Body(r#"{"keys":[{"kty":"oct","k":"AA"}]}"#.into()),
        ),
    ];
    for (code, fault) in faults {
        let world = World::new().await;
        world.server.fail(Endpoint::Jwks, Some(fault));
        let token = world.token().mint();
        world.list_with(&token).await.assert_unavailable(code);
        world.server.fail(Endpoint::Jwks, None);
        world.list_with(&token).await.assert_unavailable(code);
        world.clock.advance(Duration::from_secs(1));
        world.list_with(&token).await.assert_served();
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_even_to_a_good_key_set() {
    let world = World::new().await;
    let elsewhere = AuthorizationServer::start().await;
    elsewhere.publish(vec![world.server.signing_key().jwk()]);
    world.server.fail(
        Endpoint::Jwks,
        Some(Fault::Redirect(elsewhere.url(Endpoint::Jwks))),
    );
    world
        .list_with(&world.token().mint())
        .await
        .assert_unavailable("jwks_unavailable");
    assert_eq!(elsewhere.hits(Endpoint::Jwks), 0);
}

#[tokio::test]
async fn a_gate_is_built_and_waits_while_its_authorization_server_is_down() {
    let world = World::new().await;
    world.server.fail(Endpoint::Rfc8414, Some(Fault::Reset));
    world
        .server
        .fail(Endpoint::OidcInserted, Some(Fault::Reset));
    world
        .list_with(&world.token().mint())
        .await
        .assert_unavailable("discovery_failed");
}

#[tokio::test]
async fn an_unknown_issuer_causes_no_fetch() {
    let world = World::new().await;
    world
        .list_with(&world.token().claim("iss", "https://evil.example").mint())
        .await
        .assert_invalid_token("issuer_mismatch");
    for endpoint in [Endpoint::Rfc8414, Endpoint::OidcInserted, Endpoint::Jwks] {
        assert_eq!(world.server.hits(endpoint), 0);
    }
}

#[tokio::test]
async fn one_issuers_outage_does_not_touch_another() {
    let healthy = AuthorizationServer::start().await;
    let world = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .issuer(healthy.issuer())
            .scopes(ScopeMap::allow_unlisted())
    })
    .await;
    world
        .server
        .fail(Endpoint::Rfc8414, Some(Fault::Status(500)));
    world
        .server
        .fail(Endpoint::OidcInserted, Some(Fault::Status(500)));
    world
        .list_with(&world.token().mint())
        .await
        .assert_unavailable("discovery_failed");
    let token = healthy
        .token()
        .audience(crate::world::RESOURCE)
        .claim("iat", 1_800_000_000)
        .claim("exp", 1_800_000_300);
    world.list_with(&token.mint()).await.assert_served();
}

#[tokio::test]
async fn a_given_jwks_uri_needs_no_discovery_and_a_given_set_no_fetch_at_all() {
    let given = World::with(|builder, server| {
        let issuer = Issuer::new(server.issuer()).jwks_uri(server.url(Endpoint::Jwks));
        builder.issuer(issuer).scopes(ScopeMap::allow_unlisted())
    })
    .await;
    given.list_with(&given.token().mint()).await.assert_served();
    assert_eq!(
        (
            given.server.hits(Endpoint::Rfc8414),
            given.server.hits(Endpoint::Jwks)
        ),
        (0, 1)
    );

    let fixed = World::with(|builder, server| {
        let issuer = Issuer::new(server.issuer()).jwks(server.jwks().to_string());
        builder.issuer(issuer).scopes(ScopeMap::allow_unlisted())
    })
    .await;
    fixed.list_with(&fixed.token().mint()).await.assert_served();
    fixed
        .list_with(&fixed.token().signed_with(&key()).mint())
        .await
        .assert_invalid_token("kid_unknown");
    fixed.clock.advance(Duration::from_secs(100 * 24 * 3600));
    fixed.list_with(&fixed.token().mint()).await.assert_served();
    assert_eq!(fixed.server.hits(Endpoint::Jwks), 0);
}

#[tokio::test]
async fn exotic_and_broken_keys_among_good_ones_are_skipped_one_by_one() {
    let world = World::new().await;
    let good = world.server.signing_key().jwk();
    let spoilt = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut jwk = good.clone();
        change(&mut jwk);
        jwk
    };
    world.server.publish(vec![
        json!(7),
        json!({}),
        json!({ "kty": "oct", "k": "AAAA", "kid": "mac" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "AAAA", "kid": "x25519" }),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" }),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "weak" }),
        spoilt(&|jwk| jwk["x"] = json!("AAAA")),
        spoilt(&|jwk| jwk["y"] = jwk["x"].clone()),
        spoilt(&|jwk| jwk["use"] = json!("enc")),
        spoilt(&|jwk| jwk["key_ops"] = json!(["sign"])),
        spoilt(&|jwk| jwk["alg"] = json!("ES384")),
        spoilt(&|jwk| jwk["alg"] = json!("HS256")),
        good.clone(),
    ]);
    world.list_with(&world.token().mint()).await.assert_served();
}

#[tokio::test]
async fn a_key_without_alg_fits_every_algorithm_of_its_type_and_one_with_alg_only_that() {
    let world = World::new().await;
    let rsa = SigningKey::generate(Algorithm::Rs256).with_kid("r");
    let mut jwk = rsa.jwk();
    world.server.publish(vec![jwk.clone()]);
    world
        .list_with(&world.token().signed_with(&rsa).mint())
        .await
        .assert_served();
    let pss = world
        .token()
        .signed_with(&rsa)
        .header("alg", json!("PS256"));
    world
        .list_with(&pss.mint())
        .await
        .assert_invalid_token("key_unusable");

    jwk.as_object_mut().unwrap().remove("alg");
    world.server.publish(vec![jwk]);
    world.clock.advance(Duration::from_secs(600));
    world
        .list_with(&world.token().signed_with(&rsa).mint())
        .await
        .assert_served();
    let answer = world
        .list_with(
            &world
                .token()
                .signed_with(&rsa)
                .header("alg", json!("PS256"))
                .mint(),
        )
        .await;
    answer.assert_invalid_token("bad_signature");
}

#[tokio::test]
async fn without_a_kid_there_must_be_exactly_one_key_that_fits() {
    let world = World::new().await;
    let own = world.server.signing_key();
    let rsa = SigningKey::generate(Algorithm::Rs256);
    world.server.publish(vec![own.jwk(), rsa.jwk()]);
    world
        .list_with(&world.token().without_header("kid").mint())
        .await
        .assert_served();

    let world = World::new().await;
    let own = world.server.signing_key();
    world.server.publish(vec![own.jwk(), key().jwk()]);
    world
        .list_with(&world.token().without_header("kid").mint())
        .await
        .assert_invalid_token("no_kid_ambiguous");
    world.list_with(&world.token().mint()).await.assert_served();
}

#[tokio::test]
async fn a_rotated_key_is_fetched_at_once_and_the_old_one_dies_with_its_tokens() {
    let world = World::new().await;
    let old = world.token().expires_in(3600).mint();
    world.list_with(&old).await.assert_served();
    world.clock.advance(Duration::from_secs(31));
    world.server.rotate(key());
    world.list_with(&world.token().mint()).await.assert_served();
    assert_eq!(world.server.hits(Endpoint::Jwks), 2);
    world
        .list_with(&old)
        .await
        .assert_invalid_token("kid_unknown");
}

#[tokio::test]
async fn a_key_published_under_two_names_dies_with_its_tokens_too() {
    let world = World::new().await;
    let own = world.server.signing_key();
    world
        .server
        .publish(vec![own.jwk(), own.clone().with_kid("alias").jwk()]);
    let old = world.token().expires_in(3600).mint();
    world.list_with(&old).await.assert_served();
    world.clock.advance(Duration::from_secs(31));
    let unknown = world.token().header("kid", json!("unknown")).mint();
    world
        .list_with(&unknown)
        .await
        .assert_invalid_token("kid_unknown");
    world.clock.advance(Duration::from_secs(31));
    world.server.rotate(key());
    world.list_with(&world.token().mint()).await.assert_served();
    world
        .list_with(&old)
        .await
        .assert_invalid_token("kid_unknown");
}

#[tokio::test]
async fn a_clock_set_back_costs_no_honest_client_its_token_and_lets_no_withdrawn_key_live() {
    let world = World::new().await;
    let start = world.clock.now();
    world.clock.set(start + Duration::from_secs(24 * 3600));
    world.list_with(&world.token().mint()).await.assert_served();
    world.clock.set(start);
    let old = world.token().expires_in(100_000).mint();
    world.server.rotate(key());
    world.clock.advance(Duration::from_secs(3600));
    world.list_with(&world.token().mint()).await.assert_served();
    world
        .list_with(&old)
        .await
        .assert_invalid_token("kid_unknown");
}

#[tokio::test]
async fn a_rotation_of_keys_without_a_name_is_noticed_too() {
    let world = World::new().await;
    world.server.rotate(key().without_kid());
    let token = || world.token().without_header("kid");
    world.list_with(&token().mint()).await.assert_served();
    world.clock.advance(Duration::from_secs(1));
    world.server.rotate(key().without_kid());
    world
        .list_with(&token().mint())
        .await
        .assert_unavailable("kid_undecided");
    world.clock.advance(Duration::from_secs(31));
    world.list_with(&token().mint()).await.assert_served();
}

#[tokio::test]
async fn a_token_dated_back_by_its_issuer_is_not_taken_for_one_that_should_be_known() {
    let world = World::new().await;
    world.list_with(&world.token().mint()).await.assert_served();
    world.clock.advance(Duration::from_secs(31));
    world.server.rotate(key());
    world
        .list_with(&world.token().claim("iat", 1_800_000_000 - 59).mint())
        .await
        .assert_served();
}

#[tokio::test]
async fn a_key_that_only_changed_its_name_keeps_what_it_proved() {
    let world = World::new().await;
    let signed_before = world.token().mint();
    world.list_with(&signed_before).await.assert_served();
    world.clock.advance(Duration::from_secs(31));
    world
        .server
        .rotate(world.server.signing_key().with_kid("renamed"));
    world.list_with(&world.token().mint()).await.assert_served();
    world.list_with(&signed_before).await.assert_served();
}

#[tokio::test]
async fn only_a_set_newer_than_the_token_shows_that_its_key_does_not_exist() {
    let world = World::new().await;
    world.list_with(&world.token().mint()).await.assert_served();
    world.clock.advance(Duration::from_secs(5));
    // The cooldown still runs, so the key may be new.
    let rotated = key();
    let token = world.token().signed_with(&rotated).mint();
    world
        .list_with(&token)
        .await
        .assert_unavailable("kid_undecided");
    world.server.rotate(rotated);
    world.clock.advance(Duration::from_secs(25));
    world.list_with(&token).await.assert_served();
    // A token from long before the last fetch, under a key that was not in it: there is nothing to wait for.
    let forged = world
        .token()
        .signed_with(&key())
        .claim("iat", 1_800_000_000 - 60)
        .mint();
    world
        .list_with(&forged)
        .await
        .assert_invalid_token("kid_unknown");
    assert_eq!(world.server.hits(Endpoint::Jwks), 2);
}

#[tokio::test]
async fn a_token_that_is_expired_by_its_claims_is_rejected_even_if_its_key_is_unknown() {
    let world = World::new().await;
    world.list_with(&world.token().mint()).await.assert_served();
    world.clock.advance(Duration::from_secs(5));
    let of_unknown_key = |seconds| {
        world
            .token()
            .header("kid", "unknown")
            .expires_in(seconds)
            .mint()
    };
    world
        .list_with(&of_unknown_key(300))
        .await
        .assert_unavailable("kid_undecided");
    world
        .list_with(&of_unknown_key(-59))
        .await
        .assert_unavailable("kid_undecided");
    world
        .list_with(&of_unknown_key(-60))
        .await
        .assert_invalid_token("expired");
    // Its client should have another one by the time that the issuer is back.
    world.server.fail(Endpoint::Jwks, Some(Fault::Status(500)));
    world.clock.advance(Duration::from_secs(7 * 60 * 60));
    world
        .list_with(&world.token().expires_in(-60).mint())
        .await
        .assert_invalid_token("expired");
    world
        .list_with(&world.token().mint())
        .await
        .assert_unavailable("jwks_unavailable");
}

#[tokio::test]
async fn a_flood_of_unknown_keys_causes_one_fetch_per_cooldown() {
    let world = World::new().await;
    world.list_with(&world.token().mint()).await.assert_served();
    for _ in 0..200 {
        world.clock.advance(Duration::from_millis(100));
        let forged = world.token().header("kid", json!("unknown")).mint();
        let answer = world.list_with(&forged).await;
        assert!(
            matches!(answer.status.as_u16(), 401 | 503),
            "{}",
            answer.status
        );
    }
    assert_eq!(world.server.hits(Endpoint::Jwks), 1);
}

#[tokio::test]
async fn a_set_is_refreshed_in_the_background_before_its_time_is_up() {
    let world = World::new().await;
    world.server.jwks_cache_control(Some("max-age=100"));
    let long = world.token().expires_in(100_000).mint();
    world.list_with(&long).await.assert_served();
    world.clock.advance(Duration::from_secs(79));
    world.list_with(&long).await.assert_served();
    assert_eq!(world.server.hits(Endpoint::Jwks), 1);
    world.clock.advance(Duration::from_secs(1));
    world.list_with(&long).await.assert_served();
    settle(&world, 2).await;
}

#[tokio::test]
async fn lifetimes_are_clamped_from_both_sides() {
    let world = World::new().await;
    world.server.jwks_cache_control(Some("no-store"));
    let long = world.token().expires_in(1_000_000).mint();
    world.list_with(&long).await.assert_served();
    world.clock.advance(Duration::from_secs(47));
    world.list_with(&long).await.assert_served();
    assert_eq!(world.server.hits(Endpoint::Jwks), 1);

    let world = World::new().await;
    world.server.jwks_cache_control(Some("max-age=31536000"));
    let long = world.token().expires_in(1_000_000).mint();
    world.list_with(&long).await.assert_served();
    world.clock.advance(Duration::from_secs(24 * 3600));
    world.list_with(&long).await.assert_served();
    settle(&world, 2).await;
}

#[tokio::test]
async fn through_an_outage_the_last_good_set_serves_on_and_then_it_is_503_for_remembered_tokens_too()
 {
    let world = World::with(|builder, server| {
        let limits = Limits::default()
            .jwks_stale_seconds(3600)
            .verified_seconds(1_000_000);
        builder
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
            .limits(limits)
    })
    .await;
    let remembered = world.token().expires_in(1_000_000).mint();
    world.list_with(&remembered).await.assert_served();
    world.server.fail(Endpoint::Jwks, Some(Fault::Status(503)));
    for _ in 0..11 {
        world.clock.advance(Duration::from_secs(5 * 60));
        world.list_with(&remembered).await.assert_served();
        world.list_with(&world.token().mint()).await.assert_served();
    }
    world.clock.advance(Duration::from_secs(5 * 60));
    world
        .list_with(&remembered)
        .await
        .assert_unavailable("jwks_unavailable");
    world
        .list_with(&world.token().mint())
        .await
        .assert_unavailable("jwks_unavailable");
    world.server.fail(Endpoint::Jwks, None);
    world.clock.advance(Duration::from_secs(31));
    world.list_with(&world.token().mint()).await.assert_served();
    world.list_with(&remembered).await.assert_served();
}

#[tokio::test]
async fn first_requests_that_come_together_share_one_fetch() {
    let world = World::new().await;
    world.server.fail(
        Endpoint::Jwks,
        Some(Fault::Delay(Duration::from_millis(50))),
    );
    let token = world.token().mint();
    let requests = (0..100).map(|_| world.list_with(&token));
    for answer in futures_util::future::join_all(requests).await {
        answer.assert_served();
    }
    assert_eq!(
        (
            world.server.hits(Endpoint::Rfc8414),
            world.server.hits(Endpoint::Jwks)
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_caller_who_hangs_up_during_a_fetch_cancels_no_other_request() {
    let world = World::new().await;
    world.server.fail(
        Endpoint::Jwks,
        Some(Fault::Delay(Duration::from_millis(50))),
    );
    let token = world.token().mint();
    {
        let hasty = world.list_with(&token);
        tokio::pin!(hasty);
        assert!(futures_util::poll!(&mut hasty).is_pending());
        settle_discovery(&world).await;
    }
    world.list_with(&token).await.assert_served();
    assert_eq!(world.server.hits(Endpoint::Jwks), 1);
}

/// Waits until the fetch of a request that was only polled once is on its way.
async fn settle_discovery(world: &World) {
    while world.server.hits(Endpoint::Rfc8414) == 0 {
        tokio::task::yield_now().await;
    }
}
