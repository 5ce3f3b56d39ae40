//! Compares the rules for tools with the tools that exist.

use std::collections::BTreeSet;
use std::fmt;

use super::judge::Policy;
use super::scope_map::Unlisted;

/// The rules for tools that apply to no tool, and the tools that have no rule. Made by
/// [`Toolgate::review`](crate::Toolgate::review).
///
/// `Display` writes one line for each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    unused_rules: Vec<String>,
    tools_without_rule: Vec<String>,
}

impl Review {
    /// The names and patterns of rules that apply to none of the tools: a typo, or a tool that is gone. This includes a
    /// pattern if every tool that it matches has a more exact rule.
    pub fn unused_rules(&self) -> &[String] {
        &self.unused_rules
    }

    /// The tools that no rule is about. In a map that began with [`deny_unlisted`](crate::ScopeMap::deny_unlisted) they
    /// are denied. With [`allow_unlisted`](crate::ScopeMap::allow_unlisted) they need only the scopes of every request.
    pub fn tools_without_rule(&self) -> &[String] {
        &self.tools_without_rule
    }

    /// Whether every rule for tools applies to a tool, and every tool has a rule.
    pub fn is_clean(&self) -> bool {
        self.unused_rules.is_empty() && self.tools_without_rule.is_empty()
    }
}

impl Policy {
    /// Whether a tool without a rule, or a rule without a tool, says anything: not if all tools are allowed alike.
    pub(crate) fn concerns_tools(&self) -> bool {
        self.unlisted == Unlisted::Deny || !self.tools.is_empty()
    }

    pub(crate) fn review<S: AsRef<str>>(&self, tools: impl IntoIterator<Item = S>) -> Review {
        let (mut used, mut without_rule) = (BTreeSet::new(), BTreeSet::new());
        for tool in tools {
            let name = tool.as_ref();
            match self.tools.get(name) {
                Some(found) => {
                    let written = found.pattern.map_or(name, |pattern| pattern.written());
                    used.insert(written.to_owned());
                }
                None => {
                    without_rule.insert(name.to_owned());
                }
            }
        }
        let rules = self.tools.iter().map(|(written, _)| written.to_owned());
        let unused: BTreeSet<_> = rules.filter(|written| !used.contains(written)).collect();
        Review {
            unused_rules: unused.into_iter().collect(),
            tools_without_rule: without_rule.into_iter().collect(),
        }
    }
}

impl fmt::Display for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("every rule applies to a tool, and every tool has a rule");
        }
        let unused = self.unused_rules.iter();
        let unused = unused.map(|rule| format!("rule {rule:?} applies to no tool"));
        let unruled = self.tools_without_rule.iter();
        let unruled = unruled.map(|tool| format!("tool {tool:?} has no rule"));
        let lines: Vec<_> = unused.chain(unruled).collect();
        f.write_str(&lines.join("\n"))
    }
}
