//! Any introspection response: no token is accepted unless the response says `active`.
#![no_main]

mod world;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use toolgate::Introspection;
use toolgate::testing::{Endpoint, Fault};
use world::{RESOURCE, World, build};

static ASKING: LazyLock<World> = LazyLock::new(|| {
    build(|issuer, server| {
        let introspection = Introspection::basic("rs", "rs-secret");
        issuer.introspection(introspection.endpoint(server.url(Endpoint::Introspect)))
    })
});

/// Each token is introspected once, so that no response is used twice.
static NUMBER: AtomicU64 = AtomicU64::new(0);

fuzz_target!(|answer: &[u8]| {
    let fault = Fault::Body(Bytes::copy_from_slice(answer));
    ASKING.server.fail(Endpoint::Introspect, Some(fault));
    let token = NUMBER.fetch_add(1, Ordering::Relaxed);
    let request = Request::get("/mcp").header("authorization", format!("Bearer {token}"));
    if ASKING.lets_in(request.body(Full::default()).unwrap()) {
        let answer: Value = serde_json::from_slice(answer).expect("what is believed is JSON");
        assert_eq!(answer["active"], true);
        assert!(answer["aud"].to_string().contains(RESOURCE));
        assert!(answer["scope"].to_string().contains("mcp:use"));
    }
});
