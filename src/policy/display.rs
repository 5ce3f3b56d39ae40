//! Formats the policy for the start-up event: every rule as the operator wrote it.

use std::fmt;

use super::judge::Policy;
use super::names::NamedRules;
use super::requirement::{ParsedRule, Requirement};
use super::scope_map::{ChallengeScopes, Unlisted};

impl Policy {
    /// The treatment of names without a rule, as it is written in a file.
    pub(crate) fn unlisted(&self) -> &'static str {
        match self.unlisted {
            Unlisted::Deny => "deny",
            Unlisted::Allow => "allow",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unlisted = {}", self.unlisted())?;
        for rule in &self.base {
            write!(f, "; every request = {rule}")?;
        }
        for (kind, rules) in self.kinds_of_rules() {
            write_rules(f, kind, rules)?;
        }
        write!(f, "{}", self.hierarchy)?;
        if self.challenge == ChallengeScopes::Accumulate {
            f.write_str("; challenges accumulate")?;
        }
        self.shown.iter().try_for_each(|shown| write!(f, "{shown}"))
    }
}

fn write_rules(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    rules: &NamedRules<ParsedRule>,
) -> fmt::Result {
    let mut rules: Vec<_> = rules.iter().collect();
    rules.sort_by_key(|(name, _)| *name);
    rules
        .iter()
        .try_for_each(|(name, rule)| write!(f, "; {kind} {name} = {rule}"))
}

impl fmt::Display for ParsedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.scopes, &self.login) {
            (scopes, None) => write!(f, "{scopes}"),
            (Requirement::Nothing, Some(login)) => write!(f, "{login}"),
            (scopes, Some(login)) => write!(f, "{scopes}, {login}"),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("without a token"),
            Self::NoOpinion | Self::Nothing => f.write_str("base only"),
            Self::All(scopes) => write!(f, "{scopes}"),
            Self::Any(scopes) => write!(f, "any of {scopes}"),
            Self::Templated(template) => write!(f, "{template}"),
            Self::Denied => f.write_str("deny"),
        }
    }
}
