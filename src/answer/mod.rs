//! What goes back? One table from the kind of a refusal to the wire.
//!
//! `challenge` renders `WWW-Authenticate`, `metadata` the document it points to, from the same values, so
//! that they cannot disagree; `well_known` serves the document, and `cors` lets browsers read it all. `listing`
//! takes out of lists what may not be shown, `ending` ends streams of events with the token they were opened with
//! (both know their `lines`), and `withheld` is sent instead of what must not be passed on.

mod body;
mod challenge;
mod cors;
mod ending;
mod lines;
mod listing;
mod metadata;
mod well_known;
mod withheld;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

pub use body::ResponseBody;
pub(crate) use challenge::requested;
use challenge::{Challenge, ErrorCode};
pub(crate) use cors::Cors;
pub use ending::Streams;
pub(crate) use ending::{StreamPolicy, end, is_stream};
pub(crate) use listing::ListFilter;
pub use metadata::Metadata;
pub(crate) use metadata::Publication;
pub use well_known::MetadataService;
pub(crate) use well_known::WellKnown;
pub(crate) use withheld::without_session;

use crate::refusal::{Reason, Refusal, RefusalKind};
use crate::scope::Scopes;

/// Answers refusals.
#[derive(Debug)]
pub(crate) struct Answers {
    resource_metadata: String,
    /// What a first challenge asks for.
    initial: Scopes,
    /// The first issuer's: nobody is known yet when a first challenge is made.
    request_prefix: String,
    /// What callers nobody knows are told. It is always the same, and there may be many of them.
    to_strangers: Vec<Prepared>,
}

/// An answer written beforehand.
#[derive(Debug)]
struct Prepared {
    kind: RefusalKind,
    challenge: HeaderValue,
    body: Bytes,
}

impl Answers {
    pub(crate) fn new(resource_metadata: String, initial: Scopes, request_prefix: String) -> Self {
        let mut answers = Self { resource_metadata, initial, request_prefix, to_strangers: Vec::new() };
        for reason in [Reason::NoToken, Reason::MalformedHeader, Reason::BadSignature] {
            let refusal = Refusal::from(reason);
            let row = row(refusal.kind());
            let scopes = answers.scopes(&refusal, &row, None);
            let challenge = answers.challenge(&row, scopes.as_deref()).to_header();
            let body = answers.body(&refusal, &row, scopes.as_deref()).into();
            answers.to_strangers.push(Prepared { kind: refusal.kind(), challenge, body });
        }
        answers
    }

    pub(crate) fn resource_metadata(&self) -> &str {
        &self.resource_metadata
    }

    pub(crate) fn initial(&self) -> &Scopes {
        &self.initial
    }

