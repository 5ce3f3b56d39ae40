//! Lists, cut down to what may be shown. Whether something may is for a predicate to say.
//!
//! `message` cuts one JSON text, `json` finds what to cut, and `events` does it in a stream of server-sent events.
//! Nothing is parsed and written anew: what may be shown keeps its bytes. What cannot be filtered with certainty
//! is not passed on.

mod events;
mod head;
mod json;
mod message;
#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response};
use http_body::Body;
use http_body_util::BodyExt;

use super::body::ResponseBody;
use super::withheld;
use crate::list::{Asked, List};
pub(super) use events::FilteredEvents;
use head::Form;
use message::{Kept, Unclear};

/// The longest JSON answer, and the longest event, with a list in it.
const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

/// Filters the answer to one request.
pub(crate) struct ListFilter {
    asked: Asked,
    shown: Box<Shown>,
}

/// Says whether a list may show what is called so.
type Shown = dyn Fn(List, &str) -> bool + Send + Sync;

impl ListFilter {
    pub(crate) fn new(asked: Asked, shown: impl Fn(List, &str) -> bool + Send + Sync + 'static) -> Self {
        Self { asked, shown: Box::new(shown) }
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
            Ok(Form::Json) => match self.whole(body).await {
                Ok(bytes) => {
                    head::now_private(&mut head.headers);
                    if head.headers.contains_key(CONTENT_LENGTH) {
                        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                    }
                    Response::from_parts(head, ResponseBody::ours(bytes))
                }
                Err(kept) => self.bad_gateway(&kept),
            },
            // A stream taken up again has one form; whatever else a GET brings is no answer to a list.
            Err(Unclear::ContentType) if self.asked.is_empty() => {
                Response::from_parts(head, ResponseBody::theirs(body))
            }
            Err(why) => match collect(body, 0).await {
                Ok(nothing) => Response::from_parts(head, ResponseBody::ours(nothing)),
                Err(_) => self.bad_gateway(&why.into()),
            },
        }
    }

    async fn whole<R: Body<Data = Bytes>>(&self, body: R) -> Result<Bytes, Kept> {
        let bytes = collect(body, MAX_LIST_BYTES).await?;
        if bytes.is_empty() {
            return Ok(bytes);
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| Unclear::NotUtf8)?;
        let filtered = self.filtered(text)?.map(Bytes::from);
        Ok(filtered.unwrap_or(bytes))
    }

    fn bad_gateway<R>(&self, kept: &Kept) -> Response<ResponseBody<R>> {
        withheld::bad_gateway(self.error(kept)).map(ResponseBody::ours)
    }

    /// What is sent instead of what is kept back, once the operator has been told.
    fn error(&self, kept: &Kept) -> String {
        let lists = self.asked.iter().filter_map(|(_, list)| Some((*list)?.method()));
        let lists: Vec<&str> = lists.collect();
        tracing::error!(
            target: "toolgate",
            decision = "withhold",
            reason = kept.why.code(),
            method = lists.join(" "),
            "a list was kept back, since it cannot be filtered with certainty",
        );
        let only = match self.asked.as_slice() {
            [(id, _)] => Some(id),
            _ => None,
        };
        let id = kept.id.as_ref().or(only).map_or("null", String::as_str);
        withheld::error(id, "The server's list cannot be shown")
    }
}

/// The whole body, without trailers: what they say about it need not be true of what is passed on.
async fn collect<R: Body<Data = Bytes>>(body: R, max_bytes: usize) -> Result<Bytes, Unclear> {
    let mut body = pin!(body);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|_| Unclear::Incomplete)?.into_data().unwrap_or_default();
        if data.len() > max_bytes - whole.len() {
            return Err(Unclear::TooLong);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

impl fmt::Debug for ListFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListFilter").field("asked", &self.asked).finish_non_exhaustive()
    }
}
