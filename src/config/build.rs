//! From a configuration to a gate, and to the next one of the same gate.

use std::sync::Arc;

use super::Config;
use crate::clock::Clock;
use crate::config_error::{ConfigError, ConfigProblem, Flawed, Problems};
use crate::issuer::{Fetcher, HttpClientBuilder};
use crate::pipeline::{GateState, Pipeline};
use crate::policy::Decider;
use crate::seal::SealingKey;
use crate::token::VerifierState;

/// What no file can hold.
pub(crate) struct CodeOnly {
    pub(crate) http_client: HttpClientBuilder,
    pub(crate) clock: Clock,
    pub(crate) decider: Option<Arc<dyn Decider>>,
}

/// The first configuration, and what outlives it.
pub(crate) fn build(
    config: &Config,
    code_only: CodeOnly,
) -> Result<(Pipeline, GateState), ConfigError> {
    let mut problems = Problems::default();
    let state = state(code_only, &mut problems);
    let spec = config.spec(None, &mut problems);
    let gate = state.and_then(|state| {
        let pipeline = Pipeline::assemble(spec?, &state, None);
        Ok((problems.keep(pipeline.ok_or_else(no_randomness))?, state))
    });
    problems.finish(gate)
}

/// A configuration that takes the place of an earlier one. Of that it keeps the resource, and what issuers publish, where
/// nothing about them has changed.
pub(crate) fn rebuild(
    config: &Config,
    state: &GateState,
    earlier: &Pipeline,
) -> Result<Pipeline, ConfigError> {
    let mut problems = Problems::default();
    let spec = config.spec(Some(&earlier.resource), &mut problems);
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
        "it has no randomness to make a key of: start later",
    )
}
