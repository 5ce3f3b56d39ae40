//! What one tool, resource, prompt, method or request needs: a rule, parsed.

use super::pattern::Pattern;
use super::template::Template;
use crate::scope::{Scope, Scopes};

/// A rule, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Requirement {
    /// Not even a token.
    Anonymous,
    /// Nothing of its own: another requirement of the same call decides.
    NoOpinion,
    /// Nothing besides the base scopes.
    Nothing,
    All(Scopes),
    Any(Scopes),
    /// Scopes that follow the name.
    Templated(Template),
    Denied,
}

impl Requirement {
    /// What a template demands for this name. `None` where no scope can be made of it.
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

    /// Whether a request without a token meets it.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Anonymous | Self::NoOpinion)
    }

    /// What a challenge names: of alternatives the first, always, so that clients see one answer.
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
