//! The body of a request, on its way to the inner service.

use std::pin::Pin;

use bytes::Bytes;
use http::header::EXPECT;
use http::request::Parts;
use http::{Method, Version};
use http_body::Body;

use crate::call::{self, Bodies, RequestBody};
use crate::refusal::{Reason, Refusal};

/// A body that was not read yet, is being read, or was read. In each state, a refusal can still discard the rest of it.
pub(crate) enum IncomingBody<B> {
    Unread(B),
    Begun(Pin<Box<B>>),
    Read(Bytes),
}

impl<B: Body<Data = Bytes> + Send + 'static> IncomingBody<B> {
    /// Reads the whole body, within the limits for a caller with a token or without one.
    pub(super) async fn read(
        &mut self,
        bodies: &Bodies,
        has_token: bool,
    ) -> Result<&[u8], Refusal> {
        if let Some(body) = self.begin() {
            let bytes = bodies.collect(body, has_token).await?;
            *self = Self::Read(bytes);
        }
        match self {
            Self::Read(bytes) => Ok(bytes),
            Self::Unread(_) | Self::Begun(_) => Ok(&[]),
        }
    }

    /// Requires that there is no body, as for a request with this method.
    pub(super) async fn expect_none(
        &mut self,
        bodies: &Bodies,
        method: &Method,
    ) -> Result<(), Refusal> {
        if let Some(body) = self.begin() {
            let is_none = Box::pin(bodies.expect_none(body)).await;
            is_none.map_err(|refusal| match refusal.reason() {
                Reason::UnexpectedBody => refusal.got(format!("{method} with a body")),
                _ => refusal,
            })?;
            *self = Self::Read(Bytes::new());
        }
        Ok(())
    }

    pub(super) fn hand_over(self) -> RequestBody<B> {
        match self {
            Self::Unread(body) => RequestBody::untouched(body),
            Self::Read(bytes) => RequestBody::judged(bytes),
            // This does not happen: a read that was begun ends with the whole body or with a refusal.
            Self::Begun(_) => RequestBody::judged(Bytes::new()),
        }
    }

    /// Makes sure that the client sees an answer that is sent before its body was read.
    ///
    /// If a body is left unfinished, hyper resets the stream on HTTP/2, and some clients then never see the answer. On
    /// HTTP/1 it closes the connection, and the next request on it is lost. So the rest is read and dropped beside the
    /// answer. A client that waits for `100 Continue` has sent no body yet.
    pub(crate) fn discard(self, parts: &Parts) {
        if parts.version < Version::HTTP_11 || parts.headers.contains_key(EXPECT) {
            return;
        }
        match self {
            Self::Unread(body) if !body.is_end_stream() => call::discard_body(body),
            Self::Begun(body) if !body.is_end_stream() => call::discard_body(body),
            Self::Unread(_) | Self::Begun(_) | Self::Read(_) => {}
        }
    }

    fn begin(&mut self) -> Option<Pin<&mut B>> {
        if matches!(self, Self::Unread(_))
            && let Self::Unread(body) = std::mem::replace(self, Self::Read(Bytes::new()))
        {
            *self = Self::Begun(Box::pin(body));
        }
        match self {
            Self::Begun(body) => Some(body.as_mut()),
            Self::Unread(_) | Self::Read(_) => None,
        }
    }
}
