//! Checks API keys, those of the table and those of a file, and makes from them what tokens are compared with.

use std::path::Path;

use toml::Spanned;

use super::api_keys::{ApiKey, ApiKeys, StoredKey};
use super::introspection_spec::begins_alike;
use super::own_verifier_spec::check_form;
use super::settings::Settings;
use crate::clock::Timestamp;
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::current::Current;
use crate::events;
use crate::followed_file::{FileKind, FollowedFile, NoValue};
use crate::scheme::Dpop;
use crate::scope::{Scope, Scopes, is_plain};
use crate::token::{
    API_KEYS_ISSUER, AlreadyIn, ApiKeyEntry, ApiKeySource, ApiKeyTable, ApiKeysSpec,
};

/// The longest file with API keys: some 100,000 of them.
const MAX_API_KEYS_BYTES: u64 = 16 * 1024 * 1024;

const API_KEYS_FILE: FileKind = FileKind {
    max_bytes: MAX_API_KEYS_BYTES,
    not_replaced: events::api_keys_not_replaced,
};

/// A wrong value of a key. Where the value may be the key itself, it is not shown.
struct WrongValue {
    field: &'static str,
    shown: Option<String>,
    fix: String,
    is_duplicate: bool,
}

/// The API keys of a gate; `None` if it has none. Every field is checked, even if others are wrong.
pub(super) fn api_keys_spec(
    settings: &Settings,
    problems: &mut Problems,
) -> Result<Option<ApiKeysSpec>, Flawed> {
    let Some(ApiKeys(table)) = &settings.api_keys else {
        return Ok(None);
    };
    let prefix = check_prefix(&table.prefix, settings, problems);
    let beside = check_beside(settings, problems);
    let given = given_keys(&table.keys, &table.prefix, problems);
    let is_empty = table.keys.is_empty() && table.file.is_none();
    let keys = match &table.file {
        _ if is_empty => {
            let fix = "write at least one of [[api_keys.keys]], or a file";
            Err(problems.add(ConfigProblem::missing("api_keys.keys", fix)))
        }
        None => given.map(|table| ApiKeySource::Given(Current::new(table.into()))),
        Some(path) => given.and_then(|_| {
            let file = followed(path, table.keys.clone(), table.prefix.clone());
            problems.keep(file).map(ApiKeySource::InFile)
        }),
    };
    prefix?;
    beside?;
    Ok(Some(ApiKeysSpec {
        prefix: table.prefix.clone(),
        keys: keys?,
    }))
}

/// Checks that a key can be told from every other token by its prefix.
fn check_prefix(prefix: &str, settings: &Settings, problems: &mut Problems) -> Result<(), Flawed> {
    const FIELD: &str = "api_keys.prefix";
    if prefix.is_empty() {
        let fix = "write how every key begins, such as \"tg_\": it keeps keys from being sent to an issuer";
        return Err(problems.add(ConfigProblem::missing(FIELD, fix)));
    }
    problems.keep(check_form(FIELD, prefix))?;
    let mut tables = settings
        .issuers
        .iter()
        .filter_map(|issuer| issuer.introspection.as_ref());
    let other = tables.find_map(|introspection| {
        let other = introspection.0.token_prefix.as_deref()?;
        begins_alike(prefix, other).then_some(other)
    });
    match other {
        None => Ok(()),
        Some(other) => {
            let fix = format!(
                "tokens that are introspected begin with {other:?}, and neither prefix may begin the other"
            );
            Err(problems.add(ConfigProblem::conflict(FIELD, fix).showing(prefix)))
        }
    }
}

/// Checks what cannot be set beside API keys.
fn check_beside(settings: &Settings, problems: &mut Problems) -> Result<(), Flawed> {
    let mut sound = Ok(());
    if settings.holder.dpop_mode() == Dpop::Required {
        let fix = "dpop = \"required\" refuses every token that is not bound to a key, and no API key is: leave one out";
        sound = Err(problems.add(ConfigProblem::conflict("api_keys", fix)));
    }
    let mut issuers = settings.issuers.iter();
    if issuers.any(|issuer| issuer.issuer == API_KEYS_ISSUER) {
        let fix = format!("{API_KEYS_ISSUER} is the issuer of API keys: rename yours");
        sound = Err(problems.add(ConfigProblem::conflict("api_keys", fix)));
    }
    sound
}

fn given_keys(
    keys: &[ApiKey],
    prefix: &str,
    problems: &mut Problems,
) -> Result<ApiKeyTable, Flawed> {
    let (mut table, mut sound) = (ApiKeyTable::default(), Ok(()));
    for (position, ApiKey(key)) in keys.iter().enumerate() {
        // Those that could not be read are reported already.
        let texts = [&key.name, &key.sha256].into_iter().chain(&key.expires);
        let stand_in = texts
            .chain(&key.scopes)
            .find_map(|text| problems.stands_in(text));
        if let Some(flawed) = stand_in {
            sound = Err(flawed);
            continue;
        }
        for wrong in key.add_to(&mut table, prefix) {
            let field = format!("api_keys.keys[{position}].{}", wrong.field);
            let problem = match wrong.is_duplicate {
                true => ConfigProblem::duplicate(field, wrong.fix),
                false => ConfigProblem::not_allowed(field, wrong.fix),
            };
            sound = Err(problems.add(match wrong.shown {
                Some(value) => problem.showing(value),
                None => problem,
            }));
        }
    }
    sound.map(|()| table)
}

