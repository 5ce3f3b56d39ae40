//! The measured cost of the gate, printed beside its budgets. A figure that exceeds its budget does not fail the run.
//!
//! `cargo bench --bench budgets` measures times, each beside its floor: the two take turns, a few
//! requests at a time, and of all turns the quickest counts, so that a busy machine blurs both alike.
//! `benches/instructions.sh` counts instructions; `tests/allocations.rs` counts allocations.

#![allow(
    missing_docs,
    clippy::print_stdout,
    reason = "a program of its own, for people to read"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark may stop where it cannot go on"
)]

#[path = "shared/bound.rs"]
mod bound;
#[path = "shared/parts.rs"]
mod parts;
mod shared;
#[path = "shared/signature.rs"]
mod signature;

use std::cell::Cell;
use std::time::{Duration, Instant};

use bound::{bound_request, bound_token};
use parts::Parts;
use serde_json::json;
use shared::{
    BODY, Called, RESOURCE, alone, behind, gated, gated_by, gated_with, hundred_gates, request,
    request_with_host, send, sized_token,
};
use signature::Signature;
use tokio::runtime::Runtime;
use toolgate::testing::{Algorithm, AuthorizationServer, Endpoint, SigningKey};
use toolgate::{Holder, Introspection, Issuer, Limits, ScopeMap, Toolgate};
use tower::Service;

/// Requests in one turn: enough for the clock, few enough to stay in the processor's caches.
const TURN: usize = 16;
const TURNS: usize = 400;

fn main() {
    let runtime = Runtime::new().unwrap();
    let _context = runtime.enter();
    time_cached_tokens(&runtime);
    time_bound_tokens(&runtime);
    time_refusals(&runtime);
    for (algorithm, allowed) in [
        (Algorithm::Es256, 1.10),
        (Algorithm::EdDsa, 1.14),
        (Algorithm::Rs256, 1.18),
    ] {
        time_new_tokens(&runtime, algorithm, allowed);
    }
    time_introspected_tokens(&runtime);
    time_scope_maps(&runtime);
    time_many_gates(&runtime);
}

fn time_cached_tokens(runtime: &Runtime) {
    let server = runtime.block_on(AuthorizationServer::start());
    for bytes in [530, 700] {
        let token = sized_token(&server, bytes);
        let (mut gate, mut floor) = (warm(runtime, &server), alone());
        let (signature, parts) = (
            Signature::of(&token, &server.signing_key()),
            Parts::of(&token, BODY),
        );
        let new_request = || request(Some(&token));
        let [gate, floor, signature, parts] = quickest([
            &mut turn(new_request, |request| {
                assert_eq!(send(&mut gate, request), 200)
            }),
            &mut turn(new_request, |request| {
                assert_eq!(send(&mut floor, request), 200)
            }),
            &mut turn(|| (), |()| signature.verify()),
            &mut turn(|| (), |()| parts.run()),
        ]);
        let own = gate - floor;
        println!("a cached token of {} bytes: {}", token.len(), micros(own));
        println!(
            "  one AES-GMAC, one look-up, the body read: {}",
            micros(parts)
        );
        let share = signature / own;
        println!(
            "  ES256, bare: {}, so 1/{share:.1} of that (at most 1/32)",
            micros(signature)
        );
    }
}

/// The token is cached, and the proof is new each time.
fn time_bound_tokens(runtime: &Runtime) {
    let server = runtime.block_on(AuthorizationServer::start());
    let key = SigningKey::generate(Algorithm::Es256);
    let token = bound_token(&server, &key);
    // One caller may use a sixteenth of the memory of proofs, so it has to be large here.
    let (gate, mut service) = gated_with(
        Toolgate::builder(RESOURCE)
            .issuer(server.issuer())
            .scopes(
                ScopeMap::deny_unlisted()
                    .every_request("mcp:use")
                    .tool("get_weather", "weather:read"),
            )
            .holder(Holder::default().replay_bytes(1 << 30)),
    );
    runtime.block_on(gate.warm_up());
    let mut floor = alone();
    let new_request = || bound_request(&server, &key, &token);
    let proof = server.proof(&key, "POST", RESOURCE).for_token(&token);
    let [gate, floor, signature] = quickest([
        &mut turn(new_request, |request| {
            assert_eq!(send(&mut service, request), 200)
        }),
        &mut turn(new_request, |request| {
            assert_eq!(send(&mut floor, request), 200)
        }),
        &mut turn(
            || Signature::of(&proof.mint(), &key),
            |signature| signature.verify(),
        ),
    ]);
    let own = gate - floor;
    println!("a cached token with a new proof: {}", micros(own));
    println!(
        "  ES256, bare: {}, so {:.2} of that (at most 1.15)",
        micros(signature),
        own / signature
    );
}

