//! Strict JSON, for tokens and fetched documents: an object that has a member twice is refused, at any depth.
//!
//! Two parsers that pick different ones of two such members see two different tokens (RFC 7519 §4, RFC 8725bis §2.6).

use std::borrow::Cow;
use std::fmt;
use std::str::Utf8Error;
use std::sync::LazyLock;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// A JSON value. Texts without escapes are borrowed from the parsed text.
#[derive(Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    Number(f64),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Object<'a>),
}

/// A JSON object: its members in the order in which they were written, none of them twice.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Object<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(bytes).map_err(Unreadable::Encoding)?;
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json.deserialize_any(JsonVisitor {
            capacity: USUAL_MEMBERS,
        });
        match read.and_then(|value| json.end().map(|()| value)) {
            Ok(Json::Object(object)) => Ok(object),
            Ok(_) => Err(Unreadable::NotAnObject),
            // serde_json returns the error of a visitor as text only.
            Err(error) if error.is_data() && error.to_string().starts_with(DUPLICATE) => {
                Err(Unreadable::Duplicate(error))
            }
            Err(error) => Err(Unreadable::Syntax(error)),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.0
            .iter()
            .find(|(held, _)| held == name)
            .map(|(_, value)| value)
    }

    /// Returns a member if it is present and a text.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.text(name).ok().flatten()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns a member as text. Fails if it is of another type; an absent one is `None`.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, WrongType> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(WrongType),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, WrongType> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Integer(integer)) => Ok(Some(*integer as f64)),
            Some(Json::Number(number)) => Ok(Some(*number)),
            Some(_) => Err(WrongType),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Sets a member, in place of one that has this name.
    pub(crate) fn set(&mut self, name: &str, value: Json<'a>) {
        self.retain(|held| held != name);
        self.0.push((name.to_owned().into(), value));
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// Adds members. The caller makes sure that their names are not present yet.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Converts to an object that borrows nothing.
    pub(crate) fn into_owned(self) -> Object<'static> {
        let owned = |(name, value): (Cow<'a, str>, Json<'a>)| {
            (name.into_owned().into(), value.into_owned())
        };
        Object(self.0.into_iter().map(owned).collect())
    }
}

impl Json<'_> {
    fn into_owned(self) -> Json<'static> {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Integer(value) => Json::Integer(value),
            Self::Number(value) => Json::Number(value),
            Self::Text(text) => Json::Text(text.into_owned().into()),
            Self::List(items) => Json::List(items.into_iter().map(Json::into_owned).collect()),
            Self::Object(object) => Json::Object(object.into_owned()),
        }
    }
}

/// Shows the object as JSON text.
impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i128(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(object) => object.serialize(serializer),
        }
    }
}

/// The reason why a text is not accepted as an object. The sources name lines and columns, and quote nothing of the text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it is not UTF-8")]
    Encoding(#[source] Utf8Error),
    #[error("it is not JSON")]
    Syntax(#[source] serde_json::Error),
    #[error("it is not a JSON object")]
    NotAnObject,
    #[error("an object in it has a member twice")]
    Duplicate(#[source] serde_json::Error),
}

/// The error of a member that is present, but of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongType;

/// The capacity for the members of the outermost object: most tokens have no more claims. Inner objects begin without
/// capacity, or a token of many small ones would take a hundred times its length in memory.
const USUAL_MEMBERS: usize = 16;

const DUPLICATE: &str = "member named twice";

/// The prefix of serde_json's private names for numbers and raw values. With its feature `arbitrary_precision`, which any
/// crate in the user's dependency tree may enable, a number arrives as a map with `PRIVATE_NUMBER` as its first member. A token
/// that contains such a map is then read as if it had the number, which its issuer could as well have written.
const PRIVATE: &str = "$serde_json::private::";
const PRIVATE_NUMBER: &str = "$serde_json::private::Number";

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor { capacity: 0 })
    }
}

struct JsonVisitor {
    /// The initial capacity for members.
    capacity: usize,
}

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut members: Vec<(Cow<'de, str>, Json<'de>)> = Vec::with_capacity(self.capacity);
        while let Some(Name(name)) = map.next_key()? {
            if name.starts_with(PRIVATE) {
                if name == PRIVATE_NUMBER && members.is_empty() && *NUMBERS_ARRIVE_AS_MAPS {
                    let number: f64 = map
                        .next_value::<String>()?
                        .parse()
                        .map_err(A::Error::custom)?;
                    return if number.is_finite() {
                        Ok(Json::Number(number))
                    } else {
                        Err(A::Error::custom("number out of range"))
                    };
                }
                return Err(A::Error::custom("a name that only serde_json may use"));
            }
            members.push((name, map.next_value()?));
        }
        if has_duplicates(&members) {
            return Err(A::Error::custom(DUPLICATE));
        }
        Ok(Json::Object(Object(members)))
    }
}

