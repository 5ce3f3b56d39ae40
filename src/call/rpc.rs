//! JSON-RPC, read far enough to judge it, and refused wherever two readers could differ.
//!
//! The visitors are written by hand because derived ones accept arrays for objects. The bytes are
//! checked to be UTF-8 first because serde_json does not check the strings it skips.

mod reading;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::Cell;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::refusal::{Reason, Refusal};
pub(super) use reading::Given;
use reading::{Object, Reading};

/// The longest batch that is judged.
pub(super) const MAX_BATCH: usize = 64;

/// The most resources that one `subscriptions/listen` may name.
pub(super) const MAX_SUBSCRIPTIONS: usize = 256;

/// The longest JSON text of an id that an error repeats; to a longer one it answers `null`.
const MAX_QUOTED_ID: usize = 256;

/// What a body holds.
#[expect(clippy::large_enum_variant, reason = "boxing would cost every call an allocation")]
#[derive(Debug)]
pub(super) enum Messages<'a> {
    Single(Message<'a>),
    Batch(Vec<Message<'a>>),
}

pub(super) fn read(body: &[u8], may_batch: bool) -> Result<Messages<'_>, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Reason::BodyNotJson)?;
    let is_batch = text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('[');
    if is_batch && !may_batch {
        return Err(Reason::BatchNotAllowed.into());
    }
    let refused = Cell::new(None);
    let reading = Reading::new(&refused);
    let mut json = serde_json::Deserializer::from_str(text);
    let messages = if is_batch {
        json.deserialize_seq(Batch(reading)).map(Messages::Batch)
    } else {
        reading.message(&mut json).map(Messages::Single)
    };
    messages.and_then(|messages| json.end().map(|()| messages)).map_err(|error| match refused.get() {
        Some(reason) => reason.into(),
        None if error.is_data() => Reason::BodyUnparsable.into(),
        None => Reason::BodyNotJson.into(),
    })
}

struct Batch<'s>(Reading<'s>);

impl<'de> Visitor<'de> for Batch<'_> {
    type Value = Vec<Message<'de>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a batch")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut messages = Vec::new();
        while let Some(message) = members.next_element_seed(self.0.value())? {
            match message {
                _ if messages.len() == MAX_BATCH => return Err(self.0.refuse(Reason::BatchTooLong)),
                Given::Is(message) => messages.push(message),
                Given::Null | Given::Other => return Err(self.0.refuse(Reason::BodyUnparsable)),
            }
        }
        // JSON-RPC 2.0 §6: an empty array is an invalid request.
        if messages.is_empty() {
            return Err(self.0.refuse(Reason::BodyUnparsable));
        }
        Ok(messages)
    }
}

/// One JSON-RPC message, as it was written.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    pub(super) jsonrpc: Given<Cow<'a, str>>,
    /// `None` when there is no `id` at all: a notification.
    pub(super) id: Option<Given<Id<'a>>>,
    pub(super) method: Option<Cow<'a, str>>,
    pub(super) params: Params<'a>,
    /// Whether there is a `result` or an `error`.
    pub(super) answers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum MessageKey {
    Jsonrpc,
    Id,
    Method,
    Params,
    Answer,
}

impl<'de> Object<'de> for Message<'de> {
    type Key = MessageKey;
    const KEYS: &'static [(&'static str, MessageKey)] = &[
        ("jsonrpc", MessageKey::Jsonrpc),
        ("id", MessageKey::Id),
        ("method", MessageKey::Method),
        ("params", MessageKey::Params),
        ("result", MessageKey::Answer),
        ("error", MessageKey::Answer),
    ];

    fn read<A: MapAccess<'de>>(
        &mut self,
        key: MessageKey,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error> {
        match key {
            MessageKey::Jsonrpc => self.jsonrpc = map.next_value_seed(reading.value())?,
            MessageKey::Id => self.id = Some(map.next_value_seed(reading.value())?),
            MessageKey::Method => match map.next_value_seed(reading.value())? {
                Given::Is(method) => self.method = Some(method),
                Given::Null | Given::Other => return Err(reading.refuse(Reason::BodyUnparsable)),
            },
            MessageKey::Params => match map.next_value_seed(reading.value())? {
                Given::Is(params) => self.params = params,
                Given::Null => {}
                Given::Other => return Err(reading.refuse(Reason::BodyUnparsable)),
            },
            MessageKey::Answer => {
                reading.skip(map)?;
                self.answers = true;
            }
        }
        Ok(())
    }
}

/// A JSON-RPC id: MCP allows strings and integers.
#[derive(Debug, PartialEq)]
pub(super) enum Id<'a> {
    Integer(i128),
    Text(Cow<'a, str>),
}

