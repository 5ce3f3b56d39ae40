//! The `[api_keys]` table.

use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer};
use serde_json::json;

use super::hushed::{Hushed, hushed, hushed_list, hushed_table};
use crate::digest::{random_bytes, sha256};

/// API keys: tokens that you give to machines yourself, beside those of your authorization servers. Pass them to
/// [`Builder::api_keys`](crate::Builder::api_keys). See [`docs::api_keys`](crate::docs::api_keys).
///
/// Every token that begins with the prefix is one of these keys, or is refused. So a key is never sent to an issuer.
///
/// ```
/// use toolgate::{ApiKey, ApiKeys};
///
/// let (key, stored) = ApiKey::generate("tg_", "nightly-build").ok_or("the system gave no random bytes")?;
/// let keys = ApiKeys::with_prefix("tg_").key(stored.scopes(["mcp:use"]).expires("2027-01-01T00:00:00Z"));
/// # assert!(key.starts_with("tg_"));
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone)]
pub struct ApiKeys(pub(super) ApiKeysTable);

#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKeysTable {
    #[serde(default, deserialize_with = "hushed")]
    pub(super) prefix: String,
    #[serde(default, deserialize_with = "hushed")]
    pub(super) file: Option<PathBuf>,
    #[serde(default, deserialize_with = "hushed_list")]
    pub(super) keys: Vec<ApiKey>,
}

/// One API key as it is stored: the SHA-256 of its text, and what it allows.
///
/// `Display` shows it as it stands in a [file](ApiKeys::file).
#[derive(Clone)]
pub struct ApiKey(pub(super) StoredKey);

#[derive(Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredKey {
    #[serde(default, deserialize_with = "hushed")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "hushed")]
    pub(super) sha256: String,
    #[serde(default, deserialize_with = "hushed")]
    pub(super) scopes: Vec<String>,
    #[serde(default, deserialize_with = "hushed")]
    pub(super) expires: Option<String>,
}

impl ApiKeys {
    /// Starts a list of keys, all of which begin with this prefix. No token of an issuer may begin with it.
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self(ApiKeysTable {
            prefix: prefix.into(),
            ..ApiKeysTable::default()
        })
    }

    /// Adds a key; may be called repeatedly.
    pub fn key(mut self, key: ApiKey) -> Self {
        self.0.keys.push(key);
        self
    }

    /// Adds the keys of a file: [`docs::api_keys`](crate::docs::api_keys#a-file-with-keys). The file is
    /// followed: a key that is added or removed there is accepted or refused within a second or two, and open streams of a
    /// removed key end. While the file cannot be used, the last good keys stay in force.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.0.file = Some(path.into());
        self
    }
}

impl ApiKey {
    /// Makes a new random key, and what is stored of it. The key itself is the first of the two: hand it to its machine, and
    /// keep no copy. `None` only if the system has no randomness to give.
    pub fn generate(prefix: &str, name: impl Into<String>) -> Option<(String, Self)> {
        let random = URL_SAFE_NO_PAD.encode(random_bytes::<32>()?);
        let key = format!("{prefix}{random}");
        let hash = sha256(key.as_bytes());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Some((key, Self::of(name, hash)))
    }

    /// Describes a key by its name, which the log shows and a [`Revocation`](crate::Revocation) can name, and by the
    /// SHA-256 of the whole key, prefix included, as 64 hexadecimal digits. It grants no scope yet.
    pub fn of(name: impl Into<String>, sha256: impl Into<String>) -> Self {
        Self(StoredKey {
            name: name.into(),
            sha256: sha256.into(),
            ..StoredKey::default()
        })
    }

    /// Adds scopes that the key grants.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.0.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Sets when the key expires, in the format of RFC 3339: `2027-01-01T00:00:00Z`. By default it does not.
    pub fn expires(mut self, time: impl Into<String>) -> Self {
        self.0.expires = Some(time.into());
        self
    }
}

impl<'de> Deserialize<'de> for ApiKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hushed_table(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for ApiKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hushed_table(deserializer).map(Self)
    }
}

impl Hushed for PathBuf {
    const EXPECTED: &str = "a path";
}

impl Hushed for Vec<String> {
    const EXPECTED: &str = "a list of strings";
}

/// Shows the table of a file.
impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A string of JSON is one of TOML too.
        let StoredKey {
            name,
            sha256,
            scopes,
            expires,
        } = &self.0;
        writeln!(
            f,
            "[[keys]]\nname = {}\nsha256 = {}",
            json!(name),
            json!(sha256)
        )?;
        write!(f, "scopes = {}", json!(scopes))?;
        match expires {
            Some(time) => write!(f, "\nexpires = {}", json!(time)),
            None => Ok(()),
        }
    }
}

/// Leaves the hash out: a key may be in its place by mistake.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("name", &self.0.name)
            .field("scopes", &self.0.scopes)
            .field("expires", &self.0.expires)
            .finish_non_exhaustive()
    }
}
