//! The parsed rule of one tool, resource, prompt, method or request.

use super::pattern::Pattern;
use super::template::Template;
use crate::login::RequiredLogin;
use crate::scope::{Scope, Scopes};

/// A parsed rule: its requirement of scopes, and of the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParsedRule {
    pub(super) scopes: Requirement,
    pub(super) login: Option<RequiredLogin>,
}

/// The requirements that one rule has for one call, whose name is filled in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needed<'r> {
    pub(super) scopes: &'r Requirement,
    pub(super) login: Option<&'r RequiredLogin>,
}

/// A requirement of scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Requirement {
    /// The operation is open without a token.
    Anonymous,
    /// The rule adds nothing: another requirement of the same call decides.
    NoOpinion,
    /// The base scopes are enough.
    Nothing,
    All(Scopes),
    Any(Scopes),
    /// Scopes that contain the name, or a part of it.
    Templated(Template),
    Denied,
}

impl ParsedRule {
    /// The rule of a name without one, if it needs no more than every request.
    pub(super) const NOTHING: &Self = &Self::of(Requirement::Nothing);

    /// The rule of a method that leaves the decision to the rule of its tool, prompt or resources.
    pub(super) const NO_OPINION: &Self = &Self::of(Requirement::NoOpinion);

    const fn of(scopes: Requirement) -> Self {
        Self {
            scopes,
            login: None,
        }
    }

    pub(super) fn needed(&self) -> Needed<'_> {
        Needed {
            scopes: &self.scopes,
            login: self.login.as_ref(),
        }
    }
}

impl<'r> From<&'r Requirement> for Needed<'r> {
    fn from(scopes: &'r Requirement) -> Self {
        Self {
            scopes,
            login: None,
        }
    }
}

impl Requirement {
    /// The requirement that a template makes for this name. `None` if it yields no valid scope.
    pub(super) fn filled(
        template: &Template,
        name: &str,
        pattern: Option<&Pattern>,
    ) -> Option<Self> {
        let scopes = template.fill(name, pattern)?;
        Some(if template.is_any() {
            Self::Any(scopes)
        } else {
            Self::All(scopes)
        })
    }

    /// Whether a request without a token meets the requirement.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Anonymous | Self::NoOpinion)
    }

    /// The scopes that a challenge names. Of alternatives it is always the first, so that clients get a stable answer.
    pub(super) fn rendered(&self) -> &[Scope] {
        match self {
            Self::Anonymous
            | Self::NoOpinion
            | Self::Nothing
            | Self::Templated(_)
            | Self::Denied => &[],
            Self::All(scopes) => scopes.as_slice(),
            Self::Any(scopes) => scopes.as_slice().get(..1).unwrap_or_default(),
        }
    }
}
