//! The `[origins]` table.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::document::as_written;

/// Which web pages may call the server, and whether the gate writes CORS headers.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OriginsTable {
    #[serde(default)]
    pub(super) allowed: Allowed,
    #[serde(default = "yes")]
    pub(super) cors_headers: bool,
}

/// A list of origins, or `"any"`.
#[derive(Debug, Clone)]
pub(super) enum Allowed {
    These(Vec<String>),
    Any,
}

impl OriginsTable {
    pub(crate) fn allow(&mut self, origin: String) {
        match &mut self.allowed {
            Allowed::These(origins) => origins.push(origin),
            Allowed::Any => {}
        }
    }

    pub(crate) fn allow_any(&mut self) {
        self.allowed = Allowed::Any;
    }

    pub(crate) fn leave_cors_to_others(&mut self) {
        self.cors_headers = false;
    }
}

impl Allowed {
    /// Whether any web page may call the server. Any page can make itself one whose origin is `null`.
    pub(super) fn includes_every_page(&self) -> bool {
        match self {
            Self::Any => true,
            Self::These(origins) => origins.iter().any(|origin| origin == "null"),
        }
    }
}

impl Default for OriginsTable {
    fn default() -> Self {
        Self {
            allowed: Allowed::default(),
            cors_headers: yes(),
        }
    }
}

impl Default for Allowed {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Allowed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AllowedVisitor;

        impl<'de> Visitor<'de> for AllowedVisitor {
            type Value = Allowed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of origins, or \"any\"")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Allowed, D::Error> {
                deserializer.deserialize_any(self)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Allowed, E> {
                match text {
                    "any" => Ok(Allowed::Any),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Allowed, A::Error> {
                let mut origins = Vec::new();
                while let Some(origin) = items.next_element()? {
                    origins.push(origin);
                }
                Ok(Allowed::These(origins))
            }
        }

        as_written(deserializer, AllowedVisitor)
    }
}

fn yes() -> bool {
    true
}
