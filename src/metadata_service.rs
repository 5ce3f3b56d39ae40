//! The service that serves the metadata document and nothing else.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

use crate::address::Address;
use crate::answer::not_found;
use crate::routing::{Directory, Picked};

/// A service that serves the metadata document and nothing else, for routers in which requests for the well-known paths
/// do not reach the layer.
///
/// Mount it at every path of [`Toolgate::metadata_paths`](crate::Toolgate::metadata_paths). It answers any other path
/// with 404.
#[derive(Debug, Clone)]
pub struct MetadataService(pub(crate) Arc<Directory<Address>>);

impl<B> tower::Service<Request<B>> for MetadataService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, _) = request.into_parts();
        let document = match self.0.pick(&parts) {
            Ok(Picked::Only(address) | Picked::OneOf(address)) => {
                address.pipeline.look().well_known.answer(&parts)
            }
            Ok(Picked::NotFound | Picked::Ungated) | Err(_) => None,
        };
        ready(Ok(document.unwrap_or_else(not_found).map(Full::new)))
    }
}
