//! Three functions for callgrind to tell apart, called a thousand times; what is around them is not counted.

#[path = "../../shared/mod.rs"]
mod shared;

use std::hint::black_box;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use shared::{Called, alone, gated, request, send, sized_token};
use tokio::runtime::Runtime;
use toolgate::Limits;
use toolgate::testing::AuthorizationServer;

fn main() {
    let runtime = Runtime::new().expect("there are threads");
    let _context = runtime.enter();
    let server = runtime.block_on(AuthorizationServer::start());
    let ((gate, mut gated), mut alone) = (gated(&server, Limits::default()), alone());
    runtime.block_on(gate.warm_up());
    let token = sized_token(&server, 700);
    assert_eq!(send(&mut gated, request(Some(&token))), 200);
    for _ in 0..1000 {
        through_the_gate(&mut gated, request(Some(&token)));
        past_the_gate(&mut alone, request(Some(&token)));
        only_the_hash(&token);
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
fn only_the_hash(token: &str) {
    black_box(digest(&SHA256, black_box(token.as_bytes())));
}
