//! The parts that a request passes, in the order of its path, and how a configuration makes them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use super::closing::Closing;
use super::cors::Cors;
use super::first_list::FirstList;
use super::origin::Origins;
use super::prepared::PreparedAnswers;
use super::refused_logins::RefusedLogins;
use super::session::{SessionIds, SessionsSpec};
use crate::answer::{Answers, Page, ToolResults, WellKnown};
use crate::call::{Arriving, Bodies, BodyLimits};
use crate::events::Events;
use crate::holder::{ExternalUrls, HolderSpec, Holders, ProvedRequest, Replays};
use crate::policy::{Callers, Decider, OwnDecision, Policy};
use crate::resource_uri::ResourceUri;
use crate::scheme::Schemes;
use crate::seal::SealingKey;
use crate::stream::StreamPolicy;
use crate::token::{OwnVerifier, Verifier, VerifierSpec, VerifierState};

/// A configuration in force, under one name of its resource: everything that a request is checked against. The pipelines
/// of a resource differ only in what shows its name.
pub(crate) struct Pipeline {
    pub(crate) resource: Arc<ResourceUri>,
    pub(crate) well_known: Arc<WellKnown>,
    pub(crate) events: Arc<Events>,
    pub(crate) origins: Origins,
    pub(crate) cors: Cors,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) holders: Arc<Holders>,
    /// The URLs that proofs for this resource may name.
    urls: ExternalUrls,
    pub(crate) callers: Arc<Callers>,
    pub(crate) bodies: Bodies,
    pub(crate) sessions: SessionIds,
    pub(crate) policy: Arc<Policy>,
    pub(super) first_list: Arc<FirstList>,
    pub(super) refused_logins: Arc<RefusedLogins>,
    pub(crate) decision: Option<OwnDecision>,
    pub(crate) streams: StreamPolicy,
    pub(crate) closing: Arc<Closing>,
    pub(crate) answers: Answers,
    pub(super) tool_results: ToolResults,
    /// Whether lists of tools say what each tool needs.
    pub(super) describes_security: bool,
    /// Whether handlers may ask for more scopes.
    pub(super) steps_up_in_handlers: bool,
    pub(crate) prepared: PreparedAnswers,
    pub(crate) page: Page,
}

/// The pipelines of one resource.
pub(crate) struct Pipelines {
    /// The one for the resource identifier itself.
    pub(crate) main: Pipeline,
    /// One for each other name.
    pub(crate) aliases: Vec<Pipeline>,
}

/// A configuration, checked.
pub(crate) struct PipelineSpec {
    pub(crate) main: NameSpec,
    pub(crate) aliases: Vec<NameSpec>,
    pub(crate) cors: Cors,
    pub(crate) verifier: VerifierSpec,
    pub(crate) holder: HolderSpec,
    pub(crate) schemes: Schemes,
    pub(crate) callers: Callers,
    pub(crate) bodies: BodyLimits,
    pub(crate) sessions: SessionsSpec,
    pub(crate) streams: StreamPolicy,
    pub(crate) policy: Policy,
    pub(crate) tool_results: ToolResults,
    pub(crate) describes_security: bool,
    /// For an operator's own decision about the calls of a request.
    pub(crate) decision_time: Duration,
}

/// The part of a configuration that differs between the names of a resource.
pub(crate) struct NameSpec {
    pub(crate) resource: Arc<ResourceUri>,
    pub(crate) well_known: WellKnown,
    pub(crate) origins: Origins,
    pub(crate) urls: ExternalUrls,
}

/// The state that outlives a configuration.
pub(crate) struct GateState {
    pub(crate) verifier: VerifierState,
    pub(crate) replays: Arc<Replays>,
    pub(crate) decider: Option<Arc<dyn Decider>>,
    pub(crate) own_verifiers: Vec<OwnVerifier>,
    /// Whether handlers may ask for more scopes.
    pub(crate) steps_up_in_handlers: bool,
    /// The key to seal with, if none is configured.
    pub(crate) key: Arc<SealingKey>,
    pub(crate) arriving: Arc<Arriving>,
    pub(crate) closing: Arc<Closing>,
}

