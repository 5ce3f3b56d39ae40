//! Refuses requests for which no gate was picked, where there may be none yet.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use super::record::causes_of;
use crate::answer::Answers;
use crate::clock::Clock;
use crate::events::{Decided, Events, clean, clean_causes};
use crate::log_facts::Fact;
use crate::refusal::Refusal;
use crate::scheme::{Dpop, Schemes};
use crate::scope::Scopes;

/// Refuses requests that no gate takes. No refusal of this kind has a challenge, which would name a resource.
pub(crate) struct Unrouted {
    events: Events,
    answers: Answers,
}

impl Unrouted {
    pub(crate) fn new(clock: Clock) -> Self {
        let schemes = Schemes {
            dpop: Dpop::Off,
            proof_algorithms: String::new(),
        };
        Self {
            events: Events::new(clock),
            answers: Answers::new(String::new(), Scopes::default(), "".into(), schemes),
        }
    }

    /// Logs a refusal, and makes the response to it. `resource` is the one that the request names.
    pub(crate) fn refuse(
        &self,
        refusal: Refusal,
        resource: &str,
        parts: &Parts,
    ) -> Response<Bytes> {
        self.events.refused(refusal.reason(), true, || {
            let fact = |fact| refusal.log_fact(fact).map(clean);
            let causes = causes_of(&refusal, None);
            Decided {
                reason: Some(refusal.code()),
                resource,
                path: Some(clean(parts.uri.path())),
                expected: fact(Fact::Expected),
                got: fact(Fact::Got),
                source: (!causes.is_empty()).then(|| clean_causes(&causes)),
                elapsed: Duration::ZERO,
                ..Decided::default()
            }
        });
        self.answers.refuse(refusal, None, None)
    }
}

impl fmt::Debug for Unrouted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unrouted")
    }
}
