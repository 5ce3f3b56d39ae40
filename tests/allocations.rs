//! The allocations of a request with a cached token. A program of its own, since the allocator that counts them counts
//! for the whole program.

#![allow(clippy::expect_used, reason = "that is how a test fails")]

#[path = "../benches/shared/bound.rs"]
mod bound;
#[path = "../benches/shared/mod.rs"]
mod shared;

use std::sync::Once;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use bound::{bound_request, bound_token};
use shared::{Called, RESOURCE, alone, gated, gated_with, request, send, sized_token};
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey, api_key};
use toolgate::{ApiKey, ApiKeys, Limits, ScopeMap, Toolgate};

/// The measured number; the budget allows twelve. See `benches/budgets.rs` for the other budgets.
const ALLOCATIONS: u64 = 7;

/// The measured number for a bound token that is cached, with a new proof.
const BOUND_ALLOCATIONS: u64 = 51;

/// The memory that the gate may hold for a token of 16 KiB before its signature is verified.
const MAX_BYTES: u64 = 512 * 1024;

#[tokio::test]
async fn a_cached_token_costs_few_allocations() {
    log_at_info();
    let server = AuthorizationServer::start().await;
    let (gate, mut service) = gated(&server, Limits::default());
    gate.warm_up().await;
    let token = sized_token(&server, 700);
    assert_eq!(send(&mut service, request(Some(&token))), 200);

    let new_request = || request(Some(&token));
    let own = allocations(&mut service, new_request) - allocations(&mut alone(), new_request);
    assert_eq!(own, ALLOCATIONS);
}

#[tokio::test]
async fn ten_thousand_api_keys_cost_no_allocation_and_a_key_costs_no_more_than_a_cached_token() {
    log_at_info();
    let server = AuthorizationServer::start().await;
    let (key, stored) = api_key("tg_", "one");
    let keys = ApiKeys::with_prefix("tg_").key(stored.scopes(["mcp:use", "weather:read"]));
    let keys = (1..10_000).fold(keys, |keys, number| {
        keys.key(ApiKey::of(
            format!("key-{number}"),
            format!("{number:064x}"),
        ))
    });
    let scopes = ScopeMap::deny_unlisted()
        .every_request("mcp:use")
        .tool("get_weather", "weather:read");
    let builder = Toolgate::builder(RESOURCE).issuer(server.issuer());
    let (gate, mut service) = gated_with(builder.scopes(scopes).api_keys(keys));
    gate.warm_up().await;
    let token = sized_token(&server, 700);
    for credential in [&token, &key] {
        assert_eq!(send(&mut service, request(Some(credential))), 200);
        let new_request = || request(Some(credential));
        let own = allocations(&mut service, new_request) - allocations(&mut alone(), new_request);
        assert!(own <= ALLOCATIONS, "{own}");
    }
}

#[tokio::test]
async fn the_proof_for_a_cached_token_costs_a_known_number_of_allocations() {
    log_at_info();
    let server = AuthorizationServer::start().await;
    let (gate, mut service) = gated(&server, Limits::default());
    gate.warm_up().await;
    let key = SigningKey::generate(Algorithm::Es256);
    let token = bound_token(&server, &key);
    let new_request = || bound_request(&server, &key, &token);
    assert_eq!(send(&mut service, new_request()), 200);

    let own = allocations(&mut service, new_request) - allocations(&mut alone(), new_request);
    assert_eq!(own, BOUND_ALLOCATIONS);
}

#[tokio::test]
async fn no_unverified_token_makes_the_gate_hold_much_memory() {
    log_at_info();
    let server = AuthorizationServer::start().await;
    let (gate, mut service) = gated(&server, Limits::default());
    gate.warm_up().await;
    let full_of = |item: &str| {
        let items = vec![item; 11_500 / (item.len() + 1)].join(",");
        format!(r#"{{"iss":"https://unknown.example","a":[{items}]}}"#)
    };
    for item in ["{}", "[]", "0", r#""""#, r#"{"":0}"#, "[{}]"] {
        let token = server.token().payload(full_of(item)).mint();
        assert!(
            (15_000..16 * 1024).contains(&token.len()),
            "{}",
            token.len()
        );
        let request = request(Some(&token));
        let counted = allocation_counter::measure(|| {
            assert_eq!(send(&mut service, request), 401);
        });
        assert!(
            counted.bytes_max < MAX_BYTES,
            "{item}: {} bytes",
            counted.bytes_max
        );
    }
}

#[tokio::test]
async fn a_request_for_the_list_of_tools_is_not_unpacked_in_memory() {
    log_at_info();
    let server = AuthorizationServer::start().await;
    let (gate, mut service) = gated(&server, Limits::default());
    gate.warm_up().await;
    let token = sized_token(&server, 700);
    assert_eq!(send(&mut service, request(Some(&token))), 200);
    let params = vec!["[]"; 300_000].join(",");
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"x":[{params}]}}}}"#);
    let mut request = request(Some(&token));
    for name in ["mcp-name", "mcp-method", "mcp-protocol-version"] {
        request.headers_mut().remove(name);
    }
    *request.body_mut() = Full::from(body);
    let counted = allocation_counter::measure(|| {
        assert_eq!(send(&mut service, request), 200);
    });
    assert!(counted.bytes_max < MAX_BYTES, "{} bytes", counted.bytes_max);
}

/// As servers do: allowed requests are not in such a log, and must cost nothing for it. One for all threads, since
/// `tracing` remembers for all of them whether an event is wanted.
fn log_at_info() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let log = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_writer(std::io::sink);
        tracing::subscriber::set_global_default(log.finish()).expect("nothing else sets one");
    });
}

/// The fewest of several: now and then the cache does some housekeeping.
fn allocations(service: &mut impl Called, new_request: impl Fn() -> Request<Full<Bytes>>) -> u64 {
    let mut count = |request| {
        let counted = allocation_counter::measure(|| {
            send(service, request);
        });
        counted.count_total
    };
    (0..20)
        .map(|_| count(new_request()))
        .min()
        .expect("there are twenty")
}
