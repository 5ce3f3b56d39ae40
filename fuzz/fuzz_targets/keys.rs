//! Any key set of an issuer: it is read or refused, and never causes a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toolgate::{Issuer, ScopeMap, Toolgate};

fuzz_target!(|keys: &str| {
    let issuer = Issuer::new("https://auth.example.com").jwks(keys);
    let gate = Toolgate::builder("https://mcp.example.com/mcp").issuer(issuer);
    let _ = gate.scopes(ScopeMap::allow_unlisted()).build();
});
