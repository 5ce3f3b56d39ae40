//! Functions for callgrind to tell apart, called a thousand times; what is around them is not counted.

#[path = "../../shared/mod.rs"]
mod shared;

use std::hint::black_box;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use shared::{
    Called, alone, behind, gated, hundred_gates, request, request_with_host, send, sized_token,
};
use tokio::runtime::Runtime;
use toolgate::testing::AuthorizationServer;
use toolgate::{Limits, ScopeMap};

fn main() {
    let runtime = Runtime::new().expect("there are threads");
    let _context = runtime.enter();
    let server = runtime.block_on(AuthorizationServer::start());
    let ((gate, mut gated), mut alone) = (gated(&server, Limits::default()), alone());
    runtime.block_on(gate.warm_up());
    let token = sized_token(&server, 700);
    assert_eq!(send(&mut gated, request(Some(&token))), 200);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("a key"));
    for _ in 0..1000 {
        through_the_gate(&mut gated, request(Some(&token)));
        past_the_gate(&mut alone, request(Some(&token)));
        only_the_fingerprint(&key, &token);
    }
    let many = hundred_gates(&gate, || {
        ScopeMap::deny_unlisted().tool("get_weather", "weather:read")
    });
    let [mut one_host, mut hundred_hosts] = many.each_ref().map(behind);
    for _ in 0..1000 {
        beside_no_gate(&mut gated, request_with_host(&token));
    }
    for _ in 0..1000 {
        beside_gates_of_its_host(&mut one_host, request_with_host(&token));
    }
    for _ in 0..1000 {
        beside_gates_of_other_hosts(&mut hundred_hosts, request_with_host(&token));
    }
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
fn only_the_fingerprint(key: &LessSafeKey, token: &str) {
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let token = Aad::from(black_box(token.as_bytes()));
    let _ = black_box(
        key.seal_in_place_separate_tag(nonce, token, &mut [])
            .expect("a tag"),
    );
}

#[inline(never)]
fn beside_no_gate(service: &mut impl Called, request: Request<Full<Bytes>>) {
    assert_eq!(send(service, request), 200);
}

#[inline(never)]
fn beside_gates_of_its_host(service: &mut impl Called, request: Request<Full<Bytes>>) {
    assert_eq!(send(service, request), 200);
}

#[inline(never)]
fn beside_gates_of_other_hosts(service: &mut impl Called, request: Request<Full<Bytes>>) {
    assert_eq!(send(service, request), 200);
}
