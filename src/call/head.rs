//! The head of a request. One walk over its headers finds all that the gate checks or changes.

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::own_header::{NameKind, OwnHeader};
use crate::refusal::{Reason, Refusal};

/// Whether the body of a request with this method is read, if any rule depends on bodies.
///
/// GET, HEAD, DELETE and OPTIONS have no body, and name nothing that a rule could be about. CONNECT is refused, since
/// anything could follow it unseen.
pub(crate) fn expects_call(method: &Method) -> Result<bool, Refusal> {
    match *method {
        Method::CONNECT => Err(Refusal::from(Reason::UpgradeRefused).got("CONNECT")),
        Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS => Ok(false),
        _ => Ok(true),
    }
}

/// The headers of a request that the gate checks.
#[derive(Debug, Default)]
pub(crate) struct Head<'h> {
    pub(super) content_type: HeaderLines<'h>,
    /// The first coding that changes the body.
    pub(super) content_encoding: Option<&'h HeaderValue>,
    pub(super) protocol_version: HeaderLines<'h>,
    pub(super) method: HeaderLines<'h>,
    pub(super) name: HeaderLines<'h>,
    session_id: HeaderLines<'h>,
    resumes_stream: bool,
    upgrade: Upgrade<'h>,
    has_lookalikes: bool,
}

/// The lines of a header that may have only one (RFC 9110 §5.3).
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum HeaderLines<'h> {
    #[default]
    None,
    One(&'h HeaderValue),
    Several(&'h HeaderValue),
}

/// The other protocol that a client offers.
#[derive(Debug, Clone, Copy, Default)]
enum Upgrade<'h> {
    #[default]
    None,
    Http2,
    Other(&'h HeaderValue),
}

/// The headers to remove from a request before it is handed over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadEdits {
    declines_upgrade: bool,
    removes_lookalikes: bool,
}

impl<'h> Head<'h> {
    /// Walks over the headers once. A request has few of them, and to look up each of ours by name costs more.
    pub(crate) fn read(headers: &'h HeaderMap) -> Self {
        let mut head = Self::default();
        for (name, line) in headers {
            match NameKind::of(name) {
                NameKind::Own(own) => head.note(own, line),
                NameKind::Lookalike => head.has_lookalikes = true,
                NameKind::Other => {}
            }
        }
        head
    }

    fn note(&mut self, header: OwnHeader, line: &'h HeaderValue) {
        match header {
            OwnHeader::ContentType => self.content_type.add(line),
            OwnHeader::McpProtocolVersion => self.protocol_version.add(line),
            OwnHeader::McpMethod => self.method.add(line),
            OwnHeader::McpName => self.name.add(line),
            OwnHeader::McpSessionId => self.session_id.add(line),
            OwnHeader::LastEventId => self.resumes_stream = true,
            OwnHeader::ContentEncoding if self.content_encoding.is_none() => {
                self.content_encoding = Some(line).filter(|line| !is_identity(line));
            }
            OwnHeader::Upgrade => match self.upgrade {
                Upgrade::Other(_) => {}
                _ if line == H2C => self.upgrade = Upgrade::Http2,
                _ => self.upgrade = Upgrade::Other(line),
            },
            OwnHeader::ContentEncoding
            | OwnHeader::AcceptEncoding
            | OwnHeader::TransferEncoding => {}
        }
    }

