//! Authorizes calls: compares what they need with what the token grants.

use std::borrow::Cow;

use super::hierarchy::Hierarchy;
use super::names::{Match, NamedRules};
use super::not_open::NotOpen;
use super::permit::{Admitted, AdmittedGrant, Permit};
use super::requirement::Requirement;
use super::scope_map::{ChallengeScopes, Unlisted};
use super::shown::AlwaysListed;

use crate::call::{Call, Calls, MessageKind, Target};
use crate::grant::{Grant, Shortfall};
use crate::refusal::{Reason, Refusal};
use crate::resource_name::ResourceName;
use crate::scope::{PLAIN_SCOPE, Scope, Scopes};

/// The parsed scope map.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(super) base: Vec<Requirement>,
    pub(super) initial: Scopes,
    pub(super) tools: NamedRules<Requirement>,
    pub(super) resources: NamedRules<Requirement>,
    pub(super) prompts: NamedRules<Requirement>,
    pub(super) methods: NamedRules<Requirement>,
    pub(super) unlisted: Unlisted,
    pub(super) hierarchy: Hierarchy,
    pub(super) challenge: ChallengeScopes,
    pub(super) opens_anything: bool,
    /// The rules whose targets are always listed; `None` unless lists are filtered.
    pub(super) shown: Option<AlwaysListed>,
}

impl Policy {
    /// The scopes that a first challenge names.
    pub(crate) fn initial(&self) -> &Scopes {
        &self.initial
    }

    /// Whether any rule depends on the body. If none does, the body is not read.
    pub(crate) fn depends_on_calls(&self) -> bool {
        self.unlisted == Unlisted::Deny
            || self.filters_lists()
            || self
                .kinds_of_rules()
                .iter()
                .any(|(_, rules)| !rules.is_empty())
    }

    /// The base rule: checks what every request needs.
    pub(crate) fn admit(&self, grant: Grant<'_>) -> Result<Admitted, Refusal> {
        if self
            .base
            .iter()
            .all(|needed| self.satisfied(needed, grant.scopes))
        {
            return Ok(Admitted(()));
        }
        Err(self.shortfall(grant, |_| Ok(()))?.into())
    }

    /// The call rule: checks what all of the calls need, and names it in one challenge. Without a grant, every call
    /// must be open.
    pub(crate) fn authorize(
        &self,
        grant: Option<AdmittedGrant<'_>>,
        calls: &Calls<'_>,
    ) -> Result<Permit, Refusal> {
        match grant {
            Some(grant) => self.require(grant, |needed| self.all_requirements(calls, needed))?,
            None => self.authorize_without_token(calls)?,
        }
        Ok(Permit(()))
    }

    /// Repeats the call rule with the scopes that an operator's own decision requires.
    pub(crate) fn confirm(
        &self,
        permit: Permit,
        grant: Option<AdmittedGrant<'_>>,
        calls: &Calls<'_>,
        decided: Scopes,
    ) -> Result<Permit, Refusal> {
        match grant {
            _ if decided.is_empty() => Ok(permit),
            None => Err(NotOpen::ScopesDecided.into()),
            Some(grant) => {
                let decided = Requirement::All(decided);
                self.require(grant, |needed| {
                    self.all_requirements(calls, needed)?;
                    needed(&decided);
                    Ok(())
                })?;
                Ok(permit)
            }
        }
    }

    /// Permits a request whose body no rule depends on. `None` without a token.
    pub(crate) fn permit_unread(&self, grant: Option<AdmittedGrant<'_>>) -> Option<Permit> {
        grant
            .filter(|_| !self.depends_on_calls())
            .map(|_| Permit(()))
    }

    /// Permits a request without a body, for which the base rule is enough. `None` without a token.
    pub(crate) fn permit_bodiless(&self, grant: Option<AdmittedGrant<'_>>) -> Option<Permit> {
        grant.map(|_| Permit(()))
    }

    /// Compares what the calls need with the grant. The base rule is met already.
    fn require(
        &self,
        AdmittedGrant(grant): AdmittedGrant<'_>,
        of_calls: impl Fn(&mut dyn FnMut(&Requirement)) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut satisfied = true;
        of_calls(&mut |needed| satisfied = satisfied && self.satisfied(needed, grant.scopes))?;
        if satisfied {
            Ok(())
        } else {
            Err(self.shortfall(grant, of_calls)?.into())
        }
    }

    /// Collects everything that is needed, only for requests that get a challenge.
    fn shortfall(
        &self,
        grant: Grant<'_>,
        of_calls: impl Fn(&mut dyn FnMut(&Requirement)) -> Result<(), Refusal>,
    ) -> Result<Shortfall, Refusal> {
        let mut scopes = self.rendered(of_calls)?;
        if self.challenge == ChallengeScopes::Accumulate {
            scopes.extend(
                grant
                    .scopes
                    .as_slice()
                    .iter()
                    .filter(|scope| scope.is_repeatable())
                    .cloned(),
            );
        }
        Ok(Shortfall {
            scopes: scopes.into_iter().collect(),
        })
    }

    fn all_requirements(
        &self,
        calls: &Calls<'_>,
        needed: &mut dyn FnMut(&Requirement),
    ) -> Result<(), Refusal> {
        calls
            .iter()
            .try_for_each(|call| self.requirements(call, needed))
    }

