//! The keys of an object that decide, and other keys that a server might take for one of them.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

use super::reading::Reading;
use crate::refusal::Reason;

/// The keys that decide in one kind of object.
pub(super) trait Keys: Copy + 'static {
    const NAMES: &'static [&'static str];
    /// The initials of all names; see [`initials`].
    const INITIALS: u32 = initials(Self::NAMES);

    fn named(name: &str) -> Option<Self>;

    /// The bit by which a repeated key is noticed.
    fn bit(self) -> u32;

    fn name(self) -> &'static str;
}

/// Declares the keys of an object, with their names. To compare with names that are known here is much quicker than to
/// walk over a list.
macro_rules! keys {
    ($visibility:vis enum $keys:ident { $($key:ident = $name:literal),* $(,)? }) => {
        #[derive(Debug, Clone, Copy)]
        $visibility enum $keys { $($key),* }

        impl $crate::call::rpc::keys::Keys for $keys {
            const NAMES: &'static [&'static str] = &[$($name),*];

            fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$key),)*
                    _ => None,
                }
            }

            fn bit(self) -> u32 {
                1 << self as u32
            }

            fn name(self) -> &'static str {
                match self {
                    $(Self::$key => $name,)*
                }
            }
        }
    };
}
pub(super) use keys;

/// No key decides in this object.
impl Keys for Infallible {
    const NAMES: &'static [&'static str] = &[];

    fn named(_: &str) -> Option<Self> {
        None
    }

    fn bit(self) -> u32 {
        match self {}
    }

    fn name(self) -> &'static str {
        match self {}
    }
}

/// Reads a key, and tells which deciding one it is, if any.
pub(super) struct KeySeed<'s, K> {
    reading: Reading<'s>,
    of: PhantomData<K>,
}

impl<'s, K: Keys> KeySeed<'s, K> {
    pub(super) fn new(reading: Reading<'s>) -> Self {
        Self {
            reading,
            of: PhantomData,
        }
    }
}

impl<'de, K: Keys> DeserializeSeed<'de> for KeySeed<'_, K> {
    type Value = Option<K>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<K: Keys> Visitor<'_> for KeySeed<'_, K> {
    type Value = Option<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if let Some(key) = K::named(text) {
            return Ok(Some(key));
        }
        if text.starts_with("$serde_json::private::") {
            let got = "a key that only serde_json may use";
            return Err(self.reading.refuse(Reason::BodyUnparsable, got));
        }
        if let Some(name) = could_be_taken_for::<K>(text) {
            return Err(self.reading.refuse(Reason::DuplicateKey, name));
        }
        Ok(None)
    }
}

/// The deciding key for which a server might take this other key: because of its [`letters`], because Python's SDK
/// takes `task_id` for `taskId`, or because readers of C strings end it at a NUL.
fn could_be_taken_for<K: Keys>(key: &str) -> Option<&'static str> {
    let mut names = K::NAMES.iter().copied();
    // Nearly every key is ASCII, for which both foldings agree, and has another initial than all names.
    if key.is_ascii() && !key.contains('\0') {
        if initial(key.as_bytes()) & K::INITIALS == 0 {
            return None;
        }
        names.find(|name| fold_ascii(name).eq(fold_ascii(key)))
    } else {
        names.find(|name| key.contains('\0') || fold(name).eq(fold(key)))
    }
}

/// The first letters of names, each as one bit.
const fn initials(mut names: &[&str]) -> u32 {
    let mut initials = 0;
    while let [name, others @ ..] = names {
        initials |= initial(name.as_bytes());
        names = others;
    }
    initials
}

const fn initial(mut text: &[u8]) -> u32 {
    // A loop rather than recursion: the caller chooses how long a key is.
    while let [b'_' | b'-', rest @ ..] = text {
        text = rest;
    }
    match text {
        // These five bits are the same in both cases of a letter.
        [first, ..] => 1 << (*first & 0x1f),
        [] => 0,
    }
}

fn fold_ascii(text: &str) -> impl Iterator<Item = u8> {
    text.bytes()
        .filter(|byte| !matches!(byte, b'_' | b'-'))
        .map(|byte| byte.to_ascii_uppercase())
}

/// The [`letters`] of a key without the characters that join words.
fn fold(text: &str) -> impl Iterator<Item = char> {
    letters(text).filter(|character| !matches!(character, '_' | '-'))
}

/// The letters of a key, folded as readers of JSON fold them. Go ignores case (`ſ` is an `s`, the Kelvin sign a `k`),
/// and Java also the dots of İ and ı. All spellings of a letter meet in the upper case of its lower case, where `İ` is
/// an `i` and a dot.
pub(crate) fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .filter(|character| *character != '\u{307}')
}

/// Whether a server might take this key of a call's params for its arguments.
pub(crate) fn could_be_taken_for_arguments(key: &str) -> bool {
    key != "arguments" && could_be_taken_for::<ArgumentsKey>(key).is_some()
}

keys! {
    enum ArgumentsKey {
        Arguments = "arguments",
    }
}
