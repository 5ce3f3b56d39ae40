//! Checks which web pages may call the server: MCP's defence against DNS rebinding.

use std::fmt;

use http::HeaderValue;
use http::header::ORIGIN;
use http::request::Parts;

use crate::config_error::{ConfigProblem, Flawed, Problems, all};
use crate::refusal::{CheckFacts, Reason, Refusal};
use crate::resource_uri::{Host, ResourceUri};

/// The allowed origins. A request without an origin is always allowed, since programs other than browsers send none.
#[derive(Debug)]
pub(crate) struct Origins {
    own: String,
    listed: Vec<Listed>,
}

#[derive(Debug, PartialEq, Eq)]
enum Listed {
    Any,
    Exactly(String),
    /// Every origin with this scheme, which is not http or https: `vscode-webview://*`.
    Scheme(String),
}

impl Origins {
    /// Parses the listed origins, even if the resource is wrong.
    pub(crate) fn new(
        resource: Result<&ResourceUri, Flawed>,
        allowed: &[String],
        problems: &mut Problems,
    ) -> Result<Self, Flawed> {
        let listed = all(allowed
            .iter()
            .map(|text| problems.keep(Listed::parse(text))));
        Ok(Self {
            own: resource?.browser_origin(),
            listed: listed?,
        })
    }

    pub(crate) fn allow_any(resource: &ResourceUri) -> Self {
        Self {
            own: resource.browser_origin(),
            listed: vec![Listed::Any],
        }
    }

    /// Checks the origin of the request, and returns it; `None` if the request has none.
    pub(crate) fn check<'a>(&self, parts: &'a Parts) -> Result<Option<&'a HeaderValue>, Refusal> {
        let mut lines = parts.headers.get_all(ORIGIN).iter();
        let Some(line) = lines.next() else {
            return Ok(None);
        };
        if lines.next().is_some() {
            return Err(Refusal::from(Reason::DuplicateHeader)
                .expected("one Origin line")
                .got("several Origin lines"));
        }
        match line.as_bytes() {
            origin if self.allow(origin) => Ok(Some(line)),
            origin => Err(Refusal::from(Reason::OriginNotAllowed)
                .expected(format!("Origin: {}", self.own))
                .got(format!("Origin: {}", String::from_utf8_lossy(origin)))),
        }
    }

    /// The facts of the check, for an explanation.
    pub(crate) fn facts(&self, parts: &Parts) -> CheckFacts {
        let line = parts.headers.get(ORIGIN);
        let got = line.map(|line| {
            let origin = String::from_utf8_lossy(line.as_bytes());
            format!("Origin: {origin}")
        });
        CheckFacts::new(
            format!("no Origin, or an allowed one: {self}"),
            got.unwrap_or_else(|| "no Origin".to_owned()),
        )
    }

    /// Whether any web page may call the server. Any page can make itself one whose origin is `null`.
    pub(crate) fn include_every_page(&self) -> bool {
        self.listed.iter().any(|listed| match listed {
            Listed::Any => true,
            Listed::Exactly(origin) => origin == "null",
            Listed::Scheme(_) => false,
        })
    }

    fn allow(&self, origin: &[u8]) -> bool {
        // The usual one costs one comparison.
        origin == self.own.as_bytes()
            || std::str::from_utf8(origin).is_ok_and(|origin| self.allow_other(origin))
    }

    fn allow_other(&self, origin: &str) -> bool {
        is_loopback(origin)
            || self.listed.iter().any(|listed| match listed {
                Listed::Any => true,
                Listed::Exactly(text) => origin == text,
                Listed::Scheme(scheme) => origin
                    .split_once("://")
                    .is_some_and(|(held, host)| held == scheme && !host.is_empty()),
            })
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} localhost", self.own)?;
        self.listed.iter().try_for_each(|listed| match listed {
            Listed::Any => f.write_str(" any"),
            Listed::Exactly(origin) => write!(f, " {origin}"),
            Listed::Scheme(scheme) => write!(f, " {scheme}://*"),
        })
    }
}

/// Whether the page was served from this machine, on any port.
fn is_loopback(origin: &str) -> bool {
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| Host::parse(authority).is_ok_and(Host::is_loopback))
}

