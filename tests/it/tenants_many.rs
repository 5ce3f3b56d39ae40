//! Many tenants at once: what a thousand of them cost.

use serde_json::json;
use tokio::runtime::Builder;
use toolgate::testing::{AuthorizationServer, Endpoint};

use crate::gates::{request_to, send};
use crate::tenants::{BY_LABEL, Registry, trusting, url};
use crate::world::clock;

const TENANTS: usize = 1000;

/// The memory of an idle tenant, and of its cache if it has had a token, as the page on limits states them.
const MAX_IDLE_BYTES: i64 = 24 * 1024;
const MAX_CACHE_BYTES: i64 = 40 * 1024;

#[test]
fn a_thousand_tenants_fetch_the_keys_of_a_shared_issuer_once_and_an_idle_one_takes_little_memory() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let server = AuthorizationServer::builder().clock(clock());
    let server = runtime.block_on(server.start());
    let registry = Registry::new();
    let gates = registry.gates(BY_LABEL);
    let names: Vec<_> = (0..TENANTS)
        .map(|number| format!("tenant-{number}"))
        .collect();
    for name in &names {
        let mut config = trusting(&[&server]);
        config["scopes"]["tools"] = json!({ "read": "files:read", "write": "files:write" });
        registry.tenant(name, config);
    }
    let visit = |names: &[String], has_token: bool| {
        runtime.block_on(async {
            for name in names {
                let here = url(name);
                let token = server.token().audience(here.clone()).scope("mcp:use");
                let token = has_token.then(|| token.mint());
                let seen = send(&gates, request_to(&here, token.as_deref())).await;
                match has_token {
                    true => seen.assert_served_as(&here),
                    false => assert_eq!(seen.code, Some("no_token")),
                }
            }
        });
    };
    // The first one makes what all of them share.
    visit(&names[..1], false);
    visit(&names[..1], true);
    let of_each = |counted: allocation_counter::AllocationInfo| {
        counted.bytes_current / i64::try_from(TENANTS).unwrap()
    };
    let built = of_each(allocation_counter::measure(|| visit(&names[1..], false)));
    assert!(built > 1024, "it was measured: {built}");
    assert!(built <= MAX_IDLE_BYTES, "{built} bytes for each tenant");
    let used = of_each(allocation_counter::measure(|| visit(&names[1..], true)));
    assert!(
        used <= MAX_CACHE_BYTES,
        "{used} more bytes for each tenant with a token"
    );
    assert_eq!(server.hits(Endpoint::Jwks), 1);
    assert_eq!(registry.asked_in_all(), TENANTS);
}
