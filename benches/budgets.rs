//! What the gate may cost, held against what it does cost.
//!
//! `cargo bench --bench budgets` measures times, each beside its floor: the two take turns, a few
//! requests at a time, and of all turns the quickest counts, so that a busy machine blurs both alike.
//! `benches/instructions.sh` has this program count instructions, and `tests/allocations.rs` counts those.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may stop where it cannot go on"
)]

mod shared;

use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde::de::IgnoredAny;
use shared::{BODY, Called, RESOURCE, Signature, alone, gated, request, send, sized_token};
use tokio::runtime::Runtime;
use toolgate::Limits;
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey};

/// Requests in one turn: enough for the clock, few enough to stay in the processor's caches.
const TURN: usize = 16;
const TURNS: usize = 400;

fn main() {
    let runtime = Runtime::new().unwrap();
    let _context = runtime.enter();
    let world = World::start(&runtime);
    if std::env::var_os("HOT").is_some() {
        let mut g = world.gate.clone();
        for _ in 0..1_000_000 {
            through_the_gate(&mut g, request(Some(&world.token)));
        }
        return;
    }
    if std::env::var_os("COLD").is_some() {
        let mut g = world.gate.clone();
        let key = SigningKey::generate(Algorithm::EdDsa);
        let _ = key;
        for i in 0..60_000 {
            let t = world
                .server
                .token()
                .audience(RESOURCE)
                .scope("mcp:use weather:read")
                .claim("jti", i.to_string())
                .mint();
            through_the_gate(&mut g, request(Some(&t)));
        }
        return;
    }
    if std::env::args().any(|argument| argument == "instructions") {
        return world.repeat_for_callgrind();
    }
    world.time_remembered_tokens();
    world.time_refusals();
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        time_new_tokens(&runtime, algorithm);
    }
}

struct World<G> {
    server: AuthorizationServer,
    gate: G,
    token: String,
}

impl World<()> {
    fn start(runtime: &Runtime) -> World<impl Called> {
        let server = runtime.block_on(AuthorizationServer::start());
        let mut gate = warm(runtime, &server);
        let token = sized_token(&server, 700);
        assert_eq!(send(&mut gate, request(Some(&token))), 200);
        World { server, gate, token }
    }
}

fn warm(runtime: &Runtime, server: &AuthorizationServer) -> impl Called + use<> {
    let (gate, service) = gated(server, Limits::default());
    assert!(runtime.block_on(gate.warm_up())[0].is_serving());
    service
}

impl<G: Called> World<G> {
    fn time_remembered_tokens(&self) {
        for bytes in [530, 700] {
            let token = sized_token(&self.server, bytes);
            let mut gate = self.gate.clone();
            let mut floor = alone();
            let signature = Signature::of(&token, &self.server.signing_key());
            let remembered = moka::sync::Cache::<[u8; 32], u64>::new(1000);
            let hash =
                |token: &str| <[u8; 32]>::try_from(digest(&SHA256, token.as_bytes()).as_ref()).unwrap();
            remembered.insert(hash(&token), 7);
            let [gate, floor, verification, parts] = quickest([
                &mut turn(|| request(Some(&token)), |request| assert_eq!(send(&mut gate, request), 200)),
                &mut turn(|| request(Some(&token)), |request| assert_eq!(send(&mut floor, request), 200)),
                &mut turn(|| (), |()| signature.verify()),
                &mut turn(
                    || (),
                    |()| {
                        assert_eq!(remembered.get(&hash(black_box(&token))), Some(7));
                        serde_json::from_str::<IgnoredAny>(black_box(BODY)).unwrap();
                    },
                ),
            ]);
            let own = gate - floor;
            println!("a remembered token of {} bytes: {}", token.len(), micros(own));
            println!("  one SHA-256, one look-up, the JSON read: {}", micros(parts));
            println!(
                "  ES256, bare: {}, that is {:.1} times as much (at least 25)",
                micros(verification),
                verification / own
            );
        }
    }

    fn time_refusals(&self) {
        let (mut gate, mut floor) = (self.gate.clone(), alone());
        let [gate, floor] = quickest([
            &mut turn(|| request(None), |request| assert_eq!(send(&mut gate, request), 401)),
            &mut turn(|| request(None), |request| assert_eq!(send(&mut floor, request), 200)),
        ]);
        println!("no token: {} (at most 0.30 µs)", micros(gate - floor));
    }

    /// Three functions for callgrind to tell apart; what is around them is not counted.
    fn repeat_for_callgrind(&self) {
        let (mut gate, mut floor) = (self.gate.clone(), alone());
        for _ in 0..1000 {
            through_the_gate(&mut gate, request(Some(&self.token)));
            past_the_gate(&mut floor, request(Some(&self.token)));
            only_the_hash(&self.token);
        }
    }
}

fn time_new_tokens(runtime: &Runtime, algorithm: Algorithm) {
    let key = SigningKey::generate(algorithm);
    let server = runtime.block_on(AuthorizationServer::builder().signing_key(key.clone()).start());
    let (mut gate, mut floor) = (warm(runtime, &server), alone());
    let numbers = Cell::new(0);
    let new_token = || {
        numbers.set(numbers.get() + 1);
        let token = server.token().audience(RESOURCE).scope("mcp:use weather:read");
        token.claim("jti", numbers.get().to_string()).mint()
    };
    let new_request = || request(Some(&new_token()));
    let [gate, floor, verification] = quickest([
        &mut turn(new_request, |request| assert_eq!(send(&mut gate, request), 200)),
        &mut turn(new_request, |request| assert_eq!(send(&mut floor, request), 200)),
        &mut turn(|| Signature::of(&new_token(), &key), |signature| signature.verify()),
    ]);
    let allowed = if algorithm == Algorithm::Rs256 { 1.4 } else { 1.15 };
    let (own, name) = (gate - floor, algorithm.name());
    let ratio = own / verification;
    println!("a new {name} token of {} bytes: {}", new_token().len(), micros(own));
    println!("  {name}, bare: {}, so {ratio:.2} times that (at most {allowed})", micros(verification));
}

#[inline(never)]
fn through_the_gate(service: &mut impl Called, request: Request<Full<Bytes>>) {
    assert_eq!(send(service, request), 200);
}

#[inline(never)]
fn past_the_gate(service: &mut impl Called, request: Request<Full<Bytes>>) {
    assert_eq!(send(service, request), 200);
}

#[inline(never)]
fn only_the_hash(token: &str) {
    black_box(digest(&SHA256, black_box(token.as_bytes())));
}

/// One turn of something: prepared off the clock, run on it.
fn turn<T>(mut prepare: impl FnMut() -> T, mut run: impl FnMut(T)) -> impl FnMut() -> Duration {
    move || {
        let prepared: Vec<T> = (0..TURN).map(|_| prepare()).collect();
        let began = Instant::now();
        prepared.into_iter().for_each(&mut run);
        began.elapsed()
    }
}

/// Seconds that each takes once, in its quickest turn.
fn quickest<const N: usize>(mut subjects: [&mut dyn FnMut() -> Duration; N]) -> [f64; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..TURNS {
        for (best, subject) in best.iter_mut().zip(&mut subjects) {
            *best = subject().min(*best);
        }
    }
    best.map(|turn| turn.as_secs_f64() / TURN as f64)
}

fn micros(seconds: f64) -> String {
    format!("{:.2} µs", seconds * 1e6)
}
