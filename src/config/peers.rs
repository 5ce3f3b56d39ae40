//! The `[peers]` table: the proxies whose forwarded headers count.

use serde::Deserialize;

use crate::config_error::{ConfigProblem, Flawed, Problems, all};
use crate::network::Network;

/// The peers that are proxies of the operator.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeersTable {
    #[serde(default)]
    listed: Vec<String>,
}

impl PeersTable {
    pub(crate) fn list(&mut self, network: String) {
        self.listed.push(network);
    }

    pub(super) fn networks(&self, problems: &mut Problems) -> Result<Vec<Network>, Flawed> {
        networks(&self.listed, "peers.listed", problems)
    }
}

/// The networks of listed peers.
pub(super) fn networks(
    listed: &[String],
    field: &str,
    problems: &mut Problems,
) -> Result<Vec<Network>, Flawed> {
    all(listed.iter().enumerate().map(|(position, text)| {
        let not_allowed =
            |fix| ConfigProblem::not_allowed(format!("{field}[{position}]"), fix).showing(text);
        let network = Network::parse(text).map_err(not_allowed);
        problems.keep(network.and_then(|network| {
            match network.is_everything() {
            false => Ok(network),
            true => Err(not_allowed(
                "write the networks of your proxies alone: any client could forge what they forward"
                    .to_owned(),
            )),
        }
        }))
    }))
}
