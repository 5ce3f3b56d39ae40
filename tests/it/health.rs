//! What a gate says of itself to whoever starts it and whoever probes it.

use std::time::Duration;

use toolgate::testing::{AuthorizationServer, Endpoint, Fault};
use toolgate::{Issuer, IssuerHealth, Limits, ScopeMap};

use crate::world::{World, until};

fn of<'a>(report: &'a [IssuerHealth], server: &AuthorizationServer) -> &'a IssuerHealth {
    report.iter().find(|health| health.issuer() == server.issuer()).expect("it is trusted")
}

#[tokio::test]
async fn whoever_warms_up_fetches_the_keys_once_and_the_first_request_none() {
    let world = World::new().await;
    let report = world.gate.warm_up().await;
    assert!(of(&report, &world.server).is_serving());
    assert!(of(&report, &world.server).problem().is_none());
    world.gate.warm_up().await;
    world.list_with(&world.token().mint()).await.assert_served();
    assert_eq!((world.server.hits(Endpoint::Rfc8414), world.server.hits(Endpoint::Jwks)), (1, 1));
}

#[tokio::test]
async fn one_issuer_that_is_down_is_reported_and_does_not_keep_the_others_from_serving() {
    let (world, neighbour) = World::with_neighbour(Limits::default()).await;
    world.server.fail(Endpoint::Jwks, Some(Fault::Status(500)));
    let report = world.gate.warm_up().await;
    let (down, up) = (of(&report, &world.server), of(&report, &neighbour));
    assert!(!down.is_serving() && up.is_serving());
    let problem = down.problem().expect("why it is down");
    let source = problem.source().expect("what exactly failed").to_string();
    assert_eq!(
        (problem.to_string().as_str(), source.as_str()),
        ("its key set could not be fetched", "the server answered 500")
    );
    assert!(up.problem().is_none());
}

#[tokio::test]
async fn issuers_are_warmed_up_all_at_once_and_none_for_longer_than_a_request_would_wait() {
    let (world, neighbour) = World::with_neighbour(Limits::default()).await;
    for form in [Endpoint::Rfc8414, Endpoint::OidcInserted, Endpoint::OidcAppended] {
        world.server.fail(form, Some(Fault::Hang));
    }
    let mut warming = std::pin::pin!(world.gate.warm_up());
    assert!(futures_util::poll!(&mut warming).is_pending());
    until(|| of(&world.gate.health(), &neighbour).is_serving()).await;
    crate::world::pass(Duration::from_secs(10)).await;
    let report = warming.await;
    assert!(!of(&report, &world.server).is_serving());
}

#[tokio::test]
async fn a_server_without_traffic_becomes_ready_by_being_asked() {
    let world = World::new().await;
    assert!(!of(&world.gate.health(), &world.server).is_serving());
    until(|| of(&world.gate.health(), &world.server).is_serving()).await;
    assert_eq!(world.server.hits(Endpoint::Jwks), 1);
}

#[tokio::test]
async fn asking_over_and_over_makes_no_hammer_of_the_probe() {
    let world = World::new().await;
    world.server.fail(Endpoint::Jwks, Some(Fault::Reset));
    for _ in 0..50 {
        world.gate.warm_up().await;
        world.gate.health();
    }
    assert_eq!(world.server.hits(Endpoint::Jwks), 1);
    world.server.fail(Endpoint::Jwks, None);
    world.clock.advance(Duration::from_secs(1));
    assert!(of(&world.gate.warm_up().await, &world.server).is_serving());
}

#[tokio::test]
async fn through_an_outage_an_issuer_has_a_problem_and_serves_until_its_keys_are_too_old() {
    let world = World::new().await;
    world.gate.warm_up().await;
    world.server.fail(Endpoint::Jwks, Some(Fault::Status(503)));
    world.clock.advance(Duration::from_secs(601));
    let report = world.gate.warm_up().await;
    assert!(of(&report, &world.server).is_serving());
    assert!(of(&report, &world.server).problem().is_some());
    world.clock.advance(Duration::from_secs(6 * 3600));
    assert!(!of(&world.gate.health(), &world.server).is_serving());
    world.server.fail(Endpoint::Jwks, None);
    let report = world.gate.warm_up().await;
    assert!(of(&report, &world.server).is_serving());
    assert!(of(&report, &world.server).problem().is_none());
}

#[tokio::test]
async fn keys_given_once_and_for_all_always_serve() {
    let world = World::with(|builder, server| {
        let issuer = Issuer::new(server.issuer()).jwks(server.jwks().to_string());
        builder.issuer(issuer).scopes(ScopeMap::allow_unlisted())
    })
    .await;
    world.clock.advance(Duration::from_secs(1_000_000));
    assert!(of(&world.gate.warm_up().await, &world.server).is_serving());
    assert_eq!(world.server.hits(Endpoint::Jwks), 0);
}

#[tokio::test]
async fn a_probe_may_ask_from_a_thread_that_knows_no_runtime() {
    let world = World::new().await;
    let gate = world.gate.clone();
    let asked = std::thread::spawn(move || gate.health()).join().expect("no panic");
    assert!(!of(&asked, &world.server).is_serving());
}
