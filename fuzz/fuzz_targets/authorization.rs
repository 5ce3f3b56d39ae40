//! Any `Authorization` and `Origin`: only the one good token is accepted.
#![no_main]

mod world;

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use world::WORLD;

fuzz_target!(|input: (Vec<Vec<u8>>, Option<Vec<u8>>)| {
    let (lines, origin) = input;
    let mut request = Request::post("/mcp").header("content-type", "application/json");
    for line in lines
        .iter()
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
    {
        request = request.header("authorization", line);
    }
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_bytes(&origin).ok()) {
        request = request.header("origin", origin);
    }
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let request = request
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap();
    let let_in = WORLD.lets_in(request);
    assert!(
        !let_in
            || lines
                .iter()
                .any(|line| line.ends_with(WORLD.token.as_bytes()))
    );
});
