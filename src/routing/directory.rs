//! The configured URLs, and the choice of one for a request.

use http::request::Parts;
use rustc_hash::FxHashMap;

use super::paths::Paths;
use super::{authority, request_path};
use crate::refusal::Refusal;
use crate::resource_uri::ResourceUri;

/// The URLs behind one layer, each with what stands behind it.
#[derive(Debug)]
pub(crate) struct Directory<T> {
    entries: Vec<T>,
    hosts: Hosts,
    /// The paths of all hosts together.
    anywhere: Paths,
    elsewhere: Elsewhere,
}

/// The metadata documents of an entry.
pub(crate) trait Documents {
    /// Whether it answers at the well-known paths at the root, if several entries have the host in common.
    fn is_named_for_root(&self) -> bool;

    /// Whether it answers this request itself, by a document.
    fn answers(&self, parts: &Parts) -> bool;
}

/// The treatment of requests for any other URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// They are for the first entry: all URLs are names of one resource.
    First,
    NotFound,
    Ungated,
}

impl Elsewhere {
    /// The word for the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::NotFound => "not found",
            Self::Ungated => "ungated",
        }
    }
}

/// One URL, and what stands behind it.
pub(crate) struct Entry<'e, T> {
    pub(crate) resource: &'e ResourceUri,
    /// The path of the resource in the requests that reach this server.
    pub(crate) seen_at: &'e str,
    pub(crate) item: T,
}

/// Two entries that could not be told apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overlap {
    /// The position of the second.
    pub(crate) position: usize,
    pub(crate) why: &'static str,
}

/// The choice for one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Picked<'d, T> {
    /// There is nothing to choose between.
    Only(&'d T),
    OneOf(&'d T),
    NotFound,
    Ungated,
}

/// The paths of each host.
#[derive(Debug)]
enum Hosts {
    /// All URLs have one host, so the host of a request decides nothing.
    One(Paths),
    Several(FxHashMap<Vec<u8>, Paths>),
}

impl<T> Directory<T> {
    /// Makes a directory, and finds the entries that could not be told apart. Of these, only the first is ever picked.
    pub(crate) fn new(entries: Vec<Entry<'_, T>>, elsewhere: Elsewhere) -> (Self, Vec<Overlap>) {
        let mut by_host = FxHashMap::<Vec<u8>, Paths>::default();
        let mut overlaps = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            let host = authority::normal(entry.resource.authority()).unwrap_or_default();
            let paths = by_host.entry(host.into_bytes()).or_default();
            if let Err(why) = paths.add(position, entry.seen_at, entry.resource) {
                overlaps.push(Overlap { position, why });
            }
        }
        let mut anywhere = Paths::default();
        for paths in by_host.values() {
            anywhere.add_prefixes_of(paths);
        }
        let hosts = match by_host.len() {
            1 => Hosts::One(by_host.into_values().next().unwrap_or_default()),
            _ => Hosts::Several(by_host),
        };
        let directory = Self {
            entries: entries.into_iter().map(|entry| entry.item).collect(),
            hosts,
            anywhere,
            elsewhere,
        };
        (directory, overlaps)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter()
    }

    pub(crate) fn elsewhere(&self) -> Elsewhere {
        self.elsewhere
    }
}

