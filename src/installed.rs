//! A gate in use: its addresses, and how its configuration is replaced.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::address::Address;
use crate::config::{self, CodeOnly, Family, Inherited, ResourceSettings};
use crate::config_error::{Flawed, Problems};
use crate::current::Current;
use crate::pipeline::{GateState, Pipeline, Pipelines, check_neighbours};
use crate::routing::{Directory, Elsewhere};

/// The parts of a gate that no reload replaces.
pub(crate) struct Installed {
    /// The URL that is the identifier of the resource.
    pub(crate) main: Address,
    /// All URLs of the resource, the identifier first.
    pub(crate) addresses: Vec<Address>,
    pub(crate) directory: Arc<Directory<Address>>,
    pub(crate) metadata_url: String,
    pub(crate) state: GateState,
    /// The settings for other gates with the same issuers.
    inherited: Mutex<Inherited>,
    /// The gates that stand beside this one.
    neighbours: Mutex<Vec<Arc<Current<Pipeline>>>>,
}

/// A configuration that was checked, and is not in force yet.
pub(crate) struct Replacement {
    pub(crate) pipelines: Pipelines,
    inherited: Inherited,
}

impl Installed {
    pub(crate) fn build(
        settings: &ResourceSettings,
        code_only: CodeOnly,
        problems: &mut Problems,
    ) -> Result<Self, Flawed> {
        let (pipelines, state) = config::build(settings, code_only, problems)?;
        let metadata_url = pipelines.main.answers.resource_metadata().to_owned();
        let main = Address::new(pipelines.main);
        let aliases = pipelines.aliases.into_iter().map(Address::new);
        let addresses: Vec<_> = std::iter::once(main.clone()).chain(aliases).collect();
        // That the names of the resource can be told apart was checked with the rest of the configuration.
        let (directory, _) = Address::directory(&addresses, Elsewhere::First);
        Ok(Self {
            main,
            addresses,
            directory: Arc::new(directory),
            metadata_url,
            state,
            inherited: Mutex::new(settings.inherited()),
            neighbours: Mutex::default(),
        })
    }

    /// Checks a configuration that is to replace the one in force.
    pub(crate) fn prepare(
        &self,
        settings: &ResourceSettings,
        problems: &mut Problems,
    ) -> Result<Replacement, Flawed> {
        let names: Vec<_> = self
            .addresses
            .iter()
            .map(|address| address.pipeline.get().resource.clone())
            .collect();
        Ok(Replacement {
            pipelines: config::rebuild(settings, &self.state, &names, problems)?,
            inherited: settings.inherited(),
        })
    }

    /// Checks a configuration beside those of the neighbours.
    pub(crate) fn check_beside_neighbours(&self, next: &Replacement, problems: &mut Problems) {
        let neighbours: Vec<_> = lock(&self.neighbours)
            .iter()
            .map(|gate| gate.get())
            .collect();
        let mut gates: Vec<&Pipeline> = neighbours.iter().map(|gate| &**gate).collect();
        gates.push(&next.pipelines.main);
        check_neighbours(&gates, problems);
    }

    /// Puts a configuration in force.
    pub(crate) fn replace(&self, next: Replacement) {
        next.pipelines.main.announce();
        next.pipelines.main.verifier.make_due();
        *lock(&self.inherited) = next.inherited;
        for (address, pipeline) in self.addresses.iter().zip(next.pipelines.into_iter()) {
            address.pipeline.replace(Arc::new(pipeline));
        }
    }

    /// Has later configurations checked beside those of this gate.
    pub(crate) fn stand_beside(&self, other: &Self) {
        lock(&self.neighbours).push(other.main.pipeline.clone());
    }

    pub(crate) fn inherited(&self) -> Inherited {
        lock(&self.inherited).clone()
    }

    pub(crate) fn family(&self) -> Family {
        Family::of(&self.state)
    }
}

/// Waits for its turn to reload. Each reload is checked beside the configurations of other gates, which must not change
/// meanwhile.
pub(crate) fn turn_to_reload() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    lock(&TURN)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