fn time_refusals(runtime: &Runtime) {
    let server = runtime.block_on(AuthorizationServer::start());
    let (mut gate, mut floor) = (warm(runtime, &server), alone());
    let signature = Signature::of(&sized_token(&server, 700), &server.signing_key());
    let [gate, floor, signature] = quickest([
        &mut turn(
            || request(None),
            |request| assert_eq!(send(&mut gate, request), 401),
        ),
        &mut turn(
            || request(None),
            |request| assert_eq!(send(&mut floor, request), 200),
        ),
        &mut turn(|| (), |()| signature.verify()),
    ]);
    let own = gate - floor;
    println!("no token: {}", micros(own));
    println!(
        "  ES256, bare: {}, so 1/{:.0} of that (at most 1/130)",
        micros(signature),
        signature / own
    );
}

fn time_new_tokens(runtime: &Runtime, algorithm: Algorithm, allowed: f64) {
    let key = SigningKey::generate(algorithm);
    let server = runtime.block_on(
        AuthorizationServer::builder()
            .signing_key(key.clone())
            .start(),
    );
    let (mut gate, mut floor) = (warm(runtime, &server), alone());
    let numbers = Cell::new(0);
    let new_token = || {
        numbers.set(numbers.get() + 1);
        let token = server
            .token()
            .audience(RESOURCE)
            .scope("mcp:use weather:read");
        token.claim("jti", numbers.get().to_string()).mint()
    };
    let new_request = || request(Some(&new_token()));
    let [gate, floor, signature] = quickest([
        &mut turn(new_request, |request| {
            assert_eq!(send(&mut gate, request), 200)
        }),
        &mut turn(new_request, |request| {
            assert_eq!(send(&mut floor, request), 200)
        }),
        &mut turn(
            || Signature::of(&new_token(), &key),
            |signature| signature.verify(),
        ),
    ]);
    let (own, name) = (gate - floor, algorithm.name());
    let ratio = own / signature;
    println!(
        "a new {name} token of {} bytes: {}",
        new_token().len(),
        micros(own)
    );
    println!(
        "  {name}, bare: {}, so {ratio:.2} of that (at most {allowed})",
        micros(signature)
    );
}

/// Beside a JWT of the same length, and beside the bare question to the same server.
fn time_introspected_tokens(runtime: &Runtime) {
    let server = runtime.block_on(AuthorizationServer::start());
    let introspection = Introspection::basic("rs", "rs-secret");
    let issuer = Issuer::new(server.issuer()).introspection(introspection);
    let (gate, mut service) = gated_by(issuer, Limits::default());
    runtime.block_on(gate.warm_up());

    let jwt = sized_token(&server, 700);
    let numbers = Cell::new(0);
    let new_token = || {
        numbers.set(numbers.get() + 1);
        let token = format!("{:0>1$}", numbers.get(), jwt.len());
        let answer = json!({ "active": true, "aud": RESOURCE, "scope": "mcp:use weather:read" });
        server.introspect_as(&token, answer);
        token
    };
    let opaque = new_token();
    for token in [&jwt, &opaque] {
        assert_eq!(
            runtime
                .block_on(service.call(request(Some(token))))
                .unwrap()
                .status(),
            200
        );
    }
    let mut other = service.clone();
    let [of_jwt, of_opaque] = quickest([
        &mut turn(
            || request(Some(&jwt)),
            |request| assert_eq!(send(&mut service, request), 200),
        ),
        &mut turn(
            || request(Some(&opaque)),
            |request| assert_eq!(send(&mut other, request), 200),
        ),
    ]);
    println!(
        "a cached opaque token of {} bytes: {:.2} of a JWT's",
        opaque.len(),
        of_opaque / of_jwt
    );

    // As the gate asks, with a client of its own; both on a worker of the runtime, like requests in a server.
    let (client, url) = (reqwest::Client::new(), server.url(Endpoint::Introspect));
    let ask = async move |token: String| {
        let asked = client.post(&url).basic_auth("rs", Some("rs-secret"));
        let asked = asked.header("content-type", "application/x-www-form-urlencoded");
        let answer = asked
            .body(format!("token={token}&token_type_hint=access_token"))
            .send()
            .await
            .unwrap();
        assert!(
            answer
                .bytes()
                .await
                .unwrap()
                .starts_with(b"{\"active\":true")
        );
    };
    let [through, bare] = quickest([
        &mut whole_turn(
            || request(Some(&new_token())),
            |requests| {
                let mut service = service.clone();
                on_a_worker(runtime, async move {
                    for request in requests {
                        assert_eq!(service.call(request).await.unwrap().status(), 200);
                    }
                });
            },
        ),
        &mut whole_turn(new_token, |tokens| {
            let ask = ask.clone();
            on_a_worker(runtime, async move {
                for token in tokens {
                    ask(token).await;
                }
            });
        }),
    ]);
    println!("a new opaque token: {}", micros(through));
    println!(
        "  the bare question: {}, so {} more (at most 50 µs)",
        micros(bare),
        micros(through - bare)
    );
}

