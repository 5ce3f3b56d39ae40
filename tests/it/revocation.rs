//! Tokens refused because the server itself says so, whatever their signature or their issuer says.

use std::pin::pin;
use std::time::Duration;

use futures_util::{FutureExt, poll};
use serde_json::json;
use toolgate::testing::{Endpoint, Fault};
use toolgate::{Revocation, RevocationError, ScopeMap, Toolgate};

use crate::introspection::{asked, asking};
use crate::logs::listen;
use crate::world::{RESOURCE, World, until};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_and_cannot_simply_be_verified_again() {
    let world = World::new().await;
    let token = world.token().claim("jti", "stolen").expires_in(3600).mint();
    let other = world.token().mint();
    for token in [&token, &other] {
        world.list_with(token).await.assert_served();
    }
    world
        .gate
        .revoke(Revocation::token(world.server.issuer(), "stolen"), HOUR)
        .await
        .unwrap();
    for _ in 0..3 {
        world
            .list_with(&token)
            .await
            .assert_invalid_token("revoked");
    }
    world.list_with(&other).await.assert_served();
    // The same token id in another token of the issuer.
    world
        .list_with(&world.token().claim("jti", "stolen").mint())
        .await
        .assert_invalid_token("revoked");
}

#[tokio::test]
async fn a_revocation_is_in_force_once_its_future_was_polled_even_if_it_is_then_dropped() {
    let world = World::new().await;
    let token = world.token().mint();
    let revoking = || {
        let alice = Revocation::subject(world.server.issuer(), "alice");
        world.gate.revoke(alice, HOUR)
    };
    drop(revoking());
    world.list_with(&token).await.assert_served();
    {
        let _ = poll!(pin!(revoking()));
    }
    world
        .list_with(&token)
        .await
        .assert_invalid_token("revoked");
}

#[test]
fn a_gate_without_replicas_revokes_without_a_runtime() {
    let gate = Toolgate::builder(RESOURCE)
        .issuer("https://auth.example.com")
        .scopes(ScopeMap::allow_unlisted())
        .build()
        .unwrap();
    let alice = Revocation::subject("https://auth.example.com", "alice");
    assert_eq!(gate.revoke(alice, HOUR).now_or_never(), Some(Ok(())));
}

#[tokio::test]
async fn revoking_a_subject_or_a_client_concerns_what_was_issued_until_then() {
    type Of = fn(&str) -> Revocation;
    let cases: [(Of, &str, &str); 2] = [
        (|issuer| Revocation::subject(issuer, "alice"), "sub", "bob"),
        (
            |issuer| Revocation::client(issuer, "test-client"),
            "client_id",
            "another",
        ),
    ];
    for (revocation, claim, other) in cases {
        let world = World::new().await;
        let (remembered, new) = (world.token().mint(), world.token().mint());
        let others = world.token().claim(claim, other).mint();
        for token in [&remembered, &others] {
            world.list_with(token).await.assert_served();
        }
        world
            .gate
            .revoke(revocation(world.server.issuer()), HOUR)
            .await
            .unwrap();
        for token in [&remembered, &new, &world.token().without("iat").mint()] {
            world.list_with(token).await.assert_invalid_token("revoked");
        }
        world.list_with(&others).await.assert_served();
        // Clocks differ: within a minute, the order is unknown.
        world.clock.advance(Duration::from_secs(60));
        world
            .list_with(&world.token().mint())
            .await
            .assert_invalid_token("revoked");
        world.clock.advance(Duration::from_secs(1));
        world.list_with(&world.token().mint()).await.assert_served();
        world
            .list_with(&world.token().claim("iat", 1_800_000_060).mint())
            .await
            .assert_invalid_token("revoked");
    }
}

#[tokio::test]
async fn a_revocation_is_of_one_issuer_and_kind_alone() {
    let (world, neighbour) = World::with_neighbour(toolgate::Limits::default()).await;
    let issuer = world.server.issuer();
    for revocation in [
        Revocation::subject(neighbour.issuer(), "alice"),
        Revocation::client(issuer, "alice"),
        Revocation::subject(issuer, "test-client"),
        Revocation::token(issuer, "alice"),
        Revocation::subject(issuer, "Alice"),
    ] {
        world.gate.revoke(revocation, HOUR).await.unwrap();
    }
    world.list_with(&world.token().mint()).await.assert_served();
    for unknown in ["https://other.example.com".to_owned(), format!("{issuer}/")] {
        let refused = world
            .gate
            .revoke(Revocation::subject(&*unknown, "alice"), HOUR)
            .await;
        assert_eq!(refused, Err(RevocationError::UnknownIssuer(unknown)));
    }
}