impl<T: Documents> Directory<T> {
    /// Picks what a request is for: by its host, and then by the longest path that its own begins with, in whole
    /// segments.
    pub(crate) fn pick(&self, parts: &Parts) -> Result<Picked<'_, T>, Refusal> {
        if let ([only], Elsewhere::First) = (self.entries.as_slice(), self.elsewhere) {
            return Ok(Picked::Only(only));
        }
        let first = || match self.entries.first() {
            Some(first) => Picked::OneOf(first),
            None => Picked::NotFound,
        };
        if let Some(found) = self.as_configured(parts) {
            return Ok(Picked::OneOf(found));
        }
        let path = match request_path::of(parts.uri.path()) {
            Ok(path) => path,
            // All entries are one resource, which is protected under any name.
            Err(_) if self.elsewhere == Elsewhere::First => return Ok(first()),
            Err(refusal) => return Err(refusal),
        };
        let position = match self.position(parts, &path) {
            Ok(position) => position,
            Err(_) if self.elsewhere == Elsewhere::First => None,
            Err(refusal) => return Err(refusal),
        };
        if self.elsewhere != Elsewhere::First
            && let Some(decoded) = request_path::decoded(&path)
            && (self.position(parts, &decoded)? != position
                || (position.is_none() && self.has_path(&decoded)))
        {
            return Err(request_path::ambiguous(
                "an escape that decides the resource",
            ));
        }
        let found = position.and_then(|position| self.entries.get(position));
        Ok(match (found, self.elsewhere) {
            (Some(found), _) => Picked::OneOf(found),
            (None, Elsewhere::First) => first(),
            (None, Elsewhere::Ungated) if !self.has_path(&path) => Picked::Ungated,
            (None, Elsewhere::Ungated | Elsewhere::NotFound) => Picked::NotFound,
        })
    }

    /// The entry whose URL the request spells as it is configured: the usual request, and the quick way. A configured URL has
    /// one reading only, so nothing else needs a look.
    fn as_configured(&self, parts: &Parts) -> Option<&T> {
        let paths = match &self.hosts {
            Hosts::One(paths) => paths,
            Hosts::Several(hosts) => hosts.get(authority::as_spelled(parts)?)?,
        };
        self.entries.get(paths.of_whole(parts.uri.path())?)
    }

    /// Whether this path belongs to an entry, under whatever host. Most services go by the path alone, and a caller chooses
    /// the host.
    pub(crate) fn has_path(&self, path: &str) -> bool {
        self.anywhere.of_prefix(path).is_some()
    }

    fn position(&self, parts: &Parts, path: &str) -> Result<Option<usize>, Refusal> {
        let paths = match &self.hosts {
            Hosts::One(paths) => Some(paths),
            Hosts::Several(hosts) => {
                authority::of(parts)?.and_then(|host| hosts.get(host.as_bytes()))
            }
        };
        Ok(paths.and_then(|paths| {
            let is = |position: usize, is: fn(&T, &Parts) -> bool| {
                self.entries
                    .get(position)
                    .is_some_and(|entry| is(entry, parts))
            };
            // A path at which no document is served now is a path like others.
            let of_document = paths.of_document(path, |position| {
                is(position, |entry, _| entry.is_named_for_root())
            });
            of_document
                .filter(|position| is(*position, T::answers))
                .or_else(|| paths.of_prefix(path))
        }))
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    impl Documents for String {
        fn is_named_for_root(&self) -> bool {
            false
        }

        fn answers(&self, _: &Parts) -> bool {
            true
        }
    }

    fn made(urls: &[&str], elsewhere: Elsewhere) -> (Directory<String>, Vec<Overlap>) {
        let resources: Vec<_> = urls
            .iter()
            .map(|url| ResourceUri::parse(url).unwrap())
            .collect();
        let entries = resources.iter().map(|resource| Entry {
            resource,
            seen_at: resource.origin_and_path().1,
            item: resource.as_str().to_owned(),
        });
        Directory::new(entries.collect(), elsewhere)
    }

    fn directory(urls: &[&str], elsewhere: Elsewhere) -> Directory<String> {
        let (directory, overlaps) = made(urls, elsewhere);
        assert_eq!(overlaps, []);
        directory
    }

    fn picked(directory: &Directory<String>, host: &str, path: &str) -> String {
        let request = Request::builder().uri(path).header("host", host);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        match directory.pick(&parts) {
            Ok(Picked::Only(url) | Picked::OneOf(url)) => url.clone(),
            Ok(other) => format!("{other:?}"),
            Err(refusal) => format!("{:?}", refusal.reason()),
        }
    }

    #[test]
    fn the_longest_path_in_whole_segments_is_picked() {
        let urls = [
            "https://h.example/a",
            "https://h.example/a/b/",
            "https://h.example/c",
        ];
        let directory = directory(&urls, Elsewhere::NotFound);
        let long = format!("/a/b{}", "/x".repeat(30_000));
        for (path, url) in [
            ("/a", urls[0]),
            ("/a/", urls[0]),
            ("/a/x/y/z", urls[0]),
            ("/a/bb", urls[0]),
            ("/a/b", urls[1]),
            ("/a/b/", urls[1]),
            ("/a/b/c", urls[1]),
            ("/c", urls[2]),
            ("/ab", "NotFound"),
            ("/", "NotFound"),
            ("/A", "NotFound"),
            ("/.well-known/oauth-protected-resource/a", urls[0]),
            ("/.well-known/oauth-protected-resource/a/b/", urls[1]),
            ("/.well-known/oauth-protected-resource", "NotFound"),
            ("/.well-known/oauth-protected-resource/d", "NotFound"),
            (&long, urls[1]),
            ("/a/b/../c", "AmbiguousPath"),
        ] {
            // All have one host, so that of the request decides nothing.
            assert_eq!(picked(&directory, "other.example", path), url, "{path}");
        }
    }

    #[test]
    fn a_resource_at_the_root_of_a_host_takes_all_paths_that_no_other_has() {
        let urls = ["https://h.example", "https://h.example/a"];
        let directory = directory(&urls, Elsewhere::Ungated);
        for (path, url) in [
            ("/", urls[0]),
            ("/x", urls[0]),
            ("/ab", urls[0]),
            ("/a/x", urls[1]),
        ] {
            assert_eq!(picked(&directory, "h.example", path), url, "{path}");
        }
    }

    #[test]
    fn the_host_is_picked_first_if_there_are_several() {
        let urls = ["https://a.example/mcp", "https://b.example:8443/mcp"];
        let directory = directory(&urls, Elsewhere::NotFound);
        for (host, path, url) in [
            ("a.example", "/mcp", urls[0]),
            ("A.EXAMPLE.:443", "/mcp/x", urls[0]),
            ("b.example:8443", "/mcp", urls[1]),
            ("b.example", "/mcp", "NotFound"),
            ("c.example", "/mcp", "NotFound"),
            ("a.example", "/other", "NotFound"),
            ("", "/mcp", "NotFound"),
            ("a.example", "//mcp", "AmbiguousPath"),
        ] {
            assert_eq!(picked(&directory, host, path), url, "{host}{path}");
        }
    }

    #[test]
    fn any_other_request_is_for_the_first_of_several_names_of_one_resource() {
        let urls = ["https://a.example/mcp", "https://b.example/mcp"];
        let directory = directory(&urls, Elsewhere::First);
        for (host, path, url) in [
            ("b.example", "/mcp", urls[1]),
            ("b.example", "/other", urls[0]),
            ("c.example", "/mcp", urls[0]),
            ("b.example", "//mcp", urls[0]),
        ] {
            assert_eq!(picked(&directory, host, path), url, "{host}{path}");
        }
    }

    #[test]
    fn a_path_of_any_resource_is_not_let_through_for_another_host() {
        let urls = ["https://a.example/a", "https://b.example/b"];
        let directory = directory(&urls, Elsewhere::Ungated);
        for (host, path, picked_as) in [
            ("a.example", "/a", urls[0]),
            ("b.example", "/a/x", "NotFound"),
            ("evil.example", "/a", "NotFound"),
            ("", "/b", "NotFound"),
            ("evil.example", "/ab", "Ungated"),
            ("a.example", "/", "Ungated"),
        ] {
            assert_eq!(picked(&directory, host, path), picked_as, "{host}{path}");
        }
    }

    #[test]
    fn two_resources_at_one_place_overlap() {
        for (first, second) in [
            ("https://h.example/a", "https://h.example/a/"),
            ("https://h.example/a", "https://h.example:443/a"),
            ("https://h.example/a?t=1", "https://h.example/a?t=2"),
            ("https://h.example", "https://h.example/"),
        ] {
            let (_, overlaps) = made(&[first, second], Elsewhere::NotFound);
            assert_eq!(overlaps.len(), 1, "{first} and {second}");
            assert_eq!(overlaps[0].position, 1);
        }
        let (_, escaped) = made(&["https://h.example/%61"], Elsewhere::NotFound);
        assert_eq!(escaped.len(), 1);
    }
}
