//! The tenants of a layer: resources that are found at run time, by the name in a request.
//!
//! `settings` are those of the operator. A `template` is the URL of every tenant, with a place for its `name`; a proxy may
//! give the name in a header instead (`name_header`). `tenant_set` chooses the tenant that a request names, and `routes` is its
//! way there. `resolutions` ask the operator's `resolver`, once for all who wait, and the `maker` builds the gate of a
//! `tenant`. `asking` has the names that are being resolved, and `known_cache` the tenants that are built.

mod asking;
mod known_cache;
mod maker;
mod name;
mod name_header;
mod resolutions;
mod resolver;
mod routes;
mod settings;
mod template;
mod tenant;
mod tenant_set;

pub(crate) use routes::{Routes, Way};
pub use settings::Tenants;