/// Whether two members have the same name. A few names are compared with each other, which is faster than sorting them.
fn has_duplicates(members: &[(Cow<'_, str>, Json<'_>)]) -> bool {
    const MAX_COMPARED: usize = 16;
    let names = members.iter().map(|(name, _)| name.as_ref());
    if members.len() <= MAX_COMPARED {
        let is_duplicate = |(before, name)| names.clone().take(before).any(|other| other == name);
        return names.clone().enumerate().any(is_duplicate);
    }
    let mut sorted: Vec<&str> = names.collect();
    sorted.sort_unstable();
    sorted
        .windows(2)
        .any(|pair| matches!(pair, [left, right] if left == right))
}

/// The name of a member, borrowed if it has no escapes. `Cow`'s own `Deserialize` always copies.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Text(name) => Ok(Self(name)),
            _ => Err(D::Error::custom("a name is a string")),
        }
    }
}

/// Whether `arbitrary_precision` is enabled. It is found by parsing a number, since a feature of a dependency is not visible
/// here.
static NUMBERS_ARRIVE_AS_MAPS: LazyLock<bool> = LazyLock::new(|| {
    struct Probe;
    impl<'de> Visitor<'de> for Probe {
        type Value = bool;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number")
        }
        fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<bool, A::Error> {
            Ok(true)
        }
    }
    serde_json::Deserializer::from_str("1.5")
        .deserialize_any(Probe)
        .unwrap_or(false)
});

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Kind {
        Syntax,
        Duplicate,
    }

    fn refusal(text: impl AsRef<[u8]>) -> Option<Kind> {
        Some(match Object::read(text.as_ref()).err()? {
            Unreadable::Duplicate(_) => Kind::Duplicate,
            _ => Kind::Syntax,
        })
    }

    #[test]
    fn a_member_named_twice_is_refused_at_any_depth_and_in_any_spelling() {
        for text in [
            r#"{"aud":"a","aud":"b"}"#,
            r#"{"aud":"a","\u0061ud":"b"}"#,
            r#"{"x":{"y":1,"y":1}}"#,
            r#"{"x":[{"y":1,"z":2,"y":1}]}"#,
        ] {
            assert_eq!(refusal(text), Some(Kind::Duplicate), "{text}");
        }
        assert_eq!(refusal(r#"{"a":{"x":1},"b":{"x":1}}"#), None);
    }

    #[test]
    fn a_member_named_twice_is_refused_among_few_and_among_many() {
        for count in 2..40 {
            let members = |twin: usize| {
                let names = (0..count).map(|at| if at + 1 == count { twin } else { at });
                let members: Vec<String> =
                    names.map(|name| format!(r#""m{name}":{name}"#)).collect();
                format!("{{{}}}", members.join(","))
            };
            for twin in [0, (count - 1) / 2, count - 2] {
                assert_eq!(
                    refusal(members(twin)),
                    Some(Kind::Duplicate),
                    "{}",
                    members(twin)
                );
            }
            assert_eq!(refusal(members(count)), None);
        }
    }

    #[test]
    fn what_is_not_one_json_object_in_utf8_is_refused() {
        for text in [
            "",
            "[]",
            "1",
            "{",
            "{}x",
            "\u{feff}{}",
            r#"{"a":1e400}"#,
            r#"{"a":NaN}"#,
            r#"{"a":"\ud800"}"#,
        ] {
            assert_eq!(refusal(text), Some(Kind::Syntax), "{text}");
        }
        assert_eq!(refusal(b"{\"a\":\"\xff\"}"), Some(Kind::Syntax));
        assert_eq!(
            refusal(format!("{}{}", "{\"a\":".repeat(200), "}".repeat(200))),
            Some(Kind::Syntax)
        );
    }

    #[test]
    fn serde_jsons_private_names_smuggle_nothing() {
        for text in [
            r#"{"exp":{"$serde_json::private::RawValue":"9e9"}}"#,
            r#"{"exp":{"a":1,"$serde_json::private::Number":"9e9"}}"#,
            r#"{"$serde_json::private::RawValue":"{}"}"#,
        ] {
            assert_eq!(refusal(text), Some(Kind::Syntax), "{text}");
        }
        let number = r#"{"exp":{"$serde_json::private::Number":"9e9"}}"#;
        assert_eq!(refusal(number).is_none(), *NUMBERS_ARRIVE_AS_MAPS);
    }

    #[test]
    fn members_are_told_apart_by_type() {
        let object = Object::read(br#"{"t":"x","n":1.5,"i":-2,"z":null}"#).unwrap();
        assert_eq!(object.text("t"), Ok(Some("x")));
        assert_eq!(object.text("n"), Err(WrongType));
        assert_eq!(object.text("absent"), Ok(None));
        assert_eq!(object.number("n"), Ok(Some(1.5)));
        assert_eq!(object.number("i"), Ok(Some(-2.0)));
        assert_eq!(object.number("z"), Err(WrongType));
    }
}
