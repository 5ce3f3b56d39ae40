//! Rules by name: an exact name beats a pattern, and of patterns the one with more literal text the other.

use std::collections::HashMap;

use super::pattern::{Braces, Pattern};

/// Names are compared as decoded text, case-sensitively.
#[derive(Debug)]
pub(crate) struct Names<R> {
    braces: Braces,
    exact: HashMap<String, R>,
    /// The most literal first.
    patterns: Vec<(Pattern, R)>,
}

/// A rule, and the pattern that led to it if it was not the very name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found<'r, R> {
    pub(crate) rule: &'r R,
    pub(crate) pattern: Option<&'r Pattern>,
}

impl<'r, R> Found<'r, R> {
    pub(crate) fn exactly(rule: &'r R) -> Self {
        Self { rule, pattern: None }
    }
}

impl<R> Names<R> {
    pub(crate) fn new(braces: Braces) -> Self {
        Self { braces, exact: HashMap::new(), patterns: Vec::new() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Found<'_, R>> {
        if let Some(rule) = self.exact.get(name) {
            return Some(Found::exactly(rule));
        }
        let (pattern, rule) = self.patterns.iter().find(|(pattern, _)| pattern.matches(name))?;
        Some(Found { rule, pattern: Some(pattern) })
    }

    /// Every name and pattern as it was written, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &R)> {
        let patterns = self.patterns.iter().map(|(pattern, rule)| (pattern.written(), rule));
        self.exact.iter().map(|(name, rule)| (name.as_str(), rule)).chain(patterns)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty()
    }

    /// Fails with what is wrong with the name.
    pub(crate) fn insert(&mut self, name: &str, rule: R) -> Result<(), &'static str> {
        if name.is_empty() {
            return Err("a name has at least one character");
        }
        let Some(pattern) = Pattern::read(name, self.braces)? else {
            if self.exact.insert(name.to_owned(), rule).is_some() {
                return Err("it is named twice: join the two rules");
            }
            return Ok(());
        };
        if self.patterns.iter().any(|(held, _)| *held == pattern) {
            return Err("it is named twice: join the two rules");
        }
        let length = pattern.literal_length();
        let rivals = self.patterns.iter().filter(|(held, _)| held.literal_length() == length);
        if rivals.into_iter().any(|(held, _)| held.overlaps(&pattern)) {
            return Err(
                "another pattern with as much literal text may match the same name: make one say more",
            );
        }
        let position = self.patterns.partition_point(|(held, _)| held.literal_length() >= length);
        self.patterns.insert(position, (pattern, rule));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(patterns: &[&'static str]) -> Names<&'static str> {
        let mut names = Names::new(Braces::AreLiteral);
        for pattern in patterns {
            names.insert(pattern, *pattern).unwrap();
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
            assert_eq!(names.get(name).map(|found| *found.rule), Some(rule), "{name}");
        }
        assert_eq!(self::names(&["a*"]).get("b"), None);
    }

    #[test]
    fn a_name_twice_or_a_star_inside_is_refused() {
        let mut names = names(&["a", "b*"]);
        assert!(names.insert("a", "").is_err());
        assert!(names.insert("b*", "").is_err());
        assert!(names.insert("a*c", "").is_err());
        assert!(names.insert("a**", "").is_err());
        assert!(names.insert("", "").is_err());
        assert!(names.insert("b", "").is_ok());
    }
}
