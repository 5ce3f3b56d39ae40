//! The configuration of a gate: raw text, from code or from a file.
//!
//! Each table has a file of its own. `spec` checks all of them, with `issuer_spec`, `introspection_spec`, `api_key_spec` and
//! `own_verifier_spec`, and makes
//! a spec for each room; `build` builds the rooms from the specs. `names` checks the URLs of a resource, and `resources`
//! makes the settings of each resource from a file with several. `tenant` checks the configuration of a tenant.
//!
//! A file is read once. `recorder` records its values while serde reads them. `variables` adds the values from the
//! environment, and `replay` reads the types again from all recorded values.

mod algorithms;
mod api_key_spec;
mod api_keys;
mod build;
mod callers;
mod certificate;
mod clients;
mod document;
mod holder;
mod hushed;
mod inherited;
mod introspection;
mod introspection_spec;
mod issuer;
mod issuer_spec;
mod issuers;
mod limits;
mod names;
mod origins;
mod own_verifier_spec;
mod peers;
mod presets;
mod proxy_header;
mod recorder;
mod replay;
mod resource_table;
mod resources;
mod secret;
mod sessions;
mod settings;
mod spec;
mod tenant;
mod variables;

use std::fmt;

use serde::{Deserialize, Deserializer};

pub use api_keys::{ApiKey, ApiKeys};
pub(crate) use build::{CodeOnly, Family, build, rebuild};
pub use holder::Holder;
pub(crate) use inherited::Inherited;
pub use introspection::Introspection;
pub use issuer::Issuer;
pub use limits::Limits;
pub(crate) use resources::ResourceSettings;
pub use secret::Secret;
pub use sessions::Sessions;
pub(crate) use settings::Settings;
pub(crate) use tenant::{TenantRules, tenant_header, tenant_path};

use crate::config_error::{ConfigProblem, Problems};
use document::Node;
use recorder::Recorder;
use variables::{Overrides, override_fields, read_named, typed};

/// A gate's configuration, as a file holds it. Any self-describing serde format is suitable, such as TOML, JSON or
/// YAML.
///
/// Unknown fields are errors, so that a typo cannot switch a check off. Give the configuration a table of its own in
/// the file of your application: with `#[serde(flatten)]`, serde drops the unknown fields of most types. A whole
/// `Config` reports its unknown fields even then. Its parts, such as [`Limits`], do not. The
/// [manual](crate::docs::configuration#inside-the-file-of-your-application) shows both.
///
/// Wherever the file has a string, you can write `{ env = "NAME" }` instead, and [`with_env`](Self::with_env) sets
/// fields from variables. So one file can serve test and production.
///
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
#[derive(Clone)]
pub struct Config {
    /// The values as they are written, for the variables that belong in between.
    document: Node,
    /// The same values with their types, in which a text stands in for a variable that is not read yet.
    settings: Settings,
    overrides: Overrides,
}

impl Config {
    /// Sets fields from the variables of the environment whose names begin with `prefix` and an underscore. They
    /// take precedence over the file.
    ///
    /// A name consists of the prefix, the tables and the field, in upper case, with **two** underscores between a table
    /// and a field or table in it. With the prefix `TOOLGATE`:
    ///
    /// - `TOOLGATE_RESOURCE` sets `resource`.
    /// - `TOOLGATE_LIMITS__MAX_BODY_BYTES` sets `limits.max_body_bytes`.
    /// - `TOOLGATE_ISSUERS__MAIN__JWKS_URI` sets `jwks_uri` in `[issuers.main]`. A `-` in the name of an issuer is
    ///   written `_`.
    ///
    /// Strings, numbers and truth values can be set, in tables whose fields this crate names. Lists, rules and claims
    /// cannot. A variable with the prefix that sets no field, and a value of another type, are mistakes, which
    /// `build()` and [`Toolgate::reload`](crate::Toolgate::reload) report. Variables that the file names itself
    /// (`{ env = "NAME" }`) may have the same prefix. `with_env` reads the variables with the prefix when it is called.
    /// `into_builder()` and `reload` read those that the file names.
    ///
    /// ```
    /// # let file = "resource = 'https://mcp.example.com/mcp'\nscopes.unlisted = 'allow'\nissuers.main.issuer = 'https://auth.example.com'";
    /// let config = toml::from_str::<toolgate::Config>(file)?.with_env("TOOLGATE");
    /// let gate = config.into_builder().build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_env(mut self, prefix: &str) -> Self {
        let variables = std::env::vars_os();
        override_fields(&mut self.document, prefix, variables, &mut self.overrides);
        // Each value was put in its place only if the whole can still be typed.
        if let Ok(settings) = typed(&self.document) {
            self.settings = settings;
        }
        self
    }

    /// The settings, in which variables are read, and every mistake that was found so far.
    pub(crate) fn settings(&self) -> (Settings, Problems) {
        let mut problems = Problems::default();
        self.overrides.report(&mut problems);
        let mut document = self.document.clone();
        read_named(&mut document, &mut problems);
        let settings = typed(&document).unwrap_or_else(|why| {
            // As above, this cannot be. If it were, no gate would be built of what stands in for the texts.
            problems.add(ConfigProblem::not_allowed("(the file)", why.to_string()));
            self.settings.clone()
        });
        settings.check_top_level(&document, &mut problems);
        (settings, problems)
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut document = Node::default();
        let settings = Settings::deserialize(Recorder::new(deserializer, &mut document))?;
        Ok(Self {
            document,
            settings,
            overrides: Overrides::default(),
        })
    }
}

/// Shows no secret.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Config").field(&self.settings).finish()
    }
}
