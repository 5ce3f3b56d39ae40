//! Reads a type from a file, and records the values of the file at the same time.
//!
//! The type is read by the format itself, so its errors have the position in the file. `{ env = "NAME" }` may be in
//! place of any string: the type then gets a placeholder, and the record gets the name of the variable.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    DeserializeSeed, Deserializer, Error, Expected, IgnoredAny, IntoDeserializer, MapAccess,
    SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::document::{ENV, Node, is_as_written, stand_in};
use super::replay::{Replay, WordVisitor};

/// Reads a value from a format, and records it.
pub(super) struct Recorder<'a, D> {
    inner: D,
    record: &'a mut Node,
    is_as_written: bool,
}

impl<'a, D> Recorder<'a, D> {
    pub(super) fn new(inner: D, record: &'a mut Node) -> Self {
        Self {
            inner,
            record,
            is_as_written: false,
        }
    }
}

/// The kind of value that a type expects: it decides whether `{ env = "NAME" }` may be there instead.
#[derive(Clone, Copy)]
enum Sought {
    /// A string. If only some words are allowed, this is one of them.
    Text(Option<&'static str>),
    /// The type reads what it finds. It may be a string or a table.
    Anything,
    NoText,
}

/// Passes on methods of `Deserializer` that read no text.
macro_rules! pass_on {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(Watch::new(visitor, self.record, Sought::NoText))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Recorder<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let sought = match self.is_as_written {
            true => Sought::NoText,
            false => Sought::Anything,
        };
        self.inner
            .deserialize_any(Watch::new(visitor, self.record, sought))
    }

    // A format that is asked for a string would refuse the table.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner
            .deserialize_any(Watch::new(visitor, self.record, Sought::Text(None)))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner
            .deserialize_option(Watch::new(visitor, self.record, Sought::NoText))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(Watch::new(
            WordVisitor(visitor, variants),
            self.record,
            Sought::Text(variants.first().copied()),
        ))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.is_as_written |= is_as_written(name);
        visitor.visit_newtype_struct(self)
    }

    // It is read as a map, and not by the names of its fields: a format that gets these names, such as serde's
    // `flatten`, would leave out all other fields, and an unknown field would cause no error.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_map(visitor)
    }

    pass_on! { deserialize_bool deserialize_u64 deserialize_seq deserialize_map }

    // No field has another type.
    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

/// Passes on the values that the format has found, and records them.
struct Watch<'a, V> {
    visitor: V,
    record: &'a mut Node,
    sought: Sought,
}

impl<'a, V> Watch<'a, V> {
    fn new(visitor: V, record: &'a mut Node, sought: Sought) -> Self {
        Self {
            visitor,
            record,
            sought,
        }
    }
}

/// Records and passes on numbers and truth values.
macro_rules! scalars {
    ($($method:ident: $type:ty => $node:ident;)*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            *self.record = Node::$node(value);
            self.visitor.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watch<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    scalars! {
        visit_bool: bool => Bool;
        visit_i64: i64 => Signed;
        visit_u64: u64 => Unsigned;
        visit_f64: f64 => Float;
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        *self.record = Node::Text(text.to_owned());
        self.visitor.visit_str(text)
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Recorder::new(inner, self.record))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let mut items = Vec::new();
        let read = self.visitor.visit_seq(RecordedList {
            inner,
            items: &mut items,
        });
        *self.record = Node::List(items);
        read
    }

    fn visit_map<A: MapAccess<'de>>(self, mut inner: A) -> Result<V::Value, A::Error> {
        let first = match self.sought {
            Sought::NoText => None,
            Sought::Text(_) | Sought::Anything => match beginning(&mut inner)? {
                Beginning::Variable(name) => {
                    let text = match self.sought {
                        Sought::Text(Some(word)) => word.to_owned(),
                        _ => stand_in(&name),
                    };
                    *self.record = Node::Variable(name);
                    return self.visitor.visit_str(&text);
                }
                _ if matches!(self.sought, Sought::Text(_)) => {
                    let expected = &self.visitor as &dyn Expected;
                    let forms = format_args!("expected {expected}, or {{ env = \"NAME\" }}");
                    return Err(A::Error::custom(forms));
                }
                Beginning::Table(table) => {
                    let read = Replay::new(&table).deserialize_any(self.visitor);
                    *self.record = table;
                    return read.map_err(A::Error::custom);
                }
                Beginning::Key(key) => Some(key),
            },
        };
        let mut members = Vec::new();
        let read = self.visitor.visit_map(RecordedTable {
            inner,
            first,
            key: String::new(),
            members: &mut members,
        });
        *self.record = Node::Table(members);
        read
    }
}

