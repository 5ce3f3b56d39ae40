//! Answers refused requests.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::challenge::{Challenge, requested, requested_for_operation};
use super::wire::{Challenged, Row, json_rpc_code, row};
use crate::refusal::Refusal;
use crate::scope::Scopes;

/// Makes the response to each refusal.
#[derive(Debug)]
pub(crate) struct Answers {
    resource_metadata: String,
    /// The scopes of a first challenge.
    initial: Scopes,
    /// The prefix of the first issuer, for challenges to callers that are not known yet.
    request_prefix: Arc<str>,
}

impl Answers {
    pub(crate) fn new(
        resource_metadata: String,
        initial: Scopes,
        request_prefix: Arc<str>,
    ) -> Self {
        Self {
            resource_metadata,
            initial,
            request_prefix,
        }
    }

    pub(crate) fn resource_metadata(&self) -> &str {
        &self.resource_metadata
    }

    pub(crate) fn initial(&self) -> &Scopes {
        &self.initial
    }

    /// Makes the response to a refusal. `request_prefix` is that of the caller's issuer, if the caller is known.
    pub(crate) fn refuse(&self, refusal: Refusal, request_prefix: Option<&str>) -> Response<Bytes> {
        let row = row(refusal.kind());
        let scopes = self.scopes(&refusal, &row, request_prefix);
        let challenge = self.challenge(&row, scopes.as_deref());
        let body = self.body(&refusal, &row, scopes.as_deref());
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = row.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if row.challenge != Challenged::Not {
            headers.insert(WWW_AUTHENTICATE, challenge.to_header());
        }
        if row.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = refusal
                .delay()
                .map_or(1, |delay| delay.as_secs_f64().ceil().max(1.0) as u64);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(refusal);
        response
    }

    /// The scopes that the answer names, as clients must request them.
    fn scopes(&self, refusal: &Refusal, row: &Row, prefix: Option<&str>) -> Option<String> {
        let prefix = prefix.unwrap_or(&self.request_prefix);
        match row.challenge {
            Challenged::ForInitial => Some(requested(&self.initial, prefix)),
            Challenged::ForOperation => requested_for_operation(refusal.required()?, prefix),
            Challenged::ForNothing | Challenged::Not => None,
        }
    }

    fn challenge<'a>(&'a self, row: &Row, scopes: Option<&'a str>) -> Challenge<'a> {
        Challenge {
            error: row.error,
            resource_metadata: &self.resource_metadata,
            scopes,
        }
    }

    fn body(&self, refusal: &Refusal, row: &Row, scopes: Option<&str>) -> String {
        if let Some(code) = json_rpc_code(refusal.reason()) {
            // The id is JSON text that was parsed before. Nothing else of the request is repeated.
            let id = refusal.request_id().unwrap_or("null");
            let error = json!({ "code": code, "message": row.sentence });
            return format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
        }
        let mut body = json!({ "error": row.word, "error_description": row.sentence });
        if row.challenge == Challenged::ForOperation
            && let Some(scopes) = scopes
            && let Some(members) = body.as_object_mut()
        {
            members.insert("scope".to_owned(), scopes.into());
        }
        body.to_string()
    }
}