impl Listed {
    fn parse(text: &str) -> Result<Self, ConfigProblem> {
        let wrong =
            |fix: &str| Err(ConfigProblem::not_allowed("origins.allowed", fix).showing(text));
        if text == "null" {
            return Ok(Self::Exactly(text.to_owned()));
        }
        if text == "*" {
            return wrong("to allow every web page, write allowed = \"any\" instead of the list");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return wrong("write an origin: scheme://host, with the port if it is not the default");
        };
        let scheme_byte = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.');
        if scheme.is_empty() || !scheme.bytes().all(scheme_byte) {
            return wrong("write the scheme in lower case");
        }
        let web = matches!(scheme, "http" | "https");
        match rest {
            "*" if web => wrong("a pattern stands for a whole scheme, and not for http or https"),
            "*" => Ok(Self::Scheme(scheme.to_owned())),
            _ if rest.contains(['/', '?', '#', '*', '@']) => {
                wrong("an origin ends behind the host and the port")
            }
            _ if web => match Host::parse(rest) {
                Ok(_) if rest.ends_with(if scheme == "https" { ":443" } else { ":80" }) => {
                    wrong("leave out the default port, as browsers do")
                }
                Ok(_) => Ok(Self::Exactly(text.to_owned())),
                Err(fix) => wrong(fix),
            },
            "" => wrong("name a host behind ://"),
            _ => Ok(Self::Exactly(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(allowed: &[&str]) -> Result<Origins, Flawed> {
        let resource = ResourceUri::parse("https://mcp.example.com:443/mcp").unwrap();
        let allowed: Vec<_> = allowed.iter().map(|text| (*text).to_owned()).collect();
        Origins::new(Ok(&resource), &allowed, &mut Problems::default())
    }

    #[test]
    fn the_own_origin_and_loopback_are_allowed_and_lookalikes_are_not() {
        let default = origins(&[]).unwrap();
        for good in [
            "https://mcp.example.com",
            "http://localhost",
            "http://localhost:6274",
            "https://127.0.0.1:8443",
            "http://127.8.9.10",
            "http://[::1]:3000",
        ] {
            assert!(default.allow(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "null",
            "http://mcp.example.com",
            "https://mcp.example.com:443",
            "https://MCP.example.com",
            "https://mcp.example.com.evil.example",
            "https://mcp.example.com/",
            "http://localhost.evil.example",
            "http://localhost:evil",
            "http://user@localhost",
            "http://localhost/",
            "http://LOCALHOST",
            "http://127.0.0.1.evil.example",
            "http://0x7f.1",
            "http://[::2]",
            "ftp://localhost",
            "https://evil.example",
        ] {
            assert!(!default.allow(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn an_origin_that_is_not_text_is_refused_under_every_configuration() {
        let resource = ResourceUri::parse("https://mcp.example.com/mcp").unwrap();
        let judged = |origin: &[u8]| {
            let origin = HeaderValue::from_bytes(origin).unwrap();
            let (parts, ()) = http::Request::builder()
                .header(ORIGIN, origin)
                .body(())
                .unwrap()
                .into_parts();
            Origins::allow_any(&resource)
                .check(&parts)
                .map(drop)
                .map_err(|refusal| refusal.reason())
        };
        assert_eq!(judged(b"https://play.example"), Ok(()));
        assert_eq!(
            judged(b"https://play.example\xff"),
            Err(Reason::OriginNotAllowed)
        );
    }

    #[test]
    fn a_list_adds_exact_origins_null_and_whole_schemes_that_are_not_http() {
        let listed = origins(&["https://play.example", "null", "vscode-webview://*"]).unwrap();
        for good in [
            "https://play.example",
            "null",
            "vscode-webview://abc",
            "http://localhost:1",
        ] {
            assert!(listed.allow(good.as_bytes()), "{good}");
        }
        for bad in [
            "https://play.example:8443",
            "vscode-webview://",
            "vscode-webview-2://a",
            "http://play.example",
        ] {
            assert!(!listed.allow(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_listed_origin_that_no_browser_would_send_is_refused() {
        for bad in [
            "*",
            "",
            "play.example",
            "https://*",
            "https://*.example",
            "https://play.example/",
            "https://play.example:443",
            "HTTPS://play.example",
            "https://Play.example",
            "https://user@play.example",
            "vscode-webview://",
        ] {
            assert!(origins(&[bad]).is_err(), "{bad}");
        }
    }
}
