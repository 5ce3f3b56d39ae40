//! The URLs of all tenants: one URL with a place for the name.

use super::name::{NamePlace, TenantName};
use crate::resource_uri::ResourceUri;
use crate::routing::{configured_path, normal_authority};

/// The place of the name in a template.
const MARK: &str = "{tenant}";

/// A host needs this many labels after the name. With fewer, a name could choose a foreign host.
const MIN_FIXED_LABELS: usize = 2;

/// The beginnings of the paths of documents, to which a resource adds its own path.
const WELL_KNOWN: [fn() -> &'static str; 2] = [
    ResourceUri::root_metadata_path,
    ResourceUri::root_authorization_server_path,
];

/// A URL with the mark in the place of one label or one segment.
pub(super) struct UrlTemplate {
    text: String,
    url: Parsed,
}

/// The parts of the URL, in the spelling of requests. No path has a slash at its end.
enum Parsed {
    /// The name is between these parts of the host.
    Label {
        before: String,
        after: String,
        path: String,
    },
    /// The name is between these parts of the path.
    Segment {
        host: String,
        before: String,
        after: String,
    },
}

/// A path that is one of tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OfTenants<'p> {
    /// The segment with the name, if the path has it.
    pub(super) segment: Option<&'p str>,
    /// Whether it is the path of a document.
    pub(super) is_document: bool,
}

impl UrlTemplate {
    /// Parses a template. The error is a way to fix it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut pieces = text.split(MARK);
        let (Some(start), Some(end), None) = (pieces.next(), pieces.next(), pieces.next()) else {
            return Err("write {tenant} exactly once, for the name of the tenant");
        };
        let filled = format!("{start}t{end}");
        let sample = ResourceUri::parse(&filled)?;
        if sample.query().is_some() {
            return Err("leave out the query: no request is told apart by it");
        }
        let (_, path) = sample.origin_and_path();
        if configured_path(path).as_deref() != Some(path) {
            return Err("its path can be read in two ways: write it without escapes");
        }
        let url = match start.split_once("://").map(|(_, rest)| rest) {
            Some(start) if !start.contains('/') => {
                let (end, path) = end.split_at(end.find('/').unwrap_or(end.len()));
                in_host(start, end, path)?
            }
            _ => in_path(&sample, path, end)?,
        };
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn place(&self) -> NamePlace {
        match self.url {
            Parsed::Label { .. } => NamePlace::Label,
            Parsed::Segment { .. } => NamePlace::Segment,
        }
    }

    /// The URL of a tenant.
    pub(super) fn filled(&self, name: &TenantName) -> String {
        self.text.replacen(MARK, name.as_str(), 1)
    }

    /// The only host of all tenants, if they have one in common.
    pub(super) fn host(&self) -> Option<&str> {
        match &self.url {
            Parsed::Label { .. } => None,
            Parsed::Segment { host, .. } => Some(host),
        }
    }

