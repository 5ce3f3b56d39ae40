//! Authorizes calls: compares what they need with what the token grants.

use std::time::Duration;

use super::hierarchy::Hierarchy;
use super::names::{Match, NamedRules};
use super::not_open::NotOpen;
use super::permit::{Admitted, AdmittedGrant, Permit};
use super::requirement::{Needed, ParsedRule, Requirement};
use super::scope_map::{ChallengeScopes, Unlisted};
use super::shown::AlwaysListed;
use crate::call::{Call, Calls, MessageKind, Target};
use crate::grant::{Grant, Shortfall};
use crate::login::RequiredLogin;
use crate::refusal::{Reason, Refusal};
use crate::resource_name::ResourceName;
use crate::scope::{PLAIN_SCOPE, Scope, Scopes};

/// The parsed scope map.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(super) base: Vec<ParsedRule>,
    /// The requirements of the login that the base has together.
    pub(super) base_login: RequiredLogin,
    pub(super) initial: Scopes,
    pub(super) tools: NamedRules<ParsedRule>,
    pub(super) resources: NamedRules<ParsedRule>,
    pub(super) prompts: NamedRules<ParsedRule>,
    pub(super) methods: NamedRules<ParsedRule>,
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
            .all(|rule| self.satisfied(rule.needed(), grant))
        {
            return Ok(Admitted(()));
        }
        Err(self.shortfall(grant, |_| Ok(()))?.into())
    }

    /// The time until the login is too old for the base rule. `None` if it never is.
    pub(crate) fn login_time_left(&self, grant: Grant<'_>) -> Option<Duration> {
        self.base_login.time_left(grant)
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
                    needed(Needed::from(&decided));
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
        of_calls: impl Fn(&mut dyn FnMut(Needed<'_>)) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut satisfied = true;
        of_calls(&mut |needed| satisfied = satisfied && self.satisfied(needed, grant))?;
        if satisfied {
            Ok(())
        } else {
            Err(self.shortfall(grant, of_calls)?.into())
        }
    }

    /// Collects everything that is needed, only for requests that get a challenge. Scopes are left out if only the login
    /// falls short.
    pub(super) fn shortfall(
        &self,
        grant: Grant<'_>,
        of_calls: impl Fn(&mut dyn FnMut(Needed<'_>)) -> Result<(), Refusal>,
    ) -> Result<Shortfall, Refusal> {
        let (mut scopes, login) = self.sum(&of_calls)?;
        let login = login.shortfall(grant)?;
        let mut has_scopes = true;
        self.each_needed(&of_calls, &mut |needed| {
            has_scopes = has_scopes && self.has_scopes(needed.scopes, grant.scopes);
        })?;
        if has_scopes {
            scopes.clear();
        } else if self.challenge == ChallengeScopes::Accumulate {
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
            login,
        })
    }

    fn all_requirements(
        &self,
        calls: &Calls<'_>,
        needed: &mut dyn FnMut(Needed<'_>),
    ) -> Result<(), Refusal> {
        calls
            .iter()
            .try_for_each(|call| self.requirements(call, needed))
    }

    /// The scopes that a token needs for these calls, and the login, those of every request included. Empty if a call is
    /// denied, since nothing opens it.
    pub(crate) fn needs_of(&self, calls: Option<&Calls<'_>>) -> (Scopes, RequiredLogin) {
        let of_calls = |needed: &mut dyn FnMut(Needed<'_>)| {
            calls
                .into_iter()
                .try_for_each(|calls| self.all_requirements(calls, needed))
        };
        let (scopes, login) = self.sum(of_calls).unwrap_or_default();
        (scopes.into_iter().collect(), login)
    }

    /// Adds up the base rule and the rules of the calls: the scopes that a challenge names, and the login.
    pub(super) fn sum(
        &self,
        of_calls: impl Fn(&mut dyn FnMut(Needed<'_>)) -> Result<(), Refusal>,
    ) -> Result<(Vec<Scope>, RequiredLogin), Refusal> {
        let (mut scopes, mut login) = (Vec::new(), RequiredLogin::default());
        self.each_needed(of_calls, &mut |needed| {
            scopes.extend_from_slice(needed.scopes.rendered());
            needed.login.into_iter().for_each(|one| login.add(one));
        })?;
        Ok((scopes, login))
    }

    fn each_needed(
        &self,
        of_calls: impl Fn(&mut dyn FnMut(Needed<'_>)) -> Result<(), Refusal>,
        needed: &mut dyn FnMut(Needed<'_>),
    ) -> Result<(), Refusal> {
        self.base.iter().for_each(|rule| needed(rule.needed()));
        of_calls(needed)
    }

    pub(super) fn requirements(
        &self,
        call: &Call<'_>,
        needed: &mut dyn FnMut(Needed<'_>),
    ) -> Result<(), Refusal> {
        if call.kind == MessageKind::Response {
            return Ok(());
        }
        let of_method = match self.methods.get(&call.method) {
            // For these methods, only the rule of the target decides.
            None if call.definition.is_for_its_subject() => {
                Some(Match::exactly(ParsedRule::NO_OPINION))
            }
            None if call.definition.is_mcps_own => Some(Match::exactly(ParsedRule::NOTHING)),
            listed => listed,
        };
        self.require_of(of_method, &call.method, Reason::MethodUnmapped, needed)?;
        match &call.target {
            Target::None => Ok(()),
            Target::Tool(name) => {
                self.require_of(self.tools.get(name), name, Reason::ToolUnmapped, needed)
            }
            Target::Prompt(name) => {
                self.require_of(self.prompts.get(name), name, Reason::PromptUnmapped, needed)
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
        needed: &mut dyn FnMut(Needed<'_>),
    ) -> Result<(), Refusal> {
        if self.resources.is_empty() && self.unlisted == Unlisted::Allow {
            needed(ParsedRule::NOTHING.needed());
            return Ok(());
        }
        let unmapped = Reason::ResourceUnmapped;
        for uri in name.spellings() {
            self.require_of(self.resources.get(&uri), &uri, unmapped, needed)?;
        }
        for alias in name.aliases() {
            if let Some(rule) = self.resources.get(&alias) {
                self.require_of(Some(rule), &alias, unmapped, needed)?;
            }
        }
        Ok(())
    }

    /// Hands on the requirements of a name. If no scope could meet them, the request is refused and no scopes are named: a
    /// client that got them would be refused again.
    fn require_of(
        &self,
        found: Option<Match<'_, ParsedRule>>,
        name: &str,
        unmapped: Reason,
        needed: &mut dyn FnMut(Needed<'_>),
    ) -> Result<(), Refusal> {
        let Some(Match { rule, pattern }) = found else {
            return match self.unlisted {
                Unlisted::Allow => {
                    needed(ParsedRule::NOTHING.needed());
                    Ok(())
                }
                Unlisted::Deny => Err(Refusal::from(unmapped).got(name)),
            };
        };
        match &rule.scopes {
            Requirement::Denied => return Err(Refusal::from(Reason::Denied).got(name)),
            Requirement::Templated(template) => {
                let filled = Requirement::filled(template, name, pattern).ok_or_else(|| {
                    Refusal::from(Reason::NameNoScope)
                        .expected(PLAIN_SCOPE)
                        .got(name)
                })?;
                needed(Needed {
                    scopes: &filled,
                    ..rule.needed()
                });
            }
            _ => needed(rule.needed()),
        }
        Ok(())
    }

    pub(super) fn kinds_of_rules(&self) -> [(&'static str, &NamedRules<ParsedRule>); 4] {
        [
            ("tool", &self.tools),
            ("resource", &self.resources),
            ("prompt", &self.prompts),
            ("method", &self.methods),
        ]
    }

    fn satisfied(&self, needed: Needed<'_>, grant: Grant<'_>) -> bool {
        self.has_scopes(needed.scopes, grant.scopes)
            && needed.login.is_none_or(|login| login.is_met_by(grant))
    }

    pub(super) fn has_scopes(&self, requirement: &Requirement, granted: &Scopes) -> bool {
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
