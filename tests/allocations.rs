//! What a request with a remembered token may allocate. A program of its own, since the allocator that
//! counts counts for the whole of it.

#![allow(clippy::expect_used, reason = "that is how a test fails")]

#[path = "../benches/shared/mod.rs"]
#[expect(dead_code, reason = "only what is sent, and to whom, is of use here")]
mod shared;

use shared::{Called, alone, gated, request, send, sized_token};
use toolgate::Limits;
use toolgate::testing::AuthorizationServer;

/// What the budget allows; see `benches/budgets.rs` for the others.
const MAX_ALLOCATIONS: u64 = 12;

#[tokio::test]
async fn a_remembered_token_costs_few_allocations() {
    let server = AuthorizationServer::start().await;
    let (gate, mut service) = gated(&server, Limits::default());
    gate.warm_up().await;
    let token = sized_token(&server, 700);
    assert_eq!(send(&mut service, request(Some(&token))), 200);

    let own = allocations(&mut service, &token) - allocations(&mut alone(), &token);
    assert!((1..=MAX_ALLOCATIONS).contains(&own), "{own}");
}

/// The fewest of several: now and then the cache does some housekeeping.
fn allocations(service: &mut impl Called, token: &str) -> u64 {
    let mut count = |request| {
        let counted = allocation_counter::measure(|| {
            send(service, request);
        });
        counted.count_total
    };
    (0..20).map(|_| count(request(Some(token)))).min().expect("there are twenty")
}
