//! Makes calls from the head and the body of a request.

use std::slice;

use super::content::require_plain_json;
use super::head::Head;
use super::mirrored::Mirrored;
use super::one_call::{Call, MessageKind};
use super::rpc::{self, Messages};
use super::target::{Target, UriRoom};
use crate::mcp;
use crate::refusal::Refusal;

/// The calls of one POST: one message, or a batch of them (2025-03-26 only).
#[derive(Debug)]
pub(crate) struct Calls<'a>(Messages<Call<'a>>);

impl<'a> Calls<'a> {
    pub(crate) fn read(head: &Head<'_>, body: &'a [u8]) -> Result<Self, Refusal> {
        head.refuse_upgrade()?;
        require_plain_json(head)?;
        let mirrored = Mirrored::of(head)?;
        let room = UriRoom::default();
        let calls = rpc::read(body, mirrored.may_batch(), |message| {
            Call::of(message, &room)
        });
        let calls = Self(calls.map_err(|refusal| mirrored.name_revision(refusal))?);
        for call in calls.iter() {
            mirrored
                .agree_with(call)
                .map_err(|refusal| refusal.answering(calls.request_id()))?;
        }
        Ok(calls)
    }

    pub(crate) fn iter(&self) -> slice::Iter<'_, Call<'a>> {
        self.0.as_slice().iter()
    }

    /// Every method with the names that it is about, for explanations.
    pub(crate) fn named(&self) -> String {
        let named = self.iter().flat_map(|call| {
            let names: Vec<&str> = match &call.target {
                Target::None => Vec::new(),
                Target::Tool(name) | Target::Prompt(name) => vec![name],
                Target::Resources(names) => names.iter().map(|name| &*name.written).collect(),
            };
            std::iter::once(&*call.method).chain(names)
        });
        named.collect::<Vec<_>>().join(" ")
    }

    /// The id of a single call of a tool, as JSON text, for a result that answers it.
    pub(crate) fn tool_call_id(&self) -> Option<String> {
        match &self.0 {
            Messages::Single(call) if call.method == mcp::CALL_TOOL => self.request_id(),
            _ => None,
        }
    }

    /// The id of a single request, as JSON text, for errors that answer it.
    pub(crate) fn request_id(&self) -> Option<String> {
        match &self.0 {
            Messages::Single(call) if call.kind == MessageKind::Request => {
                call.id.as_ref()?.quoted()
            }
            _ => None,
        }
    }
}
