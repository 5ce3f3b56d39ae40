//! What kind of answer a request will get, as far as that is to be known before it comes.

use http::Method;
use http::request::Parts;

use super::Calls;
use crate::list::{Asked, List};

/// The one method that asks for a stream to listen to.
const LISTEN: &str = "subscriptions/listen";

/// What the answer will bring.
#[derive(Debug)]
pub(crate) struct Answering {
    /// Which lists, where lists are filtered.
    pub(crate) lists: Option<Asked>,
    /// Whether it is a stream to listen to, and no answer to a call.
    pub(crate) listens: bool,
}

impl Answering {
    /// To a request whose body nobody read: its header has to be believed.
    pub(crate) fn unread(parts: &Parts) -> Self {
        let listens = parts.headers.get("mcp-method").is_some_and(|method| method == LISTEN);
        Self { lists: None, listens: listens || parts.method == Method::GET }
    }

    /// To GET and the like. Who takes up a stream of events where it broke off gets answers to requests that came in
    /// other bodies, and so perhaps any list.
    pub(crate) fn bodiless(parts: &Parts, filters_lists: bool) -> Self {
        let resumes = || parts.method == Method::GET && parts.headers.contains_key("last-event-id");
        Self { lists: (filters_lists && resumes()).then(Asked::new), listens: parts.method == Method::GET }
    }
}

impl Calls<'_> {
    pub(crate) fn answering(&self, filters_lists: bool) -> Answering {
        Answering {
            lists: if filters_lists { self.lists() } else { None },
            listens: self.iter().any(|call| call.method == LISTEN),
        }
    }

    /// Which answers will be lists, if any.
    fn lists(&self) -> Option<Asked> {
        let any = self.iter().any(|call| List::asked_for_by(&call.method).is_some());
        let requests = || {
            self.iter()
                .filter_map(|call| Some((call.id.as_ref()?.to_json(), List::asked_for_by(&call.method))))
        };
        any.then(|| requests().collect())
    }
}
