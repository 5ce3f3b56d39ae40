//! What is asked? This room makes calls from the head and the body of a request.
//!
//! `body` reads the body within its limits. One walk over the headers makes a [`Head`]: `own_header` tells which
//! headers are ours, and `content` whether the body is plain JSON. [`Calls`] are made from both: `rpc` reads the
//! messages, `one_call` makes a [`Call`] of each, `target` finds what it names, and `mirrored` compares the headers
//! with it. [`ExpectedResponse`] is what the way back needs to know, and `arguments` are for an operator's own
//! decision.
//!
//! Everything here but reading the body is pure on `(&Head, bytes)`. A body that cannot be read with certainty is
//! refused: if a gate and a server read one body differently, there is a way around the gate.

mod arguments;
mod body;
mod calls;
mod content;
mod expected_response;
mod head;
mod mirrored;
mod one_call;
mod own_header;
mod rpc;
mod target;

#[cfg(test)]
mod tests;

pub(crate) use arguments::arguments;
pub use body::RequestBody;
pub(crate) use body::{Arriving, Bodies, BodyLimits, discard_body, whole};
pub(crate) use calls::Calls;
pub(crate) use expected_response::ExpectedResponse;
pub(crate) use head::{Head, HeadEdits, expects_call};
pub(crate) use mirrored::mirroring;
pub(crate) use one_call::{Call, MessageKind};
pub(crate) use target::Target;
