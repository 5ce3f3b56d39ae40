use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, request};

use super::fault::Fault;

/// The number of requests that are kept for each endpoint; older ones only count.
const REMEMBERED: usize = 1024;

/// One of the authorization server's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `/.well-known/oauth-authorization-server` before the issuer's path (RFC 8414).
    Rfc8414,
    /// `/.well-known/openid-configuration` before the issuer's path.
    OidcInserted,
    /// `/.well-known/openid-configuration` after the issuer's path. An issuer without a path has only one
    /// OpenID form, which counts as [`OidcInserted`](Self::OidcInserted) under either name.
    OidcAppended,
    /// The key set.
    Jwks,
    /// Dynamic client registration (RFC 7591).
    Register,
    /// The consent page and its form.
    Authorize,
    /// The token endpoint.
    Token,
    /// Token introspection (RFC 7662).
    Introspect,
}

impl Endpoint {
    pub(super) const ALL: [Self; 8] = [
        Self::Rfc8414,
        Self::OidcInserted,
        Self::OidcAppended,
        Self::Jwks,
        Self::Register,
        Self::Authorize,
        Self::Token,
        Self::Introspect,
    ];

    /// The path of the endpoint for an issuer with this path (empty, or with a leading and no trailing slash).
    pub(super) fn path(self, issuer_path: &str) -> String {
        match self {
            Self::Rfc8414 => format!("/.well-known/oauth-authorization-server{issuer_path}"),
            Self::OidcInserted => format!("/.well-known/openid-configuration{issuer_path}"),
            Self::OidcAppended => format!("{issuer_path}/.well-known/openid-configuration"),
            Self::Jwks => format!("{issuer_path}/jwks"),
            Self::Register => format!("{issuer_path}/register"),
            Self::Authorize => format!("{issuer_path}/authorize"),
            Self::Token => format!("{issuer_path}/token"),
            Self::Introspect => format!("{issuer_path}/introspect"),
        }
    }
}

/// A request that the server has received.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// The request target: path and query.
    pub uri: Uri,
    /// All headers, credentials included.
    pub headers: HeaderMap,
    /// The body; empty until it has arrived completely.
    pub body: Bytes,
}

/// The requests received so far, and the faults that are set.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    seen: HashMap<Endpoint, Seen>,
    faults: HashMap<Endpoint, Fault>,
}

#[derive(Debug, Default)]
struct Seen {
    hits: usize,
    recent: VecDeque<(usize, Recorded)>,
}

impl Traffic {
    /// Records a request, and returns its number for [`Traffic::body_read`].
    pub(super) fn arrived(&mut self, endpoint: Endpoint, head: &request::Parts) -> usize {
        let seen = self.seen.entry(endpoint).or_default();
        seen.hits += 1;
        if seen.recent.len() == REMEMBERED {
            seen.recent.pop_front();
        }
        let recorded = Recorded {
            method: head.method.clone(),
            uri: head.uri.clone(),
            headers: head.headers.clone(),
            body: Bytes::new(),
        };
        seen.recent.push_back((seen.hits, recorded));
        seen.hits
    }

    pub(super) fn body_read(&mut self, endpoint: Endpoint, number: usize, body: Bytes) {
        let seen = self.seen.entry(endpoint).or_default();
        if let Some((_, recorded)) = seen.recent.iter_mut().rev().find(|(at, _)| *at == number) {
            recorded.body = body;
        }
    }

    pub(super) fn hits(&self, endpoint: Endpoint) -> usize {
        self.seen.get(&endpoint).map_or(0, |seen| seen.hits)
    }

    pub(super) fn requests(&self, endpoint: Endpoint) -> Vec<Recorded> {
        let recent = self.seen.get(&endpoint).map(|seen| &seen.recent);
        recent
            .into_iter()
            .flatten()
            .map(|(_, recorded)| recorded.clone())
            .collect()
    }

    pub(super) fn set_fault(&mut self, endpoint: Endpoint, fault: Option<Fault>) {
        match fault {
            Some(fault) => self.faults.insert(endpoint, fault),
            None => self.faults.remove(&endpoint),
        };
    }

    pub(super) fn fault(&self, endpoint: Endpoint) -> Option<Fault> {
        self.faults.get(&endpoint).cloned()
    }
}
