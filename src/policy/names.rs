//! Rules by name. An exact name takes precedence over a pattern, and a pattern with more literal text over one with
//! less.

use std::collections::BTreeMap;

use super::pattern::{Pattern, Syntax};
use super::prefixes::Prefixes;
use crate::config_error::ConfigProblem;

/// Rules under names and patterns. Names are compared as decoded text, case-sensitively.
#[derive(Debug)]
pub(crate) struct NamedRules<R> {
    syntax: Syntax,
    exact: BTreeMap<String, R>,
    patterns: Vec<(Pattern, R)>,
    /// The patterns that are a prefix and a `*`.
    prefixes: Prefixes,
    /// All other patterns, sorted by the length of their literal text, longest first.
    others: Vec<usize>,
}

/// A rule, and the pattern that led to it; `None` for an exact name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match<'r, R> {
    pub(crate) rule: &'r R,
    pub(crate) pattern: Option<&'r Pattern>,
}

impl<'r, R> Match<'r, R> {
    pub(crate) fn exactly(rule: &'r R) -> Self {
        Self {
            rule,
            pattern: None,
        }
    }
}

impl<R> NamedRules<R> {
    pub(crate) fn new(syntax: Syntax) -> Self {
        let (exact, patterns, others) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self {
            syntax,
            exact,
            patterns,
            prefixes: Prefixes::default(),
            others,
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Match<'_, R>> {
        if let Some(rule) = self.exact.get(name) {
            return Some(Match::exactly(rule));
        }
        let of_prefix = self
            .prefixes
            .longest(name)
            .and_then(|index| self.patterns.get(index));
        let mut others = self
            .others
            .iter()
            .filter_map(|index| self.patterns.get(*index));
        let other = others.find(|(pattern, _)| pattern.matches(name));
        let (pattern, rule) = of_prefix
            .into_iter()
            .chain(other)
            .max_by_key(|(pattern, _)| pattern.literal_length())?;
        Some(Match {
            rule,
            pattern: Some(pattern),
        })
    }

    /// Finds the rule that was written for exactly this name or pattern.
    pub(crate) fn of(&self, written: &str) -> Option<&R> {
        self.exact.get(written).or_else(|| {
            self.patterns
                .iter()
                .find(|(pattern, _)| pattern.written() == written)
                .map(|(_, rule)| rule)
        })
    }

    /// Every name and pattern as it was written, unordered.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &R)> {
        let patterns = self
            .patterns
            .iter()
            .map(|(pattern, rule)| (pattern.written(), rule));
        self.exact
            .iter()
            .map(|(name, rule)| (name.as_str(), rule))
            .chain(patterns)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty()
    }

    /// Adds a rule. Fails with the problem of a name, which is written in this field.
    pub(crate) fn insert(&mut self, field: &str, name: &str, rule: R) -> Result<(), ConfigProblem> {
        let not_allowed = |fix| ConfigProblem::not_allowed(field, fix).showing(name);
        let twice = || {
            ConfigProblem::duplicate(field, "it is named twice: join the two rules").showing(name)
        };
        if name.is_empty() {
            return Err(not_allowed("a name has at least one character"));
        }
        let Some(pattern) = Pattern::read(name, self.syntax).map_err(not_allowed)? else {
            return match self.exact.insert(name.to_owned(), rule) {
                Some(_) => Err(twice()),
                None => Ok(()),
            };
        };
        if self.patterns.iter().any(|(held, _)| *held == pattern) {
            return Err(twice());
        }
        let length = pattern.literal_length();
        let rivals = self
            .patterns
            .iter()
            .filter(|(held, _)| held.literal_length() == length);
        if rivals.into_iter().any(|(held, _)| held.overlaps(&pattern)) {
            let fix = "another pattern with as much literal text may match the same name: make one longer";
            return Err(ConfigProblem::conflict(field, fix).showing(name));
        }
        let index = self.patterns.len();
        match pattern.as_prefix() {
            Some(prefix) => self.prefixes.insert(prefix, index),
            None => {
                let literal = |index: &usize| {
                    self.patterns
                        .get(*index)
                        .map(|(held, _)| held.literal_length())
                };
                let position = self
                    .others
                    .partition_point(|held| literal(held) >= Some(length));
                self.others.insert(position, index);
            }
        }
        self.patterns.push((pattern, rule));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(patterns: &[&'static str]) -> NamedRules<&'static str> {
        let mut names = NamedRules::new(Syntax::Plain);
        for pattern in patterns {
            names.insert("field", pattern, *pattern).unwrap();
        }
        names
    }

    #[test]
    fn the_exact_name_beats_every_pattern_and_the_longer_pattern_the_shorter() {
        let names = names(&["*", "files_*", "files_read", "files_re*", "z*"]);
        for (name, rule) in [
            ("files_read", "files_read"),
            ("files_remove", "files_re*"),
            ("files_write", "files_*"),
            ("files_", "files_*"),
            ("other", "*"),
            ("", "*"),
            ("Files_read", "*"),
        ] {
            assert_eq!(
                names.get(name).map(|found| *found.rule),
                Some(rule),
                "{name}"
            );
        }
        assert_eq!(self::names(&["a*"]).get("b"), None);
    }

    #[test]
    fn of_a_prefix_and_a_pattern_with_placeholders_the_one_with_more_literal_text_wins() {
        let mut names = NamedRules::new(Syntax::UriTemplate);
        for pattern in [
            "db://*",
            "db://{table}/rows/*",
            "db://users/rows/*",
            "db://{table}/rows/{row}/cells",
        ] {
            names.insert("field", pattern, pattern).unwrap();
        }
        for (name, rule) in [
            ("db://orders", "db://*"),
            ("db://orders/rows/7", "db://{table}/rows/*"),
            ("db://users/rows/7", "db://users/rows/*"),
            ("db://orders/rows/7/cells", "db://{table}/rows/{row}/cells"),
        ] {
            assert_eq!(
                names.get(name).map(|found| *found.rule),
                Some(rule),
                "{name}"
            );
        }
    }

    #[test]
    fn a_name_twice_or_a_star_inside_is_refused() {
        let mut names = names(&["a", "b*"]);
        assert!(names.insert("field", "a", "").is_err());
        assert!(names.insert("field", "b*", "").is_err());
        assert!(names.insert("field", "a*c", "").is_err());
        assert!(names.insert("field", "a**", "").is_err());
        assert!(names.insert("field", "", "").is_err());
        assert!(names.insert("field", "b", "").is_ok());
    }
}
