//! Any `Mcp-Session-Id`: no session was issued here, so no id opens one.
#![no_main]

mod world;

use http::{HeaderValue, Request};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use world::WORLD;

fuzz_target!(|lines: Vec<Vec<u8>>| {
    let mut request =
        Request::get("/mcp").header("authorization", format!("Bearer {}", WORLD.token));
    let lines: Vec<_> = lines
        .iter()
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect();
    for line in &lines {
        request = request.header("mcp-session-id", line);
    }
    let let_in = WORLD.lets_in(request.body(Full::default()).unwrap());
    assert_eq!(let_in, lines.is_empty());
});