/// A map of a thousand tools and fifty patterns, beside one of one tool.
fn time_scope_maps(runtime: &Runtime) {
    let server = runtime.block_on(AuthorizationServer::start());
    let map = || ScopeMap::deny_unlisted().every_request("mcp:use");
    let large = (0..1000).fold(map(), |map, number| {
        map.tool(format!("tool_{number}"), "weather:read")
    });
    let large = (0..50).fold(large, |map, number| {
        map.tool(format!("other_{number}_*"), "weather:read")
    });
    let token = sized_token(&server, 700);
    let warm_with = |scopes: ScopeMap| {
        let (gate, mut service) = gated_with(
            Toolgate::builder(RESOURCE)
                .issuer(server.issuer())
                .scopes(scopes),
        );
        runtime.block_on(gate.warm_up());
        assert_eq!(send(&mut service, request(Some(&token))), 200);
        service
    };
    let mut small = warm_with(map().tool("get_weather", "weather:read"));
    let mut by_name = warm_with(large.clone().tool("get_weather", "weather:read"));
    let mut by_pattern = warm_with(large.tool("get_*", "weather:read"));
    let new_request = || request(Some(&token));
    let [small, by_name, by_pattern] = quickest([
        &mut turn(new_request, |request| {
            assert_eq!(send(&mut small, request), 200)
        }),
        &mut turn(new_request, |request| {
            assert_eq!(send(&mut by_name, request), 200)
        }),
        &mut turn(new_request, |request| {
            assert_eq!(send(&mut by_pattern, request), 200)
        }),
    ]);
    let nanos = |seconds: f64| format!("{:.0} ns", seconds * 1e9);
    println!(
        "a map of 1,000 tools and 50 patterns: {} more than one of one tool",
        nanos(by_name - small)
    );
    println!(
        "  where the last of the patterns applies: {} more (at most 150 ns)",
        nanos(by_pattern - small)
    );
}

/// A hundred gates behind one layer, on one host and on a hundred, beside one gate.
fn time_many_gates(runtime: &Runtime) {
    let server = runtime.block_on(AuthorizationServer::start());
    let scopes = || ScopeMap::deny_unlisted().tool("get_weather", "weather:read");
    let token = sized_token(&server, 700);
    let one = Toolgate::builder(RESOURCE)
        .issuer(server.issuer())
        .scopes(scopes())
        .build()
        .unwrap();
    let [of_one_host, of_all_hosts] = hundred_gates(&one, scopes);
    let mut services = [&one.layer(), &of_one_host, &of_all_hosts].map(behind);
    for service in &mut services {
        runtime.block_on(one.warm_up());
        assert_eq!(send(service, request_with_host(&token)), 200);
    }
    let [mut one, mut of_one_host, mut of_all_hosts] = services;
    let new_request = || request_with_host(&token);
    let [one, of_one_host, of_all_hosts] = quickest([
        &mut turn(new_request, |request| {
            assert_eq!(send(&mut one, request), 200)
        }),
        &mut turn(new_request, |request| {
            assert_eq!(send(&mut of_one_host, request), 200)
        }),
        &mut turn(new_request, |request| {
            assert_eq!(send(&mut of_all_hosts, request), 200)
        }),
    ]);
    let nanos = |seconds: f64| format!("{:.0} ns", seconds * 1e9);
    println!(
        "a hundred gates on one host: {} more than one gate (at most 60 ns)",
        nanos(of_one_host - one)
    );
    println!(
        "  on a hundred hosts: {} more (at most 60 ns)",
        nanos(of_all_hosts - one)
    );
}

fn warm(runtime: &Runtime, server: &AuthorizationServer) -> impl Called + use<> {
    let (gate, service) = gated(server, Limits::default());
    runtime.block_on(gate.warm_up());
    service
}

/// One turn of something: prepared off the clock, run on it.
fn turn<T>(prepare: impl FnMut() -> T, mut run: impl FnMut(T)) -> impl FnMut() -> Duration {
    whole_turn(prepare, move |prepared| {
        prepared.into_iter().for_each(&mut run)
    })
}

/// The same, where it is run as a whole.
fn whole_turn<T>(
    mut prepare: impl FnMut() -> T,
    mut run: impl FnMut(Vec<T>),
) -> impl FnMut() -> Duration {
    move || {
        let prepared = (0..TURN).map(|_| prepare()).collect();
        let began = Instant::now();
        run(prepared);
        began.elapsed()
    }
}

fn on_a_worker(runtime: &Runtime, work: impl Future<Output = ()> + Send + 'static) {
    runtime.block_on(runtime.spawn(work)).unwrap();
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
