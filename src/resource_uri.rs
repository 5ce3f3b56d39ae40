//! The identifier of this server, and the well-known URLs derived from it.
//!
//! The identifier is compared and published byte for byte (RFC 9728 §3.3), so it is kept as text. A URL type would add a
//! slash or change the case when it writes the URL out again.

use std::fmt;
use std::net::IpAddr;

const METADATA: &str = "/.well-known/oauth-protected-resource";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

/// The resource identifier (RFC 8707, RFC 9728): the URL that clients connect to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ResourceUri {
    text: String,
    origin_end: usize,
    path_end: usize,
}

impl ResourceUri {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let url = HttpUrl::parse(text)?;
        if url.fragment.is_some() {
            return Err("a resource has no fragment (RFC 8707 §2): leave out `#` and what follows");
        }
        if text.bytes().any(|byte| {
            matches!(
                byte,
                b'"' | b'\\' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}'
            )
        }) {
            return Err("percent-encode characters that no URL may have");
        }
        let dots = |segment: &str| matches!(segment, "." | "..");
        if url.path.split('/').any(dots) {
            return Err("leave out `.` and `..`: clients remove them before they compare");
        }
        let origin_end = url.origin.len();
        Ok(Self {
            text: text.to_owned(),
            origin_end,
            path_end: origin_end + url.path.len(),
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an audience (RFC 9068 §4) names this resource: the texts are equal, except that either may have one more slash
    /// at its end.
    pub(crate) fn is_named_by(&self, audience: &str) -> bool {
        let trimmed = |text: &str| text.len() - usize::from(text.ends_with('/'));
        audience == self.text
            || audience.as_bytes().get(..trimmed(audience))
                == self.text.as_bytes().get(..trimmed(&self.text))
    }

    /// The scheme, host and port as a browser writes them in `Origin`: without a default port.
    pub(crate) fn browser_origin(&self) -> String {
        let origin = self.origin();
        let default_port = if origin.starts_with("https:") {
            ":443"
        } else {
            ":80"
        };
        origin
            .strip_suffix(default_port)
            .unwrap_or(origin)
            .to_owned()
    }

    /// The path of the metadata document (RFC 9728 §3.1): the well-known path, followed by the resource's own.
    pub(crate) fn metadata_path(&self) -> String {
        self.inserted(METADATA)
    }

    /// The query component of the resource, which the metadata URL repeats.
    pub(crate) fn query(&self) -> Option<&str> {
        self.text.get(self.path_end..)?.strip_prefix('?')
    }

    pub(crate) fn metadata_url(&self) -> String {
        let query = self.text.get(self.path_end..).unwrap_or_default();
        format!("{}{}{query}", self.origin(), self.metadata_path())
    }

    /// The path of a copy at the root of the origin, to which some MCP clients fall back.
    pub(crate) fn root_metadata_path() -> &'static str {
        METADATA
    }

    /// The paths at which clients of the 2025-03-26 revision look for the authorization server.
    pub(crate) fn legacy_paths(&self) -> [String; 2] {
        [
            AUTHORIZATION_SERVER.to_owned(),
            self.authorization_server_path(),
        ]
    }

    /// The one of these paths that ends in the resource's own.
    pub(crate) fn authorization_server_path(&self) -> String {
        self.inserted(AUTHORIZATION_SERVER)
    }

    /// The one of these paths that is the same for all resources of a host.
    pub(crate) fn root_authorization_server_path() -> &'static str {
        AUTHORIZATION_SERVER
    }

    /// Scheme, host and port; and the path, which may be empty.
    pub(crate) fn origin_and_path(&self) -> (&str, &str) {
        let path = self.text.get(self.origin_end..self.path_end);
        (self.origin(), path.unwrap_or_default())
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> &str {
        let origin = self.origin();
        origin.split_once("://").map_or(origin, |(_, host)| host)
    }

    fn origin(&self) -> &str {
        self.text.get(..self.origin_end).unwrap_or_default()
    }

    fn inserted(&self, well_known: &str) -> String {
        match self.text.get(self.origin_end..self.path_end) {
            None | Some("/") => well_known.to_owned(),
            Some(path) => format!("{well_known}{path}"),
        }
    }
}

impl fmt::Debug for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The parts of an `http` or `https` URL: slices of its text, unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HttpUrl<'a> {
    /// Scheme, host and port.
    pub(crate) origin: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) fragment: Option<&'a str>,
}

impl<'a> HttpUrl<'a> {
    /// Parses an absolute `https` URL, or an `http` one whose host is loopback: no other URL is trusted with keys or tokens
    /// (RFC 9728 §7.1). An error says how to write it instead.
    pub(crate) fn parse(text: &'a str) -> Result<Self, &'static str> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("write it without spaces, control characters and letters outside ASCII");
        }
        let (before_fragment, fragment) = cut(text, '#');
        let (before_query, query) = cut(before_fragment, '?');
        let (scheme, rest) = before_query
            .split_once("://")
            .ok_or("write an absolute URL: https://host/path")?;
        let authority = rest.split('/').next().unwrap_or_default();
        let origin_length = scheme.len() + "://".len() + authority.len();
        let (origin, path) = before_query
            .split_at_checked(origin_length)
            .unwrap_or((before_query, ""));
        let host = Host::parse(authority)?;
        match scheme {
            "https" => {}
            "http" if host.is_loopback() => {}
            "http" => return Err("use https; http is only for localhost, 127.0.0.0/8 and [::1]"),
            _ => return Err("use https, in lower case"),
        }
        Ok(Self {
            origin,
            path,
            query,
            fragment,
        })
    }

    /// Whether the URL is `https`. If not, it is an `http` URL of this machine.
    pub(crate) fn is_https(&self) -> bool {
        self.origin.starts_with("https:")
    }
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

