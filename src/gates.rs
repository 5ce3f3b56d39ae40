//! Several gates behind one layer.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::address::Address;
use crate::builder::Builder;
use crate::config::Config;
use crate::config_error::{ConfigError, ConfigProblem, Problems};
use crate::events::{self, GatesBuilt};
use crate::gate::Toolgate;
use crate::installed::{Installed, turn_to_reload};
use crate::layer::ToolgateLayer;
use crate::pipeline::{Pipeline, check_neighbours};
use crate::refusal::Refusal;
use crate::routing::Elsewhere;
use crate::tenants::{Routes, Tenants};

/// Several gates as one layer, for a process that serves several resources.
///
/// A request is for the gate whose URL has its host, and the longest path that its own path begins with, in whole segments.
/// If all gates have one host, the host of a request decides nothing. Each gate has its own audience, rules, sessions and
/// caches. See [`docs::several_resources`](crate::docs::several_resources).
///
/// The inner service must choose by [`Resource`](crate::Resource), and not by `Host`.
///
/// ```
/// use toolgate::{Gates, ScopeMap, Toolgate};
///
/// # fn main() -> Result<(), toolgate::ConfigError> {
/// let files = Toolgate::builder("https://mcp.example.com/files")
///     .issuer("https://auth.example.com")
///     .scopes(ScopeMap::allow_unlisted().every_request("files:use"))
///     .build()?;
/// let mail = files
///     .for_resource("https://mcp.example.com/mail")
///     .scopes(ScopeMap::allow_unlisted().every_request("mail:use"))
///     .build()?;
///
/// let router: axum::Router = axum::Router::new()
///     .route("/files", axum::routing::post(|| async { "one MCP server" }))
///     .route("/mail", axum::routing::post(|| async { "another" }))
///     .layer(Gates::not_found_elsewhere([files, mail])?.layer());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gates {
    gates: Arc<[Toolgate]>,
    routes: Routes,
}

impl Gates {
    /// Puts gates side by side. A request for none of them gets 404.
    ///
    /// # Errors
    /// Two gates cannot be told apart, or a token that is good for one could be good for another. The second is allowed if
    /// both gates say so: [`Issuer::shared_audience`](crate::Issuer::shared_audience).
    pub fn not_found_elsewhere(
        gates: impl IntoIterator<Item = Toolgate>,
    ) -> Result<Self, ConfigError> {
        Self::new(gates.into_iter().collect(), Elsewhere::NotFound, None)
    }

    /// Puts gates side by side. A request for none of them reaches the inner service without any check, unless its path is
    /// that of a gate under another host: then it gets 404. `Authorization` and `DPoP` are taken off it, and it has no
    /// [`Principal`](crate::Principal).
    ///
    /// # Errors
    /// As for [`not_found_elsewhere`](Self::not_found_elsewhere).
    pub fn ungated_elsewhere(
        gates: impl IntoIterator<Item = Toolgate>,
    ) -> Result<Self, ConfigError> {
        Self::new(gates.into_iter().collect(), Elsewhere::Ungated, None)
    }

