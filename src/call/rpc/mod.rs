//! Reads JSON-RPC as far as rules depend on it, and refuses it wherever two JSON parsers could read it differently.
//!
//! The visitors are written by hand because derived ones accept arrays for objects. The bytes are checked to be UTF-8
//! first because serde_json does not check the strings that it skips.

mod keys;
mod message;
mod reading;
#[cfg(test)]
mod tests;
mod value;

use std::cell::Cell;
use std::fmt;
use std::slice;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

use crate::refusal::{Reason, Refusal};
pub(super) use keys::{could_be_taken_for_arguments, letters};
#[cfg(test)]
pub(super) use message::MAX_SUBSCRIPTIONS;
pub(super) use message::{Id, Message, Params, Reference};
use reading::Reading;
pub(super) use value::Field;

/// The longest batch that is read.
pub(super) const MAX_BATCH: usize = 64;

const TOO_LONG: &str = "more than 64 messages";

/// The messages of a body.
#[derive(Debug)]
pub(super) enum Messages<M> {
    Single(M),
    Batch(Vec<M>),
}

impl<M> Messages<M> {
    pub(super) fn as_slice(&self) -> &[M] {
        match self {
            Self::Single(message) => slice::from_ref(message),
            Self::Batch(messages) => messages,
        }
    }
}

/// Converts each message where it was read, since to move one costs more than to read it.
pub(super) fn read<'a, M>(
    body: &'a [u8],
    may_batch: bool,
    of: impl Fn(Message<'a>) -> Result<M, Refusal>,
) -> Result<Messages<M>, Refusal> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Refusal::from(Reason::BodyNotJson).got("not UTF-8"))?;
    let is_batch = text
        .trim_start_matches([' ', '\t', '\n', '\r'])
        .starts_with('[');
    if is_batch && !may_batch {
        return Err(Refusal::from(Reason::BatchNotAllowed)
            .expected("one message")
            .got("an array"));
    }
    let refused = Cell::new(None);
    let reading = Reading::new(&refused);
    let mut json = serde_json::Deserializer::from_str(text);
    let explained = |error: serde_json::Error| match refused.get() {
        Some(refused) => Refusal::from(refused),
        None if error.is_data() => unparsable("JSON of the wrong shape"),
        None => Refusal::from(Reason::BodyNotJson).got(place(&error)),
    };
    if is_batch {
        let messages = json.deserialize_seq(Batch(reading)).map_err(explained)?;
        json.end().map_err(explained)?;
        return messages
            .into_iter()
            .map(of)
            .collect::<Result<_, _>>()
            .map(Messages::Batch);
    }
    let mut message = Message::default();
    let given = reading
        .value(&mut message)
        .deserialize(&mut json)
        .map_err(explained)?;
    if given != Field::Value(()) {
        return Err(unparsable("not an object"));
    }
    json.end().map_err(explained)?;
    of(message).map(Messages::Single)
}

fn unparsable(got: &str) -> Refusal {
    Refusal::from(Reason::BodyUnparsable).got(got)
}

/// The place where the text ceases to be JSON. The error's own text is not used: it may quote what the caller wrote.
fn place(error: &serde_json::Error) -> String {
    format!(
        "not JSON at line {}, column {}",
        error.line(),
        error.column()
    )
}

struct Batch<'s>(Reading<'s>);

impl<'de> Visitor<'de> for Batch<'_> {
    type Value = Vec<Message<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut messages = Vec::new();
        loop {
            let mut message = Message::default();
            match members.next_element_seed(self.0.value(&mut message))? {
                None => break,
                Some(_) if messages.len() == MAX_BATCH => {
                    return Err(self.0.refuse(Reason::BatchTooLong, TOO_LONG));
                }
                Some(Field::Value(())) => messages.push(message),
                Some(Field::Absent | Field::WrongType) => {
                    let got = "a batch with a member that is not an object";
                    return Err(self.0.refuse(Reason::BodyUnparsable, got));
                }
            }
        }
        // JSON-RPC 2.0 §6: an empty array is an invalid request.
        if messages.is_empty() {
            return Err(self.0.refuse(Reason::BodyUnparsable, "an empty batch"));
        }
        Ok(messages)
    }
}
