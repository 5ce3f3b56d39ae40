//! Reads values: objects by the keys that decide, and skips everything else.
//!
//! Another crate in the tree may turn on any feature of serde_json, and that must not change how anything is read. So
//! no `RawValue` or `Value` is read (`raw_value`, `preserve_order`). Values that are read are at most five levels deep,
//! and all others are skipped by `IgnoredAny`, which does not recurse (`unbounded_depth`). A number that is not a
//! 64-bit integer arrives as a float, or not at all if it is too large for one, or with `arbitrary_precision` as a map
//! with one private key. As the value of a deciding key, each of these is refused.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::keys::{KeySeed, Keys};
use super::reading::Reading;
use crate::refusal::Reason;

/// The value of a deciding key.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Field<T> {
    /// The key is absent, or its value is `null`.
    #[default]
    Absent,
    Value(T),
    /// The value is of another type than MCP defines for the key.
    WrongType,
}

impl<T> Field<T> {
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Absent => Field::Absent,
            Self::Value(wanted) => Field::Value(change(wanted)),
            Self::WrongType => Field::WrongType,
        }
    }
}

/// An object of which some keys decide.
pub(super) trait Members<'de> {
    type Key: Keys;

    fn read<A: MapAccess<'de>>(
        &mut self,
        key: Self::Key,
        map: &mut A,
        reading: Reading<'_>,
    ) -> Result<(), A::Error>;
}

impl<'s> Reading<'s> {
    pub(super) fn value<W>(self, wanted: W) -> ValueReader<'s, W> {
        ValueReader {
            wanted,
            reading: self,
        }
    }

    pub(super) fn skip<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<(), A::Error> {
        map.next_value::<IgnoredAny>().map(drop)
    }

    fn fill<'de, T: Members<'de>, A: MapAccess<'de>>(
        self,
        object: &mut T,
        mut map: A,
    ) -> Result<(), A::Error> {
        let mut seen = 0_u32;
        while let Some(key) = map.next_key_seed(KeySeed::<T::Key>::new(self))? {
            let Some(key) = key else {
                self.skip(&mut map)?;
                continue;
            };
            if seen & key.bit() != 0 {
                return Err(self.refuse(Reason::DuplicateKey, key.name()));
            }
            seen |= key.bit();
            object.read(key, &mut map, self)?;
        }
        Ok(())
    }
}

/// A value that a deciding key may have. The defaults refuse the other types.
pub(super) trait Wanted<'de>: Sized {
    type Read;

    fn integer(self, _: i128) -> Field<Self::Read> {
        Field::WrongType
    }

    fn text(self, _: Cow<'de, str>) -> Field<Self::Read> {
        Field::WrongType
    }

    fn array<A: SeqAccess<'de>>(
        self,
        mut members: A,
        _: Reading<'_>,
    ) -> Result<Field<Self::Read>, A::Error> {
        while members.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::WrongType)
    }

    fn object<A: MapAccess<'de>>(
        self,
        mut map: A,
        reading: Reading<'_>,
    ) -> Result<Field<Self::Read>, A::Error> {
        while map
            .next_key_seed(KeySeed::<Infallible>::new(reading))?
            .is_some()
        {
            reading.skip(&mut map)?;
        }
        Ok(Field::WrongType)
    }
}

/// An object is read in place, since to move it costs more than to read it.
impl<'de, T: Members<'de>> Wanted<'de> for &mut T {
    type Read = ();

    fn object<A: MapAccess<'de>>(
        self,
        map: A,
        reading: Reading<'_>,
    ) -> Result<Field<()>, A::Error> {
        reading.fill(self, map).map(Field::Value)
    }
}

pub(super) struct Text;

impl<'de> Wanted<'de> for Text {
    type Read = Cow<'de, str>;

    fn text(self, text: Cow<'de, str>) -> Field<Cow<'de, str>> {
        Field::Value(text)
    }
}

/// An array of strings, with the most that it may have.
pub(super) struct Texts(pub(super) usize);

impl<'de> Wanted<'de> for Texts {
    type Read = Vec<Cow<'de, str>>;

    fn array<A: SeqAccess<'de>>(
        self,
        mut members: A,
        reading: Reading<'_>,
    ) -> Result<Field<Self::Read>, A::Error> {
        let mut texts = Some(Vec::new());
        while let Some(member) = members.next_element_seed(reading.value(Text))? {
            match (member, &mut texts) {
                (_, Some(texts)) if texts.len() == self.0 => {
                    return Err(
                        reading.refuse(Reason::BodyUnparsable, "too many strings in a list")
                    );
                }
                (Field::Value(text), Some(texts)) => texts.push(text),
                _ => texts = None,
            }
        }
        Ok(texts.map_or(Field::WrongType, Field::Value))
    }
}

/// Reads the value of a deciding key.
pub(super) struct ValueReader<'s, W> {
    wanted: W,
    reading: Reading<'s>,
}

impl<'de, W: Wanted<'de>> DeserializeSeed<'de> for ValueReader<'_, W> {
    type Value = Field<W::Read>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, W: Wanted<'de>> Visitor<'de> for ValueReader<'_, W> {
    type Value = Field<W::Read>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that can be judged")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Field::Absent)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Field::WrongType)
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(self.wanted.integer(integer.into()))
    }

    fn visit_u64<E: Error>(self, integer: u64) -> Result<Self::Value, E> {
        Ok(self.wanted.integer(integer.into()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(self.reading.refuse(
            Reason::BodyUnparsable,
            "a number that is not a 64-bit integer",
        ))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(self.wanted.text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.wanted.text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        self.wanted.array(members, self.reading)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.wanted.object(map, self.reading)
    }
}
