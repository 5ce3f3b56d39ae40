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
    /// `None` if every element may be shown.
    shown: Option<Box<IsShown>>,
    /// `None` if tools are not described.
    security: Option<Box<SecurityOf>>,
    /// Sees each text before it is filtered.
    observer: Option<Box<ToolsObserver>>,
}

/// Decides whether a list may show an element with this name.
type IsShown = dyn Fn(List, &str) -> bool + Send + Sync;

/// Describes as JSON text what the tool with this name needs; `None` if nothing is said of it.
type SecurityOf = dyn Fn(&str) -> Option<String> + Send + Sync;

impl ListFilter {
    pub(crate) fn new(
        id: Option<String>,
        calls: bool,
        shown: impl Fn(List, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            id,
            calls,
            shown: Some(Box::new(shown)),
            security: None,
            observer: None,
        }
    }

    /// Shows everything, and passes on as it is a text that cannot be read.
    pub(crate) fn of_nothing() -> Self {
        Self {
            id: None,
            calls: true,
            shown: None,
            security: None,
            observer: None,
        }
    }

    /// Describes each tool that is listed. `security` makes JSON text from its name.
    pub(crate) fn describing(
        mut self,
        security: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.security = Some(Box::new(security));
        self
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

    /// Whether anything may be withheld: elements of lists, and responses that cannot be read with certainty.
    pub(crate) fn withholds(&self) -> bool {
        self.shown.is_some()
    }

    pub(super) fn describes(&self) -> bool {
        self.security.is_some()
    }

    /// Whether a list may show an element with this name.
    pub(super) fn is_shown(&self, list: List, name: &str) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown(list, name))
    }

    /// The needs of the tool with this name, as JSON text.
    pub(super) fn security_of(&self, name: &str) -> Option<String> {
        self.security.as_ref()?(name)
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