/// The beginning of a table in a place where a text is allowed.
enum Beginning {
    /// The whole table names a variable.
    Variable(String),
    /// The table begins with `env`, but does not name a variable. This is the whole table.
    Table(Node),
    /// The first key of the table, which has been read; `None` if the table is empty.
    Key(Option<String>),
}

fn beginning<'de, A: MapAccess<'de>>(table: &mut A) -> Result<Beginning, A::Error> {
    let mut key = table.next_key::<String>()?;
    if key.as_deref() != Some(ENV) {
        return Ok(Beginning::Key(key));
    }
    let mut members = Vec::new();
    while let Some(name) = key {
        let mut node = Node::Null;
        table.next_value_seed(RecordedSeed {
            seed: PhantomData::<IgnoredAny>,
            record: &mut node,
        })?;
        members.push((name, node));
        key = table.next_key()?;
    }
    Ok(match members.as_slice() {
        [(_, Node::Text(name))] => Beginning::Variable(name.clone()),
        _ => Beginning::Table(Node::Table(members)),
    })
}

struct RecordedSeed<'a, S> {
    seed: S,
    record: &'a mut Node,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for RecordedSeed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(Recorder::new(inner, self.record))
    }
}

struct RecordedList<'a, A> {
    inner: A,
    items: &'a mut Vec<Node>,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for RecordedList<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let mut record = Node::Null;
        let item = self.inner.next_element_seed(RecordedSeed {
            seed,
            record: &mut record,
        })?;
        if item.is_some() {
            self.items.push(record);
        }
        Ok(item)
    }
}

struct RecordedTable<'a, A> {
    inner: A,
    /// The first key, if it has been read already; there may be none.
    first: Option<Option<String>>,
    key: String,
    members: &'a mut Vec<(String, Node)>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for RecordedTable<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        match self.first.take() {
            None => self.inner.next_key_seed(RecordedKey {
                seed,
                key: &mut self.key,
            }),
            Some(None) => Ok(None),
            Some(Some(key)) => {
                let name = seed.deserialize(key.as_str().into_deserializer());
                self.key = key;
                name.map(Some)
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let mut record = Node::Null;
        let value = self.inner.next_value_seed(RecordedSeed {
            seed,
            record: &mut record,
        });
        self.members.push((std::mem::take(&mut self.key), record));
        value
    }
}

/// Reads a key within the format, so that an error about it has its position.
struct RecordedKey<'a, S> {
    seed: S,
    key: &'a mut String,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for RecordedKey<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        *self.key = serde::Deserialize::deserialize(inner)?;
        self.seed.deserialize(self.key.as_str().into_deserializer())
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use crate::config::{Config, Settings};

    /// The mistake that the format finds, and where.
    fn mistake<T: DeserializeOwned>(text: &str) -> (String, Option<std::ops::Range<usize>>) {
        let why = toml::from_str::<T>(text).map(drop).expect_err(text);
        (why.message().to_owned(), why.span())
    }

    #[test]
    fn an_error_of_the_format_is_what_and_where_it_would_be_without_the_record() {
        for text in [
            "resource = 7",
            "resource = 'x'\nresourse = 'x'",
            "resource = 'x'\n[limit]\nbody_seconds = 1",
            "resource = 'x'\n[limits]\nbody_seconds = 1\n body_secs = 1",
            "limits.body_seconds = -1",
            "limits.body_seconds = true",
            "limits = 7",
            "[[limits]]",
            "issuers = 7",
            "issuers = [7]",
            "[[issuers]]\nissuer = 'x'\n[[issuers]]\naudiences = ['x', 7]",
            "[[issuers]]\nissuer = ['x']",
            "[[issuers]]\nclaims.tenant = { a = 1 }",
            "[[issuers]]\nclaims.tenant = 1979-05-27",
            "[[issuers]]\nadvertise = 7",
            "[[issuers]]\nunbound = {}",
            "[[issuers]]\nintrospection.client_secret = 7",
            "[[issuers]]\nintrospection.endpoint = 7",
            "[[issuers]]\nintrospection.end = 7",
            "scopes.unlisted = 'x'",
            "scopes.every_request = 'x'",
            "scopes.tools.t = 7",
            "scopes.tools.t.any = 7",
            "scopes.tools.t = { alll = ['x'] }",
            "scopes.tools.t = { deny = false }",
            "scopes.implies.a = [7]",
            "metadata.resource_name = 7",
            "metadata.root_copy = 'x'",
            "origins.allowed = 'x'",
            "origins.allowed = [7]",
            "sessions.keys = 7",
            "sessions.key = 7",
            "sessions.binding = 'x'",
            "resource = ",
        ] {
            assert_eq!(mistake::<Config>(text), mistake::<Settings>(text), "{text}");
        }
    }
}
