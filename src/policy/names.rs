//! Rules by name: an exact name beats a pattern, and of patterns the longest beats the shorter.

use std::collections::HashMap;

/// Names are compared as decoded text, case-sensitively.
#[derive(Debug)]
pub(crate) struct Names<R> {
    exact: HashMap<String, R>,
    /// What stands before the `*`, longest first.
    prefixes: Vec<(String, R)>,
}

impl<R> Names<R> {
    pub(crate) fn get(&self, name: &str) -> Option<&R> {
        self.exact.get(name).or_else(|| {
            self.prefixes.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, rule)| rule)
        })
    }

    /// Every name and pattern as it was written, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (String, &R)> {
        let patterns = self.prefixes.iter().map(|(prefix, rule)| (format!("{prefix}*"), rule));
        self.exact.iter().map(|(name, rule)| (name.clone(), rule)).chain(patterns)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty()
    }

    /// Fails with what is wrong with the name.
    pub(crate) fn insert(&mut self, name: &str, rule: R) -> Result<(), &'static str> {
        match name.split_once('*') {
            _ if name.is_empty() => return Err("a name has at least one character"),
            None => {
                if self.exact.insert(name.to_owned(), rule).is_some() {
                    return Err("it is named twice: join the two rules");
                }
            }
            Some((prefix, "")) => {
                if self.prefixes.iter().any(|(held, _)| held == prefix) {
                    return Err("it is named twice: join the two rules");
                }
                let shorter = |(held, _): &(String, R)| held.len() >= prefix.len();
                let position = self.prefixes.partition_point(shorter);
                self.prefixes.insert(position, (prefix.to_owned(), rule));
            }
            Some(_) => return Err("a pattern has one `*`, at its end"),
        }
        Ok(())
    }
}

impl<R> Default for Names<R> {
    fn default() -> Self {
        Self { exact: HashMap::new(), prefixes: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(patterns: &[&'static str]) -> Names<&'static str> {
        let mut names = Names::default();
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
            assert_eq!(names.get(name), Some(&rule), "{name}");
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
