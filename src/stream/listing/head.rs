//! What the head of an answer says about its form, and about who may keep it.

use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

use super::error::FilterError;
use crate::media_type::{self, MediaType};

/// The two forms in which MCP answers come, and all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerFormat {
    Json,
    Events,
    /// Neither, and nothing that could be taken for one of them.
    Other,
}

/// An error where the answer may be one of the two forms, but cannot be read.
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

/// Whether the body comes as it is.
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
            // Only UTF-8 is read here, so no parameter may say otherwise.
            return parameters.name_no_other_charset().then_some(form);
        }
    }
    media_type.is_single().then_some(AnswerFormat::Other)
}

/// Leaves the answer to its one reader, and takes away what was true of the whole of it.
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
    // RFC 9213 has caches heed these before `Cache-Control`; RFC 9530 and its forerunners sum up the bytes.
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
