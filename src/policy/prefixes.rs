//! Finds the longest of many prefixes of a name, without trying all of them.

/// Prefixes in order. Each knows the longest other prefix of its own text.
#[derive(Debug, Default)]
pub(crate) struct Prefixes(Vec<Prefix>);

#[derive(Debug)]
struct Prefix {
    text: String,
    /// The index of the rule that it belongs to.
    owner: usize,
    parent: Option<usize>,
}

impl Prefixes {
    pub(crate) fn insert(&mut self, text: &str, owner: usize) {
        let position = self.0.partition_point(|held| held.text.as_str() < text);
        self.0.insert(
            position,
            Prefix {
                text: text.to_owned(),
                owner,
                parent: None,
            },
        );
        let mut above: Vec<usize> = Vec::new();
        for index in 0..self.0.len() {
            let begins_with = |parent: &usize| match (self.0.get(index), self.0.get(*parent)) {
                (Some(child), Some(parent)) => child.text.starts_with(&parent.text),
                _ => false,
            };
            while above.last().is_some_and(|parent| !begins_with(parent)) {
                above.pop();
            }
            let parent = above.last().copied();
            if let Some(prefix) = self.0.get_mut(index) {
                prefix.parent = parent;
            }
            above.push(index);
        }
    }

    /// The owner of the longest prefix. All prefixes of `name` are sorted before it. An entry between the longest of
    /// them and `name` begins with that longest one, so going from parent to parent reaches it.
    pub(crate) fn longest(&self, name: &str) -> Option<usize> {
        let behind = self.0.partition_point(|held| held.text.as_str() <= name);
        let mut candidate = self.0.get(behind.checked_sub(1)?)?;
        while !name.starts_with(&candidate.text) {
            candidate = self.0.get(candidate.parent?)?;
        }
        Some(candidate.owner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_longest_prefix_is_the_one_that_trying_them_all_finds(
            texts in proptest::collection::btree_set("[ab]{0,5}", 0..12),
            name in "[abc]{0,7}",
        ) {
            let texts: Vec<String> = texts.into_iter().collect();
            let mut prefixes = Prefixes::default();
            for (owner, text) in texts.iter().enumerate().rev() {
                prefixes.insert(text, owner);
            }
            let fitting = texts.iter().enumerate().filter(|(_, text)| name.starts_with(text.as_str()));
            let longest = fitting.max_by_key(|(_, text)| text.len()).map(|(owner, _)| owner);
            prop_assert_eq!(prefixes.longest(&name), longest);
        }
    }
}