    /// The label in the place of the name; `None` if no tenant has this host.
    pub(super) fn label_of<'h>(&self, host: &'h str) -> Option<&'h str> {
        let Parsed::Label { before, after, .. } = &self.url else {
            return None;
        };
        let label = host.strip_prefix(before.as_str())?;
        let label = label.strip_suffix(after.as_str())?;
        (!label.contains('.')).then_some(label)
    }

    /// Finds out whether a path is one of tenants, with whatever text in the place of the name.
    pub(super) fn of_path<'p>(&self, path: &'p str) -> Option<OfTenants<'p>> {
        for well_known in WELL_KNOWN {
            if let Some(rest) = path.strip_prefix(well_known()) {
                // A host of its own has a root of its own.
                let is_root = rest.is_empty() && self.place() == NamePlace::Label;
                let matched = if is_root {
                    Some((None, ""))
                } else {
                    self.begins(rest)
                };
                if let Some((segment, "" | "/")) = matched {
                    let is_document = true;
                    return Some(OfTenants {
                        segment,
                        is_document,
                    });
                }
            }
        }
        let (segment, rest) = self.begins(path)?;
        // `*` is the server as a whole: it belongs to the root.
        (rest.is_empty() || rest.starts_with('/') || path == "*").then_some(OfTenants {
            segment,
            is_document: false,
        })
    }

    /// The segment with the name, and what follows the path of the tenant.
    fn begins<'p>(&self, path: &'p str) -> Option<(Option<&'p str>, &'p str)> {
        match &self.url {
            Parsed::Label { path: own, .. } => Some((None, path.strip_prefix(own.as_str())?)),
            Parsed::Segment { before, after, .. } => {
                let rest = path.strip_prefix(before.as_str())?.strip_prefix('/')?;
                let (segment, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                Some((Some(segment), rest.strip_prefix(after.as_str())?))
            }
        }
    }

    /// The name of the tenant whose URL this is, but for a slash at its end.
    pub(super) fn name_in_url(&self, url: &str) -> Option<TenantName> {
        let (start, end) = self.text.split_once(MARK)?;
        let trimmed = |text: &str| text.strip_suffix('/').unwrap_or(text).to_owned();
        let name = url.strip_prefix(start)?;
        let name = trimmed(name).strip_suffix(&trimmed(end))?.to_owned();
        TenantName::read(&name, self.place())
    }

    /// Whether a resource at this host and path would get the requests of a tenant: its path is that of one, or the
    /// beginning of it.
    pub(super) fn is_covered_by(&self, host: &str, path: &str) -> bool {
        let is_name = |text: &str| TenantName::read(text, self.place()).is_some();
        match &self.url {
            Parsed::Label { path: own, .. } => {
                self.label_of(host).is_some_and(is_name) && begins_with(own, path)
            }
            Parsed::Segment {
                host: own,
                before,
                after,
            } => {
                if host != own {
                    return false;
                }
                let Some(rest) = path.strip_prefix(before.as_str()) else {
                    return begins_with(before, path);
                };
                let Some(rest) = rest.strip_prefix('/') else {
                    return rest.is_empty();
                };
                let (segment, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                is_name(segment) && begins_with(after, rest)
            }
        }
    }

    /// The path of all tenants, if they have one in common.
    pub(super) fn path(&self) -> Option<&str> {
        match &self.url {
            Parsed::Label { path, .. } => Some(path),
            Parsed::Segment { .. } => None,
        }
    }
}

/// Whether a path begins with another one, in whole segments.
pub(super) fn begins_with(path: &str, beginning: &str) -> bool {
    let rest = path.strip_prefix(beginning);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn in_host(start: &str, end: &str, path: &str) -> Result<Parsed, &'static str> {
    let (labels, port) = end.split_at(end.find(':').unwrap_or(end.len()));
    let is_whole = (start.is_empty() || start.ends_with('.')) && labels.starts_with('.');
    if !is_whole {
        return Err("write {tenant} as a whole label of the host, or a whole segment of the path");
    }
    let fixed: Vec<_> = labels.split('.').skip(1).collect();
    let before = start.split('.').rev().skip(1);
    if fixed.len() < MIN_FIXED_LABELS || fixed.iter().copied().chain(before).any(str::is_empty) {
        return Err("write at least two labels after {tenant}: a name must not choose the domain");
    }
    if fixed.last().is_some_and(|last| is_number(last)) {
        return Err(
            "write a domain after {tenant}: with a number at its end, the host is an address",
        );
    }
    let host = normal_authority(&format!("t{labels}{port}")).unwrap_or_default();
    Ok(Parsed::Label {
        before: start.to_owned(),
        after: host.strip_prefix('t').unwrap_or_default().to_owned(),
        path: path.trim_end_matches('/').to_owned(),
    })
}

fn in_path(sample: &ResourceUri, path: &str, end: &str) -> Result<Parsed, &'static str> {
    let before = path
        .strip_suffix(end)
        .and_then(|path| path.strip_suffix('t'));
    let before = before.and_then(|before| before.strip_suffix('/'));
    let (Some(before), "" | "/") = (before, end.get(..1).unwrap_or_default()) else {
        return Err("write {tenant} as a whole label of the host, or a whole segment of the path");
    };
    if before.starts_with("/.well-known") {
        return Err("write another path: below /.well-known are the documents of resources");
    }
    Ok(Parsed::Segment {
        host: normal_authority(sample.authority()).unwrap_or_default(),
        before: before.to_owned(),
        after: end.trim_end_matches('/').to_owned(),
    })
}

