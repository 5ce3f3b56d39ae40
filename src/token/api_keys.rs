//! API keys: tokens that the operator gives to machines. The gate knows each by its SHA-256 alone.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Mutex;

use super::cache_entry::CacheEntry;
use super::claims::expired;
use super::credentials::PresentedToken;
use super::principal::{Principal, PrincipalParts};
use super::revocations::Revocations;
use super::token_hash::TokenHash;
use crate::binding::Binding;
use crate::clock::Timestamp;
use crate::current::Current;
use crate::digest::sha256;
use crate::events;
use crate::followed_file::FollowedFile;
use crate::refusal::{Reason, Refusal};
use crate::scope::Scopes;
use crate::seal::Seal;

/// The issuer of every caller with an API key.
pub(crate) const API_KEYS_ISSUER: &str = "urn:toolgate:api-keys";

/// The fewest characters of a key behind its prefix. A hash hides only what cannot be guessed.
const MIN_KEY_CHARACTERS: usize = 32;

/// How long the last look at a file with keys counts. An open stream of a key is checked as often.
const FILE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The API keys of a configuration.
pub(crate) struct ApiKeysSpec {
    pub(crate) prefix: String,
    pub(crate) keys: ApiKeySource,
}

/// The place where the keys are.
pub(crate) enum ApiKeySource {
    Given(Current<ApiKeyTable>),
    InFile(FollowedFile<ApiKeyTable>),
}

/// Keys by their SHA-256.
#[derive(Debug, Default)]
pub(crate) struct ApiKeyTable {
    keys: HashMap<[u8; 32], ApiKeyEntry>,
    names: HashSet<String>,
}

/// One key, without its text.
#[derive(Debug)]
pub(crate) struct ApiKeyEntry {
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
    pub(crate) expires_at: Option<Timestamp>,
    /// Made when the key is first presented.
    pub(crate) verified: OnceLock<CacheEntry>,
}

/// The reason why a key cannot be added to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AlreadyIn {
    Name,
    Key,
}

/// Verifies the API keys of one gate.
pub(crate) struct ApiKeyJudge {
    spec: ApiKeysSpec,
    issuer: Arc<str>,
    request_prefix: Arc<str>,
    seal: Arc<Seal>,
    /// When the file was read last.
    read_at: AtomicU64,
    reading: Mutex<()>,
}

impl ApiKeyTable {
    pub(crate) fn add(&mut self, hash: [u8; 32], key: ApiKeyEntry) -> Result<(), AlreadyIn> {
        if self.names.contains(&key.name) {
            return Err(AlreadyIn::Name);
        }
        if self.keys.contains_key(&hash) {
            return Err(AlreadyIn::Key);
        }
        self.names.insert(key.name.clone());
        self.keys.insert(hash, key);
        Ok(())
    }
}

impl ApiKeySource {
    fn table(&self) -> &Current<ApiKeyTable> {
        match self {
            Self::Given(table) => table,
            Self::InFile(file) => file.value(),
        }
    }

    fn file(&self) -> Option<&FollowedFile<ApiKeyTable>> {
        match self {
            Self::Given(_) => None,
            Self::InFile(file) => Some(file),
        }
    }
}

impl ApiKeyJudge {
    pub(super) fn new(spec: ApiKeysSpec, request_prefix: Arc<str>, seal: Arc<Seal>) -> Self {
        Self {
            spec,
            issuer: API_KEYS_ISSUER.into(),
            request_prefix,
            seal,
            read_at: AtomicU64::default(),
            reading: Mutex::default(),
        }
    }

    /// Whether a token is an API key or else nothing: by its prefix, so that none is ever shown to an issuer.
    pub(super) fn claims(&self, token: PresentedToken<'_>) -> bool {
        token.as_bytes().starts_with(self.spec.prefix.as_bytes())
    }

    pub(super) fn prefix(&self) -> &str {
        &self.spec.prefix
    }

    pub(super) fn is_issuer_of(&self, principal: &Principal) -> bool {
        principal.issuer() == API_KEYS_ISSUER
    }

    /// Verifies a token that has the prefix.
    pub(super) async fn verify(
        &self,
        token: PresentedToken<'_>,
        now: Timestamp,
        revocations: &Revocations,
    ) -> Result<Principal, Refusal> {
        if self.is_file_due(now) {
            // Boxed: it happens once a second, and would make the future of every request larger.
            Box::pin(self.read_file(now)).await;
        }
        self.judge(token, now, revocations)
    }

