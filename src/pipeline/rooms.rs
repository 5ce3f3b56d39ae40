//! What the path of a request leads through, in its order.

use std::fmt;
use std::sync::Arc;

use super::closing::Closing;
use super::cors::Cors;
use super::origin::Origins;
use super::prepared::PreparedAnswers;
use super::session::SessionIds;
use crate::answer::{Answers, WellKnown};
use crate::call::Bodies;
use crate::events::Events;
use crate::policy::{Callers, OwnDecision, Policy};
use crate::resource_uri::ResourceUri;
use crate::stream::StreamPolicy;
use crate::token::Verifier;

/// A configuration at work: everything that a request is held against.
pub(crate) struct Pipeline {
    pub(crate) resource: Arc<ResourceUri>,
    pub(crate) well_known: Arc<WellKnown>,
    pub(crate) events: Events,
    pub(crate) origins: Origins,
    pub(crate) cors: Cors,
    pub(crate) verifier: Verifier,
    pub(crate) callers: Callers,
    pub(crate) bodies: Bodies,
    pub(crate) sessions: SessionIds,
    pub(crate) policy: Policy,
    pub(crate) decision: Option<OwnDecision>,
    pub(crate) streams: StreamPolicy,
    pub(crate) closing: Arc<Closing>,
    pub(crate) answers: Answers,
    pub(crate) prepared: PreparedAnswers,
}

impl Pipeline {
    /// Whether anything depends on what the body asks for. If not, it stays unread.
    pub(crate) fn depends_on_calls(&self) -> bool {
        self.policy.depends_on_calls() || self.decision.is_some()
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pipeline").field(&self.resource).finish()
    }
}
