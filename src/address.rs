//! The URLs of gates, and the way that a request takes among them.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use crate::answer::not_found;
use crate::current::Current;
use crate::pipeline::{self, Pipeline};
use crate::refusal::Refusal;
use crate::resource::Resource;
use crate::routing::{Directory, Documents, Elsewhere, Entry, Overlap, Picked};

/// One URL of a gate, and the pipeline for the requests to it.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) resource: Resource,
    pub(crate) pipeline: Arc<Current<Pipeline>>,
}

/// The way that a request takes.
pub(crate) enum Route<'d> {
    /// To the inner service, through this pipeline.
    Gated(&'d Address),
    /// To the inner service at once, for a path that no gate has.
    Ungated,
    /// No further.
    Answered(Response<Bytes>),
}

impl Address {
    pub(crate) fn new(pipeline: Pipeline) -> Self {
        Self {
            resource: Resource::new(pipeline.resource.clone()),
            pipeline: Arc::new(Current::new(Arc::new(pipeline))),
        }
    }

    /// Makes a directory of these addresses, and finds those that cannot be told apart.
    pub(crate) fn directory(
        addresses: &[Self],
        elsewhere: Elsewhere,
    ) -> (Directory<Self>, Vec<Overlap>) {
        let pipelines: Vec<_> = addresses
            .iter()
            .map(|address| address.pipeline.get())
            .collect();
        let entries = addresses.iter().zip(&pipelines);
        let entries = entries.map(|(address, pipeline)| Entry {
            resource: &pipeline.resource,
            seen_at: pipeline.seen_path(),
            item: address.clone(),
        });
        Directory::new(entries.collect(), elsewhere)
    }
}

impl Documents for Address {
    fn is_named_for_root(&self) -> bool {
        self.pipeline.look().well_known.is_named_for_root()
    }

    fn answers(&self, parts: &Parts) -> bool {
        self.pipeline.look().well_known.answer(parts).is_some()
    }
}

impl Directory<Address> {
    /// Routes a request. Where there was a choice, the inner service is told of it.
    pub(crate) fn route(&self, parts: &mut Parts) -> Route<'_> {
        self.follow(self.pick(parts), parts)
    }

    /// The way of a request for which this was picked.
    pub(crate) fn follow<'d>(
        &'d self,
        picked: Result<Picked<'d, Address>, Refusal>,
        parts: &mut Parts,
    ) -> Route<'d> {
        match picked {
            Ok(Picked::Only(address)) => {
                // An outer layer may have named one, for which this gate has checked nothing.
                parts.extensions.remove::<Resource>();
                Route::Gated(address)
            }
            Ok(Picked::OneOf(address)) => {
                parts.extensions.insert(address.resource.clone());
                Route::Gated(address)
            }
            Ok(Picked::Ungated) => {
                for address in self.iter() {
                    let pipeline = address.pipeline.look();
                    pipeline.holders.remove_from(&mut parts.headers);
                }
                pipeline::strip(parts);
                Route::Ungated
            }
            Ok(Picked::NotFound) => Route::Answered(not_found()),
            // No gate was picked. All of them answer such a request alike, and none is named in the answer.
            Err(refusal) => Route::Answered(match self.iter().next() {
                Some(any) => any.pipeline.look().refuse_unrouted(refusal, parts),
                None => not_found(),
            }),
        }
    }
}