impl Id<'_> {
    /// The id as JSON text, unless it is too long to repeat.
    pub(super) fn quoted(&self) -> Option<String> {
        let quoted = match self {
            Self::Integer(integer) => integer.to_string(),
            Self::Text(text) if text.len() > MAX_QUOTED_ID => return None,
            Self::Text(text) => serde_json::to_string(text).ok()?,
        };
        Some(quoted).filter(|quoted| quoted.len() <= MAX_QUOTED_ID)
    }
}

/// The params that name what is asked for, in any method: `method` may come after them.
#[derive(Debug, Default)]
pub(super) struct Params<'a> {
    pub(super) name: Given<Cow<'a, str>>,
    pub(super) uri: Given<Cow<'a, str>>,
    pub(super) task_id: Given<Cow<'a, str>>,
    pub(super) reference: Given<Reference<'a>>,
    pub(super) notifications: Given<Notifications<'a>>,
    pub(super) meta: Meta<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum ParamsKey {
    Name,
    Uri,
    TaskId,
    Reference,
    Notifications,
    Meta,
}

impl<'de> Object<'de> for Params<'de> {
    type Key = ParamsKey;
    const KEYS: &'static [(&'static str, ParamsKey)] = &[
        ("name", ParamsKey::Name),
        ("uri", ParamsKey::Uri),
        ("taskId", ParamsKey::TaskId),
        ("ref", ParamsKey::Reference),
        ("notifications", ParamsKey::Notifications),
        ("_meta", ParamsKey::Meta),
    ];

    fn read<A: MapAccess<'de>>(
        &mut self,
        key: ParamsKey,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error> {
        match key {
            ParamsKey::Name => self.name = map.next_value_seed(reading.value())?,
            ParamsKey::Uri => self.uri = map.next_value_seed(reading.value())?,
            ParamsKey::TaskId => self.task_id = map.next_value_seed(reading.value())?,
            ParamsKey::Reference => self.reference = map.next_value_seed(reading.value())?,
            ParamsKey::Notifications => self.notifications = map.next_value_seed(reading.value())?,
            ParamsKey::Meta => match map.next_value_seed(reading.value())? {
                Given::Is(meta) => self.meta = meta,
                Given::Null => {}
                Given::Other => return Err(reading.refuse(Reason::BodyUnparsable)),
            },
        }
        Ok(())
    }
}

/// What `completion/complete` wants completed.
#[derive(Debug, Default)]
pub(super) struct Reference<'a> {
    pub(super) kind: Given<Cow<'a, str>>,
    pub(super) name: Given<Cow<'a, str>>,
    pub(super) uri: Given<Cow<'a, str>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum ReferenceKey {
    Kind,
    Name,
    Uri,
}

impl<'de> Object<'de> for Reference<'de> {
    type Key = ReferenceKey;
    const KEYS: &'static [(&'static str, ReferenceKey)] =
        &[("type", ReferenceKey::Kind), ("name", ReferenceKey::Name), ("uri", ReferenceKey::Uri)];

    fn read<A: MapAccess<'de>>(
        &mut self,
        key: ReferenceKey,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error> {
        match key {
            ReferenceKey::Kind => self.kind = map.next_value_seed(reading.value())?,
            ReferenceKey::Name => self.name = map.next_value_seed(reading.value())?,
            ReferenceKey::Uri => self.uri = map.next_value_seed(reading.value())?,
        }
        Ok(())
    }
}

/// What `subscriptions/listen` listens to.
#[derive(Debug, Default)]
pub(super) struct Notifications<'a> {
    pub(super) resource_subscriptions: Given<Vec<Cow<'a, str>>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ResourceSubscriptionsKey;

impl<'de> Object<'de> for Notifications<'de> {
    type Key = ResourceSubscriptionsKey;
    const KEYS: &'static [(&'static str, ResourceSubscriptionsKey)] =
        &[("resourceSubscriptions", ResourceSubscriptionsKey)];

    fn read<A: MapAccess<'de>>(
        &mut self,
        _: ResourceSubscriptionsKey,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error> {
        self.resource_subscriptions = map.next_value_seed(reading.value())?;
        Ok(())
    }
}

/// The part of `_meta` that a header mirrors.
#[derive(Debug, Default)]
pub(super) struct Meta<'a> {
    pub(super) protocol_version: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ProtocolVersionKey;

impl<'de> Object<'de> for Meta<'de> {
    type Key = ProtocolVersionKey;
    const KEYS: &'static [(&'static str, ProtocolVersionKey)] =
        &[("io.modelcontextprotocol/protocolVersion", ProtocolVersionKey)];

    fn read<A: MapAccess<'de>>(
        &mut self,
        _: ProtocolVersionKey,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error> {
        match map.next_value_seed(reading.value())? {
            Given::Is(version) => self.protocol_version = Some(version),
            Given::Null => {}
            Given::Other => return Err(reading.refuse(Reason::BodyUnparsable)),
        }
        Ok(())
    }
}
