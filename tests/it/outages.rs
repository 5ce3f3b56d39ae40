//! A gate that knew its issuer's keys when the issuer began to fail.

use std::time::Duration;

use futures_util::FutureExt;
use toolgate::Limits;
use toolgate::testing::Fault;

use crate::faults::{KEYS, METADATA, Place, fail, hits, outlast};
use crate::world::{World, pass, token_of, until};

const STALE: u64 = 3600;

#[tokio::test]
async fn in_every_outage_known_keys_serve_until_they_are_too_old() {
    let faults = [
        Fault::Hang,
        Fault::Slow(Duration::from_secs(1)),
        Fault::Reset,
        Fault::Truncate,
        Fault::Status(500),
        Fault::Html,
        Fault::Redirect("http://127.0.0.1:1/".to_owned()),
        Fault::Huge(10 * 1024 * 1024),
        Fault::Body(r#"{"keys":[]}"#.into()),
        Fault::WrongIssuer,
    ];
    for fault in &faults {
        for place in [METADATA, KEYS] {
            if !(place == KEYS && *fault == Fault::WrongIssuer) {
                outage(fault, place).await;
            }
        }
    }
}

async fn outage(fault: &Fault, place: Place) {
    let limits = Limits::default()
        .jwks_stale_seconds(STALE)
        .verified_seconds(1_000_000);
    let (world, neighbour) = World::with_neighbour(limits).await;
    let remembered = world.token().expires_in(1_000_000).mint();
    world.list_with(&remembered).await.assert_served();
    let known_until = world.clock.now() + Duration::from_secs(STALE);
    fail(&world, place, Some(fault));

    // The first failure is that of the refresh ahead of time, and no caller notices it.
    world.clock.advance(Duration::from_secs(480));
    let mut seen = hits(&world, place);
    let at_once = world
        .list_with(&remembered)
        .now_or_never()
        .expect("known keys answer at once");
    at_once.assert_served();
    until(|| hits(&world, place) > seen).await;
    world
        .list_with(&world.token().mint())
        .now_or_never()
        .expect("known keys answer at once")
        .assert_served();

    while world.clock.now() + Duration::from_secs(240) < known_until {
        world.clock.advance(Duration::from_secs(240));
        let token = world.token().mint();
        outlast(&world, place, seen, world.list_with(&token))
            .await
            .assert_served();
        world
            .list_with(&remembered)
            .now_or_never()
            .expect("known keys answer at once")
            .assert_served();
        seen = hits(&world, place);
    }

    world.clock.set(known_until);
    for token in [&remembered, &world.token().mint()] {
        let answer = outlast(&world, place, seen, world.list_with(token)).await;
        answer.assert_unavailable(answer.code.expect("a refusal"));
    }
    world
        .list_with(&token_of(&neighbour).mint())
        .await
        .assert_served();

    // Time passes by both clocks, or this request may join the last fetch of the time when the issuer hung.
    fail(&world, place, None);
    let later = Duration::from_secs(31);
    world.clock.advance(later);
    pass(later).await;
    world.list_with(&world.token().mint()).await.assert_served();
    world.list_with(&remembered).await.assert_served();
}
