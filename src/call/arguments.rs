//! The arguments of calls, for those who decide by them: read only then, and refused where two readers could
//! read different ones.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::refusal::{Reason, Refusal};

/// Of each message of a body that was judged already, in order.
pub(crate) fn arguments(body: &[u8]) -> Result<Vec<Option<Value>>, Refusal> {
    serde_json::from_slice::<OnlyOnce>(body).map_err(|_| Reason::DuplicateKey)?;
    let body: Value = serde_json::from_slice(body).map_err(|_| Reason::BodyUnparsable)?;
    let messages = if let Value::Array(batch) = body { batch } else { vec![body] };
    messages.into_iter().map(of_message).collect()
}

fn of_message(mut message: Value) -> Result<Option<Value>, Refusal> {
    let Some(Value::Object(params)) = message.get_mut("params") else {
        return Ok(None);
    };
    if params.keys().any(|name| name != "arguments" && folded(name) == "arguments") {
        return Err(Reason::DuplicateKey.into());
    }
    let arguments = params.get_mut("arguments").map(Value::take);
    if let Some(Value::Object(members)) = &arguments {
        let mut seen = HashSet::new();
        if !members.keys().all(|name| seen.insert(folded(name))) {
            return Err(Reason::DuplicateKey.into());
        }
    }
    Ok(arguments.filter(|arguments| !arguments.is_null()))
}

/// Some servers match members whatever their case, and others stop at a NUL.
fn folded(name: &str) -> String {
    name.replace('\0', "").to_lowercase()
}

/// JSON in which no object has a member twice.
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
            if !seen.insert(name) {
                return Err(A::Error::custom("a member twice"));
            }
            map.next_value::<Self>()?;
        }
        Ok(self)
    }
}
