//! Several gates behind one layer.

use std::fmt;
use std::sync::Arc;

use crate::address::Address;
use crate::builder::Builder;
use crate::config::Config;
use crate::config_error::{ConfigError, ConfigProblem, Problems};
use crate::events::GatesBuilt;
use crate::gate::Toolgate;
use crate::installed::{Installed, turn_to_reload};
use crate::layer::ToolgateLayer;
use crate::pipeline::{Pipeline, check_neighbours};
use crate::routing::{Directory, Elsewhere};

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
    directory: Arc<Directory<Address>>,
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
        Self::new(gates.into_iter().collect(), Elsewhere::NotFound)
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
        Self::new(gates.into_iter().collect(), Elsewhere::Ungated)
    }

    /// Makes the layer to put around the service, as [`Toolgate::layer`] does for one gate.
    pub fn layer(&self) -> ToolgateLayer {
        ToolgateLayer::new(self.directory.clone())
    }

    /// Lists the gates.
    pub fn gates(&self) -> &[Toolgate] {
        &self.gates
    }

    /// Replaces the configuration of all gates, as [`Toolgate::reload`] does for one. The configuration must be for the same
    /// resources at the same paths. It cannot change what happens to requests for none of them.
    ///
    /// # Errors
    /// As for [`Toolgate::reload`]. Then no gate is changed.
    pub fn reload(&self, config: Config) -> Result<(), ConfigError> {
        let _turn = turn_to_reload();
        let (settings, mut problems) = config.settings();
        if settings.unmatched_is_other_than(self.directory.elsewhere()) {
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

    fn new(gates: Vec<Toolgate>, elsewhere: Elsewhere) -> Result<Self, ConfigError> {
        // No gate may change between the check and the time from which its own reload is checked beside the others.
        let _turn = turn_to_reload();
        let mut problems = Problems::default();
        if gates.is_empty() {
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
        problems.finish(Ok(()))?;
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
            elsewhere: elsewhere.name(),
        }
        .write();
        Ok(Self {
            gates: gates.into(),
            directory: Arc::new(directory),
        })
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
        Gates::new(gates.into_iter().map(Toolgate::new).collect(), elsewhere)
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
