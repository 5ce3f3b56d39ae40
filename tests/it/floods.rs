//! Many requests at once, honest and forged: what they may cost the issuer, and each other.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;
use toolgate::testing::{Algorithm, Endpoint, Fault, SigningKey, TokenBuilder};

use crate::world::{Answer, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_thousand_unknown_keys_at_once_cost_the_issuer_one_fetch() {
    let world = Arc::new(World::new().await);
    world.list_with(&world.token().mint()).await.assert_served();
    world.clock.advance(Duration::from_secs(31));
    let forged = forgeries(&world.token(), 2000);
    for answer in all_at_once(&world, forged).await {
        assert_refused_or_undecided(&answer);
    }
    assert_eq!(
        world.server.hits(Endpoint::Jwks),
        2,
        "one for the honest token, one for all the others"
    );
    assert_eq!(world.server.hits(Endpoint::Rfc8414), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn unknown_keys_before_anything_is_known_cost_no_more_than_honest_tokens() {
    let world = Arc::new(World::new().await);
    let mut tokens = forgeries(&world.token(), 200);
    tokens.push(world.token().mint());
    let mut answers = all_at_once(&world, tokens).await;
    answers.pop().expect("an answer").assert_served();
    answers.iter().for_each(assert_refused_or_undecided);
    assert_eq!(world.server.hits(Endpoint::Jwks), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_first_requests_share_one_discovery_and_one_fetch() {
    let world = Arc::new(World::new().await);
    let slowly = Fault::Delay(Duration::from_millis(50));
    world.server.fail(Endpoint::Rfc8414, Some(slowly.clone()));
    world.server.fail(Endpoint::Jwks, Some(slowly));
    let tokens = (0..500).map(|_| world.token().mint()).collect();
    for answer in all_at_once(&world, tokens).await {
        answer.assert_served();
    }
    assert_eq!(
        (
            world.server.hits(Endpoint::Rfc8414),
            world.server.hits(Endpoint::Jwks)
        ),
        (1, 1)
    );
    assert_eq!(world.server.hits(Endpoint::OidcInserted), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotation_under_a_flood_costs_no_honest_client_its_token() {
    type Forge = fn(TokenBuilder, i64) -> TokenBuilder;
    let variants: [(&str, Forge); 4] = [
        ("now", |token, _| token),
        ("past", |token, now| token.claim("iat", now - 3600)),
        ("future", |token, now| token.claim("iat", now + 240)),
        ("absent", |token, _| token.without("iat")),
    ];
    for (issued, forge) in variants {
        let world = Arc::new(World::new().await);
        let flood = || forgeries(&forge(world.token(), seconds(&world)), 20);
        world.list_with(&world.token().mint()).await.assert_served();
        world.clock.advance(Duration::from_secs(31));
        all_at_once(&world, flood())
            .await
            .iter()
            .for_each(assert_refused_or_undecided);

        world.server.rotate(SigningKey::generate(Algorithm::Es256));
        let patient = world.token().mint();
        let mut served_after = None;
        for second in 1..=40 {
            world.clock.advance(Duration::from_secs(1));
            let mut tokens = flood();
            tokens.extend([patient.clone(), world.token().mint()]);
            let mut answers = all_at_once(&world, tokens).await;
            for honest in answers.split_off(answers.len() - 2) {
                match honest.status {
                    StatusCode::OK => {
                        served_after.get_or_insert(second);
                    }
                    _ if served_after.is_some_and(|first| first < second) => honest.assert_served(),
                    _ => honest.assert_unavailable("kid_undecided"),
                }
            }
            answers.iter().for_each(assert_refused_or_undecided);
        }
        let served_after = served_after.expect("the new key is found");
        assert!(served_after <= 30, "{issued}: only after {served_after} s");
        assert!(
            world.server.hits(Endpoint::Jwks) <= 4,
            "{issued}: {}",
            world.server.hits(Endpoint::Jwks)
        );
    }
}

#[tokio::test]
async fn a_flood_during_an_outage_asks_the_issuer_ever_more_seldom() {
    let world = Arc::new(World::new().await);
    world.server.fail(Endpoint::Jwks, Some(Fault::Status(500)));
    let mut asked_at = Vec::new();
    for second in 0..=120 {
        let mut tokens = forgeries(&world.token(), 5);
        tokens.push(world.token().mint());
        for answer in all_at_once(&world, tokens).await {
            answer.assert_unavailable("jwks_unavailable");
        }
        if world.server.hits(Endpoint::Jwks) > asked_at.len() {
            asked_at.push(second);
        }
        assert_eq!(
            world.server.hits(Endpoint::Jwks),
            asked_at.len(),
            "once in an instant"
        );
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(asked_at, [0, 1, 3, 7, 15, 31, 61, 91]);
}

/// Tokens that differ from a good one only in that their keys are not published.
fn forgeries(good: &TokenBuilder, count: usize) -> Vec<String> {
    let token = |number| {
        good.clone()
            .header("kid", json!(format!("unknown-{number}")))
    };
    (0..count)
        .map(|number| token(number).mint_with_signature([7; 64]))
        .collect()
}

/// Each in a task of its own, over the threads of the runtime.
async fn all_at_once(world: &Arc<World>, tokens: Vec<String>) -> Vec<Answer> {
    let mut requests = JoinSet::new();
    for (number, token) in tokens.into_iter().enumerate() {
        let world = Arc::clone(world);
        requests.spawn(async move { (number, world.list_with(&token).await) });
    }
    let mut answers = requests.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[track_caller]
fn assert_refused_or_undecided(answer: &Answer) {
    if answer.status == StatusCode::UNAUTHORIZED {
        answer.assert_invalid_token("kid_unknown");
    } else {
        answer.assert_unavailable("kid_undecided");
    }
}

fn seconds(world: &World) -> i64 {
    let since = world
        .clock
        .now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(since.as_secs()).expect("before the end of time")
}
