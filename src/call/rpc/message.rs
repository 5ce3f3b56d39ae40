//! The shapes of MCP's messages, down to what names the thing asked for.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::keys::keys;
use super::reading::{Given, Object, Reading, Text, Texts, Wanted};
use crate::refusal::Reason;

/// The most resources that one `subscriptions/listen` may name.
pub(in crate::call) const MAX_SUBSCRIPTIONS: usize = 256;

/// The longest JSON text of an id that an error repeats; to a longer one it answers `null`.
const MAX_QUOTED_ID: usize = 256;

/// One JSON-RPC message, as it was written.
#[derive(Debug, Default)]
pub(in crate::call) struct Message<'a> {
    pub(in crate::call) jsonrpc: Given<Cow<'a, str>>,
    /// `None` when there is no `id` at all: a notification.
    pub(in crate::call) id: Option<Given<Id<'a>>>,
    pub(in crate::call) method: Option<Cow<'a, str>>,
    pub(in crate::call) params: Params<'a>,
    /// Whether there is a `result` or an `error`.
    pub(in crate::call) answers: bool,
}

keys! {
    pub(in crate::call) enum MessageKey {
        Jsonrpc = "jsonrpc",
        Id = "id",
        Method = "method",
        Params = "params",
        Result = "result",
        Error = "error",
    }
}

impl<'de> Object<'de> for Message<'de> {
    type Key = MessageKey;

    fn read<A: MapAccess<'de>>(
        &mut self,
        key: MessageKey,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error> {
        match key {
            MessageKey::Jsonrpc => self.jsonrpc = map.next_value_seed(reading.value(Text))?,
            MessageKey::Id => self.id = Some(map.next_value_seed(reading.value(WantedId))?),
            MessageKey::Method => match map.next_value_seed(reading.value(Text))? {
                Given::Is(method) => self.method = Some(method),
                Given::Null | Given::Other => return Err(reading.refuse(Reason::BodyUnparsable)),
            },
            MessageKey::Params => match map.next_value_seed(reading.value(&mut self.params))? {
                Given::Is(()) | Given::Null => {}
                Given::Other => return Err(reading.refuse(Reason::BodyUnparsable)),
            },
            MessageKey::Result | MessageKey::Error => {
                reading.skip(map)?;
                self.answers = true;
            }
        }
        Ok(())
    }
}

/// A JSON-RPC id: MCP allows strings and integers.
#[derive(Debug, PartialEq)]
pub(in crate::call) enum Id<'a> {
    Integer(i128),
    Text(Cow<'a, str>),
}

struct WantedId;

impl<'de> Wanted<'de> for WantedId {
    type Read = Id<'de>;

    fn integer(self, id: i128) -> Given<Id<'de>> {
        Given::Is(Id::Integer(id))
    }

    fn text(self, id: Cow<'de, str>) -> Given<Id<'de>> {
        Given::Is(Id::Text(id))
    }
}

impl Id<'_> {
    /// The id as JSON text, unless it is too long to repeat.
    pub(in crate::call) fn quoted(&self) -> Option<String> {
        match self {
            Self::Text(text) if text.len() > MAX_QUOTED_ID => None,
            _ => Some(self.to_json()).filter(|quoted| quoted.len() <= MAX_QUOTED_ID),
        }
    }

    pub(in crate::call) fn to_json(&self) -> String {
        match self {
            Self::Integer(integer) => integer.to_string(),
            Self::Text(text) => serde_json::Value::from(text.as_ref()).to_string(),
        }
    }
}

/// The params that name what is asked for, in any method: `method` may come after them.
#[derive(Debug, Default)]
pub(in crate::call) struct Params<'a> {
    pub(in crate::call) name: Given<Cow<'a, str>>,
    pub(in crate::call) uri: Given<Cow<'a, str>>,
    pub(in crate::call) task_id: Given<Cow<'a, str>>,
    pub(in crate::call) reference: Given<Box<Reference<'a>>>,
    pub(in crate::call) notifications: Given<Notifications<'a>>,
    pub(in crate::call) meta: Meta<'a>,
}

