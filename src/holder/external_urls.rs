//! The URL that a proof must name (RFC 9449 §4.3, step 9): the one that clients use. Only the configuration has it.
//!
//! A proxy may change the scheme, the host and the beginning of the path of a request, and `Host` is text that a caller
//! chose.

use std::fmt::Write;

use crate::resource_uri::ResourceUri;

/// The URLs of requests, as the clients wrote them.
pub(crate) struct ExternalUrls {
    /// Scheme, host and port of the resource, normalised.
    origin: String,
    /// The path of the resource, as clients write it, each escape in one spelling.
    path: String,
    seen_at: SeenAt,
}

/// The path of the resource in the requests that reach this server, if a proxy removes or adds a prefix. It has no
/// slash at its end.
#[derive(Clone)]
pub(crate) enum SeenAt {
    SamePath,
    Path(String),
}

impl ExternalUrls {
    pub(crate) fn new(resource: &ResourceUri, seen_at: SeenAt) -> Self {
        let (origin, path) = resource.origin_and_path();
        Self {
            origin: normal_origin(origin).unwrap_or_default(),
            path: respelled(path),
            seen_at,
        }
    }

    /// The path of the resource in the requests that reach this server.
    pub(crate) fn seen_path(&self) -> &str {
        match &self.seen_at {
            SeenAt::SamePath => &self.path,
            SeenAt::Path(path) => path,
        }
    }

    /// Checks the `htu` of a proof for a request with this path. Query and fragment do not count. The error is the URL
    /// that was expected.
    ///
    /// The dot segments of the path stay, so that no URL is right for it. Clients remove them before they ask, and most
    /// servers do not: `/mcp/../x` would be served at `/mcp`, with a proof for `/x`.
    pub(super) fn check(&self, url: &str, path: &str) -> Result<(), String> {
        let path_outside = self.outer(&respelled(path));
        let slash = if path_outside.is_empty() { "/" } else { "" };
        let expected = format!("{}{path_outside}{slash}", self.origin);
        if normalised(url).as_ref() == Some(&expected) {
            return Ok(());
        }
        Err(match self.missing_seen_at(url, path) {
            Some(seen_at) => format!("{expected}; behind a proxy, declare seen_at as {seen_at}"),
            None => expected,
        })
    }

    /// The path of the request, as the client wrote it.
    fn outer(&self, path: &str) -> String {
        match &self.seen_at {
            SeenAt::SamePath => path.to_owned(),
            SeenAt::Path(seen_at) => match behind(path, seen_at) {
                Some("") => self.path.clone(),
                // At the root of this server, a request for the resource itself has the path `/`.
                Some("/") if seen_at.is_empty() => self.path.clone(),
                Some(rest) => format!("{}{rest}", self.path.trim_end_matches('/')),
                None => path.to_owned(),
            },
        }
    }

    /// The `seen_at` with which the URL would have been right: a proxy seems to change the path.
    fn missing_seen_at<'p>(&self, url: &str, path: &'p str) -> Option<&'p str> {
        let url = normalised(url)?;
        let rest = behind(
            url.strip_prefix(&self.origin)?,
            self.path.trim_end_matches('/'),
        )?;
        let seen_at = path.strip_suffix(rest)?;
        Some(if seen_at.is_empty() { "/" } else { seen_at })
    }
}

/// The rest of the path after the prefix. `None` unless the prefix ends where a segment ends.
fn behind<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    path.strip_prefix(prefix)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Normalises a URL without its query and fragment (RFC 3986 §6.2.2 and §6.2.3). `None` if it is not an http or https
/// URL.
pub(super) fn normalised(url: &str) -> Option<String> {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (url, _) = url.split_at_checked(end)?;
    let authority = url.find("://")? + "://".len();
    let path = url
        .get(authority..)?
        .find('/')
        .map_or(url.len(), |slash| authority + slash);
    let (origin, path) = url.split_at_checked(path)?;
    Some(normal_origin(origin)? + &normal_path(path))
}

/// Scheme and host in lower case, without a default port. `None` if it has a user name, which no target URI has.
fn normal_origin(origin: &str) -> Option<String> {
    let origin = origin.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://")?;
    let default_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    let authority = authority
        .strip_suffix(default_port)
        .or_else(|| authority.strip_suffix(':'))
        .unwrap_or(authority);
    Some(format!("{scheme}://{authority}"))
}

/// The path with each escape in one spelling, and without dot segments. The empty path is `/`.
fn normal_path(path: &str) -> String {
    let path = respelled(path);
    let mut segments: Vec<&str> = Vec::new();
    let mut names = path.split('/').skip(1).peekable();
    while let Some(name) = names.next() {
        let is_last = names.peek().is_none();
        match name {
            "." => {}
            ".." => drop(segments.pop()),
            name => {
                segments.push(name);
                continue;
            }
        }
        // A dot segment at the end leaves the slash before it.
        if is_last {
            segments.push("");
        }
    }
    format!("/{}", segments.join("/"))
}

