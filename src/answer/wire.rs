//! The wire table: maps the kind of a refusal to its status, its challenge and its texts.

use http::StatusCode;

use super::challenge::ErrorCode;
use crate::refusal::{Reason, RefusalKind};

/// One row of the wire table.
pub(super) struct Row {
    pub(super) status: StatusCode,
    pub(super) challenge: Challenged,
    pub(super) error: Option<ErrorCode>,
    /// `error` in the body.
    pub(super) word: &'static str,
    pub(super) sentence: &'static str,
}

/// Whether a challenge is sent, and for which scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Challenged {
    Not,
    ForNothing,
    ForInitial,
    ForOperation,
}

/// The row of a kind.
pub(super) fn row(kind: RefusalKind) -> Row {
    let plain = |status, word, sentence| Row {
        status,
        challenge: Challenged::Not,
        error: None,
        word,
        sentence,
    };
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
            ..plain(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "This server needs an access token",
            )
        },
        RefusalKind::MalformedCredentials => failed(
            StatusCode::BAD_REQUEST,
            Challenged::ForInitial,
            ErrorCode::InvalidRequest,
        ),
        RefusalKind::InvalidToken => failed(
            StatusCode::UNAUTHORIZED,
            Challenged::ForInitial,
            ErrorCode::InvalidToken,
        ),
        RefusalKind::InvalidProof => failed(
            StatusCode::UNAUTHORIZED,
            Challenged::ForInitial,
            ErrorCode::InvalidDpopProof,
        ),
        RefusalKind::NonceRequired => failed(
            StatusCode::UNAUTHORIZED,
            Challenged::ForInitial,
            ErrorCode::UseDpopNonce,
        ),
        RefusalKind::InsufficientScope => failed(
            StatusCode::FORBIDDEN,
            Challenged::ForOperation,
            ErrorCode::InsufficientScope,
        ),
        RefusalKind::InsufficientUserAuthentication => failed(
            StatusCode::UNAUTHORIZED,
            Challenged::ForOperation,
            ErrorCode::InsufficientUserAuthentication,
        ),
        // It has no error code: `insufficient_scope` would send clients into requesting scopes again and again.
        RefusalKind::Forbidden => Row {
            challenge: Challenged::ForNothing,
            ..plain(
                StatusCode::FORBIDDEN,
                "access_denied",
                "This operation is not open to the caller",
            )
        },
        RefusalKind::StepUpMet => plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "The server asked for scopes that the access token has",
        ),
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
        // MCP clients open a new session after a 404.
        RefusalKind::SessionNotFound => plain(
            StatusCode::NOT_FOUND,
            "session_not_found",
            "There is no such session",
        ),
        RefusalKind::HeaderMismatch => plain(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "The mirrored headers do not match the body",
        ),
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
        RefusalKind::BodyTooSlow => plain(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The body did not arrive in time",
        ),
    }
}

/// The JSON-RPC error code of a refusal that is about the message. MCP reserves most of the range: −32020 is only for a
/// header mismatch.
pub(super) fn json_rpc_code(reason: Reason) -> Option<i32> {
    match (reason, reason.kind()) {
        (Reason::BodyNotJson, _) => Some(-32700),
        (_, RefusalKind::UnreadableCall | RefusalKind::SessionNotFound) => Some(-32600),
        (_, RefusalKind::HeaderMismatch) => Some(-32020),
        _ => None,
    }
}
