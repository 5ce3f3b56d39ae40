//! Lists, cut down to what may be shown. Whether something may is for a predicate to say.
//!
//! Answers are judged by what is in them and not by what was asked: servers route answers by ids that callers choose,
//! so that a list may come as the answer to anything, or on a stream that only listens.
//!
//! `message` cuts one JSON text, `json` finds what to cut, and `events` does it in a stream of server-sent events.
//! Nothing is parsed and written anew: what may be shown keeps its bytes. What cannot be filtered with certainty
//! is not passed on. What is too long to be held is passed on as it comes, and breaks off where a list begins (`scan`,
//! `long`).

mod events;
mod head;
mod json;
mod long;
mod message;
mod scan;
#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Body;
use http_body_util::BodyExt;

use super::body::ResponseBody;
use super::withheld;
use crate::mcp::List;
pub(super) use events::FilteredEvents;
use head::Form;
pub(super) use long::LongAnswer;
use message::{Kept, Lists, Unclear};
use scan::Scan;

/// The longest JSON answer and the longest event that are held to be filtered.
const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

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
        Self { id, calls, shown: Box::new(shown) }
    }

    /// The answer with the lists in it filtered. Errors pass: there is no list in them.
    pub(crate) async fn apply<R: Body<Data = Bytes>>(self, answer: Response<R>) -> Response<ResponseBody<R>> {
        if !answer.status().is_success() {
            return answer.map(ResponseBody::theirs);
        }
        let (mut head, body) = answer.into_parts();
        match head::form(&head.headers) {
            Ok(Form::Events) => {
                head::now_private(&mut head.headers);
                head.headers.remove(CONTENT_LENGTH);
                Response::from_parts(head, ResponseBody::filtered(FilteredEvents::new(body, self)))
            }
            Ok(Form::Json) => match self.json(&mut head.headers, body).await {
                Ok(body) => Response::from_parts(head, body),
                Err(kept) => self.bad_gateway(&kept),
            },
            // Pages and files that stand beside an MCP server. It sends messages in the two forms alone.
            Ok(Form::Other) if !self.calls => Response::from_parts(head, ResponseBody::theirs(body)),
            Ok(Form::Other) => self.without_objects(head, body, Unclear::ContentType).await,
            Err(why) => self.without_objects(head, body, why).await,
        }
    }

    async fn json<R: Body<Data = Bytes>>(
        &self,
        head: &mut HeaderMap,
        body: R,
    ) -> Result<ResponseBody<R>, Kept> {
        let whole = match Collected::of(body).await? {
            Collected::Whole(whole) => whole,
            Collected::TooLong { start, rest } => {
                let mut scan = Scan::default();
                scan.read(&start)?;
                head.remove(CONTENT_LENGTH);
                return Ok(ResponseBody::long(LongAnswer::new(start, rest, scan)));
            }
        };
        if whole.is_empty() {
            return Ok(ResponseBody::ours(whole));
        }
        let text = std::str::from_utf8(&whole).map_err(|_| Unclear::NotUtf8)?;
        let filtered = match self.filtered(text)? {
            Lists::Absent => return Ok(ResponseBody::ours(whole)),
            Lists::Whole => whole,
            Lists::Cut(text) => text.into(),
        };
        head::now_private(head);
        if head.contains_key(CONTENT_LENGTH) {
            head.insert(CONTENT_LENGTH, HeaderValue::from(filtered.len()));
        }
        Ok(ResponseBody::ours(filtered))
    }

    /// An answer that cannot be read as JSON or as events. Where there is no object in it, there is no list: older
    /// transports say `Accepted`, in no form at all.
    async fn without_objects<R: Body<Data = Bytes>>(
        &self,
        head: http::response::Parts,
        body: R,
        why: Unclear,
    ) -> Response<ResponseBody<R>> {
        let is_plain = head::is_plain(&head.headers);
        match Collected::of(body).await {
            Ok(Collected::Whole(whole)) if whole.is_empty() || (is_plain && !whole.contains(&b'{')) => {
                Response::from_parts(head, ResponseBody::ours(whole))
            }
            Ok(_) => self.bad_gateway(&why.into()),
            Err(why) => self.bad_gateway(&why.into()),
        }
    }

    fn bad_gateway<R>(&self, kept: &Kept) -> Response<ResponseBody<R>> {
        withheld::bad_gateway(self.error(kept)).map(ResponseBody::ours)
    }

    /// What is sent instead of what is kept back, once the operator has been told.
    fn error(&self, kept: &Kept) -> String {
        tell(kept);
        let id = kept.id.as_ref().or(self.id.as_ref()).map_or("null", String::as_str);
        withheld::error(id, "The server's answer cannot be shown")
    }
}

/// Tells the operator what was kept back.
fn tell(kept: &Kept) {
    tracing::error!(
        target: "toolgate",
        decision = "withhold",
        reason = kept.why.code(),
        method = kept.list.map(List::method),
        "an answer was kept back, since lists in it cannot be filtered with certainty",
    );
}

/// A body, without trailers: what they say about it need not be true of what is passed on.
enum Collected<R> {
    Whole(Bytes),
    TooLong { start: Bytes, rest: Pin<Box<R>> },
}

impl<R: Body<Data = Bytes>> Collected<R> {
    async fn of(body: R) -> Result<Self, Unclear> {
        let mut body = Box::pin(body);
        let mut whole = Bytes::new();
        let mut several = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let data = frame.map_err(|_| Unclear::Incomplete)?.into_data().unwrap_or_default();
            // Most answers come in one piece, which is not copied.
            if several.is_empty() && whole.is_empty() {
                whole = data;
            } else {
                several.extend_from_slice(&std::mem::take(&mut whole));
                several.extend_from_slice(&data);
            }
            if whole.len().max(several.len()) > MAX_LIST_BYTES {
                let start = if several.is_empty() { whole } else { several.freeze() };
                return Ok(Self::TooLong { start, rest: body });
            }
        }
        Ok(Self::Whole(if several.is_empty() { whole } else { several.freeze() }))
    }
}

impl fmt::Debug for ListFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListFilter").field("id", &self.id).finish_non_exhaustive()
    }
}
