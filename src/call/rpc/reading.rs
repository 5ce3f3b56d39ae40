//! How a value is read: objects by the keys that decide, everything else skipped.
//!
//! Another crate in the tree may turn on any feature of serde_json, and nothing may be read differently
//! for that. No `RawValue` or `Value` is read (`raw_value`, `preserve_order`). What is looked at is at most
//! five levels deep, and what is not is skipped by `IgnoredAny`, which does not recurse (`unbounded_depth`).
//! A number that is no 64-bit integer arrives as a float, or not at all where it is too large for one, or
//! with `arbitrary_precision` as a map with one private key: as the value of a deciding key, all are refused.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Id, MAX_SUBSCRIPTIONS, Message};
use crate::refusal::Reason;

/// The value of a deciding key.
#[derive(Debug, Default, PartialEq)]
pub(in crate::call) enum Given<T> {
    /// Absent or `null`.
    #[default]
    Null,
    Is(T),
    /// Something else than the key stands for in the methods that MCP defines.
    Other,
}

/// An object of which some keys decide.
pub(super) trait Object<'de>: Default {
    type Key: Copy + 'static;
    const KEYS: &'static [(&'static str, Self::Key)];

    fn read<A: MapAccess<'de>>(
        &mut self,
        key: Self::Key,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error>;
}

/// Takes the reason of a refusal past serde's errors, which are only text.
#[derive(Clone, Copy)]
pub(super) struct Reading<'s> {
    refused: &'s Cell<Option<Reason>>,
}

impl<'s> Reading<'s> {
    pub(super) fn new(refused: &'s Cell<Option<Reason>>) -> Self {
        Self { refused }
    }

    pub(super) fn refuse<E: Error>(self, reason: Reason) -> E {
        self.refused.set(Some(reason));
        E::custom(reason.code())
    }

    pub(super) fn value<T>(self) -> Value<'s, T> {
        Value(self, PhantomData)
    }

    pub(super) fn message<'de, D: Deserializer<'de>>(self, json: D) -> Result<Message<'de>, D::Error> {
        match self.value().deserialize(json)? {
            Given::Is(message) => Ok(message),
            Given::Null | Given::Other => Err(self.refuse(Reason::BodyUnparsable)),
        }
    }

    pub(super) fn skip<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<(), A::Error> {
        map.next_value::<IgnoredAny>().map(drop)
    }

    fn object<'de, T: Object<'de>, A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut object = T::default();
        let mut seen = 0_u32;
        while let Some(key) = map.next_key_seed(Key(self, T::KEYS))? {
            let Some((position, key)) = key else {
                self.skip(&mut map)?;
                continue;
            };
            if seen & (1 << position) != 0 {
                return Err(self.refuse(Reason::DuplicateKey));
            }
            seen |= 1 << position;
            object.read(key, &mut map, self)?;
        }
        Ok(object)
    }
}

/// Something that a deciding key may stand for. The defaults are for what it may not.
pub(super) trait Wanted<'de>: Sized {
    fn from_integer(_: i128) -> Given<Self> {
        Given::Other
    }

    fn from_text(_: Cow<'de, str>) -> Given<Self> {
        Given::Other
    }

    fn from_array<A: SeqAccess<'de>>(mut members: A, _: Reading<'_>) -> Result<Given<Self>, A::Error> {
        while members.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Given::Other)
    }

    fn from_object<A: MapAccess<'de>>(mut map: A, reading: Reading<'_>) -> Result<Given<Self>, A::Error> {
        while map.next_key_seed(Key::<()>(reading, &[]))?.is_some() {
            reading.skip(&mut map)?;
        }
        Ok(Given::Other)
    }
}

impl<'de, T: Object<'de>> Wanted<'de> for T {
    fn from_object<A: MapAccess<'de>>(map: A, reading: Reading<'_>) -> Result<Given<Self>, A::Error> {
        reading.object(map).map(Given::Is)
    }
}

impl<'de> Wanted<'de> for Cow<'de, str> {
    fn from_text(text: Cow<'de, str>) -> Given<Self> {
        Given::Is(text)
    }
}

impl<'de> Wanted<'de> for Id<'de> {
    fn from_integer(integer: i128) -> Given<Self> {
        Given::Is(Self::Integer(integer))
    }

    fn from_text(text: Cow<'de, str>) -> Given<Self> {
        Given::Is(Self::Text(text))
    }
}

impl<'de> Wanted<'de> for Vec<Cow<'de, str>> {
    fn from_array<A: SeqAccess<'de>>(mut members: A, reading: Reading<'_>) -> Result<Given<Self>, A::Error> {
        let mut texts = Some(Self::new());
        while let Some(member) = members.next_element_seed(reading.value())? {
            match (member, &mut texts) {
                (_, Some(texts)) if texts.len() == MAX_SUBSCRIPTIONS => {
                    return Err(reading.refuse(Reason::BodyUnparsable));
                }
                (Given::Is(text), Some(texts)) => texts.push(text),
                _ => texts = None,
            }
        }
        Ok(texts.map_or(Given::Other, Given::Is))
    }
}

pub(super) struct Value<'s, T>(Reading<'s>, PhantomData<T>);

impl<'de, T: Wanted<'de>> DeserializeSeed<'de> for Value<'_, T> {
    type Value = Given<T>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Given<T>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, T: Wanted<'de>> Visitor<'de> for Value<'_, T> {
    type Value = Given<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that can be judged")
    }

    fn visit_unit<E: Error>(self) -> Result<Given<T>, E> {
        Ok(Given::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Given<T>, E> {
        Ok(Given::Other)
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<Given<T>, E> {
        Ok(T::from_integer(integer.into()))
    }

    fn visit_u64<E: Error>(self, integer: u64) -> Result<Given<T>, E> {
        Ok(T::from_integer(integer.into()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Given<T>, E> {
        Err(self.0.refuse(Reason::BodyUnparsable))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Given<T>, E> {
        Ok(T::from_text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Given<T>, E> {
        Ok(T::from_text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, members: A) -> Result<Given<T>, A::Error> {
        T::from_array(members, self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Given<T>, A::Error> {
        T::from_object(map, self.0)
    }
}

/// Reads a key: which of the deciding ones it is, if any.
struct Key<'s, K: 'static>(Reading<'s>, &'static [(&'static str, K)]);

impl<'de, K: Copy> DeserializeSeed<'de> for Key<'_, K> {
    type Value = Option<(usize, K)>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<K: Copy> Visitor<'_> for Key<'_, K> {
    type Value = Option<(usize, K)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        for (position, (name, key)) in self.1.iter().enumerate() {
            if *name == text {
                return Ok(Some((position, *key)));
            }
        }
        if text.starts_with("$serde_json::private::") {
            return Err(self.0.refuse(Reason::BodyUnparsable));
        }
        if self.1.iter().any(|(name, _)| could_be_taken_for(text, name)) {
            return Err(self.0.refuse(Reason::DuplicateKey));
        }
        Ok(None)
    }
}

/// Whether a server might take the key for the one named, though it is another: Go compares without
/// regard to case (`ſ` is an `s`, the Kelvin sign a `k`), Java also without regard to the dots of İ and ı,
/// Python's SDK takes `task_id` for `taskId`, and what reads C strings ends them at a NUL.
fn could_be_taken_for(key: &str, name: &str) -> bool {
    key.contains('\0') || fold(key).eq(fold(name))
}

/// Upper case of lower case, which is where all spellings of a letter meet; `İ` is an `i` and a dot.
/// What joins words counts for nothing.
fn fold(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .filter(|character| !matches!(character, '\u{307}' | '_' | '-'))
}
