//! Why an answer is kept back.

use crate::events;
use crate::mcp::List;

/// Why an answer cannot be filtered with certainty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FilterError {
    ContentType,
    ContentEncoding,
    Incomplete,
    TooLong,
    NotUtf8,
    NotJson,
    NoMessage,
    NoList,
    NoName,
    DuplicateKey,
}

/// What is kept back: the id of the request that it would have answered, and the list in it, where these are known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Withheld {
    pub(super) why: FilterError,
    pub(super) id: Option<String>,
    pub(super) list: Option<List>,
}

impl FilterError {
    /// The stable code that the event carries as `reason`.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::ContentType => "list_content_type",
            Self::ContentEncoding => "list_encoded",
            Self::Incomplete => "list_incomplete",
            Self::TooLong => "list_too_long",
            Self::NotUtf8 => "list_not_utf8",
            Self::NotJson => "list_not_json",
            Self::NoMessage => "list_no_message",
            Self::NoList => "list_missing",
            Self::NoName => "list_nameless",
            Self::DuplicateKey => "list_duplicate_key",
        }
    }
}

impl From<FilterError> for Withheld {
    fn from(why: FilterError) -> Self {
        Self {
            why,
            id: None,
            list: None,
        }
    }
}

/// Tells the operator what was kept back.
pub(super) fn tell(kept: &Withheld) {
    events::ResponseWithheld {
        reason: kept.why.code(),
        method: kept.list.map(List::method),
        why: "a response was withheld, since lists in it cannot be filtered with certainty",
    }
    .write();
}
