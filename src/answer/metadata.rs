//! The protected-resource metadata document (RFC 9728).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::resource_uri::{HttpUrl, ResourceUri};
use crate::scheme::{Dpop, Schemes};

/// Members of the metadata document. The gate adds the members that follow from the rest of the configuration.
///
/// ```
/// # use toolgate::Metadata;
/// let metadata = Metadata::default()
///     .resource_name("Example MCP server")
///     .resource_documentation("https://mcp.example.com/docs")
///     .extra("resource_name#fr", "Serveur MCP d'exemple");
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    pub(super) resource_name: Option<String>,
    resource_documentation: Option<String>,
    resource_policy_uri: Option<String>,
    resource_tos_uri: Option<String>,
    jwks_uri: Option<String>,
    resource_signing_alg_values_supported: Option<Vec<String>>,
    pub(crate) scopes_supported: Option<Vec<String>>,
    #[serde(default)]
    extra: BTreeMap<String, Value>,
    pub(super) root_copy: Option<bool>,
    #[serde(default)]
    pub(super) legacy_authorization_server: Legacy,
}

/// The answer to clients of the 2025-03-26 revision, which look for the authorization server's metadata here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Legacy {
    #[default]
    Off,
    Redirect,
}

impl Metadata {
    /// Sets the name that is shown to people.
    pub fn resource_name(mut self, name: impl Into<String>) -> Self {
        self.resource_name = Some(name.into());
        self
    }

    /// Sets the URL of the documentation for developers.
    pub fn resource_documentation(mut self, url: impl Into<String>) -> Self {
        self.resource_documentation = Some(url.into());
        self
    }

    /// Sets the URL of the policy on how the server uses data.
    pub fn resource_policy_uri(mut self, url: impl Into<String>) -> Self {
        self.resource_policy_uri = Some(url.into());
        self
    }

    /// Sets the URL of the terms of service.
    pub fn resource_tos_uri(mut self, url: impl Into<String>) -> Self {
        self.resource_tos_uri = Some(url.into());
        self
    }

    /// Sets the URL of the server's own keys, if it signs its responses.
    pub fn jwks_uri(mut self, url: impl Into<String>) -> Self {
        self.jwks_uri = Some(url.into());
        self
    }