    fn judge(
        &self,
        token: PresentedToken<'_>,
        now: Timestamp,
        revocations: &Revocations,
    ) -> Result<Principal, Refusal> {
        token.well_formed()?;
        let unknown = Refusal::from(Reason::ApiKeyUnknown);
        let characters = token.as_bytes().len() - self.spec.prefix.len();
        if characters < MIN_KEY_CHARACTERS {
            let expected = format!("at least {MIN_KEY_CHARACTERS} characters behind the prefix");
            return Err(unknown
                .expected(expected)
                .got(format!("{characters} characters")));
        }
        // Only hashes are compared, and their bytes say nothing of those of the key. So the time that this takes does not
        // depend on where the first wrong character is.
        let table = self.spec.keys.table().look();
        let Some(key) = table.keys.get(&sha256(token.as_bytes())) else {
            return Err(unknown
                .expected("an API key of this gate")
                .got("another key"));
        };
        if let Some(end) = key.expires_at.filter(|end| now >= *end) {
            return Err(expired(end, now).of(API_KEYS_ISSUER, None, Some(&key.name)));
        }
        let verified = key.verified.get_or_init(|| self.entry_of(key, token));
        verified.check_revocations(token, now, revocations)?;
        Ok(verified.principal.clone())
    }

    fn entry_of(&self, key: &ApiKeyEntry, token: PresentedToken<'_>) -> CacheEntry {
        let scopes = key.scopes.iter().collect::<Vec<_>>().join(" ");
        let mut claims = json!({ "iss": API_KEYS_ISSUER, "client_id": key.name, "scope": scopes });
        if let (Some(end), Some(claims)) = (key.expires_at, claims.as_object_mut()) {
            claims.insert("exp".to_owned(), json!(end.seconds()));
        }
        let principal = Principal::new(PrincipalParts {
            issuer: self.issuer.clone(),
            request_prefix: self.request_prefix.clone(),
            seal: self.seal.clone(),
            binding: Binding::None,
            hash: Some(Box::new(TokenHash::of(token.as_bytes()))),
            subject: None,
            client_id: Some(key.name.clone()),
            is_machine: true,
            actor: None,
            login: None,
            token_id: None,
            scopes: key.scopes.clone(),
            audience: Vec::new(),
            issued_at: None,
            expires_at: key.expires_at,
            claims: claims.to_string(),
        });
        CacheEntry {
            principal,
            dies_at: key.expires_at.unwrap_or(Timestamp::END_OF_TIME),
            proof: None,
            revocation_generation: AtomicU64::default(),
        }
    }

    /// How long an open stream of this caller may go on before it is checked again.
    pub(super) fn recheck_interval(&self, principal: &Principal) -> Option<Duration> {
        let is_followed = self.is_issuer_of(principal) && self.spec.keys.file().is_some();
        is_followed.then_some(FILE_CHECK_INTERVAL)
    }

    fn is_file_due(&self, now: Timestamp) -> bool {
        let read_at = f64::from_bits(self.read_at.load(Ordering::Acquire));
        // A clock that was set back must not put the next look off.
        self.spec.keys.file().is_some()
            && Timestamp::from_seconds(read_at)
                .is_none_or(|read_at| now < read_at || now.since(read_at) >= FILE_CHECK_INTERVAL)
    }

    /// Reads the file. All requests wait whose look at it is due: none of them may be judged by an older one.
    async fn read_file(&self, now: Timestamp) {
        let _turn = self.reading.lock().await;
        let Some(file) = self.spec.keys.file().filter(|_| self.is_file_due(now)) else {
            return;
        };
        if file.read_again().await {
            events::api_keys_replaced(file.path(), file.value().look().keys.len());
        }
        let seconds = now.seconds().to_bits();
        self.read_at.store(seconds, Ordering::Release);
    }
}

/// Shows the prefix and how many keys there are, for the event at start-up.
impl fmt::Display for ApiKeyJudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.spec.keys.table().look().keys.len();
        write!(f, "{keys} that begin with {:?}", self.spec.prefix)?;
        match self.spec.keys.file() {
            Some(file) => write!(f, ", followed in {}", file.path().display()),
            None => Ok(()),
        }
    }
}
