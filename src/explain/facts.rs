//! The facts of each check: what it expected, and what it got.

use http::request::Parts;

use super::explanation::Caller;
use crate::call::{Calls, Head, Target};
use crate::events::clean;
use crate::log_facts::Fact;
use crate::pipeline::Pipeline;
use crate::refusal::{Reason, Refusal, Step};
use crate::token::{Principal, TrustedIssuer, Unverified};

/// An explained request, and everything that is known of it.
pub(super) struct ExplainedRequest<'a> {
    gate: &'a Pipeline,
    caller: Caller<'a>,
    principal: Option<&'a Principal>,
    /// The unverified content of a JWT; `None` for an opaque token.
    token: Option<Unverified>,
    calls: Option<Calls<'a>>,
}

/// The values that a check expected and got, escaped and cut for the eyes of operators.
pub(super) struct Facts {
    pub(super) expected: String,
    pub(super) got: String,
}

impl Facts {
    fn of(expected: impl AsRef<str>, got: impl AsRef<str>) -> Self {
        Self {
            expected: clean(expected.as_ref()),
            got: clean(got.as_ref()),
        }
    }

    /// Replaces the facts by those of a refusal, which are more exact.
    pub(super) fn refused_by(self, refusal: &Refusal) -> (String, String) {
        let fact = |fact| refusal.log_fact(fact).map(clean);
        (
            fact(Fact::Expected).unwrap_or(self.expected),
            fact(Fact::Got).unwrap_or(self.got),
        )
    }
}

impl<'a> ExplainedRequest<'a> {
    pub(super) fn new(
        gate: &'a Pipeline,
        caller: Caller<'a>,
        principal: Option<&'a Principal>,
    ) -> Self {
        let token = if let Caller::Token(token) = caller {
            Unverified::read(token)
        } else {
            None
        };
        Self {
            gate,
            caller,
            principal,
            token,
            calls: None,
        }
    }

    pub(super) fn asking(mut self, parts: &Parts, body: &'a [u8]) -> Self {
        self.calls = Calls::read(&Head::read(&parts.headers), body).ok();
        self
    }

    /// Whether the request meets this check at all.
    pub(super) fn meets(&self, step: Step) -> bool {
        match step {
            Step::Credentials | Step::Body => true,
            Step::Form
            | Step::Issuer
            | Step::Signature
            | Step::Claims
            | Step::Audience
            | Step::Time
            | Step::Usage
            | Step::Binding
            | Step::Revocation => matches!(self.caller, Caller::Token(_)),
            Step::Header | Step::Profile => self.token.is_some(),
            Step::Caller | Step::BaseScopes => !self.is_anonymous(),
            Step::Rules => self.gate.depends_on_calls(),
            Step::Decision => self.gate.decision.is_some(),
        }
    }

    pub(super) fn step_of(&self, refusal: &Refusal) -> Step {
        let reason = refusal.reason();
        if reason == Reason::NoToken && self.is_anonymous() && self.gate.policy.opens_anything() {
            return Step::Rules;
        }
        let grant = match (reason, self.principal) {
            (Reason::InsufficientScope, Some(principal)) => principal.grant(),
            _ => return reason.step(),
        };
        let policy = &self.gate.policy;
        match (policy.admit(grant), &self.calls) {
            (Err(_), _) => Step::BaseScopes,
            (Ok(admitted), Some(calls))
                if policy.authorize(Some(admitted.grant(grant)), calls).is_ok() =>
            {
                Step::Decision
            }
            (Ok(_), _) => Step::Rules,
        }
    }

