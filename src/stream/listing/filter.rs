//! The filter of the answer to one request, and what it sends instead of an answer that it cannot filter.

use std::fmt;

use super::error::{Withheld, tell};
use crate::mcp::List;
use crate::stream::bad_gateway;

/// The longest JSON answer and the longest event that are held to be filtered.
pub(super) const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

/// Filters the answer to one request.
pub(crate) struct ListFilter {
    /// The JSON text of the id to answer to, where it is known.
    id: Option<String>,
    /// Whether calls are answered, and no `GET` or the like.
    calls: bool,
    shown: Box<Shown>,
}

/// Says whether a list may show what is called so.
type Shown = dyn Fn(List, &str) -> bool + Send + Sync;

impl ListFilter {
    pub(crate) fn new(
        id: Option<String>,
        calls: bool,
        shown: impl Fn(List, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            id,
            calls,
            shown: Box::new(shown),
        }
    }

    /// Whether calls are answered, and no `GET` or the like.
    pub(super) fn answers_calls(&self) -> bool {
        self.calls
    }

    /// Whether a list may show what is called so.
    pub(super) fn is_shown(&self, list: List, name: &str) -> bool {
        (self.shown)(list, name)
    }

    /// What is sent instead of what is kept back, once the operator has been told.
    pub(super) fn error(&self, kept: &Withheld) -> String {
        tell(kept);
        let id = kept
            .id
            .as_ref()
            .or(self.id.as_ref())
            .map_or("null", String::as_str);
        bad_gateway::error(id, "The server's answer cannot be shown")
    }
}

impl fmt::Debug for ListFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListFilter")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
