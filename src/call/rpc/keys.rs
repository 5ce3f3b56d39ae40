//! Which keys of an object decide, and which others a server might take for one of them.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

use super::reading::Reading;
use crate::refusal::Reason;

/// The keys of an object that decide.
pub(super) trait Keys: Copy + 'static {
    const NAMES: &'static [&'static str];
    /// Of all names together; see [`initials`].
    const INITIALS: u32 = initials(Self::NAMES);

    fn named(name: &str) -> Option<Self>;

    /// A bit of its own, to tell what was there before.
    fn bit(self) -> u32;

    fn name(self) -> &'static str;
}

/// Declares the keys of an object, and what they are called. Comparing with names that are known here is much quicker
/// than going through a list of them.
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

/// Of an object in which no key decides.
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

/// Reads a key: which of the deciding ones it is, if any.
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

/// The one of these that a server might take the key for, though it is another: for its [`letters`], because Python's
/// SDK takes `task_id` for `taskId`, or because what reads C strings ends them at a NUL.
fn could_be_taken_for<K: Keys>(key: &str) -> Option<&'static str> {
    let mut names = K::NAMES.iter().copied();
    // Nearly every key is ASCII, for which both foldings say the same, and begins like none of the names.
    if key.is_ascii() && !key.contains('\0') {
        if initial(key.as_bytes()) & K::INITIALS == 0 {
            return None;
        }
        names.find(|name| fold_ascii(name).eq(fold_ascii(key)))
    } else {
        names.find(|name| key.contains('\0') || fold(name).eq(fold(key)))
    }
}

/// The first letters of names, each as the bit of its own.
const fn initials(mut names: &[&str]) -> u32 {
    let mut initials = 0;
    while let [name, others @ ..] = names {
        initials |= initial(name.as_bytes());
        names = others;
    }
    initials
}

const fn initial(mut text: &[u8]) -> u32 {
    // Not by recursion: the caller chooses how long a key is.
    while let [b'_' | b'-', rest @ ..] = text {
        text = rest;
    }
    match text {
        // The five bits that the cases of a letter have in common.
        [first, ..] => 1 << (*first & 0x1f),
        [] => 0,
    }
}

fn fold_ascii(text: &str) -> impl Iterator<Item = u8> {
    text.bytes()
        .filter(|byte| !matches!(byte, b'_' | b'-'))
        .map(|byte| byte.to_ascii_uppercase())
}

/// The letters, of which what joins words is none.
fn fold(text: &str) -> impl Iterator<Item = char> {
    letters(text).filter(|character| !matches!(character, '_' | '-'))
}

/// A key without what some readers of JSON do not tell apart: Go compares without regard to case (`ſ` is an `s`, the
/// Kelvin sign a `k`), Java also without regard to the dots of İ and ı. Upper case of lower case is where all spellings
/// of a letter meet; `İ` is an `i` and a dot.
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
