//! The facts about a request that are known so far.

use http::HeaderValue;

use crate::call::{Calls, Target};
use crate::clock::Timestamp;
use crate::events::Names;
use crate::policy::{Admitted, AdmittedGrant};
use crate::refusal::{Reason, Refusal};
use crate::scheme::Scheme;
use crate::token::{Credentials, Principal, ProofUse, Verified};

/// One request on its path.
#[derive(Debug, Default)]
pub(crate) struct Visit {
    /// When step 4 began; `None` in the steps before it.
    pub(super) began: Option<Timestamp>,
    /// The allowed origin that the request names.
    pub(super) origin: Option<HeaderValue>,
    /// The token; `None` without one, if some operation is open.
    pub(super) credentials: Option<Credentials>,
    /// The caller, once the token is verified.
    pub(super) caller: Option<Verified>,
    /// A nonce that the client should use from now on. Boxed, since there seldom is one.
    pub(super) next_nonce: Option<Box<HeaderValue>>,
    /// Set once the base rule is met.
    pub(super) admitted: Option<Admitted>,
    /// Noted only for the log. It is boxed, since the future of every request has room for it.
    pub(super) asked: Option<Box<Asked>>,
}

/// The calls of a request, as the log shows them.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) methods: Names,
    pub(super) targets: Names,
    /// The kinds of targets, each once, in the order of the calls.
    kinds: [Option<&'static str>; Target::KINDS],
}

impl Visit {
    /// Sets the caller of a hypothetical request, without a token.
    pub(crate) fn assume_caller(
        &mut self,
        principal: Principal,
        admitted: Admitted,
        now: Timestamp,
    ) {
        self.began = Some(now);
        self.admitted = Some(admitted);
        self.caller = Some(Verified {
            principal,
            from_cache: false,
        });
    }

    /// Whether steps 1 to 3 are done.
    pub(crate) fn has_begun(&self) -> bool {
        self.began.is_some()
    }

    pub(crate) fn origin(&self) -> Option<&HeaderValue> {
        self.origin.as_ref()
    }

    /// Sets what checking the proof of an explained request does.
    pub(crate) fn set_proof_use(&mut self, proof_use: ProofUse) {
        if let Some(credentials) = &mut self.credentials {
            credentials.set_proof_use(proof_use);
        }
    }

    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The scheme by which the token of a refused request was presented. `None` without a token, and with several.
    pub(super) fn scheme_of(&self, refusal: &Refusal) -> Option<Scheme> {
        if refusal.reason() == Reason::MultipleCredentials {
            return None;
        }
        let credentials = self.credentials.as_ref();
        refusal.scheme().or(credentials.map(Credentials::scheme))
    }

    /// The scheme by which the token was presented.
    pub(super) fn scheme(&self) -> Option<Scheme> {
        self.credentials.as_ref().map(Credentials::scheme)
    }

    /// The facts that a refusal needs after the request was handed over. It takes what was noted for the log, and leaves the
    /// token.
    pub(super) fn for_later_refusal(&mut self) -> Self {
        Self {
            began: self.began,
            origin: self.origin.clone(),
            caller: self.caller.as_ref().map(|caller| Verified {
                principal: caller.principal.clone(),
                from_cache: caller.from_cache,
            }),
            admitted: self.admitted,
            asked: self.asked.take(),
            ..Self::default()
        }
    }

    pub(crate) fn principal(&self) -> Option<&Principal> {
        self.caller.as_ref().map(|caller| &caller.principal)
    }

    /// The grant of the caller; `None` for a request without a token, and before the base rule is met.
    pub(super) fn grant(&self) -> Option<AdmittedGrant<'_>> {
        let grant = self.principal()?.grant(self.began?);
        Some(self.admitted?.grant(grant))
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
    /// The kinds of the targets; `None` if there are no targets.
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
