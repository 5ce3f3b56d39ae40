//! The filter for the response to one request, and the error in place of a response that it cannot filter.

use std::fmt;

use super::error::{Withheld, log_withheld};
use super::first_tools::ToolsObserver;
use crate::mcp::List;
use crate::stream::bad_gateway;

/// The most bytes of a JSON response, or of an event, that are held to be filtered.
pub(super) const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

/// Filters the response to one request.
pub(crate) struct ListFilter {
    /// The id of the request as JSON text; `None` if it is not known.
    id: Option<String>,
    /// Whether the request makes calls, rather than being a `GET` or the like.
    calls: bool,
    shown: Box<IsShown>,
    /// Sees each text before it is filtered.
    observer: Option<Box<ToolsObserver>>,
}

/// Decides whether a list may show an element with this name.
type IsShown = dyn Fn(List, &str) -> bool + Send + Sync;

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
            observer: None,
        }
    }

    /// Has the observer look at each text before it is filtered.
    pub(crate) fn observed(mut self, observer: Option<Box<ToolsObserver>>) -> Self {
        self.observer = observer;
        self
    }

    pub(super) fn observe(&self, text: &str) {
        if let Some(observer) = &self.observer {
            observer.look(text.as_bytes());
        }
    }

    /// Whether the request makes calls, rather than being a `GET` or the like.
    pub(super) fn answers_calls(&self) -> bool {
        self.calls
    }

    /// Whether a list may show an element with this name.
    pub(super) fn is_shown(&self, list: List, name: &str) -> bool {
        (self.shown)(list, name)
    }

    /// Logs that a message is withheld, and makes the error that is sent in its place.
    pub(super) fn error(&self, withheld: &Withheld) -> String {
        log_withheld(withheld);
        let id = withheld
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
