//! Bodies of requests. [`Bodies`] reads them whole (`collect`), within the limits of each and of all that are still
//! `arriving`. `discard` drops the rest of a refused one, and [`RequestBody`] is what the inner service gets.
//!
//! Nothing else in this room is generic over the body.

mod arriving;
mod bodies;
mod collect;
mod discard;
mod request_body;
#[cfg(test)]
mod tests;

pub(crate) use arriving::Arriving;
pub(crate) use bodies::{Bodies, BodyLimits};
pub(crate) use discard::discard_body;
pub use request_body::RequestBody;
pub(crate) use request_body::whole;
