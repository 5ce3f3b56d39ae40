//! Any body: no request reaches anything secret, as a plain JSON parser reads it.
#![no_main]

mod world;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use world::WORLD;

fuzz_target!(|body: &[u8]| {
    let request = Request::post("/mcp")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", WORLD.token))
        .body(Full::new(Bytes::copy_from_slice(body)))
        .unwrap();
    if WORLD.lets_in(request) {
        let message: Value = serde_json::from_slice(body).expect("what is let in is JSON");
        let messages = message.as_array().cloned().unwrap_or_else(|| vec![message]);
        for message in messages {
            assert!(!is_secret(&message), "{message}");
        }
    }
});

fn is_secret(message: &Value) -> bool {
    let params = &message["params"];
    match message["method"].as_str() {
        Some("tools/call" | "prompts/get") => params["name"] == "secret",
        Some("resources/read" | "resources/subscribe") => params["uri"]
            .as_str()
            .is_some_and(|uri| uri.starts_with("file:///secret/")),
        _ => false,
    }
}
