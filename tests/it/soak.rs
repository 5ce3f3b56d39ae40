//! The memory that is still held after a million tokens of each kind. Linux only, as it reads `/proc`. Run:
//! `cargo test --release --test it -- --ignored --nocapture soak`
#![allow(
    clippy::print_stdout,
    reason = "the figures are the point of running it"
)]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey, TokenBuilder};
use toolgate::{Limits, RequestBody, ScopeMap, Toolgate};
use tower::{Layer, ServiceExt, service_fn};

use crate::world::RESOURCE;

const MIB: usize = 1024 * 1024;
const MILLION: usize = 1_000_000;

/// The growth of the process that is allowed for this weight. The weight is an estimate, and the allocator's arenas fill up.
/// Measured with glibc: 1.3 MiB more than 4 MiB, and 1.7 MiB more than 32 MiB, however many tokens there are.
const fn allowed(weight: usize) -> usize {
    weight + 4 * MIB
}

/// Nothing is remembered of garbage. Measured: less than 100 KiB.
const ALLOWED_FOR_GARBAGE: usize = MIB;

/// Sizes of a claim that is not read: most tokens are small, and few have nearly all of 8 KiB.
const PADDING: [usize; 12] = [0, 0, 0, 50, 100, 200, 300, 500, 1000, 2000, 4000, 7500];

/// Every fourth token comes back after the cache has dropped it. An entry that is used again displaces one that was used
/// once: otherwise the cache would fill up and then keep its entries.
const COMES_BACK: usize = 4;
const COMES_BACK_AFTER: usize = 500;

/// Of garbage.
const SHAPES: usize = 9;

#[derive(Clone)]
struct Flood {
    server: AuthorizationServer,
    gate: Toolgate,
    stranger: SigningKey,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: cargo test --release --test it -- --ignored --nocapture soak"]
async fn memory_is_bounded_under_a_million_good_and_a_million_bad_tokens() {
    // A small cache that forgets everything each second, so that all of it is replaced many times.
    let limits = Limits::default()
        .verified_cache_bytes(4 * MIB as u64)
        .verified_seconds(1);
    let flood = Flood::new(limits).await;
    // Threads, connections and keys are there from now on; the cache is nearly empty.
    flood
        .on_both_cores("warming up: good", 100, usize::MAX, Flood::good)
        .await;
    flood
        .on_both_cores("warming up: bad", 10_000, usize::MAX, Flood::bad)
        .await;
    let baseline = memory("VmRSS");

    flood
        .on_both_cores("bad", MILLION, baseline + ALLOWED_FOR_GARBAGE, Flood::bad)
        .await;
    flood
        .on_both_cores(
            "good, 4 MiB",
            MILLION,
            baseline + allowed(4 * MIB),
            Flood::good,
        )
        .await;
    flood.still_tells_good_from_bad().await;
    drop(flood);

    let flood = Flood::new(Limits::default()).await;
    flood
        .on_both_cores(
            "good, 32 MiB",
            MILLION / 4,
            baseline + allowed(32 * MIB),
            Flood::good,
        )
        .await;
    flood.still_tells_good_from_bad().await;
}

impl Flood {
    async fn new(limits: Limits) -> Self {
        let key = SigningKey::generate(Algorithm::EdDsa);
        let server = AuthorizationServer::builder()
            .signing_key(key)
            .start()
            .await;
        let gate = Toolgate::builder(RESOURCE)
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
            .limits(limits)
            .build()
            .unwrap();
        Self {
            server,
            gate,
            stranger: SigningKey::generate(Algorithm::EdDsa),
        }
    }

    /// Half of the tokens each. Nowhere on the way may the process be larger than `bound`.
    async fn on_both_cores<F>(
        &self,
        name: &str,
        tokens: usize,
        bound: usize,
        send: fn(Self, Range<usize>, usize) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        // Makes the high-water mark a mark of this flood alone (proc(5)); where that is forbidden it is just stricter.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let (began, before) = (Instant::now(), memory("VmRSS"));
        let halves = [0..tokens / 2, tokens / 2..tokens];
        for half in halves.map(|half| tokio::spawn(send(self.clone(), half, bound))) {
            half.await.unwrap();
        }
        let (after, peak) = (memory("VmRSS"), memory("VmHWM"));
        let [before_kib, after_kib, peak_kib] = [before, after, peak].map(|bytes| bytes / 1024);
        let seconds = began.elapsed().as_secs();
        println!(
            "{name:20} {tokens:8} tokens {seconds:4} s: {before_kib:6} KiB, then {after_kib:6}, at most {peak_kib:6}"
        );
        assert!(
            peak <= bound,
            "{name}: {peak} bytes were resident, allowed are {bound}"
        );
    }

