//! Scopes that include others.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::scope::{Scope, Scopes};

/// The `implies` lines, with the implied scopes of implied scopes, turned round: for each scope, those that include it.
#[derive(Debug, Default)]
pub(crate) struct Hierarchy {
    satisfied_by: HashMap<Scope, Vec<Scope>>,
    wildcards: bool,
}

impl Hierarchy {
    /// Fails with a scope that implies itself, which must be a mistake.
    pub(crate) fn new(lines: &[(Scope, Vec<Scope>)], wildcards: bool) -> Result<Self, Scope> {
        let mut direct: HashMap<&Scope, Vec<&Scope>> = HashMap::new();
        for (broad, narrow) in lines {
            direct.entry(broad).or_default().extend(narrow);
        }
        let mut satisfied_by: HashMap<Scope, Vec<Scope>> = HashMap::new();
        for broad in direct.keys() {
            let mut reached = HashSet::new();
            let mut next = vec![*broad];
            while let Some(scope) = next.pop() {
                for implied in direct.get(scope).into_iter().flatten() {
                    if implied == broad {
                        return Err((*broad).clone());
                    }
                    if reached.insert(*implied) {
                        next.push(implied);
                    }
                }
            }
            for implied in reached {
                satisfied_by
                    .entry(implied.clone())
                    .or_default()
                    .push((*broad).clone());
            }
        }
        Ok(Self {
            satisfied_by,
            wildcards,
        })
    }

    pub(crate) fn satisfied(&self, needed: &Scope, granted: &Scopes) -> bool {
        self.grants(granted, needed)
            || self
                .satisfied_by
                .get(needed)
                .is_some_and(|broader| broader.iter().any(|scope| self.grants(granted, scope)))
    }

    fn grants(&self, granted: &Scopes, scope: &Scope) -> bool {
        granted.as_slice().iter().any(|held| {
            held == scope || (self.wildcards && wildcard_covers(held.as_str(), scope.as_str()))
        })
    }
}

/// Formats the hierarchy for the start-up event: the scopes on the right include the one on the left.
impl fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<_> = self.satisfied_by.iter().collect();
        lines.sort();
        for (scope, broader) in lines {
            write!(f, "; {} is implied by", scope.as_str())?;
            broader
                .iter()
                .try_for_each(|scope| write!(f, " {}", scope.as_str()))?;
        }
        if self.wildcards {
            f.write_str("; wildcard grants count")
        } else {
            Ok(())
        }
    }
}

/// Whether a wildcard grant includes a scope: `a:b:*` includes `a:b:c` and `a:b:c:d`, but neither `a:b` nor `a:bc`.
fn wildcard_covers(granted: &str, scope: &str) -> bool {
    granted
        .strip_suffix('*')
        .filter(|prefix| prefix.len() > 1 && prefix.ends_with(':'))
        .is_some_and(|prefix| scope.len() > prefix.len() && scope.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    fn hierarchy(lines: &[(&str, &[&str])], wildcards: bool) -> Result<Hierarchy, Scope> {
        let lines: Vec<_> = lines
            .iter()
            .map(|(broad, narrow)| {
                (
                    scope(broad),
                    narrow.iter().map(|text| scope(text)).collect(),
                )
            })
            .collect();
        Hierarchy::new(&lines, wildcards)
    }

    #[test]
    fn a_broader_scope_stands_for_the_narrower_through_any_number_of_steps() {
        let ladder = hierarchy(
            &[("admin", &["write"]), ("write", &["read", "list"])],
            false,
        )
        .unwrap();
        for needed in ["admin", "write", "read", "list"] {
            assert!(
                ladder.satisfied(&scope(needed), &Scopes::from_claim("admin")),
                "{needed}"
            );
        }
        assert!(!ladder.satisfied(&scope("write"), &Scopes::from_claim("read list")));
        assert!(!ladder.satisfied(&scope("other"), &Scopes::from_claim("admin")));
    }

    #[test]
    fn a_circle_is_refused_a_diamond_is_not() {
        assert!(hierarchy(&[("a", &["a"])], false).is_err());
        assert!(hierarchy(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"])], false).is_err());
        assert!(hierarchy(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"])], false).is_ok());
    }

    #[test]
    fn a_granted_wildcard_covers_what_lies_below_it_only_when_switched_on() {
        let on = hierarchy(&[("a:b:c", &["z"])], true).unwrap();
        let granted = Scopes::from_claim("a:b:*");
        for covered in ["a:b:c", "a:b:c:d", "z"] {
            assert!(on.satisfied(&scope(covered), &granted), "{covered}");
        }
        for other in ["a:b", "a:b:", "a:bc", "a", "b:c"] {
            assert!(!on.satisfied(&scope(other), &granted), "{other}");
        }
        assert!(!on.satisfied(&scope("a:b:c"), &Scopes::from_claim("* :* a:*c")));
        let off = hierarchy(&[], false).unwrap();
        assert!(!off.satisfied(&scope("a:b:c"), &granted));
    }
}
