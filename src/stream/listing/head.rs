//! Reads the format of a response from its head, and keeps it out of shared caches.

use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

use super::error::FilterError;
use crate::media_type::{self, MediaType};

/// The two formats of MCP responses, and all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerFormat {
    Json,
    Events,
    /// A format that no reader could take for one of these.
    Other,
}

/// The format of a response. Fails if it may be one of MCP's, but cannot be read.
pub(super) fn form(headers: &HeaderMap) -> Result<AnswerFormat, FilterError> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let form = match (types.next(), types.next()) {
        (Some(only), None) => form_of(only).ok_or(FilterError::ContentType)?,
        _ => return Err(FilterError::ContentType),
    };
    if form == AnswerFormat::Other || is_plain(headers) {
        Ok(form)
    } else {
        Err(FilterError::ContentEncoding)
    }
}

/// Whether the body has no content encoding.
pub(super) fn is_plain(headers: &HeaderMap) -> bool {
    let is_plain = |coding: &HeaderValue| {
        coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    };
    headers.get_all(CONTENT_ENCODING).iter().all(is_plain)
}

fn form_of(line: &HeaderValue) -> Option<AnswerFormat> {
    line.to_str().ok()?;
    let media_type = MediaType::of(line);
    for (name, form) in [
        (media_type::JSON, AnswerFormat::Json),
        (media_type::EVENT_STREAM, AnswerFormat::Events),
    ] {
        if let Some(parameters) = media_type.parameters_of(name) {
            // The gate reads only UTF-8, so no parameter may name another charset.
            return parameters.name_no_other_charset().then_some(form);
        }
    }
    media_type.is_single().then_some(AnswerFormat::Other)
}

/// Marks the response as private, and removes headers that are untrue of a filtered body.
pub(super) fn now_private(headers: &mut HeaderMap) {
    let directives = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let untransformed = directives
        .flat_map(|line| line.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("no-transform"));
    let control = if untransformed {
        "private, no-store, no-transform"
    } else {
        "private, no-store"
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(control));
    for name in [ETAG, LAST_MODIFIED, EXPIRES] {
        headers.remove(name);
    }
    // Caches follow these before `Cache-Control` (RFC 9213), or they are digests of the body (RFC 9530 and its
    // predecessors).
    for name in [
        "cdn-cache-control",
        "surrogate-control",
        "content-digest",
        "repr-digest",
        "digest",
        "content-md5",
    ] {
        headers.remove(name);
    }
}