    async fn good(self, tokens: Range<usize>, bound: usize) {
        let pattern = self.sound();
        let mut back = VecDeque::new();
        for number in tokens {
            let padding = "x".repeat(PADDING[number % PADDING.len()]);
            let token = pattern
                .clone()
                .claim("jti", number.to_string())
                .claim("padding", padding)
                .mint();
            assert_eq!(self.send(&token).await, StatusCode::OK);
            if number.is_multiple_of(COMES_BACK) {
                back.push_back(token);
            }
            if back.len() > COMES_BACK_AFTER / COMES_BACK {
                let token = back.pop_front().unwrap();
                assert_eq!(self.send(&token).await, StatusCode::OK);
            }
            assert_below(bound, number);
        }
    }

    async fn bad(self, tokens: Range<usize>, bound: usize) {
        for number in tokens {
            let token = self.garbage(number);
            let status = self.send(&token).await;
            // A key that is missing from a set older than the token may exist.
            let undecided = number % SHAPES == 2 && status == StatusCode::SERVICE_UNAVAILABLE;
            assert!(
                status == StatusCode::UNAUTHORIZED || undecided,
                "{status} for {token}"
            );
            assert_below(bound, number);
        }
    }

    fn sound(&self) -> TokenBuilder {
        self.server
            .token()
            .audience(RESOURCE)
            .scope("mcp:use files:read files:write")
            .expires_in(100_000)
    }

    fn garbage(&self, number: usize) -> String {
        let sound = self.sound().claim("jti", number.to_string());
        let unknown_key = sound
            .clone()
            .signed_with(&self.stranger)
            .header("kid", format!("key {number}"));
        match number % SHAPES {
            0 => format!("opaque-{number:0100}"),
            1 => sound.mint_with_signature([0; 64]),
            2 => unknown_key.mint(),
            3 => unknown_key.claim("iat", 1_000_000_000).mint(),
            4 => sound
                .claim("iss", format!("https://{number}.example.com"))
                .mint(),
            5 => sound
                .audience(format!("https://{number}.example.com"))
                .mint(),
            6 => sound.expires_in(-1000).mint(),
            7 => sound
                .claim("padding", "x".repeat(16 * 1024 / 4 * 3 - 700))
                .mint_with_signature([0; 64]),
            _ => format!("{}{number}", "x".repeat(16 * 1024)),
        }
    }

    async fn still_tells_good_from_bad(&self) {
        let token = self.sound().mint();
        // New, then remembered or new again, as the cache has decided.
        for _ in 0..3 {
            assert_eq!(self.send(&token).await, StatusCode::OK);
        }
        assert_eq!(
            self.send(&self.sound().mint_with_signature([0; 64])).await,
            StatusCode::UNAUTHORIZED
        );
    }

    async fn send(&self, token: &str) -> StatusCode {
        let request = Request::post("/mcp").header("authorization", format!("Bearer {token}"));
        let inner = service_fn(|_: Request<RequestBody<Empty<Bytes>>>| async {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        let answer = self
            .gate
            .layer()
            .layer(inner)
            .oneshot(request.body(Empty::new()).unwrap());
        answer.await.unwrap().status()
    }
}

/// Asked now and then, so that a leak ends the test before it ends the machine.
fn assert_below(bound: usize, number: usize) {
    if number.is_multiple_of(5000) {
        let resident = memory("VmRSS");
        assert!(
            resident <= bound,
            "{resident} bytes are resident, allowed are {bound}"
        );
    }
}

/// A figure of `/proc/self/status`, in bytes.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .expect("the figure is there");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<usize>().ok())
        .expect("a number")
        * 1024
}
