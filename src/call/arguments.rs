//! The arguments of calls, for an operator's own decision. They are read only if there is one, and refused if two
//! readers could read different ones.
//!
//! No object may have two keys with the same letters, at any depth: a Go server takes the last of `path` and `Path`
//! without being told to. Keys that differ in `_` or `-` are two keys. A server takes `userId` for `user_id` only if
//! its author says so, and then the key that its schema names wins. Other names in arguments, such as those of files,
//! may differ in nothing else.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::rpc::{could_be_taken_for_arguments, letters};
use crate::refusal::{Reason, Refusal};

/// Reads the arguments of each message, in order. The body was read for its calls already.
pub(crate) fn arguments(body: &[u8]) -> Result<Vec<Option<Value>>, Refusal> {
    serde_json::from_slice::<OnlyOnce>(body).map_err(|error| why(&error))?;
    let body: Value = serde_json::from_slice(body).map_err(|error| why(&error))?;
    let messages = if let Value::Array(batch) = body {
        batch
    } else {
        vec![body]
    };
    messages.into_iter().map(of_message).collect()
}

/// The refusal of a body that was readable for its calls, so it is JSON (RFC 8259). Each reader may accept or refuse
/// nesting beyond 128, half of a surrogate pair and a number that no float holds (§8.2, §9, §6), so the server's
/// reading of them is not known.
fn why(error: &serde_json::Error) -> Refusal {
    let place = format!("line {}, column {}", error.line(), error.column());
    // This is the only error that is not the parser's own.
    if error.is_data() {
        let got = format!("two keys that could be taken for one, at {place}");
        Refusal::from(Reason::DuplicateKey).got(got)
    } else {
        let got = format!("JSON that not every reader accepts, at {place}");
        Refusal::from(Reason::BodyUnparsable).got(got)
    }
}

fn of_message(mut message: Value) -> Result<Option<Value>, Refusal> {
    let Some(Value::Object(params)) = message.get_mut("params") else {
        return Ok(None);
    };
    if params.keys().any(|name| could_be_taken_for_arguments(name)) {
        return Err(Refusal::from(Reason::DuplicateKey).got("arguments"));
    }
    let arguments = params.get_mut("arguments").map(Value::take);
    Ok(arguments.filter(|arguments| !arguments.is_null()))
}

/// JSON in which no object has two keys that a reader could take for one.
struct OnlyOnce;

impl<'de> Deserialize<'de> for OnlyOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnlyOnce)
    }
}

impl<'de> Visitor<'de> for OnlyOnce {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            // Readers of C strings end a key at a NUL.
            if name.contains('\0') || !seen.insert(letters(&name).collect::<String>()) {
                return Err(A::Error::custom("a key twice"));
            }
            map.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An object or an array, as the test writes it.
    #[derive(Debug, Clone)]
    enum Tree {
        Leaf,
        Object(Vec<(String, Tree)>),
        Array(Vec<Tree>),
    }

    fn tree() -> impl Strategy<Value = Tree> {
        Just(Tree::Leaf).prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec((key(), inner.clone()), 0..4).prop_map(Tree::Object),
                prop::collection::vec(inner, 0..3).prop_map(Tree::Array),
            ]
        })
    }

    fn key() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[sS\u{17f}kK\u{212a}iI\u{130}\u{131}_-]{1,2}",
            4 => "[a-c]{3}",
            1 => "[\u{3c3}\u{3c2}\u{3a3}\u{df}\u{1e9e}\u{e9}\u{c9}\u{0}]",
        ]
    }

    fn written(tree: &Tree, escaped: bool) -> String {
        let key = |key: &str| {
            let quoted = serde_json::to_string(key).unwrap();
            if !escaped {
                return quoted;
            }
            let units: String = key
                .encode_utf16()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect();
            format!("\"{units}\"")
        };
        match tree {
            Tree::Leaf => "1".to_owned(),
            Tree::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| written(item, escaped)).collect();
                format!("[{}]", items.join(","))
            }
            Tree::Object(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("{}:{}", key(name), written(value, escaped)))
                    .collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    /// Folds each class of letters by hand: Unicode's simple case folding, Java's of the dots, and the double s.
    fn slowly(key: &str) -> String {
        let class = |letter: char| match letter {
            's' | 'S' | '\u{17f}' => "s".to_owned(),
            'k' | 'K' | '\u{212a}' => "k".to_owned(),
            'i' | 'I' | '\u{130}' | '\u{131}' => "i".to_owned(),
            '\u{3c3}' | '\u{3c2}' | '\u{3a3}' => "sigma".to_owned(),
            '\u{df}' | '\u{1e9e}' => "ss".to_owned(),
            '\u{e9}' | '\u{c9}' => "acute".to_owned(),
            other => other.to_string(),
        };
        key.chars().map(class).collect()
    }

    fn has_twins(tree: &Tree) -> bool {
        match tree {
            Tree::Leaf => false,
            Tree::Array(items) => items.iter().any(has_twins),
            Tree::Object(members) => {
                let twins = |(at, (name, _)): (usize, &(String, Tree))| {
                    name.contains('\0')
                        || members[..at]
                            .iter()
                            .any(|(other, _)| slowly(name) == slowly(other))
                };
                members.iter().enumerate().any(twins)
                    || members.iter().any(|(_, value)| has_twins(value))
            }
        }
    }

    proptest! {
        #[test]
        fn exactly_the_pairs_that_a_slow_comparison_finds_are_refused(tree in tree(), escaped: bool) {
            let body = format!(r#"{{"method":"tools/call","params":{{"arguments":{}}}}}"#, written(&tree, escaped));
            let judged = arguments(body.as_bytes()).map(drop).map_err(|refusal| refusal.reason());
            let expected = if has_twins(&tree) { Err(Reason::DuplicateKey) } else { Ok(()) };
            prop_assert_eq!(judged, expected, "{}", body);
        }
    }

    #[test]
    fn a_letter_and_its_cases_are_one_all_over_unicode() {
        let folded = |letters_of: String| letters(&letters_of).collect::<String>();
        for letter in '\0'..=char::MAX {
            let own = folded(letter.to_string());
            for case in [
                letter.to_lowercase().to_string(),
                letter.to_uppercase().to_string(),
            ] {
                assert_eq!(folded(case), own, "{letter:?}");
            }
        }
    }
}