    /// Starts with tenants: resources that are found at run time. `template` is the URL of every tenant, with `{tenant}` in the
    /// place of its name, as a whole label of the host or a whole segment of the path. `resolve` gives the configuration of a
    /// tenant, or `None` if there is no such tenant: then the answer is 404.
    ///
    /// The name has lower-case letters, digits and hyphens, at most 63. Any caller chooses it. The configuration needs no
    /// `resource`: it is the URL of the tenant. See [`docs::several_resources`](crate::docs::several_resources#tenants) for what
    /// else is left out or refused, and for how long an answer is relied on.
    ///
    /// ```
    /// use toolgate::{Config, Gates};
    ///
    /// # async fn file_of(tenant: &str) -> std::io::Result<Option<String>> { Ok(None) }
    /// # fn main() -> Result<(), toolgate::ConfigError> {
    /// let tenants = Gates::resolving("https://{tenant}.example.com/mcp", |tenant: String| async move {
    ///     let Some(file) = file_of(&tenant).await? else {
    ///         return Ok(None);
    ///     };
    ///     Ok(Some(toml::from_str::<Config>(&file)?))
    /// });
    /// let layer = tenants.not_found_elsewhere([])?.layer();
    /// # Ok(())
    /// # }
    /// ```
    pub fn resolving<F>(
        template: impl Into<String>,
        resolve: impl Fn(String) -> F + Send + Sync + 'static,
    ) -> Tenants
    where
        F: Future<Output = Result<Option<Config>, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        Tenants::new(template.into(), resolve)
    }

    /// Returns the gate of a tenant, for its health, its revocations and explanations; `None` if there is no such tenant. The
    /// resolver is asked as for a request. A revocation holds at every tenant with the issuer, as long as these `Gates`
    /// exist.
    ///
    /// Drop the gate soon: the tenant stays in memory while you have it.
    ///
    /// # Errors
    /// The resolver failed, or gave a configuration that cannot be used. The [`source`](Error::source) says why.
    pub async fn tenant(&self, name: &str) -> Result<Option<Toolgate>, Refusal> {
        let Some(tenants) = self.routes.tenants() else {
            return Ok(None);
        };
        let Some(name) = tenants.name(name) else {
            return Ok(None);
        };
        let tenant = tenants.tenant(name).await?;
        Ok(tenant.map(|tenant| Toolgate(tenant.installed.clone())))
    }

    /// Has a tenant resolved again at once. Until it answers, new requests wait, and get 503 if it fails. If there is
    /// no such tenant any more, its streams end. Otherwise the new configuration replaces the old one, as
    /// [`Toolgate::reload`] does, even if it is the same.
    pub fn forget(&self, name: &str) {
        let tenants = self.routes.tenants();
        if let Some((tenants, name)) = tenants.and_then(|it| Some((it, it.name(name)?))) {
            tenants.forget(name);
        }
    }

    /// Ends all streams of all gates and tenants permanently, as [`Toolgate::close_streams`] does for one.
    pub fn close_streams(&self) {
        for gate in &*self.gates {
            gate.0.state.closing.begin();
        }
        if let Some(tenants) = self.routes.tenants() {
            tenants.close_streams();
        }
        events::streams_closed();
    }

    /// Makes the layer to put around the service, as [`Toolgate::layer`] does for one gate.
    pub fn layer(&self) -> ToolgateLayer {
        ToolgateLayer::new(self.routes.clone())
    }

    /// Lists the gates. Tenants are not among them: see [`tenant`](Self::tenant).
    pub fn gates(&self) -> &[Toolgate] {
        &self.gates
    }

    /// Replaces the configuration of all gates, as [`Toolgate::reload`] does for one. The configuration must be for the same
    /// resources at the same paths. It cannot change what happens to requests for none of them, and it changes no tenant.
    ///
    /// # Errors
    /// As for [`Toolgate::reload`]. Then no gate is changed.
    pub fn reload(&self, config: Config) -> Result<(), ConfigError> {
        let _turn = turn_to_reload();
        let (settings, mut problems) = config.settings();
        if settings.unmatched_is_other_than(self.routes.directory.elsewhere()) {
            let fix = "layers in use keep it: restart the server to change it";
            problems.add(ConfigProblem::conflict("unmatched", fix));
        }
        let next = settings.by_resource(&mut problems);
        let find = |gate: &Toolgate| next.iter().find(|next| next.resource() == gate.resource());
        let is_same =
            next.len() == self.gates.len() && self.gates.iter().all(|gate| find(gate).is_some());
        if !is_same {
            let fix = "a process keeps its resources: restart it to change them";
            problems.add(ConfigProblem::conflict("resources", fix));
        }
        let prepared = self.gates.iter().filter_map(|gate| {
            let next = gate.0.prepare(find(gate)?, &mut problems);
            next.ok().map(|next| (gate, next))
        });
        let prepared: Vec<_> = prepared.collect();
        let pipelines: Vec<_> = prepared
            .iter()
            .map(|(_, next)| &next.pipelines.main)
            .collect();
        check_neighbours(&pipelines, &mut problems);
        let together: Vec<_> = prepared.iter().map(|(gate, _)| &*gate.0).collect();
        for (gate, next) in &prepared {
            gate.0
                .check_beside_neighbours(next, &together, &mut problems);
        }
        for (gate, next) in problems.finish(Ok(prepared))? {
            gate.0.replace(next);
        }
        Ok(())
    }

    fn new(
        gates: Vec<Toolgate>,
        elsewhere: Elsewhere,
        tenants: Option<Tenants>,
    ) -> Result<Self, ConfigError> {
        // No gate may change between the check and the time from which its own reload is checked beside the others.
        let _turn = turn_to_reload();
        let mut problems = Problems::default();
        if gates.is_empty() && tenants.is_none() {
            problems.add(ConfigProblem::missing(
                "resources",
                "name at least one gate",
            ));
        }
        let of_gates = gates.iter().flat_map(|gate| &gate.0.addresses);
        let addresses: Vec<Address> = of_gates.cloned().collect();
        let (directory, overlaps) = Address::directory(&addresses, elsewhere);
        for overlap in overlaps {
            let shown = addresses
                .get(overlap.position)
                .map(|address| address.resource.as_str());
            let problem = ConfigProblem::duplicate("resources", overlap.why);
            problems.add(problem.showing(shown.unwrap_or_default()));
        }
        let pipelines: Vec<_> = gates
            .iter()
            .map(|gate| gate.0.main.pipeline.get())
            .collect();
        let pipelines: Vec<&Pipeline> = pipelines.iter().map(|pipeline| &**pipeline).collect();
        check_neighbours(&pipelines, &mut problems);
        let installed: Vec<_> = gates.iter().map(|gate| gate.0.clone()).collect();
        let tenants = tenants.map(|tenants| tenants.beside(&installed, &mut problems));
        let tenants = problems.finish(tenants.transpose())?;
        for (position, gate) in gates.iter().enumerate() {
            let others = gates
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != position);
            gate.0.stand_beside(others.map(|(_, other)| &*other.0));
        }
        let resources: Vec<&str> = gates.iter().map(Toolgate::resource).collect();
        GatesBuilt {
            resources: &resources,
            tenants: tenants.as_ref().map(|tenants| tenants.template()),
            elsewhere: elsewhere.name(),
        }
        .write();
        let routes = Routes::of_gates(Arc::new(directory));
        Ok(Self {
            gates: gates.into(),
            routes: match tenants {
                Some(tenants) => routes.with_tenants(tenants),
                None => routes,
            },
        })
    }
}