    pub(super) fn facts(&self, step: Step) -> Facts {
        let granted = || {
            self.principal
                .map(|principal| principal.scopes().to_string())
                .unwrap_or_default()
        };
        match step {
            Step::Credentials => Facts::of("one bearer token", self.presented()),
            Step::Form => {
                let form = if self.token.is_some() {
                    "a JWT"
                } else {
                    "an opaque token"
                };
                Facts::of("a JWT, or an opaque token that an issuer introspects", form)
            }
            Step::Issuer => {
                let issuers: Vec<&str> = self
                    .gate
                    .verifier
                    .issuers
                    .iter()
                    .map(|issuer| issuer.name.as_ref())
                    .collect();
                Facts::of(issuers.join(" "), self.issuer_name().unwrap_or_default())
            }
            Step::Header => {
                let algorithms = |issuer: &TrustedIssuer| {
                    issuer
                        .rules
                        .algorithms
                        .iter()
                        .map(|algorithm| algorithm.name())
                        .collect::<Vec<_>>()
                        .join(" ")
                };
                Facts::of(
                    self.issuer().map(algorithms).unwrap_or_default(),
                    self.header(),
                )
            }
            Step::Signature if self.token.is_some() => {
                let kid = self
                    .header_text("kid")
                    .unwrap_or_else(|| "no kid".to_owned());
                Facts::of("a signature by a key of the issuer", kid)
            }
            Step::Signature => Facts::of("a token that its issuer calls active", ""),
            Step::Claims => Facts::of("claims of the right types", ""),
            Step::Audience => {
                let listed = self
                    .issuer()
                    .map(|issuer| issuer.rules.audiences.as_slice())
                    .unwrap_or_default();
                let resource = std::iter::once(self.gate.resource.as_str());
                let accepted: Vec<&str> =
                    resource.chain(listed.iter().map(String::as_str)).collect();
                Facts::of(accepted.join(" "), self.claim("aud"))
            }
            Step::Time => {
                let now = self.gate.verifier.clock.now().seconds() as i64;
                let claims = ["exp", "nbf", "iat"].map(|name| (name, self.claim(name)));
                let said = claims.iter().filter(|(_, value)| !value.is_empty());
                let said: Vec<String> = said
                    .map(|(name, value)| format!("{name} {value}"))
                    .collect();
                Facts::of(format!("not past and not ahead at {now}"), said.join(", "))
            }
            Step::Usage => Facts::of("an access token", self.claim("token_use")),
            Step::Binding => Facts::of("no cnf", ""),
            Step::Profile => {
                let profile = self
                    .issuer()
                    .map(|issuer| format!("{:?}", issuer.rules.profile));
                Facts::of(profile.unwrap_or_default().to_lowercase(), "")
            }
            Step::Revocation => Facts::of("no revocation at this gate", ""),
            Step::Caller => {
                let client = self
                    .principal
                    .and_then(Principal::client_id)
                    .unwrap_or("no client");
                Facts::of(self.gate.callers.to_string(), client)
            }
            Step::BaseScopes => Facts::of(self.gate.policy.needs_of(None).to_string(), granted()),
            Step::Body if !self.gate.depends_on_calls() => {
                Facts::of("", "not read: no rule depends on it")
            }
            Step::Body => Facts::of("one JSON-RPC message, or a batch", self.asked()),
            Step::Rules if self.is_anonymous() => {
                Facts::of("operations that are open without a token", self.asked())
            }
            Step::Rules => Facts::of(
                self.gate.policy.needs_of(self.calls.as_ref()).to_string(),
                granted(),
            ),
            Step::Decision => Facts::of("your own decision", ""),
        }
    }

    fn presented(&self) -> String {
        match self.caller {
            Caller::Token(token) => format!("a token of {} bytes", token.len()),
            Caller::Principal(principal) => {
                format!(
                    "a verified caller: {}",
                    principal
                        .subject()
                        .or(principal.client_id())
                        .unwrap_or("without a name")
                )
            }
            Caller::Anonymous => "none".to_owned(),
        }
    }

    fn is_anonymous(&self) -> bool {
        matches!(self.caller, Caller::Anonymous)
    }

    fn issuer_name(&self) -> Option<String> {
        let believed = self
            .principal
            .map(|principal| principal.issuer().to_owned());
        believed.or_else(|| self.token.as_ref()?.claim("iss"))
    }

    fn issuer(&self) -> Option<&TrustedIssuer> {
        let name = self.issuer_name()?;
        self.gate
            .verifier
            .issuers
            .iter()
            .find(|issuer| *issuer.name == *name)
            .map(AsRef::as_ref)
    }

    fn header(&self) -> String {
        let members =
            ["alg", "typ", "kid"].map(|name| Some(format!("{name} {}", self.header_text(name)?)));
        members.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn header_text(&self, name: &str) -> Option<String> {
        self.token.as_ref()?.header(name)
    }

    /// A claim, of the introspection response or of the token itself.
    fn claim(&self, name: &str) -> String {
        let own = || self.token.as_ref()?.claim(name);
        let told = || Unverified::claim_of(self.principal?, name);
        told().or_else(own).unwrap_or_default()
    }

    fn asked(&self) -> String {
        let mut asked = Vec::new();
        for call in self.calls.iter().flat_map(|calls| calls.iter()) {
            asked.push(call.method.as_ref());
            match &call.target {
                Target::None => {}
                Target::Tool(name) | Target::Prompt(name) => asked.push(name),
                Target::Resources(names) => {
                    asked.extend(names.iter().map(|name| name.written.as_ref()))
                }
            }
        }
        asked.join(" ")
    }
}