#[tokio::test]
async fn a_revocation_lasts_as_long_as_requested_and_is_never_shortened() {
    let world = World::new().await;
    let token = world.token().claim("jti", "j").expires_in(7200).mint();
    let revocation = || Revocation::token(world.server.issuer(), "j");
    world.gate.revoke(revocation(), HOUR).await.unwrap();
    world
        .gate
        .revoke(revocation(), Duration::from_secs(1))
        .await
        .unwrap();
    world.clock.advance(HOUR - Duration::from_secs(1));
    world
        .list_with(&token)
        .await
        .assert_invalid_token("revoked");
    world.clock.advance(Duration::from_secs(1));
    world.list_with(&token).await.assert_served();
}

#[tokio::test]
async fn an_opaque_token_is_revoked_by_its_name_in_the_log_and_not_introspected_again() {
    let (log, _guard) = listen();
    let world = asking().await;
    world.server.introspect_as(
        "opaque",
        json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use" }),
    );
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
        .list_with("opaque")
        .await
        .assert_invalid_token("revoked");
    let event = log.decision();
    assert_eq!(
        (&event["level"], &event["fields"]["reason"]),
        (&json!("WARN"), &json!("revoked"))
    );
}

#[tokio::test]
async fn an_answer_under_way_does_not_bring_a_revoked_token_back() {
    let world = asking().await;
    world.gate.warm_up().await;
    world.server.fail(
        Endpoint::Introspect,
        Some(Fault::Delay(Duration::from_millis(50))),
    );
    let token = world.server.mint_opaque(&world.token());
    let mut waiting = pin!(world.list_with(&token));
    assert!(poll!(&mut waiting).is_pending());
    until(|| asked(&world) == 1).await;
    world
        .gate
        .revoke(Revocation::subject(world.server.issuer(), "alice"), HOUR)
        .await
        .unwrap();
    waiting.await.assert_invalid_token("revoked");
    world
        .list_with(&token)
        .await
        .assert_invalid_token("revoked");
}

#[tokio::test]
async fn a_full_store_of_revocations_is_an_error_and_ended_ones_make_room() {
    let world = World::new().await;
    let issuer = world.server.issuer().to_owned();
    let revoke = |name: &str, life| world.gate.revoke(Revocation::token(&*issuer, name), life);
    let mut taken = 0;
    let full = loop {
        match revoke(&taken.to_string(), if taken < 10 { HOUR / 2 } else { HOUR }).await {
            Ok(()) => taken += 1,
            Err(why) => break why,
        }
    };
    assert_eq!((taken, &full), (100_000, &RevocationError::Full));
    assert!(full.to_string().contains("100000"), "{full}");
    revoke("5", HOUR).await.expect("it is remembered already");
    world
        .list_with(&world.token().claim("jti", "99999").mint())
        .await
        .assert_invalid_token("revoked");
    world.list_with(&world.token().mint()).await.assert_served();
    world.clock.advance(HOUR / 2);
    for number in 0..9 {
        revoke(&format!("new {number}"), HOUR)
            .await
            .expect("nine were over");
    }
    assert_eq!(revoke("one more", HOUR).await, Err(RevocationError::Full));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn once_revoke_has_returned_nothing_passes_however_many_ask_meanwhile() {
    let world = std::sync::Arc::new(World::new().await);
    for round in 0..50 {
        let token = world.token().claim("jti", round.to_string()).mint();
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (world, token) = (world.clone(), token.clone());
            requests.spawn(async move {
                for _ in 0..20 {
                    world.list_with(&token).await;
                }
            });
        }
        tokio::task::yield_now().await;
        let (gate, issuer) = (world.gate.clone(), world.server.issuer().to_owned());
        let revoking = async move {
            gate.revoke(Revocation::token(issuer, round.to_string()), HOUR)
                .await
        };
        tokio::spawn(revoking).await.unwrap().unwrap();
        world
            .list_with(&token)
            .await
            .assert_invalid_token("revoked");
        requests.join_all().await;
        world
            .list_with(&token)
            .await
            .assert_invalid_token("revoked");
    }
}