impl Tenants {
    /// Puts the tenants behind one layer, with these gates, which go first. A request for none of them gets 404.
    ///
    /// # Errors
    /// The template could yield a foreign host or the URL of one of the gates, or is no URL with a place for one name; or the
    /// gates cannot stand side by side, as for [`Gates::not_found_elsewhere`].
    pub fn not_found_elsewhere(
        self,
        gates: impl IntoIterator<Item = Toolgate>,
    ) -> Result<Gates, ConfigError> {
        let gates = gates.into_iter().collect();
        Gates::new(gates, Elsewhere::NotFound, Some(self))
    }

    /// Puts the tenants behind one layer, with these gates, which go first. A request for none of them reaches the inner service
    /// without any check, as for [`Gates::ungated_elsewhere`]. A request with the path of tenants never does: under another
    /// host, or with a name that no tenant has, it gets 404.
    ///
    /// # Errors
    /// As for [`not_found_elsewhere`](Self::not_found_elsewhere).
    pub fn ungated_elsewhere(
        self,
        gates: impl IntoIterator<Item = Toolgate>,
    ) -> Result<Gates, ConfigError> {
        let gates = gates.into_iter().collect();
        Gates::new(gates, Elsewhere::Ungated, Some(self))
    }
}

impl Config {
    /// Builds a gate for each of `[[resources]]`, and puts them side by side. A file with one resource yields one gate.
    ///
    /// `each` adds the settings that only code can give, to the builder of each gate. Pass `|builder| builder` if there are
    /// none.
    ///
    /// # Errors
    /// [`ConfigError`] names every value that is wrong, in all resources.
    pub fn into_gates(self, each: impl Fn(Builder) -> Builder) -> Result<Gates, ConfigError> {
        let (settings, mut problems) = self.settings();
        let elsewhere = settings.elsewhere();
        let mut gates = Vec::<Installed>::new();
        for settings in settings.by_resource(&mut problems) {
            let builder = each(Builder::of(settings, Problems::default()));
            let family = gates.first().map(Installed::family);
            gates.extend(builder.install(family, &mut problems));
        }
        let gates = problems.finish(Ok(gates))?;
        Gates::new(
            gates.into_iter().map(Toolgate::new).collect(),
            elsewhere,
            None,
        )
    }
}

impl fmt::Debug for Gates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gates").field(&self.gates).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ScopeMap;

    fn gate(resource: &str) -> Toolgate {
        let builder = Toolgate::builder(resource).issuer("https://auth.example.com");
        builder.scopes(ScopeMap::allow_unlisted()).build().unwrap()
    }

    #[test]
    fn a_gate_does_not_keep_its_neighbours_alive() {
        let a = gate("https://h.example/a");
        let b = gate("https://h.example/b");
        let of_b = Arc::downgrade(&b.0.main.pipeline);
        let gates = Gates::not_found_elsewhere([a.clone(), b]).unwrap();
        let layer = gates.layer();
        drop(gates);
        assert!(of_b.strong_count() > 0, "the layer serves it");
        drop(layer);
        assert_eq!(of_b.strong_count(), 0);
        drop(a);
    }
}