/// A host as written in an authority or an `Origin`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host<'a>(&'a str);

impl<'a> Host<'a> {
    pub(crate) fn parse(authority: &'a str) -> Result<Self, &'static str> {
        if authority.contains('@') {
            return Err("leave out the user name: it would be published");
        }
        let after_bracket = authority.rfind(']').map_or(0, |bracket| bracket + 1);
        let port_colon = authority
            .get(after_bracket..)
            .and_then(|tail| tail.rfind(':'));
        let (host, port) = match port_colon {
            Some(colon) => authority
                .split_at_checked(after_bracket + colon)
                .unwrap_or((authority, "")),
            None => (authority, ""),
        };
        if let Some(digits) = port.strip_prefix(':')
            && (digits.bytes().any(|byte| !byte.is_ascii_digit()) || digits.parse::<u16>().is_err())
        {
            return Err("write the port as a number up to 65535");
        }
        let name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_');
        let bracketed = host
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'));
        match bracketed {
            Some(address) if address.parse::<std::net::Ipv6Addr>().is_ok() => Ok(Self(host)),
            None if !host.is_empty() && host.bytes().all(name) => Ok(Self(host)),
            _ => Err(
                "write the host as a lower-case name, an IPv4 address or an IPv6 address in brackets",
            ),
        }
    }

    pub(crate) fn is_loopback(self) -> bool {
        let address = self.0.trim_start_matches('[').trim_end_matches(']');
        self.0 == "localhost"
            || match address.parse::<IpAddr>() {
                Ok(IpAddr::V4(address)) => address.is_loopback(),
                Ok(IpAddr::V6(address)) => address.is_loopback(),
                Err(_) => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(text: &str) -> ResourceUri {
        ResourceUri::parse(text).unwrap()
    }

    #[test]
    fn the_metadata_url_has_the_well_known_path_between_host_and_path() {
        for (text, url) in [
            (
                "https://h.example/mcp",
                "https://h.example/.well-known/oauth-protected-resource/mcp",
            ),
            (
                "https://h.example",
                "https://h.example/.well-known/oauth-protected-resource",
            ),
            (
                "https://h.example/",
                "https://h.example/.well-known/oauth-protected-resource",
            ),
            (
                "https://h.example/a/",
                "https://h.example/.well-known/oauth-protected-resource/a/",
            ),
            (
                "https://h.example:8443/a?t=1",
                "https://h.example:8443/.well-known/oauth-protected-resource/a?t=1",
            ),
            (
                "http://[::1]:3000/mcp",
                "http://[::1]:3000/.well-known/oauth-protected-resource/mcp",
            ),
        ] {
            assert_eq!(resource(text).metadata_url(), url);
            assert_eq!(resource(text).as_str(), text);
        }
    }

    #[test]
    fn an_audience_names_the_resource_exactly_but_for_one_trailing_slash() {
        let mcp = resource("https://h.example/mcp");
        assert!(mcp.is_named_by("https://h.example/mcp"));
        assert!(mcp.is_named_by("https://h.example/mcp/"));
        assert!(resource("https://h.example/mcp/").is_named_by("https://h.example/mcp"));
        for foreign in [
            "",
            "/",
            "https://h.example",
            "https://h.example/mcp//",
            "https://h.example/mcpx",
            "https://h.example/mcp?a",
            "https://H.example/mcp",
            "http://h.example/mcp",
            "https://h.example.evil/mcp",
            "https://h.example/mc",
        ] {
            assert!(!mcp.is_named_by(foreign), "{foreign}");
        }
    }

    #[test]
    fn an_invalid_resource_identifier_is_refused() {
        for bad in [
            "",
            "mcp",
            "/mcp",
            "ftp://h.example/mcp",
            "HTTPS://h.example/mcp",
            "https://H.example/mcp",
            "http://h.example/mcp",
            "http://localhost.evil.example/mcp",
            "https:///mcp",
            "https://user@h.example/mcp",
            "https://h.example/mcp#part",
            "https://h.example:99999/mcp",
            "https://h.example:/mcp",
            "https://h.example/a/../mcp",
            "https://h.example/a b",
            "https://h.example/é",
            "https://h.example/\"x",
            "https://[::1/mcp",
        ] {
            assert!(ResourceUri::parse(bad).is_err(), "{bad}");
        }
        for good in [
            "http://localhost:3000/mcp",
            "http://127.9.9.9/mcp",
            "http://[::1]/mcp",
        ] {
            assert!(ResourceUri::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_browser_leaves_the_default_port_out_of_the_origin() {
        assert_eq!(
            resource("https://h.example:443/mcp").browser_origin(),
            "https://h.example"
        );
        assert_eq!(
            resource("https://h.example:8443/mcp").browser_origin(),
            "https://h.example:8443"
        );
        assert_eq!(
            resource("http://localhost:80/mcp").browser_origin(),
            "http://localhost"
        );
        assert_eq!(
            resource("http://localhost:8080/mcp").browser_origin(),
            "http://localhost:8080"
        );
    }
}
