//! Any introspection response: no token is accepted unless the response says `active`, and, where responses must be signed,
//! unless the issuer signed it.
#![no_main]

mod world;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use toolgate::testing::{AuthorizationServer, Endpoint, Fault};
use toolgate::{Introspection, Issuer};
use world::{RESOURCE, World, build};

static ASKING: LazyLock<World> =
    LazyLock::new(|| build(|issuer, server| issuer.introspection(introspection(server))));

static ASKING_FOR_SIGNED: LazyLock<World> = LazyLock::new(|| {
    let signed = |issuer: Issuer, server: &AuthorizationServer| {
        issuer.introspection(introspection(server).signed_responses())
    };
    build(signed)
});

fn introspection(server: &AuthorizationServer) -> Introspection {
    Introspection::basic("rs", "rs-secret").endpoint(server.url(Endpoint::Introspect))
}

/// Each token is introspected once, so that no response is used twice.
static NUMBER: AtomicU64 = AtomicU64::new(0);

fuzz_target!(|answer: &[u8]| {
    let body = Bytes::copy_from_slice(answer);
    if is_accepted(&ASKING, Fault::Body(body.clone())) {
        let answer: Value = serde_json::from_slice(answer).expect("what is believed is JSON");
        assert_eq!(answer["active"], true);
        assert!(answer["aud"].to_string().contains(RESOURCE));
        assert!(answer["scope"].to_string().contains("mcp:use"));
    }
    assert!(
        !is_accepted(&ASKING_FOR_SIGNED, Fault::SignedResponse(body)),
        "nothing here can sign"
    );
    // With the signature of the issuer it is believed, as far as it says `active`.
    let server = &ASKING_FOR_SIGNED.server;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (issuer, now) = (server.issuer(), now.as_secs());
    let head = format!(r#"{{"iss":"{issuer}","aud":"rs","iat":{now},"token_introspection":"#);
    let payload = [head.as_bytes(), answer, b"}"].concat();
    let response = server.introspection_response("rs", Value::Null);
    let response = response.payload(&payload).mint();
    if is_accepted(&ASKING_FOR_SIGNED, Fault::SignedResponse(response.into())) {
        let payload: Value = serde_json::from_slice(&payload).expect("what is believed is JSON");
        let answer = &payload["token_introspection"];
        assert_eq!(answer["active"], true);
        assert!(answer["aud"].to_string().contains(RESOURCE));
        assert!(answer["scope"].to_string().contains("mcp:use"));
    }
});

fn is_accepted(world: &World, fault: Fault) -> bool {
    world.server.fail(Endpoint::Introspect, Some(fault));
    let token = NUMBER.fetch_add(1, Ordering::Relaxed);
    let request = Request::get("/mcp").header("authorization", format!("Bearer {token}"));
    world.lets_in(request.body(Full::default()).unwrap())
}
