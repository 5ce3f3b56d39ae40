//! What the way back has to know of a request.

use http::Method;
use http::request::Parts;

use super::Calls;

/// The one method that asks for a stream to listen to.
const LISTEN: &str = "subscriptions/listen";

/// What an answer answers. Which message comes in it, the request does not say: servers route answers by ids that
/// callers choose.
#[derive(Debug)]
pub(crate) struct Answering {
    /// Whether it is a stream to listen to, and no answer to a call.
    pub(crate) listens: bool,
    /// Whether it answers calls. `GET` and the like ask for pages and files as well.
    pub(crate) calls: bool,
    /// The JSON text of the id of a single request, for an error in the place of its answer.
    pub(crate) id: Option<String>,
}

impl Answering {
    /// Of a request whose body was not read: its header has to be believed.
    pub(crate) fn unread(parts: &Parts) -> Self {
        let listens = parts.headers.get("mcp-method").is_some_and(|method| method == LISTEN);
        Self { listens: listens || parts.method == Method::GET, ..Self::bodiless(parts) }
    }

    /// Of `GET` and the like.
    pub(crate) fn bodiless(parts: &Parts) -> Self {
        Self { listens: parts.method == Method::GET, calls: false, id: None }
    }
}

impl Calls<'_> {
    /// The id is noted only where an answer may be withheld.
    pub(crate) fn answering(&self, filters_lists: bool) -> Answering {
        Answering {
            listens: self.iter().any(|call| call.method == LISTEN),
            calls: true,
            id: if filters_lists { self.request_id() } else { None },
        }
    }
}
