//! A secret, as an operator gives it: as text, by the name of a variable, or by the path of a file.

use std::env::VarError;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::document::as_written;
use crate::config_error::ConfigProblem;
use crate::followed_file::{FollowedFile, NoValue};
use crate::secret_source::{SECRET_FILE, SecretSource};

/// A secret, or where to find one. Its text is never shown: not in `Debug`, in an error or in a log.
///
/// In a configuration file it is a string, `{ env = "NAME" }` or `{ file = "path" }`.
#[derive(Clone)]
pub struct Secret(SecretPlace);

#[derive(Clone)]
enum SecretPlace {
    Here(String),
    Variable(String),
    File(PathBuf),
}

impl Secret {
    /// Uses this text. A `&str` or a `String` can be passed directly wherever a `Secret` is expected.
    pub fn text(text: impl Into<String>) -> Self {
        Self(SecretPlace::Here(text.into()))
    }

    /// Uses the value of an environment variable. `build()` and [`Toolgate::reload`](crate::Toolgate::reload) read it,
    /// and fail if it is not set.
    pub fn env(name: impl Into<String>) -> Self {
        Self(SecretPlace::Variable(name.into()))
    }

    /// Uses the content of a file, without the newline at its end. `build()` and
    /// [`Toolgate::reload`](crate::Toolgate::reload) read it, and fail if they cannot. A file with a credential for
    /// introspection is read again when it is needed, so that the secret can be replaced while the server runs.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(SecretPlace::File(path.into()))
    }
}

impl Secret {
    /// Whether the secret was given as text.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.0, SecretPlace::Here(_))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SecretPlace::Here(_) => f.write_str("Secret(…)"),
            SecretPlace::Variable(name) => f.debug_struct("Secret").field("env", name).finish(),
            SecretPlace::File(path) => f.debug_struct("Secret").field("file", path).finish(),
        }
    }
}

const EXPECTED: &str = r#"a string, { env = "NAME" } or { file = "path" }"#;

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecretVisitor;

        impl<'de> Visitor<'de> for SecretVisitor {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Secret, D::Error> {
                deserializer.deserialize_any(self)
            }

            fn visit_str<E>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::text(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let secret = match map.next_key::<String>()?.as_deref() {
                    Some("env") => Secret::env(map.next_value::<String>()?),
                    Some("file") => Secret::file(map.next_value::<PathBuf>()?),
                    _ => return Err(A::Error::custom(EXPECTED)),
                };
                match map.next_key::<String>()? {
                    None => Ok(secret),
                    Some(_) => Err(A::Error::custom(EXPECTED)),
                }
            }
        }

        // A value of another type, or an unknown key, may be the secret itself, and serde would show it.
        let read = as_written(deserializer, SecretVisitor);
        read.map_err(|_| D::Error::custom(format_args!("a secret is in one place: {EXPECTED}")))
    }
}

/// Reads a secret by `read`. The error says where the secret was looked for, and nothing of what was found.
pub(super) fn secret_of<T: Send + Sync + 'static>(
    field: &str,
    secret: &Secret,
    read: impl Fn(&str) -> Result<T, &'static str> + Send + Sync + 'static,
) -> Result<SecretSource<T>, ConfigProblem> {
    let unfit = |place: &str, fix: String| ConfigProblem::not_allowed(field, fix).showing(place);
    let given = |text: &str, place: &str| match read(text) {
        Ok(secret) => Ok(SecretSource::Given(Arc::new(secret))),
        Err(fix) => Err(unfit(place, fix.to_owned())),
    };
    match &secret.0 {
        SecretPlace::Here(text) => given(text, "(given as text)"),
        SecretPlace::Variable(name) => {
            given(&variable(field, name)?, &format!("the variable {name}"))
        }
        SecretPlace::File(path) => {
            let place = format!("the file {}", path.display());
            FollowedFile::open(path, SECRET_FILE, move |text| Ok(read(text)?))
                .map(|file| SecretSource::InFile(Arc::new(file)))
                .map_err(|why| match why {
                    NoValue::Unreadable(why) => {
                        let fix = "it cannot be read: check the path, and who may read it";
                        ConfigProblem::unreadable(field, fix)
                            .showing(place)
                            .because(why)
                    }
                    NoValue::Unfit(fix) => unfit(&place, fix),
                })
        }
    }
}

/// Reads the variable that a field names.
pub(super) fn variable(field: &str, name: &str) -> Result<String, ConfigProblem> {
    std::env::var(name).map_err(|why| {
        // The error itself is not kept: it may show what is in the variable.
        let fix = match why {
            VarError::NotPresent => "it is not set: set it, or name another",
            VarError::NotUnicode(_) => "it is not UTF-8: set it to text",
        };
        ConfigProblem::unreadable(field, fix).showing(format!("the variable {name}"))
    })
}

/// Removes the newline that editors and `echo` put at the end of a file.
pub(super) fn without_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