    /// Sets the algorithms with which the server signs its responses.
    pub fn resource_signing_algorithms<S: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = S>,
    ) -> Self {
        self.resource_signing_alg_values_supported =
            Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the scopes to advertise. By default they are those of the first challenge. Clients request all of them.
    pub fn scopes_supported<S: Into<String>>(
        mut self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.scopes_supported = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Adds any other member, such as `resource_name#fr`. `build()` fails if the value is empty or cannot be written as
    /// JSON, or if the gate or another setting sets this member.
    pub fn extra(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        // Null marks a value that is not JSON. `build()` refuses every null.
        self.extra.insert(
            name.into(),
            serde_json::to_value(value).unwrap_or(Value::Null),
        );
        self
    }

    /// Serves a copy of the document at the root of the origin, even if several resources have the origin in common
    /// ([`Gates`](crate::Gates)). Only one of them can. For a resource that has its origin to itself, this is the default.
    pub fn root_copy(mut self) -> Self {
        self.root_copy = Some(true);
        self
    }

    /// Serves the document at the path of the resource only, without the copy at the root of the origin.
    pub fn without_root_copy(mut self) -> Self {
        self.root_copy = Some(false);
        self
    }

    /// Redirects clients of revision 2025-03-26 to the metadata of the first advertised authorization server. These
    /// clients look for it at this server.
    pub fn redirect_legacy_clients(mut self) -> Self {
        self.legacy_authorization_server = Legacy::Redirect;
        self
    }

    /// Whether a copy at the root of the origin is asked for.
    pub(crate) fn has_root_copy(&self) -> bool {
        self.root_copy == Some(true)
    }

    /// Makes the members of the document. Empty ones are left out (RFC 9728 §3.2).
    pub(super) fn document(
        &self,
        publication: &Publication<'_>,
        problems: &mut Problems,
    ) -> Result<Map<String, Value>, Flawed> {
        self.check(problems)?;
        let mut document = Map::new();
        let mut put = |name: &str, value: Value| {
            if !is_zero(&value) {
                document.insert(name.to_owned(), value);
            }
        };
        put("resource", publication.resource?.as_str().into());
        put(
            "authorization_servers",
            publication.authorization_servers.clone()?.into(),
        );
        put(
            "scopes_supported",
            publication.scopes_supported.clone()?.into(),
        );
        put("bearer_methods_supported", vec!["header"].into());
        if publication.schemes.dpop != Dpop::Off {
            let algorithms = publication.schemes.proof_algorithms.split(' ');
            put(
                "dpop_signing_alg_values_supported",
                algorithms.collect::<Vec<_>>().into(),
            );
        }
        if publication.schemes.dpop == Dpop::Required {
            put("dpop_bound_access_tokens_required", true.into());
        }
        if publication.certificates {
            put("tls_client_certificate_bound_access_tokens", true.into());
        }
        put("resource_name", self.resource_name.clone().into());
        for (name, url) in self.urls() {
            put(name, url.into());
        }
        if let Some(names) = &self.resource_signing_alg_values_supported {
            put(
                "resource_signing_alg_values_supported",
                names.clone().into(),
            );
        }
        document.extend(self.extra.clone());
        Ok(document)
    }

    fn check(&self, problems: &mut Problems) -> Result<(), Flawed> {
        let mut sound = Ok(());
        let mut wrong = |problem| sound = Err(problems.add(problem));
        for (name, url) in self.urls() {
            if let Err(fix) = HttpUrl::parse(url) {
                wrong(ConfigProblem::not_allowed(format!("metadata.{name}"), fix).showing(url));
            }
        }
        let algorithms = self.resource_signing_alg_values_supported.iter().flatten();
        for none in algorithms.filter(|name| name.eq_ignore_ascii_case("none")) {
            let field = "metadata.resource_signing_alg_values_supported";
            let fix = "leave it out: this gate does not sign the document (RFC 9728 §2)";
            wrong(ConfigProblem::not_allowed(field, fix).showing(none));
        }
        for (name, value) in &self.extra {
            let field = format!("metadata.extra.{name}");
            if OURS.contains(&name.as_str()) {
                let fix = "it follows from the rest of the configuration: set it there";
                wrong(ConfigProblem::conflict(field, fix));
            } else if is_zero(value) {
                let fix = "leave empty members out (RFC 9728 §3.2)";
                wrong(ConfigProblem::not_allowed(field, fix).showing(value.to_string()));
            }
        }
        sound
    }

    fn urls(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let urls = [
            ("resource_documentation", &self.resource_documentation),
            ("resource_policy_uri", &self.resource_policy_uri),
            ("resource_tos_uri", &self.resource_tos_uri),
            ("jwks_uri", &self.jwks_uri),
        ];
        urls.into_iter()
            .filter_map(|(name, url)| Some((name, url.as_deref()?)))
    }
}

/// Members that the gate itself sets, or for which there is a field.
const OURS: &[&str] = &[
    "authorization_servers",
    "bearer_methods_supported",
    "dpop_bound_access_tokens_required",
    "dpop_signing_alg_values_supported",
    "jwks_uri",
    "resource",
    "resource_documentation",
    "resource_name",
    "resource_policy_uri",
    "resource_signing_alg_values_supported",
    "resource_tos_uri",
    "scopes_supported",
    "tls_client_certificate_bound_access_tokens",
];

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The parts of the configuration that are published, if they are valid.
pub(crate) struct Publication<'a> {
    pub(crate) resource: Result<&'a ResourceUri, Flawed>,
    /// At least one URL.
    pub(crate) authorization_servers: Result<Vec<String>, Flawed>,
    pub(crate) scopes_supported: Result<Vec<String>, Flawed>,
    pub(crate) schemes: &'a Schemes,
    /// Whether tokens that are bound to a client certificate are accepted.
    pub(crate) certificates: bool,
    /// The URL of the first authorization server's own metadata.
    pub(crate) legacy_target: Result<Option<String>, Flawed>,
}
