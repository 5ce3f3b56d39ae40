//! Builds gates from a configuration, and the next pipelines of the same gates.

use std::sync::Arc;

use super::resources::ResourceSettings;
use crate::clock::Clock;
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::holder::Replays;
use crate::issuer::{Fetcher, HttpClientBuilder, Reach};
use crate::pipeline::{GateState, Pipeline, Pipelines};
use crate::policy::Decider;
use crate::resource_uri::ResourceUri;
use crate::seal::SealingKey;
use crate::token::{OwnVerifier, VerifierState};

/// The settings that no file can hold.
#[derive(Default)]
pub(crate) struct CodeOnly {
    pub(crate) http_client: Option<HttpClientBuilder>,
    pub(crate) clock: Clock,
    pub(crate) decider: Option<Arc<dyn Decider>>,
    pub(crate) own_verifiers: Vec<OwnVerifier>,
    pub(crate) steps_up_in_handlers: bool,
    /// The state of another gate with the same issuers.
    pub(crate) family: Option<Family>,
    /// The proofs that were used at this resource before.
    pub(crate) replays: Arc<Replays>,
    /// Whether the configuration is that of a tenant.
    pub(crate) is_of_tenant: bool,
}

/// The state that gates with the same issuers have in common.
#[derive(Clone)]
pub(crate) struct Family {
    verifier: VerifierState,
    key: Arc<SealingKey>,
}

impl Family {
    pub(crate) fn new(
        http_client: Option<HttpClientBuilder>,
        clock: Clock,
        reach: Reach,
        problems: &mut Problems,
    ) -> Result<Self, Flawed> {
        #[cfg(feature = "fips")]
        problems.keep(crate::fips::check())?;
        let fetcher = Fetcher::new(http_client.unwrap_or_default(), reach);
        let fetcher = problems.keep(fetcher.map_err(|why| {
            let fix = "change the settings of the client, or what they refer to";
            ConfigProblem::not_allowed("http_client", fix).because(why)
        }));
        let key = problems.keep(SealingKey::random().ok_or_else(no_randomness));
        Ok(Self {
            verifier: VerifierState::new(fetcher?, clock),
            key: Arc::new(key?),
        })
    }

    pub(crate) fn of(state: &GateState) -> Self {
        Self {
            verifier: state.verifier.clone(),
            key: state.key.clone(),
        }
    }
}

/// Builds the pipelines of a new gate, and the state that outlives its configuration.
pub(crate) fn build(
    settings: &ResourceSettings,
    code_only: CodeOnly,
    problems: &mut Problems,
) -> Result<(Pipelines, GateState), Flawed> {
    let own_verifiers = code_only.own_verifiers.clone();
    let state = state(code_only, problems);
    let spec = settings.check(problems, |settings, problems| {
        settings.spec(None, &own_verifiers, problems)
    });
    let state = state?;
    let pipelines = Pipeline::assemble(spec?, &state);
    Ok((problems.keep(pipelines.ok_or_else(no_randomness))?, state))
}

/// Builds the pipelines for a configuration that replaces an earlier one. The names of the resource must be the same; the
/// documents of an issuer are kept if nothing about it has changed.
pub(crate) fn rebuild(
    settings: &ResourceSettings,
    state: &GateState,
    names: &[Arc<ResourceUri>],
    problems: &mut Problems,
) -> Result<Pipelines, Flawed> {
    let spec = settings.check(problems, |settings, problems| {
        settings.spec(Some(names), &state.own_verifiers, problems)
    });
    let pipelines = Pipeline::assemble(spec?, state);
    problems.keep(pipelines.ok_or_else(no_randomness))
}

fn state(code_only: CodeOnly, problems: &mut Problems) -> Result<GateState, Flawed> {
    let CodeOnly {
        http_client,
        clock,
        decider,
        own_verifiers,
        steps_up_in_handlers,
        family,
        replays,
        is_of_tenant: _,
    } = code_only;
    let Family { verifier, key } = match family {
        Some(_) if http_client.is_some() => {
            let fix = "leave it out: the client is that of the gate with the same issuers";
            return Err(problems.add(ConfigProblem::conflict("http_client", fix)));
        }
        Some(family) => family,
        None => Family::new(http_client, clock, Reach::Anywhere, problems)?,
    };
    Ok(GateState {
        steps_up_in_handlers,
        ..GateState::new(verifier, decider, own_verifiers, key, replays)
    })
}

fn no_randomness() -> ConfigProblem {
    ConfigProblem::unreadable(
        "(the system)",
        "it gave no random bytes for a key: start later",
    )
}
