//! May they? What an operation needs, held against what the token grants.
//!
//! `scope_map` and `rule` are what an operator writes; `compile` parses them into the [`Policy`] that
//! judges; `names` and `hierarchy` are how it looks things up. `origin` judges the one thing that is
//! not about the token: which web pages may talk to the server at all.

mod compile;
mod display;
mod hierarchy;
mod methods;
mod names;
mod origin;
mod rule;
mod scope_map;

pub(crate) use compile::published_scopes;
use hierarchy::Hierarchy;
use names::Names;
pub(crate) use origin::Origins;
pub use rule::{Rule, all_of, any_of, base_only, deny};
pub use scope_map::ScopeMap;
use scope_map::{Challenge, Unlisted};

use crate::call::{Call, Calls, MessageKind, Target};
use crate::refusal::{Reason, Refusal};
use crate::resource_name::ResourceName;
use crate::scope::Scopes;

/// The scope map, parsed.
#[derive(Debug)]
pub(crate) struct Policy {
    base: Vec<Requirement>,
    initial: Scopes,
    tools: Names<Requirement>,
    resources: Names<Requirement>,
    prompts: Names<Requirement>,
    methods: Names<Requirement>,
    unlisted: Unlisted,
    hierarchy: Hierarchy,
    challenge: Challenge,
}

/// A rule, parsed. The scope lists are never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Nothing,
    All(Scopes),
    Any(Scopes),
    Denied,
}

impl Policy {
    /// The scopes a first challenge asks for.
    pub(crate) fn initial(&self) -> &Scopes {
        &self.initial
    }

    /// Whether anything depends on what the body asks for. If not, it stays unread.
    pub(crate) fn depends_on_calls(&self) -> bool {
        let rules = [&self.tools, &self.resources, &self.prompts, &self.methods];
        self.unlisted == Unlisted::Deny || rules.iter().any(|names| !names.is_empty())
    }

    /// The base rule: what every request needs.
    pub(crate) fn admit(&self, granted: &Scopes) -> Result<(), Refusal> {
        self.decide(self.base.iter().collect(), granted)
    }

    /// The call rule: everything that any of the calls needs, in one answer.
    pub(crate) fn judge(&self, granted: &Scopes, calls: &Calls<'_>) -> Result<(), Refusal> {
        let mut needed: Vec<&Requirement> = self.base.iter().collect();
        for call in calls.iter() {
            self.requirements(call, &mut needed)?;
        }
        self.decide(needed, granted)
    }

    fn requirements<'p>(&'p self, call: &Call<'_>, needed: &mut Vec<&'p Requirement>) -> Result<(), Refusal> {
        if call.kind == MessageKind::Response {
            return Ok(());
        }
        let of_method = match self.methods.get(&call.method) {
            None if methods::is_mcps_own(&call.method) => Some(&Requirement::Nothing),
            listed => listed,
        };
        needed.push(self.open(of_method, &call.method, Reason::MethodUnmapped)?);
        match &call.target {
            Target::None => {}
            Target::Tool(name) => needed.push(self.open(self.tools.get(name), name, Reason::ToolUnmapped)?),
            Target::Prompt(name) => {
                needed.push(self.open(self.prompts.get(name), name, Reason::PromptUnmapped)?);
            }
            Target::Resources(resources) => {
                for name in resources {
                    self.resource_requirements(name, needed)?;
                }
            }
        }
        Ok(())
    }

    /// Every spelling must be allowed; for what the name might be taken for, only rules count.
    fn resource_requirements<'p>(
        &'p self,
        name: &ResourceName<'_>,
        needed: &mut Vec<&'p Requirement>,
    ) -> Result<(), Refusal> {
        if self.resources.is_empty() && self.unlisted == Unlisted::Allow {
            return Ok(());
        }
        for uri in name.spellings() {
            needed.push(self.open(self.resources.get(&uri), &uri, Reason::ResourceUnmapped)?);
        }
        for alias in name.aliases() {
            if let Some(rule) = self.resources.get(&alias) {
                needed.push(self.open(Some(rule), &alias, Reason::ResourceUnmapped)?);
            }
        }
        needed.dedup_by_key(|requirement| std::ptr::from_ref(*requirement));
        Ok(())
    }

    /// The rule of what is named, unless no scope opens it: then a challenge, for whatever else the
    /// request needs, would only start a loop.
    fn open<'p>(
        &self,
        rule: Option<&'p Requirement>,
        name: &str,
        unmapped: Reason,
    ) -> Result<&'p Requirement, Refusal> {
        match (rule, self.unlisted) {
            (Some(Requirement::Denied), _) => Err(Refusal::from(Reason::Denied).got(name)),
            (Some(requirement), _) => Ok(requirement),
            (None, Unlisted::Allow) => Ok(&Requirement::Nothing),
            (None, Unlisted::Deny) => Err(Refusal::from(unmapped).got(name)),
        }
    }

    fn decide(&self, needed: Vec<&Requirement>, granted: &Scopes) -> Result<(), Refusal> {
        if needed.iter().all(|requirement| self.satisfied(requirement, granted)) {
            return Ok(());
        }
        let mut scopes: Scopes =
            needed.iter().flat_map(|requirement| requirement.rendered()).cloned().collect();
        if self.challenge == Challenge::Accumulate {
            granted.as_slice().iter().for_each(|scope| scopes.insert(scope.clone()));
        }
        Err(Refusal::from(Reason::InsufficientScope).requiring(scopes))
    }

    fn satisfied(&self, requirement: &Requirement, granted: &Scopes) -> bool {
        match requirement {
            Requirement::Nothing => true,
            Requirement::All(scopes) => {
                scopes.as_slice().iter().all(|scope| self.hierarchy.satisfied(scope, granted))
            }
            Requirement::Any(scopes) => {
                scopes.as_slice().iter().any(|scope| self.hierarchy.satisfied(scope, granted))
            }
            Requirement::Denied => false,
        }
    }
}

impl Requirement {
    /// What a challenge names: of alternatives the first, always, so that clients see one answer.
    fn rendered(&self) -> &[crate::scope::Scope] {
        match self {
            Self::Nothing | Self::Denied => &[],
            Self::All(scopes) => scopes.as_slice(),
            Self::Any(scopes) => scopes.as_slice().get(..1).unwrap_or_default(),
        }
    }
}
