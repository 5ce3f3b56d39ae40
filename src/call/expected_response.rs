//! What the way back has to know of a request.

use http::Method;
use http::request::Parts;

use super::calls::Calls;
use crate::mcp;

/// What the response to a request should be. The request does not say which messages come in it: servers route answers
/// by ids that callers choose.
#[derive(Debug)]
pub(crate) struct ExpectedResponse {
    /// Whether it is a stream to listen to, and no answer to a call.
    pub(crate) listens: bool,
    /// Whether it answers calls. `GET` and the like ask for pages and files as well.
    pub(crate) calls: bool,
    /// The JSON text of the id of a single request, for an error in the place of its answer.
    pub(crate) id: Option<String>,
}

impl ExpectedResponse {
    /// Reads the head of a request whose body was not read: its header has to be believed.
    pub(crate) fn unread(parts: &Parts) -> Self {
        let listens = parts
            .headers
            .get(&mcp::METHOD_HEADER)
            .is_some_and(|method| method == mcp::LISTEN);
        Self {
            listens: listens || parts.method == Method::GET,
            ..Self::bodiless(parts)
        }
    }

    /// Reads the head of a `GET` or the like, which has no body.
    pub(crate) fn bodiless(parts: &Parts) -> Self {
        Self {
            listens: parts.method == Method::GET,
            calls: false,
            id: None,
        }
    }
}

impl Calls<'_> {
    /// Says what answers the calls. The id is noted only where an answer may be withheld.
    pub(crate) fn expected_response(&self, filters_lists: bool) -> ExpectedResponse {
        ExpectedResponse {
            listens: self.iter().any(|call| call.method == mcp::LISTEN),
            calls: true,
            id: if filters_lists {
                self.request_id()
            } else {
                None
            },
        }
    }
}
