//! The gate's behaviour, through its public layer; and the walls of its source, which no compiler checks.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "that is how a test fails"
)]
#![allow(
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "that is how a test fails"
)]

mod anonymous;
mod api_keys;
mod axum_router;
mod bodies;
mod browser_page;
mod callers;
mod calls;
mod causes;
mod certificate_headers;
mod certificates;
mod challenge;
mod clients;
mod config;
mod config_stages;
mod crude_clients;
mod decisions;
mod dpop;
mod dpop_attacks;
mod dpop_login;
mod dpop_properties;
mod examples;
mod explain;
mod explain_requests;
mod faults;
mod features;
mod first_list;
mod floods;
mod gated;
mod gates;
mod gates_attacks;
mod gates_file;
mod handlers_step_up;
mod header_names;
mod health;
mod hostile;
mod interop;
mod introspection;
mod introspection_client;
mod introspection_edges;
mod introspection_floods;
mod introspection_signed;
mod key_refresh;
mod key_storm;
mod keys;
mod listing;
mod listing_routes;
mod log_facts;
mod login;
mod logs;
mod long_names;
mod metadata;
mod names;
mod origins;
mod other_signatures;
mod outages;
mod own_verifier;
mod pages;
mod pages_answers;
mod pages_compatibility;
mod pages_configuration;
mod pages_limits;
mod pages_operating;
mod pages_troubleshooting;
mod placeholders;
mod policy;
mod presentation;
mod providers;
mod proxies;
mod rationing;
mod readme;
mod recorded;
mod reload;
mod review;
mod revocation;
mod rmcp_client;
mod rmcp_sessions;
mod rust_version;
mod secrets;
mod sessions;
mod shutdown;
#[cfg(target_os = "linux")]
mod soak;
mod streams;
mod streams_model;
mod tenants;
mod tenants_configuration;
mod tenants_lifetime;
mod tenants_many;
mod tenants_world;
mod tokens;
mod transports;
mod walls;
mod words;
mod world;
