//! Reads fields that may hold a secret: no error shows a value.
//!
//! The errors of serde show what they found (`invalid type: string "…"`), in every format. So a field or a table that
//! an operator may put a secret in by mistake is read by these functions instead.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::secret::Secret;

/// A field whose errors show only what is expected.
pub(super) trait Hushed {
    const EXPECTED: &str;
}

/// Reads a field; an error says what is expected.
pub(super) fn hushed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Hushed,
{
    T::deserialize(deserializer)
        .map_err(|_| D::Error::custom(format_args!("expected {}", T::EXPECTED)))
}

/// Reads a table whose fields are hushed. Its errors show the name of an unknown field, which may be a typo.
pub(super) fn hushed_table<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct TableVisitor<'a, T> {
        is_table: &'a mut bool,
        table: PhantomData<T>,
    }

    impl<'de, T: Deserialize<'de>> Visitor<'de> for TableVisitor<'_, T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            *self.is_table = true;
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    let mut is_table = false;
    let visitor = TableVisitor {
        is_table: &mut is_table,
        table: PhantomData,
    };
    let read = deserializer.deserialize_map(visitor);
    read.map_err(|why| {
        if is_table {
            why
        } else {
            D::Error::custom("expected a table")
        }
    })
}

/// Reads a list of tables, which are hushed themselves.
pub(super) fn hushed_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct ListVisitor<'a, T> {
        is_list: &'a mut bool,
        list: PhantomData<T>,
    }

    impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<'_, T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of tables")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
            *self.is_list = true;
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }

    let mut is_list = false;
    let visitor = ListVisitor {
        is_list: &mut is_list,
        list: PhantomData,
    };
    let read = deserializer.deserialize_seq(visitor);
    read.map_err(|why| {
        if is_list {
            why
        } else {
            D::Error::custom("expected a list of tables")
        }
    })
}

impl<T: Hushed> Hushed for Option<T> {
    const EXPECTED: &str = T::EXPECTED;
}

impl Hushed for String {
    const EXPECTED: &str = "a string";
}

impl Hushed for bool {
    const EXPECTED: &str = "true or false";
}

impl Hushed for u64 {
    const EXPECTED: &str = "a whole number";
}

impl Hushed for Vec<Secret> {
    const EXPECTED: &str =
        r#"a list of secrets, each a string, { env = "NAME" } or { file = "path" }"#;
}
