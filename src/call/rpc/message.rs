//! The shapes of MCP's messages, as far as they name a target.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::keys::keys;
use super::reading::Reading;
use super::value::{Field, Members, Text, Texts, Wanted};
use crate::refusal::Reason;

/// The most resources that one `subscriptions/listen` may name.
pub(crate) const MAX_SUBSCRIPTIONS: usize = 256;

/// The longest id, as JSON text, that an error repeats. The error for a longer one has an id of null.
const MAX_QUOTED_ID: usize = 256;

/// A JSON-RPC message as it was written.
#[derive(Debug, Default)]
pub(crate) struct Message<'a> {
    pub(crate) jsonrpc: Field<Cow<'a, str>>,
    /// The id; `None` for a notification, which has no `id`.
    pub(crate) id: Option<Field<Id<'a>>>,
    pub(crate) method: Option<Cow<'a, str>>,
    pub(crate) params: Params<'a>,
    /// Whether the message has a `result` or an `error`.
    pub(crate) answers: bool,
}

keys! {
    pub(crate) enum MessageKey {
        Jsonrpc = "jsonrpc",
        Id = "id",
        Method = "method",
        Params = "params",
        Result = "result",
        Error = "error",
    }
}

impl<'de> Members<'de> for Message<'de> {
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
                Field::Value(method) => self.method = Some(method),
                Field::Absent | Field::WrongType => {
                    return Err(reading.refuse(Reason::BodyUnparsable, "method: not a string"));
                }
            },
            MessageKey::Params => match map.next_value_seed(reading.value(&mut self.params))? {
                Field::Value(()) | Field::Absent => {}
                Field::WrongType => {
                    return Err(reading.refuse(Reason::BodyUnparsable, "params: not an object"));
                }
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
pub(crate) enum Id<'a> {
    Integer(i128),
    Text(Cow<'a, str>),
}

struct WantedId;

impl<'de> Wanted<'de> for WantedId {
    type Read = Id<'de>;

    fn integer(self, id: i128) -> Field<Id<'de>> {
        Field::Value(Id::Integer(id))
    }

    fn text(self, id: Cow<'de, str>) -> Field<Id<'de>> {
        Field::Value(Id::Text(id))
    }
}

impl Id<'_> {
    /// The id as JSON text; `None` if it is too long to repeat.
    pub(crate) fn quoted(&self) -> Option<String> {
        match self {
            Self::Text(text) if text.len() > MAX_QUOTED_ID => None,
            _ => Some(self.to_json()).filter(|quoted| quoted.len() <= MAX_QUOTED_ID),
        }
    }

    pub(crate) fn to_json(&self) -> String {
        match self {
            Self::Integer(integer) => integer.to_string(),
            Self::Text(text) => serde_json::Value::from(text.as_ref()).to_string(),
        }
    }
}

/// The params that name a target, for all methods: `method` may come after them.
#[derive(Debug, Default)]
pub(crate) struct Params<'a> {
    pub(crate) name: Field<Cow<'a, str>>,
    pub(crate) uri: Field<Cow<'a, str>>,
    pub(crate) task_id: Field<Cow<'a, str>>,
    pub(crate) reference: Field<Box<Reference<'a>>>,
    pub(crate) notifications: Field<Notifications<'a>>,
    pub(crate) meta: Meta<'a>,
}

keys! {
    pub(crate) enum ParamsKey {
        Name = "name",
        Uri = "uri",
        TaskId = "taskId",
        Reference = "ref",
        Notifications = "notifications",
        Meta = "_meta",
    }
}

impl<'de> Members<'de> for Params<'de> {
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
                Field::Value(()) | Field::Absent => {}
                Field::WrongType => {
                    return Err(reading.refuse(Reason::BodyUnparsable, "_meta: not an object"));
                }
            },
        }
        Ok(())
    }
}

/// The prompt or resource whose arguments `completion/complete` completes.
#[derive(Debug, Default)]
pub(crate) struct Reference<'a> {
    pub(crate) kind: Field<Cow<'a, str>>,
    pub(crate) name: Field<Cow<'a, str>>,
    pub(crate) uri: Field<Cow<'a, str>>,
}

keys! {
    pub(crate) enum ReferenceKey {
        Kind = "type",
        Name = "name",
        Uri = "uri",
    }
}

impl<'de> Members<'de> for Reference<'de> {
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

/// The notifications that `subscriptions/listen` subscribes to.
#[derive(Debug, Default)]
pub(crate) struct Notifications<'a> {
    pub(crate) resource_subscriptions: Field<Vec<Cow<'a, str>>>,
}

keys! {
    pub(crate) enum NotificationsKey {
        ResourceSubscriptions = "resourceSubscriptions",
    }
}

impl<'de> Members<'de> for Notifications<'de> {
    type Key = NotificationsKey;

    fn read<A: MapAccess<'de>>(
        &mut self,
        NotificationsKey::ResourceSubscriptions: NotificationsKey,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error> {
        self.resource_subscriptions =
            map.next_value_seed(reading.value(Texts(MAX_SUBSCRIPTIONS)))?;
        Ok(())
    }
}

/// The member of `_meta` that a header mirrors.
#[derive(Debug, Default)]
pub(crate) struct Meta<'a> {
    pub(crate) protocol_version: Option<Cow<'a, str>>,
}

keys! {
    pub(crate) enum MetaKey {
        ProtocolVersion = "io.modelcontextprotocol/protocolVersion",
    }
}

impl<'de> Members<'de> for Meta<'de> {
    type Key = MetaKey;

    fn read<A: MapAccess<'de>>(
        &mut self,
        MetaKey::ProtocolVersion: MetaKey,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error> {
        match map.next_value_seed(reading.value(Text))? {
            Field::Value(version) => self.protocol_version = Some(version),
            Field::Absent => {}
            Field::WrongType => {
                return Err(reading.refuse(Reason::BodyUnparsable, "protocolVersion: not a string"));
            }
        }
        Ok(())
    }
}
