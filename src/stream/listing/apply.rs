//! Applies the filter, or the observer of tools, to a whole response, by its format: held, or as a stream.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Body;

use super::collected::Collected;
use super::error::{FilterError, Withheld};
use super::filter::ListFilter;
use super::filtered_events::FilteredEvents;
use super::first_tools::ToolsObserver;
use super::head::{self, AnswerFormat};
use super::long::LongAnswer;
use super::message::Lists;
use super::observed_body::ObservedBody;
use super::scan::Scan;
use crate::stream::bad_gateway;
use crate::stream::body::ResponseBody;

impl ToolsObserver {
    /// Passes a response on, and looks for a list of tools in it if it is JSON or a stream of events.
    pub(crate) fn observe<R>(self: Box<Self>, answer: Response<R>) -> Response<ResponseBody<R>> {
        let is_stream = match head::form(answer.headers()) {
            Ok(AnswerFormat::Json) if answer.status().is_success() => false,
            Ok(AnswerFormat::Events) if answer.status().is_success() => true,
            Ok(_) | Err(_) => return answer.map(ResponseBody::theirs),
        };
        answer.map(|body| ResponseBody::observed(ObservedBody::new(body, self, is_stream)))
    }
}

impl ListFilter {
    /// Filters the lists in a response. An error status is passed on, since there is no list in it.
    pub(crate) async fn apply<R: Body<Data = Bytes>>(
        self,
        answer: Response<R>,
    ) -> Response<ResponseBody<R>> {
        if !answer.status().is_success() {
            return answer.map(ResponseBody::theirs);
        }
        let (mut head, body) = answer.into_parts();
        match head::form(&head.headers) {
            Ok(AnswerFormat::Other) | Err(_) if !self.withholds() => {
                Response::from_parts(head, ResponseBody::theirs(body))
            }
            Ok(AnswerFormat::Events) => {
                head::now_private(&mut head.headers);
                head.headers.remove(CONTENT_LENGTH);
                Response::from_parts(
                    head,
                    ResponseBody::filtered(FilteredEvents::new(body, self)),
                )
            }
            Ok(AnswerFormat::Json) => match self.json(&mut head.headers, body).await {
                Ok(body) => Response::from_parts(head, body),
                Err(withheld) => self.bad_gateway(&withheld),
            },
            // Pages and files beside an MCP server are passed on. MCP sends messages only in the two other formats.
            Ok(AnswerFormat::Other) if !self.answers_calls() => {
                Response::from_parts(head, ResponseBody::theirs(body))
            }
            Ok(AnswerFormat::Other) => {
                self.without_objects(head, body, FilterError::ContentType)
                    .await
            }
            Err(why) => self.without_objects(head, body, why).await,
        }
    }

    async fn json<R: Body<Data = Bytes>>(
        &self,
        head: &mut HeaderMap,
        body: R,
    ) -> Result<ResponseBody<R>, Withheld> {
        let whole = match Collected::of(body).await? {
            Collected::Whole(whole) => whole,
            Collected::TooLong { start, rest } => {
                let scan = if self.withholds() {
                    let mut scan = Scan::default();
                    scan.read(&start)?;
                    Some(scan)
                } else {
                    None
                };
                head.remove(CONTENT_LENGTH);
                return Ok(ResponseBody::long(LongAnswer::new(start, rest, scan)));
            }
        };
        if whole.is_empty() {
            return Ok(ResponseBody::ours(whole));
        }
        let text = match std::str::from_utf8(&whole) {
            Err(_) if !self.withholds() => return Ok(ResponseBody::ours(whole)),
            text => text.map_err(|_| FilterError::NotUtf8)?,
        };
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

    /// A response that is neither readable JSON nor events. It is passed on if it contains no object, and so no list:
    /// older transports send `Accepted` without a type.
    async fn without_objects<R: Body<Data = Bytes>>(
        &self,
        head: http::response::Parts,
        body: R,
        why: FilterError,
    ) -> Response<ResponseBody<R>> {
        let is_plain = head::is_plain(&head.headers);
        match Collected::of(body).await {
            Ok(Collected::Whole(whole))
                if whole.is_empty() || (is_plain && !whole.contains(&b'{')) =>
            {
                Response::from_parts(head, ResponseBody::ours(whole))
            }
            Ok(_) => self.bad_gateway(&why.into()),
            Err(why) => self.bad_gateway(&why.into()),
        }
    }

    fn bad_gateway<R>(&self, withheld: &Withheld) -> Response<ResponseBody<R>> {
        bad_gateway::response(self.error(withheld)).map(ResponseBody::ours)
    }
}
