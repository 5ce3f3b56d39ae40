//! Decides which calls need no token.

use std::fmt;

use super::judge::Policy;
use super::not_open::NotOpen;
use super::requirement::{ParsedRule, Requirement};
use super::rule::{Need, Rule};
use super::scope_map::ScopeMap;
use crate::call::{Calls, MessageKind};
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::refusal::Refusal;

impl Policy {
    /// Whether any call is open without a token. If none is, a request without one is refused before its body is read.
    pub(crate) fn opens_anything(&self) -> bool {
        self.opens_anything
    }

    /// Requires every call to be open. The refusal of one that is not names no scopes of rules.
    pub(super) fn authorize_without_token(&self, calls: &Calls<'_>) -> Result<(), Refusal> {
        calls.iter().try_for_each(|call| {
            if call.kind == MessageKind::Response {
                return Err(NotOpen::Response.into());
            }
            // A map that opens nothing opens no call that has no requirement either.
            let mut open = self.opens_anything;
            self.requirements(call, &mut |needed| open = open && needed.scopes.is_open())?;
            if open {
                Ok(())
            } else {
                Err(NotOpen::of(call).into())
            }
        })
    }

    /// Formats each rule that opens something, as the operator wrote it.
    pub(crate) fn opened(&self) -> impl fmt::Display {
        let opens = |(_, rule): &(&str, &ParsedRule)| rule.scopes == Requirement::Anonymous;
        let mut opened = Vec::new();
        for (kind, rules) in self.kinds_of_rules() {
            let mut names: Vec<&str> = rules.iter().filter(opens).map(|(name, _)| name).collect();
            names.sort_unstable();
            opened.extend(names.iter().map(|name| format!("{kind} {name}")));
        }
        opened.join("; ")
    }
}

impl ScopeMap {
    /// Whether a rule opens something without a token.
    pub(crate) fn opens_anything(&self) -> bool {
        self.rules_by_name().any(|(_, _, rule)| is_open(rule))
    }

    fn rules_by_name(&self) -> impl Iterator<Item = (&'static str, &str, &Rule)> {
        let tables = [
            ("tools", &self.tools),
            ("resources", &self.resources),
            ("prompts", &self.prompts),
            ("methods", &self.methods),
        ];
        tables.into_iter().flat_map(|(table, rules)| {
            rules
                .iter()
                .map(move |(name, rule)| (table, name.as_str(), rule))
        })
    }
}

fn is_open(rule: &Rule) -> bool {
    rule.need == Need::Anonymous
}

/// Refuses rules that open more than the operator may have meant: every request, or every name.
pub(super) fn check(map: &ScopeMap, problems: &mut Problems) -> Result<(), Flawed> {
    let mut sound = Ok(());
    if map.every_request.iter().any(is_open) {
        let fix =
            "name what is open without a token; what every request needs does not open anything";
        sound = Err(problems.add(ConfigProblem::not_allowed("scopes.every_request", fix)));
    }
    for (table, name, _) in map
        .rules_by_name()
        .filter(|(_, name, rule)| *name == "*" && is_open(rule))
    {
        let fix =
            "name what is open without a token, or what is added to the server later would be too";
        sound =
            Err(problems
                .add(ConfigProblem::not_allowed(format!("scopes.{table}"), fix).showing(name)));
    }
    sound
}
