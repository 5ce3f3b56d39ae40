//! Makes a call from one message.

use std::borrow::Cow;

use super::rpc::{Field, Id, Message};
use super::target::{Target, UriRoom, within_limit};
use crate::mcp::{Method, Subject};
use crate::refusal::{Reason, Refusal};

/// One JSON-RPC message, with what policy and the mirrored headers need of it.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) kind: MessageKind,
    /// The method; empty for a response.
    pub(crate) method: Cow<'a, str>,
    pub(crate) definition: &'static Method,
    pub(crate) target: Target<'a>,
    pub(super) id: Option<Id<'a>>,
    pub(super) task_id: Option<Cow<'a, str>>,
    pub(super) protocol_version: Option<Cow<'a, str>>,
}

/// The JSON-RPC kinds of message a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKind {
    Request,
    Notification,
    Response,
}

impl<'a> Call<'a> {
    /// A hypothetical call, to find out whether it would be allowed.
    pub(crate) fn naming(method: &'static str, target: Target<'a>) -> Self {
        let (id, task_id, protocol_version) = (None, None, None);
        let definition = Method::named(method);
        Self {
            kind: MessageKind::Request,
            method: method.into(),
            definition,
            target,
            id,
            task_id,
            protocol_version,
        }
    }

    pub(super) fn of(message: Message<'a>, room: &UriRoom) -> Result<Self, Refusal> {
        let Message {
            jsonrpc,
            id,
            method,
            params,
            answers,
        } = message;
        if !matches!(jsonrpc, Field::Value(version) if version == "2.0") {
            return Err(unparsable("jsonrpc: not 2.0"));
        }
        let (kind, id) = match (&method, id) {
            (Some(_), None) => (MessageKind::Notification, None),
            // Some servers take an id of null for an id, and some do not; MCP forbids it.
            (Some(_), Some(Field::Value(id))) => (MessageKind::Request, Some(id)),
            // JSON-RPC 2.0 §5: the error for a message that could not be read has an id of null.
            (None, Some(Field::Value(_) | Field::Absent)) if answers => {
                (MessageKind::Response, None)
            }
            (Some(_), Some(_)) => return Err(unparsable("id: neither a string nor an integer")),
            (None, _) => return Err(unparsable("neither a request nor a response")),
        };
        // A client may wait for an error with its id: an error with an id of null answers no request.
        let answered = |refusal: Refusal| refusal.answering(id.as_ref().and_then(Id::quoted));
        let method = within_limit(method.unwrap_or_default()).map_err(answered)?;
        let definition = Method::named(&method);
        let task_id = match &params.task_id {
            _ if definition.subject != Subject::Task => None,
            Field::Absent => None,
            Field::Value(task_id) => Some(task_id.clone()),
            Field::WrongType => return Err(unparsable("taskId: not a string")),
        };
        let protocol_version = params.meta.protocol_version.clone();
        let target = Target::of(definition, params, room).map_err(answered)?;
        Ok(Self {
            kind,
            method,
            definition,
            target,
            id,
            task_id,
            protocol_version,
        })
    }
}

fn unparsable(got: &str) -> Refusal {
    Refusal::from(Reason::BodyUnparsable).got(got)
}
