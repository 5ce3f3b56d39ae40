//! Builds a gate from a configuration, and the next pipeline of the same gate.

use std::sync::Arc;

use super::Config;
use super::settings::Settings;
use crate::clock::Clock;
use crate::config_error::{ConfigError, ConfigProblem, Flawed, Problems};
use crate::issuer::{Fetcher, HttpClientBuilder};
use crate::pipeline::{GateState, Pipeline};
use crate::policy::Decider;
use crate::seal::SealingKey;
use crate::token::VerifierState;

/// The settings that no file can hold.
pub(crate) struct CodeOnly {
    pub(crate) http_client: HttpClientBuilder,
    pub(crate) clock: Clock,
    pub(crate) decider: Option<Arc<dyn Decider>>,
}

/// Builds the pipeline of a new gate, and the state that outlives its configuration. `problems` are those that were
/// found when the settings were read.
pub(crate) fn build(
    settings: &Settings,
    code_only: CodeOnly,
    mut problems: Problems,
) -> Result<(Pipeline, GateState), ConfigError> {
    let state = state(code_only, &mut problems);
    let spec = settings.spec(None, &mut problems);
    let gate = state.and_then(|state| {
        let pipeline = Pipeline::assemble(spec?, &state, None);
        Ok((problems.keep(pipeline.ok_or_else(no_randomness))?, state))
    });
    problems.finish(gate)
}

/// Builds the pipeline for a configuration that replaces an earlier one. The resource must be the same; the documents
/// of an issuer are kept if nothing about it has changed.
pub(crate) fn rebuild(
    config: &Config,
    state: &GateState,
    earlier: &Pipeline,
) -> Result<Pipeline, ConfigError> {
    let (settings, mut problems) = config.settings();
    let spec = settings.spec(Some(&earlier.resource), &mut problems);
    let pipeline = spec.and_then(|spec| {
        let pipeline = Pipeline::assemble(spec, state, Some(earlier));
        problems.keep(pipeline.ok_or_else(no_randomness))
    });
    problems.finish(pipeline)
}

fn state(code_only: CodeOnly, problems: &mut Problems) -> Result<GateState, Flawed> {
    let CodeOnly {
        http_client,
        clock,
        decider,
    } = code_only;
    let fetcher = problems.keep(Fetcher::new(http_client).map_err(|why| {
        let fix = "change the settings of the client, or what they refer to";
        ConfigProblem::not_allowed("http_client", fix).because(why)
    }));
    let key = problems.keep(SealingKey::random().ok_or_else(no_randomness));
    let verifier = VerifierState::new(fetcher?, clock);
    Ok(GateState::new(verifier, decider, key?))
}

fn no_randomness() -> ConfigProblem {
    ConfigProblem::unreadable(
        "(the system)",
        "it gave no random bytes for a key: start later",
    )
}
