//! Answers requests for paths at which nothing is served.

use bytes::Bytes;
use http::{Response, StatusCode};

pub(crate) fn not_found() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