    /// The scopes that a token needs for these calls, those of every request included. Empty if a call is denied, since
    /// no scope opens it.
    pub(crate) fn needs_of(&self, calls: Option<&Calls<'_>>) -> Scopes {
        let of_calls = |needed: &mut dyn FnMut(&Requirement)| {
            calls
                .into_iter()
                .flat_map(Calls::iter)
                .try_for_each(|call| self.requirements(call, needed))
        };
        self.rendered(of_calls)
            .unwrap_or_default()
            .into_iter()
            .collect()
    }

    fn rendered(
        &self,
        of_calls: impl Fn(&mut dyn FnMut(&Requirement)) -> Result<(), Refusal>,
    ) -> Result<Vec<Scope>, Refusal> {
        let mut scopes = Vec::new();
        let mut name = |needed: &Requirement| scopes.extend_from_slice(needed.rendered());
        self.base.iter().for_each(&mut name);
        of_calls(&mut name)?;
        Ok(scopes)
    }

    pub(super) fn requirements(
        &self,
        call: &Call<'_>,
        needed: &mut dyn FnMut(&Requirement),
    ) -> Result<(), Refusal> {
        if call.kind == MessageKind::Response {
            return Ok(());
        }
        let of_method = match self.methods.get(&call.method) {
            // For these methods, only the rule of the target decides.
            None if call.definition.is_for_its_subject() => {
                Some(Match::exactly(&Requirement::NoOpinion))
            }
            None if call.definition.is_mcps_own => Some(Match::exactly(&Requirement::Nothing)),
            listed => listed,
        };
        needed(&*self.open(of_method, &call.method, Reason::MethodUnmapped)?);
        match &call.target {
            Target::None => Ok(()),
            Target::Tool(name) => {
                needed(&*self.open(self.tools.get(name), name, Reason::ToolUnmapped)?);
                Ok(())
            }
            Target::Prompt(name) => {
                needed(&*self.open(self.prompts.get(name), name, Reason::PromptUnmapped)?);
                Ok(())
            }
            Target::Resources(resources) => resources
                .iter()
                .try_for_each(|name| self.resource_requirements(name, needed)),
        }
    }

    /// Requires that the URI is allowed in both spellings: as written, and in its normal form. A server may also take
    /// it for an alias (without host, query or trailing slash). An alias without a rule requires nothing.
    fn resource_requirements(
        &self,
        name: &ResourceName<'_>,
        needed: &mut dyn FnMut(&Requirement),
    ) -> Result<(), Refusal> {
        if self.resources.is_empty() && self.unlisted == Unlisted::Allow {
            needed(&Requirement::Nothing);
            return Ok(());
        }
        for uri in name.spellings() {
            needed(&*self.open(self.resources.get(&uri), &uri, Reason::ResourceUnmapped)?);
        }
        for alias in name.aliases() {
            if let Some(rule) = self.resources.get(&alias) {
                needed(&*self.open(Some(rule), &alias, Reason::ResourceUnmapped)?);
            }
        }
        Ok(())
    }

    /// The requirement of a name. If no scope could meet it, the request is refused and no scopes are named: a client
    /// that got them would be refused again.
    fn open<'p>(
        &self,
        found: Option<Match<'p, Requirement>>,
        name: &str,
        unmapped: Reason,
    ) -> Result<Cow<'p, Requirement>, Refusal> {
        match (found, self.unlisted) {
            (
                Some(Match {
                    rule: Requirement::Denied,
                    ..
                }),
                _,
            ) => Err(Refusal::from(Reason::Denied).got(name)),
            (
                Some(Match {
                    rule: Requirement::Templated(scopes),
                    pattern,
                }),
                _,
            ) => {
                let filled = Requirement::filled(scopes, name, pattern).map(Cow::Owned);
                filled.ok_or_else(|| {
                    Refusal::from(Reason::NameNoScope)
                        .expected(PLAIN_SCOPE)
                        .got(name)
                })
            }
            (Some(Match { rule, .. }), _) => Ok(Cow::Borrowed(rule)),
            (None, Unlisted::Allow) => Ok(Cow::Borrowed(&Requirement::Nothing)),
            (None, Unlisted::Deny) => Err(Refusal::from(unmapped).got(name)),
        }
    }

    pub(super) fn kinds_of_rules(&self) -> [(&'static str, &NamedRules<Requirement>); 4] {
        [
            ("tool", &self.tools),
            ("resource", &self.resources),
            ("prompt", &self.prompts),
            ("method", &self.methods),
        ]
    }

    pub(super) fn satisfied(&self, requirement: &Requirement, granted: &Scopes) -> bool {
        match requirement {
            Requirement::Anonymous | Requirement::NoOpinion | Requirement::Nothing => true,
            Requirement::All(scopes) => scopes
                .as_slice()
                .iter()
                .all(|scope| self.hierarchy.satisfied(scope, granted)),
            Requirement::Any(scopes) => scopes
                .as_slice()
                .iter()
                .any(|scope| self.hierarchy.satisfied(scope, granted)),
            // A template is filled before it gets here.
            Requirement::Templated(_) | Requirement::Denied => false,
        }
    }
}
