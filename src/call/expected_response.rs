//! The response that a request lets expect.

use http::Method;
use http::request::Parts;

use super::calls::Calls;
use crate::mcp;

/// The response that a request expects. It does not tell which messages will be in it: servers route answers by ids
/// that callers choose.
#[derive(Debug)]
pub(crate) struct ExpectedResponse {
    /// Whether it is a stream to listen on, rather than the answer to a call.
    pub(crate) listens: bool,
    /// Whether it answers calls. A `GET` may also fetch a page or a file.
    pub(crate) calls: bool,
    /// The id of a single request, as JSON text, for an error in place of its answer.
    pub(crate) id: Option<String>,
}

impl ExpectedResponse {
    /// Reads the head of a request whose body was not read. Its `Mcp-Method` cannot be checked, and is believed.
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

    /// Reads the head of a request that has no body, such as `GET`.
    pub(crate) fn bodiless(parts: &Parts) -> Self {
        Self {
            listens: parts.method == Method::GET,
            calls: false,
            id: None,
        }
    }
}

impl Calls<'_> {
    /// The response that these calls expect. The id is kept only if the answer may be withheld.
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
