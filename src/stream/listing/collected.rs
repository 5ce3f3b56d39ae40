//! Collects a body that is held to be filtered, up to a limit.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;

use super::error::FilterError;
use super::filter::MAX_LIST_BYTES;

/// A body without its trailers, which may be untrue of the filtered body.
pub(super) enum Collected<R> {
    Whole(Bytes),
    TooLong { start: Bytes, rest: Pin<Box<R>> },
}

impl<R: Body<Data = Bytes>> Collected<R> {
    pub(super) async fn of(body: R) -> Result<Self, FilterError> {
        let mut body = Box::pin(body);
        let mut whole = Bytes::new();
        let mut several = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let data = frame
                .map_err(|_| FilterError::Incomplete)?
                .into_data()
                .unwrap_or_default();
            // Most responses come in one piece, which is not copied.
            if several.is_empty() && whole.is_empty() {
                whole = data;
            } else {
                several.extend_from_slice(&std::mem::take(&mut whole));
                several.extend_from_slice(&data);
            }
            if whole.len().max(several.len()) > MAX_LIST_BYTES {
                let start = if several.is_empty() {
                    whole
                } else {
                    several.freeze()
                };
                return Ok(Self::TooLong { start, rest: body });
            }
        }
        Ok(Self::Whole(if several.is_empty() {
            whole
        } else {
            several.freeze()
        }))
    }
}