    /// `request_prefix` is that of the caller's own issuer, where the caller is known.
    pub(crate) fn refuse(&self, refusal: Refusal, request_prefix: Option<&str>) -> Response<Bytes> {
        let row = row(refusal.kind());
        let prepared = self.to_strangers.iter().find(|prepared| prepared.kind == refusal.kind());
        let (challenge, body) = match prepared.filter(|_| request_prefix.is_none()) {
            Some(prepared) => (Some(prepared.challenge.clone()), prepared.body.clone()),
            None => {
                let scopes = self.scopes(&refusal, &row, request_prefix);
                let challenge = self.challenge(&row, scopes.as_deref());
                let is_sent = row.challenge != Challenged::Not;
                let body = self.body(&refusal, &row, scopes.as_deref());
                (is_sent.then(|| challenge.to_header()), body.into())
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = row.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if row.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = refusal.delay().map_or(1, |delay| delay.as_secs_f64().ceil().max(1.0) as u64);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(refusal);
        response
    }

    /// The scopes that the answer names, as the caller must ask for them.
    fn scopes(&self, refusal: &Refusal, row: &Row, prefix: Option<&str>) -> Option<String> {
        let prefix = prefix.unwrap_or(&self.request_prefix);
        match row.challenge {
            Challenged::ForInitial => Some(requested(&self.initial, prefix)),
            Challenged::ForOperation => challenge::requested_for_operation(refusal.required()?, prefix),
            Challenged::ForNothing | Challenged::Not => None,
        }
    }

    fn challenge<'a>(&'a self, row: &Row, scopes: Option<&'a str>) -> Challenge<'a> {
        Challenge { error: row.error, resource_metadata: &self.resource_metadata, scopes }
    }

    fn body(&self, refusal: &Refusal, row: &Row, scopes: Option<&str>) -> String {
        if let Some(code) = json_rpc_code(refusal.reason()) {
            // The id is JSON text that was parsed before; nothing else of the request is repeated.
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

/// One row of the wire table.
struct Row {
    status: StatusCode,
    challenge: Challenged,
    error: Option<ErrorCode>,
    /// `error` of the body.
    word: &'static str,
    sentence: &'static str,
}

/// Whether a challenge is sent, and for which scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Challenged {
    Not,
    ForNothing,
    ForInitial,
    ForOperation,
}

fn row(kind: RefusalKind) -> Row {
    let plain =
        |status, word, sentence| Row { status, challenge: Challenged::Not, error: None, word, sentence };
    let failed = |status, challenge, error: ErrorCode| Row {
        status,
        challenge,
        error: Some(error),
        word: error.as_str(),
        sentence: error.description(),
    };
    match kind {
        // RFC 6750 §3.1: no error code where nothing was presented.
        RefusalKind::NoToken => Row {
            challenge: Challenged::ForInitial,
            ..plain(StatusCode::UNAUTHORIZED, "unauthorized", "This server needs an access token")
        },
        RefusalKind::MalformedCredentials => {
            failed(StatusCode::BAD_REQUEST, Challenged::ForInitial, ErrorCode::InvalidRequest)
        }
        RefusalKind::InvalidToken => {
            failed(StatusCode::UNAUTHORIZED, Challenged::ForInitial, ErrorCode::InvalidToken)
        }
        RefusalKind::InsufficientScope => {
            failed(StatusCode::FORBIDDEN, Challenged::ForOperation, ErrorCode::InsufficientScope)
        }
        // No error code: `insufficient_scope` would send clients into asking for scopes again and again.
        RefusalKind::Forbidden => Row {
            challenge: Challenged::ForNothing,
            ..plain(StatusCode::FORBIDDEN, "access_denied", "This operation is not open to the caller")
        },
        RefusalKind::OriginNotAllowed => plain(
            StatusCode::FORBIDDEN,
            "origin_not_allowed",
            "Pages of this origin may not talk to this server",
        ),
        RefusalKind::Unavailable => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "The request cannot be judged right now; the access token may well be good",
        ),
        RefusalKind::UnreadableCall => plain(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "The request cannot be read as one JSON-RPC call",
        ),
        // MCP has clients begin another session then.
        RefusalKind::SessionNotFound => {
            plain(StatusCode::NOT_FOUND, "session_not_found", "There is no such session")
        }
        RefusalKind::HeaderMismatch => {
            plain(StatusCode::BAD_REQUEST, "invalid_request", "The mirrored headers do not match the body")
        }
        RefusalKind::UnsupportedMediaType => plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body must be application/json, in UTF-8 and without a content encoding",
        ),
        RefusalKind::BodyTooLarge => plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            "The body is longer than this server reads",
        ),
        RefusalKind::BodyTooSlow => {
            plain(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The body did not arrive in time")
        }
    }
}

/// The JSON-RPC error code of a refusal that says something about the message. MCP reserves most of
/// the range: −32020 is the header mismatch and nothing else.
fn json_rpc_code(reason: Reason) -> Option<i32> {
    match (reason, reason.kind()) {
        (Reason::BodyNotJson, _) => Some(-32700),
        (_, RefusalKind::UnreadableCall | RefusalKind::SessionNotFound) => Some(-32600),
        (_, RefusalKind::HeaderMismatch) => Some(-32020),
        _ => None,
    }
}
