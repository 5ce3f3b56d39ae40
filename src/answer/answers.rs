//! Answers refused requests.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use super::challenge::{Challenge, ErrorCode, requested, requested_for_operation};
use super::wire::{Challenged, Row, json_rpc_code, row};
use crate::login::RequiredLogin;
use crate::refusal::Refusal;
use crate::scheme::{Scheme, Schemes};
use crate::scope::Scopes;

/// The member of `_meta` with the challenges, in the result of a tool.
const CHALLENGES: &str = "mcp/www_authenticate";

static NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Makes the response to each refusal.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    resource_metadata: String,
    /// The scopes of a first challenge.
    initial: Scopes,
    /// The prefix of the first issuer, for challenges to callers that are not known yet.
    request_prefix: Arc<str>,
    schemes: Schemes,
}

impl Answers {
    pub(crate) fn new(
        resource_metadata: String,
        initial: Scopes,
        request_prefix: Arc<str>,
        schemes: Schemes,
    ) -> Self {
        Self {
            resource_metadata,
            initial,
            request_prefix,
            schemes,
        }
    }

    /// The same answers, whose challenges point to another metadata document.
    pub(crate) fn pointing_to(&self, resource_metadata: String) -> Self {
        Self {
            resource_metadata,
            ..self.clone()
        }
    }

    pub(crate) fn resource_metadata(&self) -> &str {
        &self.resource_metadata
    }

    pub(crate) fn initial(&self) -> &Scopes {
        &self.initial
    }

    /// Makes the response to a refusal. `scheme` is the one by which the token was presented. `request_prefix` is that of the
    /// caller's issuer, if the caller is known.
    pub(crate) fn refuse(
        &self,
        refusal: Refusal,
        scheme: Option<Scheme>,
        request_prefix: Option<&str>,
    ) -> Response<Bytes> {
        let row = row(refusal.kind());
        let scopes = self.scopes(&refusal, &row, request_prefix);
        let body = self.body(&refusal, &row, scopes.as_deref());
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = row.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if row.challenge != Challenged::Not {
            let login = refusal.required_login();
            for challenge in self.challenges(&row, scheme, scopes.as_deref(), login) {
                headers.append(WWW_AUTHENTICATE, challenge.to_header());
            }
        }
        if let Some(nonce) = refusal.nonce() {
            offer_nonce(nonce.clone(), headers);
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

    /// Makes the result of a tool with which the call of this id is refused; `id` is JSON text. It has the challenges of the
    /// refusal, each with an error and a description: clients that read results demand both.
    pub(crate) fn refuse_call(
        &self,
        refusal: Refusal,
        id: &str,
        request_prefix: Option<&str>,
    ) -> Response<Bytes> {
        let mut row = row(refusal.kind());
        let error = *row.error.get_or_insert(ErrorCode::NothingPresented);
        let scopes = self.scopes(&refusal, &row, request_prefix);
        let challenges: Vec<String> = self
            .challenges(&row, None, scopes.as_deref(), None)
            .filter_map(|challenge| Some(challenge.to_header().to_str().ok()?.to_owned()))
            .collect();
        let result = json!({
            "content": [{ "type": "text", "text": error.description() }],
            "_meta": { CHALLENGES: challenges },
            "isError": true,
        });
        // The id is JSON text that was parsed before. Nothing else of the request is repeated.
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
        let mut response = Response::new(Bytes::from(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(refusal);
        response
    }

    /// The security schemes of a tool that needs these scopes, as JSON text. `None` is a tool that is open.
    pub(crate) fn security_schemes(&self, scopes: Option<&Scopes>) -> String {
        let scheme = match scopes {
            None => json!({ "type": "noauth" }),
            Some(scopes) => {
                let requested = requested(scopes, &self.request_prefix);
                let scopes: Vec<&str> = requested.split_terminator(' ').collect();
                json!({ "type": "oauth2", "scopes": scopes })
            }
        };
        json!([scheme]).to_string()
    }

    /// The scopes that the answer names, as clients must request them.
    fn scopes(&self, refusal: &Refusal, row: &Row, prefix: Option<&str>) -> Option<String> {
        let prefix = prefix.unwrap_or(&self.request_prefix);
        match row.challenge {
            Challenged::ForInitial => Some(requested(&self.initial, prefix)),
            Challenged::ForOperation => {
                let required = refusal.required().filter(|scopes| !scopes.is_empty())?;
                requested_for_operation(required, prefix)
            }
            Challenged::ForNothing | Challenged::Not => None,
        }
    }

    /// One challenge for each scheme. All have the same metadata and scopes: some clients read only the first, or take all
    /// lines for one. Only that of the presented scheme has the error (RFC 9449 §7.2) and the login, or all if it is not among them.
    fn challenges<'a>(
        &'a self,
        row: &Row,
        presented: Option<Scheme>,
        scopes: Option<&'a str>,
        login: Option<&'a RequiredLogin>,
    ) -> impl Iterator<Item = Challenge<'a>> {
        let offered = self.schemes.offered();
        let presented = presented.filter(|scheme| offered.contains(scheme));
        let error = row.error;
        offered.iter().map(move |&scheme| {
            let is_used = presented.is_none_or(|presented| presented == scheme);
            Challenge {
                scheme,
                error: error.filter(|_| is_used),
                resource_metadata: &self.resource_metadata,
                scopes,
                login: login.filter(|_| is_used),
                algorithms: (scheme == Scheme::Dpop).then_some(&self.schemes.proof_algorithms),
            }
        })
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

/// Gives the client the nonce for its next proof (RFC 9449 §8.2). A cached response would give out an old one.
pub(crate) fn offer_nonce(nonce: HeaderValue, headers: &mut HeaderMap) {
    headers.insert(&NONCE, nonce);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