    /// The session id that the request names.
    pub(crate) fn session_id(&self) -> Result<Option<&'h HeaderValue>, Refusal> {
        self.session_id.only("Mcp-Session-Id")
    }

    /// Whether the request resumes a stream of events.
    pub(crate) fn resumes_stream(&self) -> bool {
        self.resumes_stream
    }

    /// Refuses the offer of another protocol: an upgraded connection could carry anything, unseen.
    pub(crate) fn refuse_upgrade(&self) -> Result<(), Refusal> {
        match self.upgrade {
            Upgrade::None | Upgrade::Http2 => Ok(()),
            Upgrade::Other(offer) => {
                let got = written("Upgrade", offer);
                Err(Refusal::from(Reason::UpgradeRefused).got(got))
            }
        }
    }

    /// The edits for a request whose body was checked.
    pub(crate) fn edits(self) -> HeadEdits {
        HeadEdits {
            declines_upgrade: !matches!(self.upgrade, Upgrade::None),
            removes_lookalikes: self.has_lookalikes,
        }
    }

    /// The edits for a request whose body was not read. It may go on in another protocol, since no rule depends on
    /// either.
    pub(crate) fn edits_of_unread(self) -> HeadEdits {
        HeadEdits {
            declines_upgrade: false,
            removes_lookalikes: self.has_lookalikes,
        }
    }
}

impl<'h> HeaderLines<'h> {
    fn add(&mut self, line: &'h HeaderValue) {
        *self = match *self {
            Self::None => Self::One(line),
            Self::One(first) | Self::Several(first) => Self::Several(first),
        };
    }

    /// The only line, if there is one. Of two lines, each reader may take another.
    pub(super) fn only(self, name: &'static str) -> Result<Option<&'h HeaderValue>, Refusal> {
        match self {
            Self::None => Ok(None),
            Self::One(line) => Ok(Some(line)),
            Self::Several(_) => Err(Refusal::from(Reason::DuplicateHeader)
                .expected(format!("one {name} line"))
                .got(format!("several {name} lines"))),
        }
    }
}

impl HeadEdits {
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        // Java's HTTP client offers HTTP/2 with every plain request, and goes on without it if the offer is declined
        // (RFC 9110 §7.8). So the offer is removed, and the inner service does not see it.
        if self.declines_upgrade {
            headers.remove(UPGRADE);
            headers.remove("http2-settings");
            headers.remove(CONNECTION);
        }
        if self.removes_lookalikes {
            let is_lookalike = |name: &&HeaderName| NameKind::of(name) == NameKind::Lookalike;
            let lookalikes: Vec<_> = headers.keys().filter(is_lookalike).cloned().collect();
            for name in &lookalikes {
                headers.remove(name);
            }
        }
    }
}

/// Formats a line for the log.
pub(super) fn written(name: &str, line: &HeaderValue) -> String {
    format!("{name}: {}", String::from_utf8_lossy(line.as_bytes()))
}

fn is_identity(coding: &HeaderValue) -> bool {
    let coding = coding.as_bytes().trim_ascii();
    coding.eq_ignore_ascii_case(b"identity")
}

const H2C: &str = "h2c";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_of_all_methods_but_four_are_checked() {
        for (method, expected) in [
            ("POST", Ok(true)),
            ("PUT", Ok(true)),
            ("TRACE", Ok(true)),
            ("post", Ok(true)),
            ("QUERY", Ok(true)),
            ("GET", Ok(false)),
            ("HEAD", Ok(false)),
            ("DELETE", Ok(false)),
            ("OPTIONS", Ok(false)),
            ("CONNECT", Err(Reason::UpgradeRefused)),
        ] {
            let judged = expects_call(&method.parse().unwrap()).map_err(|refusal| refusal.reason());
            assert_eq!(judged, expected, "{method}");
        }
    }

    #[test]
    fn no_protocol_but_http_2_may_be_offered_whichever_line_offers_it() {
        let refused = |offers: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for offer in offers {
                headers.append(UPGRADE, HeaderValue::from_static(offer));
            }
            Head::read(&headers).refuse_upgrade().is_err()
        };
        for offers in [
            &["websocket"][..],
            &["h2c", "websocket"],
            &["websocket", "h2c"],
            &[""],
        ] {
            assert!(refused(offers), "{offers:?}");
        }
        assert!(!refused(&[]) && !refused(&["h2c"]) && !refused(&["h2c", "h2c"]));
    }
}
