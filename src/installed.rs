//! A gate in use: its addresses, and how its configuration is replaced.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use http::request::Parts;

use crate::address::Address;
use crate::config::{self, CodeOnly, Family, Inherited, ResourceSettings};
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::current::Current;
use crate::pipeline::{GateState, Pipeline, Pipelines, check_pair};
use crate::routing::{Directory, Elsewhere, Picked};

/// The parts of a gate that no reload replaces.
pub(crate) struct Installed {
    /// The URL that is the identifier of the resource.
    pub(crate) main: Address,
    /// All URLs of the resource, the identifier first.
    pub(crate) addresses: Vec<Address>,
    pub(crate) directory: Arc<Directory<Address>>,
    pub(crate) metadata_url: String,
    pub(crate) state: GateState,
    /// Whether the configuration comes from the resolver of tenants.
    pub(crate) is_of_tenant: bool,
    /// The settings for other gates with the same issuers.
    inherited: Mutex<Inherited>,
    /// The gates that stand beside this one, in whatever layers. `None` while this one was never put into `Gates`.
    neighbours: Mutex<Option<Vec<Weak<Current<Pipeline>>>>>,
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
        let is_of_tenant = code_only.is_of_tenant;
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
            is_of_tenant,
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
        let pipelines = config::rebuild(settings, &self.state, &names, problems)?;
        self.check_still_picked(&pipelines, settings, problems)?;
        Ok(Replacement {
            pipelines,
            inherited: settings.inherited(),
        })
    }

    /// Checks that requests are still picked by the same paths, if they are picked at all: layers in use keep theirs.
    fn check_still_picked(
        &self,
        next: &Pipelines,
        settings: &ResourceSettings,
        problems: &mut Problems,
    ) -> Result<(), Flawed> {
        let is_picked = self.addresses.len() > 1 || lock(&self.neighbours).is_some();
        let seen_at = |pipeline: &Pipeline| pipeline.seen_path().trim_end_matches('/').to_owned();
        let mut pairs = self.addresses.iter().zip(next.iter());
        if !is_picked || pairs.all(|(now, next)| seen_at(&now.pipeline.get()) == seen_at(next)) {
            return Ok(());
        }
        let fix =
            "requests are picked by it, and layers in use keep it: restart the server to change it";
        Err(settings.check(problems, |_, problems| {
            problems.add(ConfigProblem::conflict("seen_at", fix))
        }))
    }

    /// Checks a configuration beside those of the neighbours. Gates that get a new one together are left out.
    pub(crate) fn check_beside_neighbours(
        &self,
        next: &Replacement,
        together: &[&Self],
        problems: &mut Problems,
    ) {
        let is_left_out = |neighbour: &Arc<_>| {
            let mut together = together.iter();
            together.any(|gate| Arc::ptr_eq(&gate.main.pipeline, neighbour))
        };
        let neighbours = lock(&self.neighbours);
        let in_use = neighbours.iter().flatten().filter_map(Weak::upgrade);
        // Two neighbours need not stand beside each other, so they are not compared.
        for neighbour in in_use.filter(|neighbour| !is_left_out(neighbour)) {
            check_pair(&neighbour.get(), &next.pipelines.main, problems);
        }
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

    /// Has later configurations checked beside those of these gates.
    pub(crate) fn stand_beside<'g>(&self, others: impl Iterator<Item = &'g Self>) {
        let mut neighbours = lock(&self.neighbours);
        let held = neighbours.get_or_insert_default();
        held.retain(|neighbour| neighbour.strong_count() > 0);
        for other in others {
            let other = Arc::downgrade(&other.main.pipeline);
            if !held.iter().any(|neighbour| neighbour.ptr_eq(&other)) {
                held.push(other);
            }
        }
    }

    /// The pipeline that a request meets in the layer of this gate.
    pub(crate) fn pipeline_for(&self, parts: &Parts) -> Arc<Pipeline> {
        match self.directory.pick(parts) {
            Ok(Picked::Only(address) | Picked::OneOf(address)) => address.pipeline.get(),
            // A gate by itself takes all requests.
            Ok(Picked::NotFound | Picked::Ungated) | Err(_) => self.main.pipeline.get(),
        }
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
