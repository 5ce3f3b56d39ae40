//! The response that a request lets expect.

use http::Method;
use http::request::Parts;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::calls::Calls;
use crate::mcp::{self, List};

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
    /// Whether a list of tools in it is to be compared with the rules.
    pub(crate) shows_tools: bool,
    /// Whether a list of tools in it is to say what each tool needs.
    pub(crate) is_described: bool,
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
            shows_tools: false,
            is_described: false,
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
            shows_tools: false,
            is_described: false,
        }
    }

    /// Whether a page of the list of tools is among the responses.
    pub(crate) fn list_any_tools(&self) -> bool {
        self.iter().any(|call| call.method == List::Tools.method())
    }

    /// Whether the calls request the list of tools from its first page on.
    pub(crate) fn list_tools(&self, body: &[u8]) -> bool {
        let is_later_page = || match body.trim_ascii_start().first() {
            Some(b'[') => serde_json::from_slice::<Vec<RequestedPage>>(body)
                .map_or(true, |pages| pages.iter().any(RequestedPage::is_later)),
            _ => serde_json::from_slice::<RequestedPage>(body).map_or(true, |page| page.is_later()),
        };
        self.list_any_tools() && !is_later_page()
    }
}

/// The page that a message requests. Its other members are skipped, since to unpack them would take many times their length.
#[derive(Deserialize)]
struct RequestedPage {
    params: Option<PageParams>,
}

#[derive(Deserialize)]
struct PageParams {
    cursor: Option<IgnoredAny>,
}

impl RequestedPage {
    fn is_later(&self) -> bool {
        let params = self.params.as_ref();
        params.is_some_and(|params| params.cursor.is_some())
    }
}
