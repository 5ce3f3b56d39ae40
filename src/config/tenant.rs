//! The configuration of a tenant: what a resolver may say, and what it may not. It may contain text that the tenant chose.

use http::HeaderName;

use super::Config;
use super::issuer::Issuer;
use super::names::seen_at;
use super::proxy_header::proxy_header;
use super::resources::ResourceSettings;
use super::secret::Secret;
use super::settings::Settings;
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::issuer::is_private;
use crate::network::Network;

/// The limits within which a resolver configures one tenant.
pub(crate) struct TenantRules<'r> {
    /// The URL of the tenant.
    pub(crate) resource: &'r str,
    /// The path of every tenant in the requests that reach this server, if a proxy changes it.
    pub(crate) seen_at: Option<&'r str>,
    /// Whether an audience is the URL of a tenant, and not of this one.
    pub(crate) names_another: &'r dyn Fn(&str) -> bool,
    /// Whether other tenants have the same host.
    pub(crate) shares_host: bool,
    pub(crate) allows_private_addresses: bool,
    pub(crate) allows_files: bool,
}

impl Config {
    /// The settings of a tenant, if the resolver kept within its limits.
    pub(crate) fn of_tenant(
        &self,
        rules: &TenantRules<'_>,
        problems: &mut Problems,
    ) -> Result<ResourceSettings, Flawed> {
        if !rules.allows_files {
            // Before any of them is read.
            self.check_reads_nothing(problems)?;
        }
        let (mut settings, found) = self.settings();
        problems.extend(found);
        let given = std::mem::replace(&mut settings.resource, rules.resource.to_owned());
        if !given.is_empty() && given != rules.resource {
            let fix = format!(
                "leave it out, or write {:?}: the template says it",
                rules.resource
            );
            problems.add(ConfigProblem::conflict("resource", fix).showing(given));
        }
        let seen_at = rules.seen_at.map(str::to_owned);
        let given = std::mem::replace(&mut settings.seen_at, seen_at);
        if given.is_some() && given != settings.seen_at {
            let fix = "leave it out: it is the same for all tenants, by Tenants::seen_at";
            problems.add(ConfigProblem::conflict("seen_at", fix));
        }
        if !settings.also_at.is_empty() {
            let fix = "leave it out: a tenant has the one URL that the template says";
            problems.add(ConfigProblem::conflict("also_at", fix));
        }
        if rules.shares_host && settings.metadata.has_root_copy() {
            let fix = "leave it out: the host has one root, and several tenants";
            problems.add(ConfigProblem::conflict("metadata.root_copy", fix));
        }
        for (position, issuer) in settings.issuers.iter().enumerate() {
            issuer.check_of_tenant(&issuer.field(position), rules, problems);
        }
        let settings = ResourceSettings::from(settings);
        settings.check_alone(problems);
        Ok(settings)
    }

    /// Whether this configuration is written like another one. A file that it names may have changed.
    pub(crate) fn is_written_like(&self, other: &Self) -> bool {
        self.document == other.document
    }

    /// Checks that nothing is read from variables and files.
    fn check_reads_nothing(&self, problems: &mut Problems) -> Result<(), Flawed> {
        const FIX: &str = "write the value itself: a tenant that chose this text could read what is not its own. If no \
                           tenant chooses text of its configuration, call Tenants::allow_files_and_variables";
        let settings: &Settings = &self.settings;
        let mut fields: Vec<String> = self.document.variable_fields();
        for (position, key) in settings.sessions.keys().iter().enumerate() {
            if !key.is_text() {
                fields.push(format!("sessions.keys[{position}]"));
            }
        }
        if settings
            .api_keys
            .as_ref()
            .is_some_and(|keys| keys.0.file.is_some())
        {
            fields.push("api_keys.file".to_owned());
        }
        for (position, issuer) in settings.issuers.iter().enumerate() {
            let field = issuer.field(position);
            if issuer.jwks_file.is_some() {
                fields.push(format!("{field}.jwks_file"));
            }
            let Some(introspection) = &issuer.introspection else {
                continue;
            };
            let (secret, key) = (&introspection.0.client_secret, &introspection.0.private_key);
            for (name, secret) in [("client_secret", secret), ("private_key", key)] {
                if !secret.as_ref().is_none_or(Secret::is_text) {
                    fields.push(format!("{field}.introspection.{name}"));
                }
            }
        }
        let flawed = fields
            .into_iter()
            .map(|field| problems.add(ConfigProblem::not_allowed(field, FIX)));
        flawed.last().map_or(Ok(()), Err)
    }
}

impl Issuer {
    fn check_of_tenant(&self, at: &str, rules: &TenantRules<'_>, problems: &mut Problems) {
        if !rules.allows_private_addresses {
            let introspection = self.introspection.as_ref();
            let endpoint = introspection.and_then(|table| table.0.endpoint.as_ref());
            for (name, url) in [
                ("issuer", Some(&self.issuer)),
                ("jwks_uri", self.jwks_uri.as_ref()),
                ("introspection.endpoint", endpoint),
            ] {
                // The name of an issuer need not be a URL.
                let Some(url) = url.filter(|url| is_private(url)) else {
                    continue;
                };
                let fix = "write an https URL of a public host: a tenant that chose it could reach into your network. If no \
                           tenant chooses it, call Tenants::allow_private_addresses";
                problems.add(ConfigProblem::not_allowed(format!("{at}.{name}"), fix).showing(url));
            }
        }
        for (position, audience) in self.audiences.iter().enumerate() {
            if (rules.names_another)(audience) {
                let fix = "leave it out: it is the URL of another tenant";
                let field = format!("{at}.audiences[{position}]");
                problems.add(ConfigProblem::conflict(field, fix).showing(audience));
            }
        }
        let accepts_more = !self.audiences.is_empty() || self.unbound.is_some();
        if accepts_more && self.claims.is_empty() {
            let fix = "require a claim that tells the tenants apart: a token with another audience than the URL of this \
                       tenant may be good at another one";
            problems.add(ConfigProblem::missing(format!("{at}.claims"), fix));
        }
    }
}

/// Checks how a proxy names the tenant: the name of its header, and the networks of the proxies.
pub(crate) fn tenant_header(
    name: &str,
    peers: &[String],
    problems: &mut Problems,
) -> Result<(HeaderName, Vec<Network>), Flawed> {
    let name = problems.keep(proxy_header("tenants.header", Some(name), "the tenant"));
    let networks = super::peers::networks(peers, "tenants.peers", problems)?;
    if networks.is_empty() {
        let fix = "list the proxies that write this header: of any other peer it could be forged";
        return Err(problems.add(ConfigProblem::missing("tenants.peers", fix)));
    }
    Ok((name?, networks))
}

/// Checks the path of all tenants in the requests that reach this server.
pub(crate) fn tenant_path(path: Option<&str>) -> Result<(), ConfigProblem> {
    seen_at(path).map(drop)
}
