//! Reads a type from recorded values. No error shows a value.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::document::{Node, stand_in};

/// Reads a recorded value.
#[derive(Clone, Copy)]
pub(super) struct Replay<'a>(&'a Node);

/// The reason why a value is not of the type of its field.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Mismatch(String);

impl<'a> Replay<'a> {
    pub(super) fn new(node: &'a Node) -> Self {
        Self(node)
    }
}

impl<'de> Deserializer<'de> for Replay<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Signed(number) => visitor.visit_i64(*number),
            Node::Unsigned(number) => visitor.visit_u64(*number),
            Node::Float(number) => visitor.visit_f64(*number),
            Node::Text(text) | Node::Given(text) => visitor.visit_str(text),
            Node::Variable(name) => visitor.visit_str(&stand_in(name)),
            Node::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(Replay))),
            Node::Table(members) => {
                let members = members
                    .iter()
                    .map(|(name, node)| (name.as_str(), Replay(node)));
                visitor.visit_map(MapDeserializer::new(members))
            }
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Node::Given(text) => match text.parse() {
                Ok(value) => visitor.visit_bool(value),
                Err(_) => Err(Mismatch::expected("`true` or `false`")),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Node::Given(text) => match text.parse() {
                Ok(number) => visitor.visit_u64(number),
                Err(_) => Err(Mismatch::expected("a whole number")),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let visitor = WordVisitor(visitor, variants);
        match (self.0, variants) {
            // Until the variable is read, the first of the words is used.
            (Node::Variable(_), [word, ..]) => visitor.visit_str(word),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Node::Given(_) => Err(Mismatch::expected("a table")),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, Mismatch> for Replay<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Mismatch {
    pub(super) fn no_such_field() -> Self {
        Self("there is no such field".to_owned())
    }

    fn expected(what: impl fmt::Display) -> Self {
        Self(format!("expected {what}"))
    }
}

/// Leaves out the value that was found, since it may be a secret.
impl Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected(expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected(expected)
    }

    fn unknown_variant(_: &str, words: &'static [&'static str]) -> Self {
        Self::expected(one_of(words))
    }

    fn unknown_field(_: &str, fields: &'static [&'static str]) -> Self {
        Self(format!(
            "there is no such field here, only {}",
            one_of(fields)
        ))
    }
}

/// Reads a word as the variant of an enumeration.
pub(super) struct WordVisitor<V>(pub(super) V, pub(super) &'static [&'static str]);

impl<'de, V: Visitor<'de>> Visitor<'de> for WordVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_of(self.1))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<V::Value, E> {
        self.0.visit_enum(word.into_deserializer())
    }
}

/// Names the words that are allowed: `a`, `b` or `c`.
fn one_of(words: &[&str]) -> String {
    let mut text = String::new();
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            text += if at + 1 == words.len() { " or " } else { ", " };
        }
        text += &format!("`{word}`");
    }
    text
}
