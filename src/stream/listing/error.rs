//! The reasons to withhold a response.

use crate::events;
use crate::mcp::List;

/// Why a response cannot be filtered with certainty.
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

/// A message that is withheld: the id of the request that it answers, and the list in it, if these are known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Withheld {
    pub(super) why: FilterError,
    pub(super) id: Option<String>,
    pub(super) list: Option<List>,
}

impl FilterError {
    /// The stable code, which the event carries as `reason`.
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

/// Logs that a response was withheld.
pub(super) fn log_withheld(withheld: &Withheld) {
    events::ResponseWithheld {
        reason: withheld.why.code(),
        method: withheld.list.map(List::method),
        why: "a response was withheld, since lists in it cannot be filtered with certainty",
    }
    .write();
}
