//! Any private key of a client: it is read or refused, and never causes a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toolgate::{Introspection, Issuer, ScopeMap, Toolgate};

fuzz_target!(|key: &str| {
    let issuer = Issuer::new("https://auth.example.com")
        .introspection(Introspection::private_key_jwt("rs", key));
    let gate = Toolgate::builder("https://mcp.example.com/mcp").issuer(issuer);
    let _ = gate.scopes(ScopeMap::allow_unlisted()).build();
});