/// Opens a file with further keys.
fn followed(
    path: &Path,
    given: Vec<ApiKey>,
    prefix: String,
) -> Result<FollowedFile<ApiKeyTable>, ConfigProblem> {
    let read = move |text: &str| read_file(text, &given, &prefix);
    FollowedFile::open(path, API_KEYS_FILE, read).map_err(|why| {
        const FIELD: &str = "api_keys.file";
        let problem = match why {
            NoValue::Unreadable(why) => {
                let fix = "it cannot be read: check the path, and who may read it";
                ConfigProblem::unreadable(FIELD, fix).because(why)
            }
            NoValue::Unfit(fix) => ConfigProblem::not_allowed(FIELD, fix),
        };
        problem.showing(path.display().to_string())
    })
}

/// A file with keys.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    /// Not optional: an empty file is rather one that is being written.
    keys: Vec<Spanned<ApiKey>>,
}

/// Reads a file with keys. The error shows nothing of a line, on which a key itself may be by mistake.
fn read_file(text: &str, given: &[ApiKey], prefix: &str) -> Result<ApiKeyTable, String> {
    let mut table = ApiKeyTable::default();
    for ApiKey(key) in given {
        // They were checked when the configuration was.
        key.add_to(&mut table, prefix);
    }
    let line_of = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let file: KeyFile = toml::from_str(text).map_err(|why| {
        let fix = "write a list of [[keys]] with `name`, `sha256`, `scopes` and perhaps `expires`, or `keys = []`";
        match why.span().filter(|_| !text.trim().is_empty()) {
            Some(span) => format!("line {}: {fix}", line_of(span.start)),
            None => fix.to_owned(),
        }
    })?;
    for key in &file.keys {
        let line = line_of(key.span().start);
        let ApiKey(key) = key.get_ref();
        if let Some(WrongValue { field, fix, .. }) = key.add_to(&mut table, prefix).first() {
            return Err(format!("the key at line {line}: `{field}`: {fix}"));
        }
    }
    Ok(table)
}

impl StoredKey {
    /// Adds the key to a table. Returns every value that is wrong.
    fn add_to(&self, table: &mut ApiKeyTable, prefix: &str) -> Vec<WrongValue> {
        let mut wrong = Vec::new();
        let mut note = |field, shown: Option<&str>, fix: &str, is_duplicate| {
            wrong.push(WrongValue {
                field,
                shown: shown.map(str::to_owned),
                fix: fix.to_owned(),
                is_duplicate,
            });
        };
        if self.name.is_empty() || !is_plain(&self.name) {
            let fix = "name the key with 1 to 128 of these: letters, digits and _.:/@~+-";
            note("name", Some(&self.name), fix, false);
        } else if !prefix.is_empty() && self.name.starts_with(prefix) {
            let fix =
                "it begins as a key does: if it is one, give out another, and write a name here";
            note("name", None, fix, false);
        }
        let hash = hash_of(&self.sha256);
        if hash.is_none() {
            let fix = "write the SHA-256 of the whole key, prefix included: 64 hexadecimal digits";
            note("sha256", None, fix, false);
        }
        let mut scopes = Scopes::default();
        for text in &self.scopes {
            match Scope::parse(text) {
                Ok(scope) => scopes.insert(scope),
                Err(why) => note("scopes", Some(text), &why.to_string(), false),
            }
        }
        let expires_at = self.expires.as_deref().map(|text| {
            let time = Timestamp::from_rfc3339(text);
            if time.is_none() {
                let fix = "write a time as RFC 3339 does: 2027-01-01T00:00:00Z";
                note("expires", Some(text), fix, false);
            }
            time
        });
        if let (Some(hash), true) = (hash, wrong.is_empty()) {
            let key = ApiKeyEntry {
                name: self.name.clone(),
                scopes,
                expires_at: expires_at.flatten(),
                verified: Default::default(),
            };
            let (field, fix) = match table.add(hash, key) {
                Ok(()) => return wrong,
                Err(AlreadyIn::Name) => ("name", "another key has this name: each needs its own"),
                Err(AlreadyIn::Key) => ("sha256", "the same key has another name: list it once"),
            };
            wrong.push(WrongValue {
                field,
                shown: (field == "name").then(|| self.name.clone()),
                fix: fix.to_owned(),
                is_duplicate: true,
            });
        }
        wrong
    }
}

fn hash_of(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let is_hex = text.len() == 2 * hash.len() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2).filter(|_| is_hex)?, 16).ok()?;
    }
    Some(hash)
}