/// Whether a host that ends in this label is read as an IPv4 address.
fn is_number(label: &str) -> bool {
    let digits = label.strip_prefix("0x").unwrap_or(label);
    digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && (label.len() != digits.len() || digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_LABEL: &str = "https://{tenant}.example.com/mcp";
    const BY_SEGMENT: &str = "https://mcp.example.com/t/{tenant}/mcp";

    fn template(text: &str) -> UrlTemplate {
        UrlTemplate::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn a_template_that_could_yield_a_foreign_host_or_has_no_single_name_is_refused() {
        for bad in [
            "",
            "https://mcp.example.com/mcp",
            "https://{tenant}.{tenant}.example.com/mcp",
            "https://{tenant}.example.com/{tenant}",
            "https://{name}.example.com/mcp",
            "https://{tenant}",
            "https://{tenant}/mcp",
            "https://{tenant}:8443/mcp",
            "https://{tenant}.com/mcp",
            "https://{tenant}.com:8443/mcp",
            "https://{tenant}.com./mcp",
            "https://{tenant}..com/mcp",
            "https://mcp.{tenant}/mcp",
            "https://mcp.{tenant}.com/mcp",
            "https://mcp..{tenant}.example.com/mcp",
            "https://.{tenant}.example.com/mcp",
            "https://a{tenant}.example.com/mcp",
            "https://{tenant}a.example.com/mcp",
            "https://{tenant}.0.0.1/mcp",
            "https://{tenant}.example.0x7f/mcp",
            "https://{tenant}@mcp.example.com/mcp",
            "https://mcp.example.com:{tenant}/mcp",
            "{tenant}://mcp.example.com/mcp",
            "https://mcp.example.com/a{tenant}/mcp",
            "https://mcp.example.com/{tenant}a/mcp",
            "https://mcp.example.com/mcp?t={tenant}",
            "https://mcp.example.com/{tenant}?t=1",
            "https://mcp.example.com/{tenant}#x",
            "https://mcp.example.com/%6dcp/{tenant}",
            "https://mcp.example.com/../{tenant}",
            "https://mcp.example.com//{tenant}",
            "https://mcp.example.com/.well-known/{tenant}",
            "http://{tenant}.example.com/mcp",
            "http://{tenant}.localhost/mcp",
        ] {
            assert!(UrlTemplate::parse(bad).is_err(), "{bad}");
        }
        for good in [
            BY_LABEL,
            BY_SEGMENT,
            "https://mcp.{tenant}.example.com:8443",
            "https://{tenant}.example.com/",
            "https://mcp.example.com/{tenant}",
            "https://mcp.example.com/{tenant}/",
            "http://localhost:3000/{tenant}/mcp",
        ] {
            template(good);
        }
    }

    #[test]
    fn the_label_between_the_fixed_ones_is_the_name() {
        let template = template("https://mcp.{tenant}.example.com:8443/mcp");
        for (host, label) in [
            ("mcp.acme.example.com:8443", Some("acme")),
            ("mcp..example.com:8443", Some("")),
            ("mcp.a.b.example.com:8443", None),
            ("mcp.acme.example.com", None),
            ("acme.example.com:8443", None),
            ("mcp.example.com:8443", None),
            ("mcp.acme.example.com:8443.evil.example", None),
            ("mcp.acme.example.org:8443", None),
        ] {
            assert_eq!(template.label_of(host), label, "{host}");
        }
    }

    #[test]
    fn a_path_of_tenants_has_the_name_in_its_place_or_none_at_all() {
        let found = |text: &str, path: &'static str| {
            let found = template(text).of_path(path);
            found.map(|found| (found.segment, found.is_document))
        };
        for (path, expected) in [
            ("/mcp", Some((None, false))),
            ("/mcp/", Some((None, false))),
            ("/mcp/x/y", Some((None, false))),
            ("/mcpx", None),
            ("/", None),
            ("*", None),
            (
                "/.well-known/oauth-protected-resource/mcp",
                Some((None, true)),
            ),
            ("/.well-known/oauth-protected-resource", Some((None, true))),
            ("/.well-known/oauth-protected-resource/other", None),
            (
                "/.well-known/oauth-authorization-server/mcp",
                Some((None, true)),
            ),
        ] {
            assert_eq!(found(BY_LABEL, path), expected, "{path}");
        }
        for (path, expected) in [
            ("/t/acme/mcp", Some((Some("acme"), false))),
            ("/t/acme/mcp/x", Some((Some("acme"), false))),
            ("/t/ACME/mcp", Some((Some("ACME"), false))),
            ("/t//mcp", Some((Some(""), false))),
            ("/t/acme/mcpx", None),
            ("/t/acme", None),
            ("/t", None),
            ("/acme/mcp", None),
            (
                "/.well-known/oauth-protected-resource/t/acme/mcp",
                Some((Some("acme"), true)),
            ),
            ("/.well-known/oauth-protected-resource/t/acme/mcp/x", None),
            ("/.well-known/oauth-protected-resource", None),
        ] {
            assert_eq!(found(BY_SEGMENT, path), expected, "{path}");
        }
        let root = "https://{tenant}.example.com";
        for path in ["/", "/x", "*"] {
            assert_eq!(found(root, path), Some((None, false)), "{path}");
        }
    }

    #[test]
    fn the_url_of_a_tenant_is_recognised_by_its_name() {
        for (text, url) in [
            (BY_LABEL, "https://acme.example.com/mcp"),
            (BY_LABEL, "https://acme.example.com/mcp/"),
            (BY_SEGMENT, "https://mcp.example.com/t/acme/mcp"),
            (
                "https://mcp.example.com/{tenant}/",
                "https://mcp.example.com/acme",
            ),
        ] {
            let name = template(text).name_in_url(url).unwrap();
            assert_eq!(name.as_str(), "acme", "{url}");
        }
        for url in [
            "https://acme.example.org/mcp",
            "https://a.b.example.com/mcp",
            "https://acme.example.com/mcp/x",
            "api://acme",
        ] {
            assert_eq!(template(BY_LABEL).name_in_url(url), None, "{url}");
        }
    }

    #[test]
    fn a_resource_at_or_above_the_url_of_a_tenant_covers_it_and_one_below_does_not() {
        for (text, host, path, is_covered) in [
            (BY_LABEL, "admin.example.com", "/mcp", true),
            (BY_LABEL, "admin.example.com", "", true),
            (BY_LABEL, "admin.example.com", "/mcp/below", false),
            (BY_LABEL, "admin.example.com", "/other", false),
            (BY_LABEL, "a.b.example.com", "/mcp", false),
            (BY_LABEL, "example.com", "/mcp", false),
            (BY_SEGMENT, "mcp.example.com", "", true),
            (BY_SEGMENT, "mcp.example.com", "/t", true),
            (BY_SEGMENT, "mcp.example.com", "/t/admin", true),
            (BY_SEGMENT, "mcp.example.com", "/t/admin/mcp", true),
            (BY_SEGMENT, "mcp.example.com", "/t/admin/mcp/below", false),
            (BY_SEGMENT, "mcp.example.com", "/t/Admin/mcp", false),
            (BY_SEGMENT, "mcp.example.com", "/t/admin/other", false),
            (BY_SEGMENT, "mcp.example.com", "/tt", false),
            (BY_SEGMENT, "mcp.example.com", "/other", false),
            (BY_SEGMENT, "mcp.example.org", "/t/admin/mcp", false),
        ] {
            let covered = template(text).is_covered_by(host, path);
            assert_eq!(covered, is_covered, "{text} by {host}{path}");
        }
    }
}
