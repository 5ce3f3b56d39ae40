//! What is asked? From a request's head and body to the calls that policy judges.
//!
//! `body` reads the body within its limits. One walk over the headers makes a [`Head`]: `own_header` tells which are ours,
//! `content` whether the body is plain JSON. [`Calls`] are made of both: `rpc` reads the messages, `one_call` makes a
//! [`Call`] of each, `target` says what it names, and `mirrored` holds the headers against it. [`ExpectedResponse`] is what the way back has to know, and `arguments` are
//! for an operator's own decision.
//!
//! Everything here but reading the body is pure on `(&Head, bytes)`. What cannot be read with
//! certainty is refused: a gate and a server that read one body differently are a way around the gate.

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
