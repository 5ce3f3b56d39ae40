//! The configuration of a gate: raw text, from code or from a file.
//!
//! Each table has a file of its own. `spec` checks all of them, with `issuer_spec` and `introspection_spec`, and makes
//! the specs that the rooms assemble themselves from. `build` lets them do so.

mod algorithms;
mod build;
mod callers;
mod holder;
mod hushed;
mod introspection;
mod introspection_spec;
mod issuer;
mod issuer_spec;
mod limits;
mod origins;
mod presets;
mod secret;
mod sessions;
mod spec;

use serde::Deserialize;

pub(crate) use build::{CodeOnly, build, rebuild};
pub use holder::Holder;
pub use introspection::Introspection;
pub use issuer::Issuer;
pub use limits::Limits;
use origins::OriginsTable;
pub use secret::Secret;
pub use sessions::Sessions;

use crate::answer::Metadata;
use crate::policy::ScopeMap;

/// A gate's configuration, as a file holds it. Any serde format will do.
///
/// Unknown fields are errors, so that a typo cannot switch a check off.
/// [`docs::configuration`](crate::docs::configuration) shows every field. Values are checked by
/// [`Builder::build`](crate::Builder::build) and [`Toolgate::reload`](crate::Toolgate::reload).
///
/// ```
/// let config: toolgate::Config = toml::from_str(r#"
///     resource = "https://mcp.example.com/mcp"
///
///     [[issuers]]
///     issuer = "https://auth.example.com"
///
///     [scopes]
///     every_request = ["mcp:use"]
///     unlisted = "deny"
///     [scopes.tools]
///     get_weather = "weather:read"
///     delete_file = { all = ["files:write", "admin"] }
/// "#)?;
/// let gate = config.into_builder().build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors without secrets
///
/// No error that these types make shows a value of a table that may hold a secret. But a format may add the line at
/// which it stopped: the `Display` and the `Debug` of a `toml::de::Error` do. Print its message and its position
/// instead:
///
/// ```
/// # let file = "[sessions]\nkeys = \"a secret, where a list belongs\"";
/// if let Err(why) = toml::from_str::<toolgate::Config>(file) {
///     let line = why.span().map(|span| file.get(..span.start).unwrap_or(file).matches('\n').count() + 1);
///     let shown = format!("line {}: {}", line.unwrap_or(1), why.message());
///     assert!(!shown.contains("a secret"));
/// }
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub(crate) resource: String,
    pub(crate) seen_at: Option<String>,
    #[serde(default)]
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) scopes: Option<ScopeMap>,
    #[serde(default)]
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) origins: OriginsTable,
    #[serde(default)]
    pub(crate) sessions: Sessions,
    #[serde(default)]
    pub(crate) holder: Holder,
    #[serde(default)]
    pub(crate) limits: Limits,
}

impl Config {
    pub(crate) fn new(resource: impl Into<String>) -> Self {
        Self {
            resource: resource.into(),
            seen_at: None,
            issuers: Vec::new(),
            scopes: None,
            metadata: Metadata::default(),
            origins: OriginsTable::default(),
            sessions: Sessions::default(),
            holder: Holder::default(),
            limits: Limits::default(),
        }
    }
}
