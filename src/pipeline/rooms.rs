//! The parts that a request passes, in the order of its path, and how a configuration makes them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::closing::Closing;
use super::cors::Cors;
use super::first_list::FirstList;
use super::origin::Origins;
use super::prepared::PreparedAnswers;
use super::session::{SessionIds, SessionsSpec};
use crate::answer::{Answers, Page, WellKnown};
use crate::call::{Arriving, Bodies, BodyLimits};
use crate::events::Events;
use crate::holder::{HolderSpec, Holders, Replays};
use crate::policy::{Callers, Decider, OwnDecision, Policy};
use crate::resource_uri::ResourceUri;
use crate::scheme::Schemes;
use crate::seal::SealingKey;
use crate::stream::StreamPolicy;
use crate::token::{Verifier, VerifierSpec, VerifierState};

/// A configuration in force: everything that a request is checked against.
pub(crate) struct Pipeline {
    pub(crate) resource: Arc<ResourceUri>,
    pub(crate) well_known: Arc<WellKnown>,
    pub(crate) events: Events,
    pub(crate) origins: Origins,
    pub(crate) cors: Cors,
    pub(crate) verifier: Verifier,
    pub(crate) holders: Holders,
    pub(crate) callers: Callers,
    pub(crate) bodies: Bodies,
    pub(crate) sessions: SessionIds,
    pub(crate) policy: Policy,
    pub(super) first_list: Arc<FirstList>,
    pub(crate) decision: Option<OwnDecision>,
    pub(crate) streams: StreamPolicy,
    pub(crate) closing: Arc<Closing>,
    pub(crate) answers: Answers,
    pub(crate) prepared: PreparedAnswers,
    pub(crate) page: Page,
}

/// A configuration, checked.
pub(crate) struct PipelineSpec {
    pub(crate) resource: Arc<ResourceUri>,
    pub(crate) well_known: WellKnown,
    pub(crate) origins: Origins,
    pub(crate) cors: Cors,
    pub(crate) verifier: VerifierSpec,
    pub(crate) holder: HolderSpec,
    pub(crate) schemes: Schemes,
    pub(crate) callers: Callers,
    pub(crate) bodies: BodyLimits,
    pub(crate) sessions: SessionsSpec,
    pub(crate) streams: StreamPolicy,
    pub(crate) policy: Policy,
    /// For an operator's own decision about the calls of a request.
    pub(crate) decision_time: Duration,
}

/// The state that outlives a configuration.
pub(crate) struct GateState {
    pub(crate) verifier: VerifierState,
    pub(crate) replays: Arc<Replays>,
    pub(crate) decider: Option<Arc<dyn Decider>>,
    /// The key to seal with, if none is configured.
    pub(crate) key: Arc<SealingKey>,
    pub(crate) arriving: Arc<Arriving>,
    pub(crate) closing: Arc<Closing>,
}

impl Pipeline {
    /// Has each room make itself of what is configured for it. `None` only where the system has no randomness to give.
    pub(crate) fn assemble(
        spec: PipelineSpec,
        state: &GateState,
        earlier: Option<&Self>,
    ) -> Option<Self> {
        let sessions = SessionIds::new(spec.sessions, &spec.resource, &state.key);
        // A caller who is not known yet is told to ask the first issuer.
        let first = spec.verifier.issuers.first();
        let request_prefix = first.map(|issuer| issuer.rules.request_prefix.clone());
        let answers = Answers::new(
            spec.resource.metadata_url(),
            spec.policy.initial().clone(),
            request_prefix.unwrap_or_default(),
            spec.schemes,
        );
        let page = Page::new(spec.well_known.resource_name(), spec.resource.as_str());
        let earlier = earlier.map(|earlier| &earlier.verifier);
        Some(Self {
            resource: spec.resource,
            well_known: Arc::new(spec.well_known),
            events: Events::new(state.verifier.clock.clone()),
            origins: spec.origins,
            cors: spec.cors,
            verifier: Verifier::assemble(spec.verifier, &state.verifier, &sessions.seal, earlier)?,
            holders: Holders::new(spec.holder, &sessions.seal, &state.replays),
            callers: spec.callers,
            bodies: Bodies::new(spec.bodies, state.arriving.clone()),
            sessions,
            first_list: Arc::new(FirstList::new(&spec.policy)),
            policy: spec.policy,
            decision: state.decider.clone().map(|decider| OwnDecision {
                decider,
                time: spec.decision_time,
            }),
            streams: spec.streams,
            closing: state.closing.clone(),
            prepared: PreparedAnswers::new(&answers, spec.cors),
            answers,
            page,
        })
    }

    /// Whether any rule depends on the body. If none does, the body is not read.
    pub(crate) fn depends_on_calls(&self) -> bool {
        self.policy.depends_on_calls() || self.decision.is_some()
    }
}

impl GateState {
    pub(crate) fn new(
        verifier: VerifierState,
        decider: Option<Arc<dyn Decider>>,
        key: SealingKey,
    ) -> Self {
        Self {
            verifier,
            replays: Arc::default(),
            decider,
            key: Arc::new(key),
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