/// Decodes the escapes of unreserved characters, and writes all other escapes in upper case.
fn respelled(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(percent) = rest.find('%') {
        let (before, escape) = rest.split_at(percent);
        normal.push_str(before);
        let byte = escape
            .get(1..3)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normal.push(byte.into());
                escape.get(3..).unwrap_or_default()
            }
            Some(byte) => {
                // Writing to a String cannot fail.
                let _ = write!(normal, "%{byte:02X}");
                escape.get(3..).unwrap_or_default()
            }
            None => {
                normal.push('%');
                escape.get(1..).unwrap_or_default()
            }
        };
    }
    normal + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(seen_at: Option<&str>) -> ExternalUrls {
        let resource = ResourceUri::parse("https://mcp.example.com/a/mcp").unwrap();
        let seen_at = seen_at.map_or(SeenAt::SamePath, |path| SeenAt::Path(path.to_owned()));
        ExternalUrls::new(&resource, seen_at)
    }

    #[test]
    fn a_url_is_right_in_each_spelling_that_means_the_same() {
        for url in [
            "https://mcp.example.com/a/mcp",
            "HTTPS://MCP.Example.com/a/mcp",
            "https://mcp.example.com:443/a/mcp",
            "https://mcp.example.com:/a/mcp",
            "https://mcp.example.com/a/mcp?session=1",
            "https://mcp.example.com/a/mcp#part",
            "https://mcp.example.com/a/mcp?x#y?z",
            "https://mcp.example.com/a/%6dcp",
            "https://mcp.example.com/b/../a/./mcp",
        ] {
            assert_eq!(urls(None).check(url, "/a/mcp"), Ok(()), "{url}");
        }
    }

    #[test]
    fn another_url_is_wrong() {
        for url in [
            "",
            "/a/mcp",
            "mcp.example.com/a/mcp",
            "http://mcp.example.com/a/mcp",
            "https://mcp.example.com",
            "https://mcp.example.com/",
            "https://mcp.example.com/a/mcp/",
            "https://mcp.example.com/a//mcp",
            "https://mcp.example.com/A/mcp",
            "https://mcp.example.com/a%2Fmcp",
            "https://mcp.example.com:444/a/mcp",
            "https://mcp.example.com:80/a/mcp",
            "https://mcp.example.com./a/mcp",
            "https://mcp.example.com.evil.example/a/mcp",
            "https://user@mcp.example.com/a/mcp",
            "https://evil.example/a/mcp",
            "https://évil.example/%",
        ] {
            let wrong = urls(None).check(url, "/a/mcp");
            assert!(wrong.is_err(), "{url}");
        }
    }

    #[test]
    fn a_prefix_that_a_proxy_changes_is_declared_and_not_guessed() {
        let (own, cut) = ("https://mcp.example.com/a/mcp/x", "/mcp/x");
        assert_eq!(urls(Some("/mcp")).check(own, cut), Ok(()));
        let hint = urls(None).check(own, cut).unwrap_err();
        assert!(hint.ends_with("declare seen_at as /mcp"), "{hint}");
        // Only whole segments are replaced.
        assert!(
            urls(Some("/mc"))
                .check("https://mcp.example.com/a/mcpp", "/mcp")
                .is_err()
        );
        // Elsewhere the path stays as it is seen.
        let other = "https://mcp.example.com/other";
        assert_eq!(urls(Some("/mcp")).check(other, "/other"), Ok(()));
        assert_eq!(urls(Some("")).check(own, "/x"), Ok(()));
        let resource = "https://mcp.example.com/a/mcp";
        assert_eq!(urls(Some("")).check(resource, "/"), Ok(()));
        assert_eq!(urls(Some("/mcp")).check(resource, "/mcp"), Ok(()));
        // The prefix is the same in each spelling: this is not the URL of a neighbour.
        assert_eq!(urls(Some("/mcp")).check(resource, "/%6dcp"), Ok(()));
        let neighbour = "https://mcp.example.com/mcp";
        assert!(urls(Some("/mcp")).check(neighbour, "/%6dcp").is_err());
    }

    #[test]
    fn the_escapes_of_the_resource_and_of_its_clients_may_differ() {
        let resource = ResourceUri::parse("https://mcp.example.com/%6dcp/%c3%a4").unwrap();
        for seen_at in [SeenAt::SamePath, SeenAt::Path("/seen".to_owned())] {
            let path = match seen_at {
                SeenAt::SamePath => "/mc%70/%C3%a4/x",
                SeenAt::Path(_) => "/seen/x",
            };
            let urls = ExternalUrls::new(&resource, seen_at);
            let url = "https://mcp.example.com/mcp/%C3%A4/x";
            assert_eq!(urls.check(url, path), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_resource_without_a_path_is_at_the_root() {
        let resource = ResourceUri::parse("https://mcp.example.com").unwrap();
        for (seen_at, path) in [
            (SeenAt::SamePath, "/"),
            (SeenAt::Path(String::new()), "/"),
            (SeenAt::Path("/mcp".to_owned()), "/mcp"),
        ] {
            let urls = ExternalUrls::new(&resource, seen_at);
            for url in ["https://mcp.example.com", "https://mcp.example.com/"] {
                assert_eq!(urls.check(url, path), Ok(()), "{path}");
            }
        }
    }

    #[test]
    fn dot_segments_are_removed_as_rfc_3986_says() {
        for (path, normal) in [
            ("", "/"),
            ("/", "/"),
            ("/a/b/c/./../../g", "/a/g"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/../a", "/a"),
            ("/%2e%2E/a", "/a"),
            ("/a%2fb%zz%", "/a%2Fb%zz%"),
            ("/a%C3%a4", "/a%C3%A4"),
        ] {
            assert_eq!(normal_path(path), normal, "{path}");
        }
    }
}
