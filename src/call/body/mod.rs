//! Bodies of requests. [`Bodies`] reads one whole (`collect`) within its limits, and within what all that are still
//! `arriving` may hold; `discard` sees to the rest of a refused one; [`RequestBody`] is what the inner service gets.
//!
//! Nothing else in the room is generic over the body.

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
