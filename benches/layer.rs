//! The cost of each kind of request, beside the floors that no gate can get under. Run: `cargo bench --bench layer`.
//!
//! Machines are shared and noisy: read ratios, not microseconds. `benches/budgets.rs` holds what is promised
//! against floors that take turns with it.

#![allow(missing_docs, reason = "criterion's macros make functions without any")]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark may stop where it cannot go on"
)]

#[path = "shared/parts.rs"]
mod parts;
mod shared;
#[path = "shared/signature.rs"]
mod signature;

use std::cell::Cell;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use parts::Parts;
use shared::{BODY, Called, alone, gated, request, send, sized_token};
use signature::Signature;
use tokio::runtime::Runtime;
use toolgate::Limits;
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey};

/// Few enough requests to stay in the processor's caches, as one that has just arrived does.
const BATCH: BatchSize = BatchSize::NumIterations(16);

fn benchmark(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let _context = runtime.enter();
    let server = runtime.block_on(AuthorizationServer::start());
    let (gate, mut gated) = gated(&server, Limits::default());
    runtime.block_on(gate.warm_up());
    let token = sized_token(&server, 700);
    let (signature, parts) = (
        Signature::of(&token, &server.signing_key()),
        Parts::of(&token, BODY),
    );

    let mut group = criterion.benchmark_group("layer");
    group.bench_function("floor: the service alone", |bencher| {
        let mut alone = alone();
        let new_request = || request(Some(&token));
        bencher.iter_batched(new_request, |request| send(&mut alone, request), BATCH);
    });
    group.bench_function("floor: AES-GMAC, look-up, body read", |bencher| {
        bencher.iter(|| parts.run())
    });
    group.bench_function("floor: one bare ES256 verification", |bencher| {
        bencher.iter(|| signature.verify())
    });

    let number = Cell::new(0);
    let distinct = |key: &SigningKey| {
        number.set(number.get() + 1);
        let token = server
            .token()
            .audience(shared::RESOURCE)
            .scope("mcp:use weather:read")
            .signed_with(key);
        token.claim("jti", number.get().to_string())
    };
    let (own, unknown) = (server.signing_key(), SigningKey::generate(Algorithm::Es256));
    let mut measure = |name: &str, status: u16, new_token: &dyn Fn() -> Option<String>| {
        group.bench_function(name, |bencher| {
            let new_request = || request(new_token().as_deref());
            bencher.iter_batched(
                new_request,
                |request| expect(&mut gated, request, status),
                BATCH,
            );
        });
    };
    measure("a cached token", 200, &|| Some(token.clone()));
    measure("a new ES256 token", 200, &|| Some(distinct(&own).mint()));
    measure("no token", 401, &|| None);
    measure("garbage", 401, &|| Some("x".repeat(700)));
    let forged = || distinct(&unknown).header("kid", own.kid().unwrap_or_default());
    measure("a bad signature", 401, &|| Some(forged().mint()));
    // The key may exist, and the cooldown forbids another fetch.
    measure("an unknown key", 503, &|| Some(distinct(&unknown).mint()));
    group.finish();
}

fn expect(
    gated: &mut impl Called,
    request: http::Request<http_body_util::Full<bytes::Bytes>>,
    status: u16,
) {
    assert_eq!(send(gated, request), status);
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
