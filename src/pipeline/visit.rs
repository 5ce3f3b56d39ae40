//! What is known of a request so far.

use http::HeaderValue;

use crate::call::{Calls, Target};
use crate::clock::Timestamp;
use crate::events::Names;
use crate::policy::{Admitted, AdmittedGrant};
use crate::token::{Credentials, Principal, Verified};

/// One request on its way.
#[derive(Debug, Default)]
pub(crate) struct Visit {
    /// `None` while nothing was waited for.
    pub(super) began: Option<Timestamp>,
    /// The allowed origin that the request names.
    pub(super) origin: Option<HeaderValue>,
    /// `None` for a request without any, which may go on only where something is open.
    pub(super) credentials: Option<Credentials>,
    /// Whose request it is, once that is verified.
    pub(super) caller: Option<Verified>,
    /// Once the caller may ask at all.
    pub(super) admitted: Option<Admitted>,
    /// Only where it is logged; boxed, since the future of every request has room for it.
    pub(super) asked: Option<Box<Asked>>,
}

/// What is asked, as the log shows it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) methods: Names,
    pub(super) targets: Names,
    /// Each once, in the order they came.
    kinds: [Option<&'static str>; Target::KINDS],
}

impl Visit {
    /// Notes what a hypothetical request presents.
    pub(crate) fn present(&mut self, credentials: Option<Credentials>) {
        self.credentials = credentials;
    }

    /// Notes who a hypothetical request is from, where that needs no proof.
    pub(crate) fn arrive_as(&mut self, principal: Principal, admitted: Admitted) {
        self.admitted = Some(admitted);
        self.caller = Some(Verified {
            principal,
            from_cache: false,
        });
    }

    pub(crate) fn principal(&self) -> Option<&Principal> {
        self.caller.as_ref().map(|caller| &caller.principal)
    }

    /// What the caller may do; `None` for a request without a token, or of a caller who is not admitted.
    pub(super) fn grant(&self) -> Option<AdmittedGrant<'_>> {
        Some(self.admitted?.grant(self.principal()?.grant()))
    }

    pub(super) fn note(&mut self, calls: &Calls<'_>) {
        let asked = self.asked.get_or_insert_default();
        for call in calls.iter() {
            asked.methods.push(&call.method);
            asked.add_kind(call.target.kind());
            match &call.target {
                Target::None => {}
                Target::Tool(name) | Target::Prompt(name) => asked.targets.push(name),
                Target::Resources(resources) => {
                    resources
                        .iter()
                        .for_each(|resource| asked.targets.push(&resource.written));
                }
            }
        }
    }
}

impl Asked {
    /// What the targets are; `None` where there are none.
    pub(super) fn target_kinds(&self) -> Option<String> {
        let kinds: Vec<&str> = self.kinds.iter().copied().flatten().collect();
        (!kinds.is_empty()).then(|| kinds.join(" "))
    }

    fn add_kind(&mut self, kind: Option<&'static str>) {
        let place = self
            .kinds
            .iter_mut()
            .find(|held| held.is_none() || **held == kind);
        if let Some(place) = place {
            *place = kind;
        }
    }
}
