//! The public paths: they serve the metadata document, and redirect old clients.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION,
};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::Value;

use super::metadata::{Legacy, Metadata, Publication};
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::resource_uri::ResourceUri;

const METHODS: &str = "GET, HEAD, OPTIONS";

/// The documents that are served without a token, each at its exact path. A similar path is not exempt from any check.
#[derive(Debug)]
pub(crate) struct WellKnown {
    /// The name of the resource in the document.
    resource_name: Option<String>,
    document: Bytes,
    path: String,
    query: Option<String>,
    /// Whether there is a copy at the root of the origin. `None` if that was left open: then there is one, unless several
    /// resources have the origin in common.
    root_copy: Option<bool>,
    legacy: Option<(HeaderValue, [String; 2])>,
}

impl WellKnown {
    pub(crate) fn new(
        metadata: &Metadata,
        publication: &Publication<'_>,
        problems: &mut Problems,
    ) -> Result<Self, Flawed> {
        let target = legacy_target(metadata, publication, problems);
        let document = metadata.document(publication, problems);
        let resource = publication.resource?;
        Ok(Self {
            resource_name: metadata.resource_name.clone(),
            document: Value::Object(document?).to_string().into(),
            path: resource.metadata_path(),
            query: resource.query().map(str::to_owned),
            root_copy: metadata.root_copy,
            legacy: target?.map(|target| (target, resource.legacy_paths())),
        })
    }

    /// Answers a request for one of the documents; `None` for any other request.
    pub(crate) fn answer(&self, parts: &Parts) -> Option<Response<Bytes>> {
        let path = parts.uri.path();
        if !path.starts_with("/.well-known/") {
            return None;
        }
        if self.is_document(path, parts.uri.query()) {
            return Some(public(&parts.method, |response| {
                let length = HeaderValue::from(self.document.len());
                response.headers_mut().insert(CONTENT_LENGTH, length);
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                *response.body_mut() = self.document.clone();
            }));
        }
        let (target, paths) = self.legacy.as_ref()?;
        paths.iter().any(|legacy| legacy == path).then(|| {
            public(&parts.method, |response| {
                *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
                response.headers_mut().insert(LOCATION, target.clone());
            })
        })
    }

    pub(crate) fn resource_name(&self) -> Option<&str> {
        let name = self.resource_name.as_deref()?;
        Some(name).filter(|name| !name.is_empty())
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        let root = ResourceUri::root_metadata_path();
        let copy = (self.has_root_copy() && self.path != root).then_some(root);
        let legacy = self
            .legacy
            .iter()
            .flat_map(|(_, paths)| paths)
            .map(String::as_str);
        std::iter::once(self.path.as_str())
            .chain(copy)
            .chain(legacy)
    }

    /// Whether the configuration names this document as the one at the root of its origin.
    pub(crate) fn is_named_for_root(&self) -> bool {
        self.root_copy == Some(true)
    }

    fn has_root_copy(&self) -> bool {
        self.root_copy.unwrap_or(true)
    }

    /// Whether the document is served here. That of a resource with a query is served with the same query (RFC 9728
    /// §3.1).
    fn is_document(&self, path: &str, query: Option<&str>) -> bool {
        let own = path == self.path && (self.query.is_none() || self.query.as_deref() == query);
        own || (self.has_root_copy() && path == ResourceUri::root_metadata_path())
    }
}

/// The URL to which old clients are redirected, if they are.
fn legacy_target(
    metadata: &Metadata,
    publication: &Publication<'_>,
    problems: &mut Problems,
) -> Result<Option<HeaderValue>, Flawed> {
    if metadata.legacy_authorization_server == Legacy::Off {
        return Ok(None);
    }
    let target = publication
        .legacy_target
        .clone()?
        .and_then(|url| HeaderValue::try_from(url).ok());
    problems.keep(target.map(Some).ok_or_else(|| {
        let fix = "the first advertised issuer has no metadata URL to redirect to: write \"off\"";
        ConfigProblem::conflict("metadata.legacy_authorization_server", fix).showing("redirect")
    }))
}

/// Makes an answer that every page may read: to GET and HEAD, and to the preflight before them.
fn public(method: &Method, fill: impl FnOnce(&mut Response<Bytes>)) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    match *method {
        Method::GET | Method::HEAD => {
            response
                .headers_mut()
                .insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
            fill(&mut response);
            if *method == Method::HEAD {
                *response.body_mut() = Bytes::new();
            }
        }
        Method::OPTIONS => {
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.headers_mut().insert(
                ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static(METHODS),
            );
            response
                .headers_mut()
                .insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
        }
        _ => {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(METHODS));
        }
    }
    response
}