keys! {
    pub(in crate::call) enum ParamsKey {
        Name = "name",
        Uri = "uri",
        TaskId = "taskId",
        Reference = "ref",
        Notifications = "notifications",
        Meta = "_meta",
    }
}

impl<'de> Object<'de> for Params<'de> {
    type Key = ParamsKey;

    fn read<A: MapAccess<'de>>(
        &mut self,
        key: ParamsKey,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error> {
        match key {
            ParamsKey::Name => self.name = map.next_value_seed(reading.value(Text))?,
            ParamsKey::Uri => self.uri = map.next_value_seed(reading.value(Text))?,
            ParamsKey::TaskId => self.task_id = map.next_value_seed(reading.value(Text))?,
            ParamsKey::Reference => {
                let mut reference = Box::<Reference<'_>>::default();
                let given = map.next_value_seed(reading.value(&mut *reference))?;
                self.reference = given.map(|()| reference);
            }
            ParamsKey::Notifications => {
                let mut notifications = Notifications::default();
                let given = map.next_value_seed(reading.value(&mut notifications))?;
                self.notifications = given.map(|()| notifications);
            }
            ParamsKey::Meta => match map.next_value_seed(reading.value(&mut self.meta))? {
                Given::Is(()) | Given::Null => {}
                Given::Other => return Err(reading.refuse(Reason::BodyUnparsable)),
            },
        }
        Ok(())
    }
}

/// What `completion/complete` wants completed.
#[derive(Debug, Default)]
pub(in crate::call) struct Reference<'a> {
    pub(in crate::call) kind: Given<Cow<'a, str>>,
    pub(in crate::call) name: Given<Cow<'a, str>>,
    pub(in crate::call) uri: Given<Cow<'a, str>>,
}

keys! {
    pub(in crate::call) enum ReferenceKey {
        Kind = "type",
        Name = "name",
        Uri = "uri",
    }
}

impl<'de> Object<'de> for Reference<'de> {
    type Key = ReferenceKey;

    fn read<A: MapAccess<'de>>(
        &mut self,
        key: ReferenceKey,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error> {
        match key {
            ReferenceKey::Kind => self.kind = map.next_value_seed(reading.value(Text))?,
            ReferenceKey::Name => self.name = map.next_value_seed(reading.value(Text))?,
            ReferenceKey::Uri => self.uri = map.next_value_seed(reading.value(Text))?,
        }
        Ok(())
    }
}

/// What `subscriptions/listen` listens to.
#[derive(Debug, Default)]
pub(in crate::call) struct Notifications<'a> {
    pub(in crate::call) resource_subscriptions: Given<Vec<Cow<'a, str>>>,
}

keys! {
    pub(in crate::call) enum NotificationsKey {
        ResourceSubscriptions = "resourceSubscriptions",
    }
}

impl<'de> Object<'de> for Notifications<'de> {
    type Key = NotificationsKey;

    fn read<A: MapAccess<'de>>(
        &mut self,
        NotificationsKey::ResourceSubscriptions: NotificationsKey,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error> {
        self.resource_subscriptions = map.next_value_seed(reading.value(Texts(MAX_SUBSCRIPTIONS)))?;
        Ok(())
    }
}

/// The part of `_meta` that a header mirrors.
#[derive(Debug, Default)]
pub(in crate::call) struct Meta<'a> {
    pub(in crate::call) protocol_version: Option<Cow<'a, str>>,
}

keys! {
    pub(in crate::call) enum MetaKey {
        ProtocolVersion = "io.modelcontextprotocol/protocolVersion",
    }
}

impl<'de> Object<'de> for Meta<'de> {
    type Key = MetaKey;

    fn read<A: MapAccess<'de>>(
        &mut self,
        MetaKey::ProtocolVersion: MetaKey,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error> {
        match map.next_value_seed(reading.value(Text))? {
            Given::Is(version) => self.protocol_version = Some(version),
            Given::Null => {}
            Given::Other => return Err(reading.refuse(Reason::BodyUnparsable)),
        }
        Ok(())
    }
}
