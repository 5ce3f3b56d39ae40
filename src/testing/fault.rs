use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use serde_json::Value;
use tokio::time::{Sleep, sleep};

use super::endpoint::reply;

/// A fault of an endpoint, on every request until it is cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// This status and no body.
    Status(u16),
    /// 200 and a web page, like that of a server that answers every path with its front end.
    Html,
    /// The request is read and never answered.
    Hang,
    /// The connection is reset (TCP RST), and no response is sent.
    Reset,
    /// Half of the normal response's body, then the connection is closed.
    Truncate,
    /// The normal response, with its body in single bytes and this time before each.
    Slow(Duration),
    /// The normal response after this time.
    Delay(Duration),
    /// 302 to this address.
    Redirect(String),
    /// 200 and this body, as `application/json`.
    Body(Bytes),
    /// 200 and this body, as `application/token-introspection+jwt`: a signed introspection response that should not be
    /// accepted. [`AuthorizationServer::introspection_response`](super::AuthorizationServer::introspection_response)
    /// makes one.
    SignedResponse(Bytes),
    /// The normal response, padded with spaces up to this many bytes, without a `Content-Length`: it is valid if a
    /// client reads all of it.
    Huge(usize),
    /// The normal response with another `issuer`, if it has that member.
    WrongIssuer,
}

impl Fault {
    /// Panics on a fault that no response can have.
    pub(super) fn assert_possible(&self) {
        match self {
            Self::Status(code) => {
                assert!(
                    (200..=599).contains(code),
                    "{code} is not a final status code"
                )
            }
            Self::Redirect(location) => {
                assert!(
                    HeaderValue::from_str(location).is_ok(),
                    "{location:?} cannot stand in a header"
                );
            }
            _ => {}
        }
    }
}

/// Answers with this fault; `truth` is the normal response.
pub(super) async fn answer(
    fault: Option<Fault>,
    truth: impl Future<Output = Response<Bytes>>,
) -> Result<Response<AnswerBody>, Severed> {
    let response = match fault {
        None => truth.await,
        Some(Fault::Status(code)) => {
            reply::empty(StatusCode::from_u16(code).expect("asserted to be a status code"))
        }
        Some(Fault::Html) => reply::html(
            StatusCode::OK,
            "<!doctype html><title>Welcome</title>".to_owned(),
        ),
        Some(Fault::Hang) => pending().await,
        Some(Fault::Reset) => return Err(Severed::ByReset),
        Some(Fault::Truncate) => return Ok(truncated(truth.await)),
        Some(Fault::Slow(pause)) => {
            return Ok(truth.await.map(|body| AnswerBody::Slow {
                rest: body,
                pause,
                waiting: None,
            }));
        }
        Some(Fault::Delay(time)) => {
            sleep(time).await;
            truth.await
        }
        Some(Fault::Redirect(location)) => reply::redirect(StatusCode::FOUND, &location),
        Some(Fault::Body(body)) => {
            let mut response = Response::new(body);
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Some(Fault::SignedResponse(jwt)) => reply::signed_introspection(jwt),
        Some(Fault::Huge(length)) => return Ok(padded(truth.await, length)),
        Some(Fault::WrongIssuer) => truth.await.map(under_another_issuer),
    };
    Ok(response.map(|body| AnswerBody::Whole(Some(body))))
}

fn truncated(truth: Response<Bytes>) -> Response<AnswerBody> {
    let length = truth.body().len();
    let mut response = truth.map(|body| AnswerBody::Truncated {
        half: Some(body.slice(..body.len() / 2)),
        flushed: false,
    });
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

fn padded(truth: Response<Bytes>, length: usize) -> Response<AnswerBody> {
    truth.map(|body| AnswerBody::Padded {
        spaces: length.saturating_sub(body.len()),
        start: Some(body),
    })
}

fn under_another_issuer(body: Bytes) -> Bytes {
    match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Object(mut members)) if members.contains_key("issuer") => {
            members.insert("issuer".to_owned(), "https://another-issuer.example".into());
            Value::from(members).to_string().into()
        }
        _ => body,
    }
}

/// The body of a response, with or without a fault.
#[derive(Debug)]
pub(super) enum AnswerBody {
    Whole(Option<Bytes>),
    Slow {
        rest: Bytes,
        pause: Duration,
        waiting: Option<Pin<Box<Sleep>>>,
    },
    Truncated {
        half: Option<Bytes>,
        flushed: bool,
    },
    Padded {
        start: Option<Bytes>,
        spaces: usize,
    },
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Severed;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Severed>>> {
        let chunk = match self.get_mut() {
            Self::Whole(body) => body.take(),
            Self::Slow { rest, .. } if rest.is_empty() => None,
            Self::Slow {
                rest,
                pause,
                waiting,
            } => {
                ready!(
                    waiting
                        .get_or_insert_with(|| Box::pin(sleep(*pause)))
                        .as_mut()
                        .poll(context)
                );
                *waiting = None;
                Some(rest.split_to(1))
            }
            Self::Truncated {
                half: Some(half), ..
            } if half.is_empty() => {
                return Poll::Ready(Some(Err(Severed::HalfWay)));
            }
            Self::Truncated { half, flushed } => match half.take() {
                Some(half) => Some(half),
                None if *flushed => return Poll::Ready(Some(Err(Severed::HalfWay))),
                // hyper flushes its buffer only while it waits for more, and not after an error.
                None => {
                    *flushed = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            },
            Self::Padded { start, spaces } => match start.take() {
                Some(start) => Some(start),
                None if *spaces == 0 => None,
                None => {
                    let chunk = Bytes::from_static(&SPACES[..SPACES.len().min(*spaces)]);
                    *spaces -= chunk.len();
                    Some(chunk)
                }
            },
        };
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Self::Slow { rest, .. } => SizeHint::with_exact(rest.len() as u64),
            Self::Truncated { .. } | Self::Padded { .. } => SizeHint::default(),
        }
    }
}

const SPACES: [u8; 16 * 1024] = [b' '; 16 * 1024];

/// The error that ends the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Severed {
    /// By a reset, which also discards bytes that were sent but not yet read.
    ByReset,
    HalfWay,
}

impl fmt::Display for Severed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault severed the connection")
    }
}

impl std::error::Error for Severed {}
