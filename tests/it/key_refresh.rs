//! A refresh of the keys: withdrawn keys, a moved key set, and the age of a set that came from a cache.

use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use toolgate::testing::{Algorithm, AuthorizationServer, Endpoint, Fault, SigningKey};
use toolgate::{Issuer, ScopeMap};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use crate::world::{PATIENCE, World, until};

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256)
}

/// Four fifths of the default lifetime.
const REFRESH: Duration = Duration::from_secs(480);

#[tokio::test]
async fn a_key_taken_back_dies_within_one_refresh_and_those_that_stay_keep_what_they_proved() {
    let world = World::with(|builder, server| {
        let limits = toolgate::Limits::default().verified_seconds(10_000);
        builder
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
            .limits(limits)
    })
    .await;
    let (taken_back, stays) = (world.server.signing_key(), key());
    world.server.publish(vec![taken_back.jwk(), stays.jwk()]);
    let doomed = world.token().expires_in(10_000).mint();
    let lasting = world.token().expires_in(10_000).signed_with(&stays).mint();
    for token in [&doomed, &lasting] {
        world.list_with(token).await.assert_served();
    }

    // Under another name, so that only memory can tell whose the old token is.
    world.server.publish(vec![stays.with_kid("renamed").jwk()]);
    world.clock.advance(REFRESH - Duration::from_secs(1));
    world.list_with(&doomed).await.assert_served();
    assert_eq!(world.server.hits(Endpoint::Jwks), 1, "it is not known yet");

    world.clock.advance(Duration::from_secs(1));
    let started = std::time::Instant::now();
    let last = loop {
        let answer = world.list_with(&doomed).await;
        if answer.status != http::StatusCode::OK {
            break answer;
        }
        assert!(started.elapsed() < PATIENCE, "the token outlives its key");
        tokio::task::yield_now().await;
    };
    last.assert_invalid_token("kid_unknown");
    world.list_with(&lasting).await.assert_served();
    assert_eq!(world.server.hits(Endpoint::Jwks), 2);
}

#[tokio::test]
async fn an_issuer_may_move_its_keys_and_the_old_place_is_not_asked_again() {
    let world = World::new().await;
    let elsewhere = AuthorizationServer::start().await;
    world.list_with(&world.token().mint()).await.assert_served();
    let moved =
        json!({ "issuer": world.server.issuer(), "jwks_uri": elsewhere.url(Endpoint::Jwks) });
    world.server.fail(
        Endpoint::Rfc8414,
        Some(Fault::Body(moved.to_string().into())),
    );

    world.clock.advance(REFRESH);
    world.list_with(&world.token().mint()).await.assert_served();
    until(|| elsewhere.hits(Endpoint::Jwks) == 1).await;
    // Whether that fetch has landed by now does not matter: the cooldown is over.
    world.clock.advance(Duration::from_secs(31));
    let token = world.token().signed_with(&elsewhere.signing_key()).mint();
    world.list_with(&token).await.assert_served();
    world
        .list_with(&world.token().mint())
        .await
        .assert_invalid_token("kid_unknown");
    assert_eq!(world.server.hits(Endpoint::Jwks), 1);
}

#[tokio::test]
async fn for_an_unknown_key_a_set_from_a_cache_is_as_old_as_the_cache_says() {
    for (headers, code) in [
        (&[][..], "kid_unknown"),
        (&[("age", "100")], "kid_undecided"),
        (
            &[("age", "100"), ("cache-control", "max-age=600")],
            "kid_undecided",
        ),
        // Younger than the token by more than clocks may differ.
        (&[("age", "20")], "kid_unknown"),
    ] {
        let (world, _keys) = cached(headers).await;
        world.list_with(&world.token().mint()).await.assert_served();
        let forged = world.token().signed_with(&key());
        let answer = world
            .list_with(&forged.clone().claim("iat", NOW - 85).mint())
            .await;
        if code == "kid_undecided" {
            answer.assert_unavailable(code);
        } else {
            answer.assert_invalid_token(code);
        }
        world
            .list_with(&forged.claim("iat", NOW - 200).mint())
            .await
            .assert_invalid_token("kid_unknown");
    }
}

#[tokio::test]
async fn a_set_from_a_cache_has_only_the_rest_of_its_life_and_an_expiry_date_is_kept_too() {
    for (headers, lifetime) in [
        (&[("cache-control", "max-age=1000")][..], 1000),
        (&[("cache-control", "max-age=1000"), ("age", "500")], 500),
        (&[("expires", "Fri, 15 Jan 2027 08:05:00 GMT")], 300),
        (
            &[
                ("expires", "Fri, 15 Jan 2027 08:05:00 GMT"),
                ("cache-control", "max-age=1000"),
            ],
            1000,
        ),
        (&[("expires", "0")], 60),
        (&[("cache-control", "max-age=1000"), ("age", "5000")], 60),
    ] {
        let (world, keys) = cached(headers).await;
        let token = world.token().expires_in(10_000).mint();
        world.list_with(&token).await.assert_served();
        world
            .clock
            .advance(Duration::from_secs(lifetime * 4 / 5 - 1));
        world.list_with(&token).await.assert_served();
        assert_eq!(fetches(&keys).await, 1, "{headers:?}: before its time");
        world.clock.advance(Duration::from_secs(1));
        world.list_with(&token).await.assert_served();
        let started = std::time::Instant::now();
        while fetches(&keys).await < 2 {
            assert!(started.elapsed() < PATIENCE, "{headers:?}: not refreshed");
            tokio::task::yield_now().await;
        }
    }
}

const NOW: i64 = 1_800_000_000;

/// A world whose key set comes with these headers.
async fn cached(headers: &[(&'static str, &'static str)]) -> (World, MockServer) {
    let keys = MockServer::start().await;
    let world = World::with(|builder, server| {
        let issuer = Issuer::new(server.issuer()).jwks_uri(format!("{}/jwks", keys.uri()));
        builder.issuer(issuer).scopes(ScopeMap::allow_unlisted())
    })
    .await;
    let answer = ResponseTemplate::new(200).set_body_json(world.server.jwks());
    let answer = headers.iter().fold(answer, |answer, (name, value)| {
        answer.insert_header(*name, *value)
    });
    Mock::given(matchers::path("/jwks"))
        .respond_with(answer)
        .mount(&keys)
        .await;
    (world, keys)
}

async fn fetches(keys: &MockServer) -> usize {
    keys.received_requests().await.expect("recorded").len()
}

#[tokio::test]
async fn a_late_reader_does_not_mistake_a_newer_set_for_one_from_the_future() {
    let world = World::new().await;
    let token = world.token().mint();
    let mut late = std::pin::pin!(world.list_with(&token));
    assert!(futures_util::poll!(&mut late).is_pending());
    world.list_with(&world.token().mint()).await.assert_served();
    world.clock.advance(Duration::from_secs(31));
    world
        .list_with(&world.token().signed_with(&key()).mint())
        .await
        .assert_invalid_token("kid_unknown");
    assert_eq!(world.server.hits(Endpoint::Jwks), 2);

    late.await.assert_served();
    let served = world.list_with(&world.token().mint()).now_or_never();
    served.expect("the set is as new as can be").assert_served();
    assert_eq!(world.server.hits(Endpoint::Jwks), 2);
}
