//! The paths of one host, and the entry that each belongs to.

use rustc_hash::FxHashMap;

use super::request_path;
use crate::resource_uri::ResourceUri;

/// Paths, each with the position of its entry.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Without a slash at the end.
    prefixes: FxHashMap<String, usize>,
    /// The well-known paths, which begin with no path of a resource.
    exact: FxHashMap<String, usize>,
    /// The length of the longest prefix. No longer text is looked up, since a caller chooses the length of a path.
    longest: usize,
    positions: Vec<usize>,
}

impl Paths {
    /// Adds the paths of an entry: that of its resource, as requests have it, and those of its documents.
    pub(super) fn add(
        &mut self,
        position: usize,
        seen_at: &str,
        resource: &ResourceUri,
    ) -> Result<(), &'static str> {
        let read = |path: &str| {
            let path = request_path::configured(path);
            path.ok_or("its path can be read in two ways: write it without escapes")
        };
        let prefix = read(seen_at)?.trim_end_matches('/').to_owned();
        let documents = [
            read(&resource.metadata_path())?,
            read(&resource.authorization_server_path())?,
        ];
        let documents = documents.into_iter().filter(|path| !is_at_root(path));
        self.longest = self.longest.max(prefix.len());
        let mut is_taken = self.exact.contains_key(&prefix);
        is_taken |= *self.prefixes.entry(prefix).or_insert(position) != position;
        for path in documents {
            is_taken |= self.prefixes.contains_key(path.trim_end_matches('/'));
            is_taken |= *self.exact.entry(path).or_insert(position) != position;
        }
        self.positions.push(position);
        if is_taken {
            return Err("another resource has the same host and path");
        }
        Ok(())
    }

    /// Adds the paths of the resources of another host.
    pub(super) fn add_prefixes_of(&mut self, other: &Self) {
        self.longest = self.longest.max(other.longest);
        let prefixes = other.prefixes.iter();
        self.prefixes
            .extend(prefixes.map(|(prefix, position)| (prefix.clone(), *position)));
    }

    /// The entry whose resource has exactly this path, and no document there.
    pub(super) fn of_whole(&self, path: &str) -> Option<usize> {
        let position = self.prefixes.get(path).copied();
        position.filter(|_| !is_at_root(path))
    }

    /// The entry whose document has this path.
    pub(super) fn of_document(
        &self,
        path: &str,
        has_root: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        match self.positions.as_slice() {
            _ if !is_at_root(path) => self.exact.get(path).copied(),
            [only] => Some(*only),
            several => several.iter().copied().find(|position| has_root(*position)),
        }
    }

    /// The entry with the longest path that this one begins with. A path that does not begin with a slash is `*`, the
    /// server as a whole: it belongs to the root.
    pub(super) fn of_prefix(&self, path: &str) -> Option<usize> {
        let mut end = longest_beginning(path, self.longest);
        loop {
            let beginning = path.get(..end)?;
            if let Some(position) = self.prefixes.get(beginning) {
                return Some(*position);
            }
            if end == 0 {
                return None;
            }
            end = beginning.rfind('/').unwrap_or_default();
        }
    }
}

/// The end of the longest beginning of the path that has at most this many bytes and consists of whole segments.
fn longest_beginning(path: &str, longest: usize) -> usize {
    match path.as_bytes().get(longest) {
        None => path.len(),
        Some(b'/') => longest,
        Some(_) => path
            .get(..longest)
            .and_then(|beginning| beginning.rfind('/'))
            .unwrap_or_default(),
    }
}

/// Whether this is a well-known path at the root of a host, which belongs to no resource in particular.
fn is_at_root(path: &str) -> bool {
    path == ResourceUri::root_metadata_path()
        || path == ResourceUri::root_authorization_server_path()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_looked_up_no_more_often_than_the_longest_resource_has_segments() {
        let long = format!("/a/b{}", "/x".repeat(30_000));
        assert_eq!(longest_beginning(&long, 4), 4);
        assert_eq!(longest_beginning("/a/bx/c", 4), 2);
        assert_eq!(longest_beginning("/a", 4), 2);
    }

    #[test]
    fn a_well_known_path_at_the_root_is_looked_up_as_a_document_first() {
        let root = "/.well-known/oauth-protected-resource";
        let resource = ResourceUri::parse(&format!("https://h.example{root}")).unwrap();
        let mut paths = Paths::default();
        paths.add(0, root, &resource).unwrap();
        assert_eq!(paths.of_whole(root), None);
        assert_eq!(paths.of_prefix(root), Some(0));
    }
}