impl Pipeline {
    /// Has each room make itself of what is configured for it. `None` only where the system has no randomness to give.
    pub(crate) fn assemble(spec: PipelineSpec, state: &GateState) -> Option<Pipelines> {
        let NameSpec {
            resource,
            well_known,
            origins,
            urls,
        } = spec.main;
        let sessions = SessionIds::new(spec.sessions, &resource, &state.key);
        // A caller who is not known yet is told to ask the first issuer.
        let first = spec.verifier.issuers.first();
        let request_prefix = first.map(|issuer| issuer.rules.request_prefix.clone());
        let answers = Answers::new(
            resource.metadata_url(),
            spec.policy.initial().clone(),
            request_prefix.unwrap_or_default(),
            spec.schemes,
        );
        let verifier = Verifier::assemble(spec.verifier, &state.verifier, &sessions.seal)?;
        let main = Self {
            page: Page::new(well_known.resource_name(), resource.as_str()),
            resource,
            well_known: Arc::new(well_known),
            events: Arc::new(Events::new(state.verifier.clock.clone())),
            origins,
            cors: spec.cors,
            verifier: Arc::new(verifier),
            holders: Arc::new(Holders::new(spec.holder, &sessions.seal, &state.replays)),
            urls,
            callers: Arc::new(spec.callers),
            bodies: Bodies::new(spec.bodies, state.arriving.clone()),
            sessions,
            first_list: Arc::new(FirstList::new(&spec.policy)),
            policy: Arc::new(spec.policy),
            refused_logins: Arc::default(),
            decision: state.decider.clone().map(|decider| OwnDecision {
                decider,
                time: spec.decision_time,
            }),
            streams: spec.streams,
            closing: state.closing.clone(),
            prepared: PreparedAnswers::new(&answers, spec.cors),
            answers,
            tool_results: spec.tool_results,
            describes_security: spec.describes_security,
            steps_up_in_handlers: state.steps_up_in_handlers,
        };
        let aliases = spec.aliases.into_iter().map(|name| main.under(name));
        Some(Pipelines {
            aliases: aliases.collect(),
            main,
        })
    }

    /// The same pipeline under another name of the resource.
    fn under(&self, name: NameSpec) -> Self {
        let answers = self.answers.pointing_to(name.resource.metadata_url());
        Self {
            page: Page::new(name.well_known.resource_name(), name.resource.as_str()),
            resource: name.resource,
            well_known: Arc::new(name.well_known),
            events: self.events.clone(),
            origins: name.origins,
            cors: self.cors,
            verifier: self.verifier.clone(),
            holders: self.holders.clone(),
            urls: name.urls,
            callers: self.callers.clone(),
            bodies: self.bodies.clone(),
            sessions: self.sessions.clone(),
            policy: self.policy.clone(),
            first_list: self.first_list.clone(),
            refused_logins: self.refused_logins.clone(),
            decision: self.decision.clone(),
            streams: self.streams,
            closing: self.closing.clone(),
            prepared: PreparedAnswers::new(&answers, self.cors),
            answers,
            tool_results: self.tool_results.clone(),
            describes_security: self.describes_security,
            steps_up_in_handlers: self.steps_up_in_handlers,
        }
    }

    /// Whether any rule depends on the body. If none does, the body is not read.
    pub(crate) fn depends_on_calls(&self) -> bool {
        self.policy.depends_on_calls() || self.decision.is_some() || self.describes_security
    }

    /// The path of the resource in the requests that reach this server.
    pub(crate) fn seen_path(&self) -> &str {
        self.urls.seen_path()
    }

    pub(super) fn as_proved<'r>(&'r self, parts: &'r Parts) -> ProvedRequest<'r> {
        ProvedRequest {
            parts,
            urls: &self.urls,
        }
    }
}

impl Pipelines {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pipeline> {
        std::iter::once(&self.main).chain(&self.aliases)
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = Pipeline> {
        std::iter::once(self.main).chain(self.aliases)
    }
}

impl GateState {
    pub(crate) fn new(
        verifier: VerifierState,
        decider: Option<Arc<dyn Decider>>,
        own_verifiers: Vec<OwnVerifier>,
        key: Arc<SealingKey>,
        replays: Arc<Replays>,
    ) -> Self {
        Self {
            verifier,
            replays,
            decider,
            own_verifiers,
            steps_up_in_handlers: false,
            key,
            arriving: Arc::default(),
            closing: Arc::default(),
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pipeline").field(&self.resource).finish()
    }
}
