//! Whatever an issuer publishes as its keys: read or refused, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toolgate::{Issuer, ScopeMap, Toolgate};

fuzz_target!(|keys: &str| {
    let issuer = Issuer::new("https://auth.example.com").jwks(keys);
    let gate = Toolgate::builder("https://mcp.example.com/mcp").issuer(issuer);
    let _ = gate.scopes(ScopeMap::allow_unlisted()).build();
});
