//! `warm_up` and `health`: the state of the gate at start-up and in probes.

use std::time::Duration;

use futures_util::FutureExt;
use toolgate::testing::{AuthorizationServer, Endpoint, Fault};
use toolgate::{Issuer, IssuerHealth, Limits, ScopeMap};

use crate::world::{World, pass, until};

fn of<'a>(report: &'a [IssuerHealth], server: &AuthorizationServer) -> &'a IssuerHealth {
    report
        .iter()
        .find(|health| health.issuer() == server.issuer())
        .expect("it is trusted")
}

#[tokio::test]
async fn warm_up_fetches_the_keys_once_and_the_first_request_does_not() {
    let world = World::new().await;
    let report = world.gate.warm_up().await;
    assert!(of(&report, &world.server).is_serving());
    assert!(of(&report, &world.server).problem().is_none());
    world.gate.warm_up().await;
    world.list_with(&world.token().mint()).await.assert_served();
    assert_eq!(
        (
            world.server.hits(Endpoint::Rfc8414),
            world.server.hits(Endpoint::Jwks)
        ),
        (1, 1)
    );
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
    let url = world.server.url(Endpoint::Jwks);
    assert_eq!(
        (problem.to_string().as_str(), source),
        (
            "its key set could not be fetched",
            format!("{url}: the server answered 500")
        )
    );
    assert!(up.problem().is_none());
}

#[tokio::test]
async fn issuers_are_warmed_up_all_at_once_and_for_no_longer_than_a_request_would_wait() {
    let hanging = async || {
        let server = AuthorizationServer::builder()
            .issuer_path("/tenant")
            .start()
            .await;
        for form in [
            Endpoint::Rfc8414,
            Endpoint::OidcInserted,
            Endpoint::OidcAppended,
        ] {
            server.fail(form, Some(Fault::Hang));
        }
        server
    };
    let (first, second) = (hanging().await, hanging().await);
    let world = World::with(|builder, server| {
        let builder = builder
            .issuer(first.issuer())
            .issuer(second.issuer())
            .issuer(server.issuer());
        builder.scopes(ScopeMap::allow_unlisted())
    })
    .await;
    let mut warming = std::pin::pin!(world.gate.warm_up());
    assert!(futures_util::poll!(&mut warming).is_pending());
    until(|| world.server.hits(Endpoint::Jwks) == 1).await;
    until(|| first.hits(Endpoint::Rfc8414) == 1 && second.hits(Endpoint::Rfc8414) == 1).await;
    pass(Duration::from_secs(10)).await;
    let report = warming.now_or_never().expect("ten seconds are over");
    assert!(!of(&report, &first).is_serving() && !of(&report, &second).is_serving());
}

#[tokio::test]
async fn asking_for_health_starts_nothing() {
    let world = World::new().await;
    let ask = || {
        let tasks = || {
            tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks()
        };
        let before = tasks();
        let report = world.gate.health();
        assert_eq!(tasks(), before, "a fetch would be a task of its own");
        report
    };
    assert!(!of(&ask(), &world.server).is_serving());
    assert!(of(&ask(), &world.server).problem().is_none());
    world.list_with(&world.token().mint()).await.assert_served();
    assert!(of(&ask(), &world.server).is_serving());
    world.clock.advance(Duration::from_secs(500));
    assert!(of(&ask(), &world.server).is_serving());
}

#[tokio::test]
async fn a_probe_that_warms_up_does_not_wait_for_newer_keys_where_tokens_do_not() {
    let world = World::new().await;
    world.gate.warm_up().await;
    world.server.fail(Endpoint::Jwks, Some(Fault::Hang));
    world.clock.advance(Duration::from_secs(500));
    let report = world
        .gate
        .warm_up()
        .now_or_never()
        .expect("it waits for nothing");
    assert!(of(&report, &world.server).is_serving());
    until(|| world.server.hits(Endpoint::Jwks) == 2).await;
}

#[tokio::test]
async fn frequent_probes_cause_few_fetches() {
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
async fn in_an_outage_an_issuer_has_a_problem_and_serves_until_its_keys_are_too_old() {
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
async fn outside_of_a_runtime_nothing_is_fetched_nothing_panics_and_the_report_says_why() {
    let world = World::new().await;
    let gate = world.gate.clone();
    let ask = move || {
        std::thread::spawn(move || gate.warm_up().now_or_never())
            .join()
            .expect("no panic")
    };
    let report = ask.clone()().expect("there is nothing to wait for");
    let problem = of(&report, &world.server)
        .problem()
        .expect("what is missing")
        .to_string();
    assert_eq!(problem, "there is no Tokio runtime here to fetch on");

    // Nor while a fetch is under way elsewhere.
    world.server.fail(Endpoint::Jwks, Some(Fault::Hang));
    let token = world.token().mint();
    let mut waiting = std::pin::pin!(world.list_with(&token));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    assert!(ask().is_some());
}

/// Begins a fetch on a runtime that does not run, and returns the runtime.
fn fetch_on_an_idle_runtime(world: &World) -> tokio::runtime::Runtime {
    let idle = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (gate, handle) = (world.gate.clone(), idle.handle().clone());
    std::thread::spawn(move || {
        let _context = handle.enter();
        assert!(gate.warm_up().now_or_never().is_none());
    })
    .join()
    .unwrap();
    idle
}

#[tokio::test]
async fn a_fetch_on_a_runtime_that_does_not_run_is_given_up_and_does_not_come_back() {
    let world = World::new().await;
    let idle = fetch_on_an_idle_runtime(&world);
    pass(Duration::from_secs(30)).await;
    world.list_with(&world.token().mint()).await.assert_served();
    assert_eq!(world.server.hits(Endpoint::Jwks), 1);

    // It lands at last, as a failure, and takes nothing back.
    tokio::task::spawn_blocking(move || drop(idle))
        .await
        .unwrap();
    assert!(of(&world.gate.health(), &world.server).problem().is_none());
    world.list_with(&world.token().mint()).await.assert_served();
}

#[tokio::test]
async fn a_fetch_that_was_given_up_does_not_end_the_one_that_came_after_it() {
    let world = World::new().await;
    let idle = fetch_on_an_idle_runtime(&world);
    pass(Duration::from_secs(30)).await;
    world.server.fail(Endpoint::Jwks, Some(Fault::Hang));
    let token = world.token().mint();
    let mut waiting = std::pin::pin!(world.list_with(&token));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    until(|| world.server.hits(Endpoint::Jwks) == 1).await;

    tokio::task::spawn_blocking(move || drop(idle))
        .await
        .unwrap();
    assert!(of(&world.gate.health(), &world.server).problem().is_none());
    assert!(futures_util::poll!(&mut waiting).is_pending());
}
