//! Many questions at once: what they may cost the issuer, and each other.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::poll;
use serde_json::json;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use toolgate::Introspection;
use toolgate::testing::{AuthorizationServer, Endpoint, Fault};

use crate::introspection::{asked, asking, asking_as};
use crate::world::{Answer, PATIENCE, RESOURCE, World, pass, until};

// The limits of one issuer: introspections at once, those of them for tokens that were not good lately, and waiters.
const MAX_AT_ONCE: usize = 64;
const MAX_OF_STRANGERS: usize = 32;
const MAX_WAITING: usize = 256;

async fn all_at_once(world: &Arc<World>, tokens: impl IntoIterator<Item = String>) -> Vec<Answer> {
    let mut requests = JoinSet::new();
    for token in tokens {
        let world = world.clone();
        requests.spawn(async move { world.list_with(&token).await });
    }
    requests.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_requests_with_one_new_token_ask_once() {
    for fault in [None, Some(Fault::Delay(Duration::from_millis(50)))] {
        for every_token in [false, true] {
            let configure = if every_token {
                Introspection::every_token
            } else {
                std::convert::identity
            };
            let world = Arc::new(asking_as(configure).await);
            world.server.fail(Endpoint::Introspect, fault.clone());
            let token = match every_token {
                true => world.token().mint(),
                false => world.server.mint_opaque(&world.token()),
            };
            for answer in all_at_once(&world, vec![token; 500]).await {
                answer.assert_served();
            }
            assert_eq!(asked(&world), 1, "{fault:?}");
            assert_eq!(
                world.server.hits(Endpoint::Rfc8414),
                if every_token { 2 } else { 1 }
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bad_tokens_are_introspected_once_and_displace_no_good_one() {
    let world = Arc::new(asking().await);
    let good: Vec<_> = (0..50)
        .map(|_| world.server.mint_opaque(&world.token()))
        .collect();
    for answer in all_at_once(&world, good.clone()).await {
        answer.assert_served();
    }
    assert_eq!(asked(&world), 50);
    for hundred in 0..100 {
        let garbage = (0..100).map(|number| format!("garbage-{hundred}-{number}"));
        for answer in all_at_once(&world, garbage).await {
            answer.assert_invalid_token("inactive");
        }
    }
    assert_eq!(asked(&world), 10_050);
    for answer in all_at_once(&world, good).await {
        answer.assert_served();
    }
    assert_eq!(asked(&world), 10_050, "no good token is introspected again");
    for answer in all_at_once(&world, vec!["more-garbage".to_owned(); 100]).await {
        answer.assert_invalid_token("inactive");
    }
    assert_eq!(asked(&world), 10_051);
}

#[tokio::test]
async fn no_more_than_thirty_two_unknown_tokens_are_introspected_at_once_and_the_others_wait_their_turn()
 {
    let world = Arc::new(asking().await);
    world.gate.warm_up().await;
    world.server.fail(Endpoint::Introspect, Some(Fault::Hang));
    let mut requests = JoinSet::new();
    let tokens: Vec<_> = (0..100)
        .map(|_| world.server.mint_opaque(&world.token()))
        .collect();
    for token in tokens.clone() {
        let world = world.clone();
        requests.spawn(async move { world.list_with(&token).await });
    }
    asks_for_no_more_than(&world, MAX_OF_STRANGERS).await;

    // Those under way are given up, and those who waited get their turn, with an answer.
    world.server.fail(Endpoint::Introspect, None);
    pass(Duration::from_secs(5)).await;
    let answers = requests.join_all().await;
    let mut codes = HashMap::new();
    answers
        .iter()
        .for_each(|answer| *codes.entry(answer.code).or_insert(0) += 1);
    let expected = [
        (None, 100 - MAX_OF_STRANGERS),
        (Some("introspection_unavailable"), MAX_OF_STRANGERS),
    ];
    assert_eq!(codes, HashMap::from(expected));
    for answer in all_at_once(&world, tokens).await {
        answer.assert_served();
    }
}

/// Lets everything go on that can, and holds how much was asked.
async fn asks_for_no_more_than(world: &World, asked_at_most: usize) {
    until(|| asked(world) >= asked_at_most).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(asked(world), asked_at_most);
}

#[tokio::test]
async fn all_of_the_room_is_for_tokens_that_were_good_lately_and_for_those_whose_signature_holds() {
    for every_token in [false, true] {
        let configure = if every_token {
            Introspection::every_token
        } else {
            std::convert::identity
        };
        let world = Arc::new(asking_as(configure).await);
        let mint = |_| match every_token {
            true => world.token().mint(),
            false => world.server.mint_opaque(&world.token()),
        };
        let tokens: Vec<_> = (0..100).map(mint).collect();
        if !every_token {
            for answer in all_at_once(&world, tokens.clone()).await {
                answer.assert_served();
            }
            world.clock.advance(Duration::from_secs(61));
        }
        let before = asked(&world);
        world.gate.warm_up().await;
        world.server.fail(Endpoint::Introspect, Some(Fault::Hang));
        let requests = tokens.into_iter().map(|token| {
            let world = world.clone();
            async move { world.list_with(&token).await }
        });
        let _requests: JoinSet<_> = requests.collect();
        asks_for_no_more_than(&world, before + MAX_AT_ONCE).await;
    }
}

#[tokio::test]
async fn strangers_do_not_keep_out_a_caller_whose_token_was_good_lately() {
    let world = Arc::new(asking().await);
    let token = world.server.mint_opaque(&world.token());
    world.list_with(&token).await.assert_served();
    world.clock.advance(Duration::from_secs(61));
    world.server.fail(
        Endpoint::Introspect,
        Some(Fault::Delay(Duration::from_millis(500))),
    );
    let flood = (0..1400).map(|number| {
        let world = world.clone();
        async move { world.list_with(&format!("garbage-{number}")).await }
    });
    let mut flood: JoinSet<_> = flood.collect();
    until(|| asked(&world) == 1 + MAX_OF_STRANGERS).await;
    let before = std::time::Instant::now();
    world.list_with(&token).await.assert_served();
    assert!(
        before.elapsed() < Duration::from_secs(4),
        "{:?}",
        before.elapsed()
    );

    // A request is refused at once if the queue is full.
    let mut refused = 0;
    while let Some(Ok(answer)) = flood.try_join_next() {
        if answer.code == Some("introspection_busy") {
            answer.assert_unavailable("introspection_busy");
            refused += 1;
        }
    }
    assert!(
        refused >= 1400 - 2 * MAX_OF_STRANGERS - MAX_WAITING,
        "{refused}"
    );
}

#[tokio::test]
async fn a_token_whose_caller_hangs_up_leaves_its_place_in_the_queue() {
    let world = Arc::new(asking().await);
    world.gate.warm_up().await;
    world.server.fail(Endpoint::Introspect, Some(Fault::Hang));
    let flood = |name: &'static str| -> JoinSet<Answer> {
        let requests = (0..MAX_OF_STRANGERS + MAX_WAITING).map(|number| {
            let world = world.clone();
            async move { world.list_with(&format!("{name}-{number}")).await }
        });
        requests.collect()
    };
    let first = flood("first");
    asks_for_no_more_than(&world, MAX_OF_STRANGERS).await;
    let mut late = pin!(world.list_with("late"));
    let refused = poll!(&mut late);
    assert!(
        refused.is_ready(),
        "there is no room, and no time to wait for it"
    );

    drop(first);
    tokio::task::yield_now().await;
    let mut later = pin!(world.list_with("later"));
    assert!(
        poll!(&mut later).is_pending(),
        "there is room to wait again"
    );
    world.server.fail(Endpoint::Introspect, None);
    pass(Duration::from_secs(5)).await;
    later.await.assert_invalid_token("inactive");
    assert_eq!(
        asked(&world),
        MAX_OF_STRANGERS + 1,
        "no caller waits for the others any more"
    );
}

#[tokio::test]
async fn a_request_that_waits_too_long_for_a_slot_gets_503() {
    let world = Arc::new(asking().await);
    world.gate.warm_up().await;
    world.server.fail(
        Endpoint::Introspect,
        Some(Fault::Slow(Duration::from_secs(1))),
    );
    let mut requests = JoinSet::new();
    for number in 0..MAX_OF_STRANGERS * 3 {
        let world = world.clone();
        requests.spawn(async move { world.list_with(&format!("opaque-{number}")).await });
    }
    until(|| asked(&world) == MAX_OF_STRANGERS).await;
    // Given up after 5 s, and so are those that came next; for the last there is no time left.
    pass(Duration::from_secs(5)).await;
    until(|| asked(&world) == 2 * MAX_OF_STRANGERS).await;
    pass(Duration::from_secs(5)).await;
    let answers = requests.join_all().await;
    let busy = answers
        .iter()
        .filter(|answer| answer.code == Some("introspection_busy"));
    assert!(
        busy.count() >= MAX_OF_STRANGERS,
        "{:?}",
        answers.iter().map(|answer| answer.code).collect::<Vec<_>>()
    );
    for answer in answers {
        let code = answer.code.expect("a refusal");
        answer.assert_unavailable(code);
    }
}

#[tokio::test]
async fn a_caller_who_hangs_up_cancels_nothing_that_others_wait_for() {
    let world = asking().await;
    world.gate.warm_up().await;
    world.server.fail(
        Endpoint::Introspect,
        Some(Fault::Delay(Duration::from_millis(50))),
    );
    let token = world.server.mint_opaque(&world.token());
    let mut waiting = pin!(world.list_with(&token));
    {
        let mut first = pin!(world.list_with(&token));
        assert!(poll!(&mut first).is_pending());
        assert!(poll!(&mut waiting).is_pending());
        until(|| asked(&world) == 1).await;
    }
    waiting.await.assert_served();
    assert_eq!(asked(&world), 1);

    // The response is cached even if no caller waits any more.
    let token = world.server.mint_opaque(&world.token());
    {
        let mut only = pin!(world.list_with(&token));
        assert!(poll!(&mut only).is_pending());
        until(|| asked(&world) == 2).await;
    }
    world.server.fail(Endpoint::Introspect, None);
    world.list_with(&token).await.assert_served();
    assert_eq!(asked(&world), 2);
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_given_up_in_time_and_delays_no_other_issuer() {
    for fault in [Fault::Hang, Fault::Slow(Duration::from_secs(1))] {
        let world = asking().await;
        world.gate.warm_up().await;
        world.server.fail(Endpoint::Introspect, Some(fault));
        let token = world.server.mint_opaque(&world.token());
        let mut stuck = pin!(world.list_with(&token));
        assert!(poll!(&mut stuck).is_pending());
        until(|| asked(&world) == 1).await;
        world.list_with(&world.token().mint()).await.assert_served();
        assert!(poll!(&mut stuck).is_pending());
        pass(Duration::from_secs(5)).await;
        stuck.await.assert_unavailable("introspection_unavailable");
        world.server.fail(Endpoint::Introspect, None);
        world.list_with(&token).await.assert_served();
    }
}

#[test]
fn an_introspection_on_a_runtime_that_is_shut_down_ends_and_another_can_begin() {
    let runtime = || {
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (servers, first, second) = (runtime(), runtime(), runtime());
    let world = servers.block_on(asking());
    let world = Arc::new(world);
    servers.block_on(world.gate.warm_up());
    world.server.fail(Endpoint::Introspect, Some(Fault::Hang));
    let token = world.server.mint_opaque(&world.token());
    let asking = first.spawn({
        let (world, token) = (world.clone(), token.clone());
        async move { world.list_with(&token).await }
    });
    servers.block_on(until(|| asked(&world) == 1));
    let waiting = second.spawn({
        let (world, token) = (world.clone(), token.clone());
        async move { world.list_with(&token).await }
    });
    servers.block_on(async {
        // The second joins the first one's question.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    });
    first.shutdown_timeout(PATIENCE);
    assert!(
        second.block_on(asking).is_err(),
        "cancelled with its runtime"
    );
    let waited = second.block_on(waiting).unwrap();
    if waited.code == Some("introspection_unavailable") {
        waited.assert_unavailable("introspection_unavailable");
    }
    world.server.fail(Endpoint::Introspect, None);
    second.block_on(world.list_with(&token)).assert_served();
}

#[test]
fn after_its_runtime_is_gone_a_request_is_refused_and_does_not_hang() {
    let runtime = || {
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (servers, gone) = (runtime(), runtime());
    let world = servers.block_on(asking());
    servers.block_on(world.gate.warm_up());
    let (opaque, unknown) = (
        world.server.mint_opaque(&world.token()),
        world.token().header("kid", "new").mint(),
    );
    let handle = gone.handle().clone();
    gone.shutdown_timeout(PATIENCE);
    let _entered = handle.enter();
    world.clock.advance(Duration::from_secs(31));
    for (token, code) in [
        (opaque, "introspection_unavailable"),
        (unknown, "kid_undecided"),
    ] {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let world = &world;
            let handle = handle.clone();
            scope.spawn(move || {
                let _entered = handle.enter();
                let answer = futures_util::FutureExt::now_or_never(world.list_with(&token));
                sender.send(answer.map(|answer| answer.code)).unwrap();
            });
            let answered = receiver
                .recv_timeout(Duration::from_secs(10))
                .expect("it does not hang");
            assert!(
                answered.is_none_or(|answered| answered == Some(code)),
                "{answered:?}"
            );
        });
    }
}

#[tokio::test]
async fn two_gates_with_one_issuer_share_no_response() {
    let server = AuthorizationServer::start().await;
    let gate = |resource: &str| {
        let issuer = toolgate::Issuer::new(server.issuer());
        let issuer = issuer.introspection(Introspection::basic("rs", "rs-secret"));
        let builder = toolgate::Toolgate::builder(resource).issuer(issuer);
        builder
            .scopes(toolgate::ScopeMap::allow_unlisted())
            .build()
            .unwrap()
    };
    let (mut own, mut other) = (asking().await, asking().await);
    own.gate = gate(RESOURCE);
    other.gate = gate("https://mcp.example.com/other");
    server.introspect_as("opaque", json!({ "active": true, "aud": RESOURCE }));
    own.list_with("opaque").await.assert_served();
    assert_eq!(
        other.list_with("opaque").await.code,
        Some("audience_mismatch")
    );
    own.list_with("opaque").await.assert_served();
}
