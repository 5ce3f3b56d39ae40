//! What is asked? From a request's head and body to the calls that policy judges.
//!
//! Everything here but reading the body is pure on `(&Parts, bytes)`. What cannot be read with
//! certainty is refused: a gate and a server that read one body differently are a way around the gate.

mod answering;
mod arguments;
mod bodies;
mod body;
mod head;
mod mirrored;
mod rpc;
mod target;

#[cfg(test)]
mod tests;

pub(crate) use answering::Answering;
pub(crate) use arguments::arguments;
pub(crate) use bodies::{Arriving, Bodies};
pub use body::RequestBody;
pub(crate) use body::{read_on, whole};
pub(crate) use head::{decline_upgrade, expects_call, remove_lookalikes};
pub(crate) use mirrored::mirroring;
pub(crate) use target::Target;
use target::{UriRoom, within_limit};

use std::borrow::Cow;
use std::slice;

use http::request::Parts;

use crate::refusal::{Reason, Refusal};
use mirrored::Mirrored;
use rpc::{Given, Id, Message, Messages};

/// What one POST asks: one message, or a batch of them (2025-03-26 alone).
#[derive(Debug)]
pub(crate) struct Calls<'a>(Messages<Call<'a>>);

impl<'a> Calls<'a> {
    pub(crate) fn read(parts: &Parts, body: &'a [u8]) -> Result<Self, Refusal> {
        head::plain_json(&parts.headers)?;
        let mirrored = Mirrored::read(&parts.headers)?;
        let room = UriRoom::default();
        let calls = Self(rpc::read(body, mirrored.may_batch(), |message| Call::of(message, &room))?);
        for call in calls.iter() {
            mirrored.agree_with(call).map_err(|refusal| refusal.answering(calls.request_id()))?;
        }
        Ok(calls)
    }

    pub(crate) fn iter(&self) -> slice::Iter<'_, Call<'a>> {
        match &self.0 {
            Messages::Single(call) => slice::from_ref(call).iter(),
            Messages::Batch(calls) => calls.iter(),
        }
    }

    /// The id of a single request as JSON text, for the errors that answer it.
    pub(crate) fn request_id(&self) -> Option<String> {
        match &self.0 {
            Messages::Single(call) if call.kind == MessageKind::Request => call.id.as_ref()?.quoted(),
            _ => None,
        }
    }
}

/// One JSON-RPC message, as far as policy and the mirrored headers need it.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) kind: MessageKind,
    /// Empty for a response.
    pub(crate) method: Cow<'a, str>,
    pub(crate) target: Target<'a>,
    id: Option<Id<'a>>,
    task_id: Option<Cow<'a, str>>,
    protocol_version: Option<Cow<'a, str>>,
}

/// The JSON-RPC kinds of message a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKind {
    Request,
    Notification,
    Response,
}

impl<'a> Call<'a> {
    /// A call that nobody made, to ask whether somebody may.
    pub(crate) fn naming(method: &'static str, target: Target<'a>) -> Self {
        let (id, task_id, protocol_version) = (None, None, None);
        Self { kind: MessageKind::Request, method: method.into(), target, id, task_id, protocol_version }
    }

    fn of(message: Message<'a>, room: &UriRoom) -> Result<Self, Refusal> {
        let Message { jsonrpc, id, method, params, answers } = message;
        if !matches!(jsonrpc, Given::Is(version) if version == "2.0") {
            return Err(Reason::BodyUnparsable.into());
        }
        let (kind, id) = match (&method, id) {
            (Some(_), None) => (MessageKind::Notification, None),
            // An id that is null is no id for some servers and one for others; MCP forbids it.
            (Some(_), Some(Given::Is(id))) => (MessageKind::Request, Some(id)),
            // JSON-RPC 2.0 §5: null in the answer to what could not be read.
            (None, Some(Given::Is(_) | Given::Null)) if answers => (MessageKind::Response, None),
            _ => return Err(Reason::BodyUnparsable.into()),
        };
        // A client may wait for an error with its id: an id of null answers nobody.
        let answered = |refusal: Refusal| refusal.answering(id.as_ref().and_then(Id::quoted));
        let method = within_limit(method.unwrap_or_default()).map_err(answered)?;
        let task_id = match &params.task_id {
            _ if !method.starts_with("tasks/") => None,
            Given::Null => None,
            Given::Is(task_id) => Some(task_id.clone()),
            Given::Other => return Err(Reason::BodyUnparsable.into()),
        };
        let protocol_version = params.meta.protocol_version.clone();
        let target = Target::of(&method, params, room).map_err(answered)?;
        Ok(Self { kind, method, target, id, task_id, protocol_version })
    }
}
