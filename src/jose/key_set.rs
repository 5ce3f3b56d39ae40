//! A published key set (RFC 7517 §5): finds its usable keys, and the key that signed a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::signature::ParsedPublicKey;

use super::algorithm::{Algorithm, Algorithms};
use super::json::{Json, Object, Unreadable};
use super::jws::Header;
use super::public_key::PublicKey;
use crate::events;

/// The most usable keys of a set. It is more than any real issuer publishes; further keys are ignored.
pub(crate) const MAX_KEYS: usize = 64;

/// The most keys of a set that are parsed, usable or not.
const MAX_LISTED_KEYS: usize = 4 * MAX_KEYS;

/// The usable keys of one issuer, from one fetch.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<PublishedKey>,
}

/// A key and the `kid` under which it is published. The `kid` may change; the key is identified by its numbers.
#[derive(Debug)]
struct PublishedKey {
    kid: Option<String>,
    key: Arc<Key>,
}

/// A key with prebuilt verifiers, one for each algorithm that it may be used with.
pub(crate) struct Key {
    public_key: PublicKey,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
    retired: AtomicBool,
}

/// The reason why no key of the set verifies a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSigned {
    /// No key has this `kid`, or no key fits a token without `kid`. A newer set may have one.
    UnknownKey,
    /// The key with this `kid` is not for the algorithm of the token.
    UnfitKey,
    /// The token has no `kid`, and more than one key fits.
    Ambiguous,
    BadSignature,
}

impl KeySet {
    /// Parses a JWK set. Each key that cannot be used is left out and logged, so that one exotic key does not disable the
    /// others. A member that occurs twice makes the whole document unusable, since it leaves open which keys are meant.
    pub(crate) fn read(bytes: &[u8], allowed: &Algorithms) -> Result<Self, NoUsableKeys> {
        let document = Object::read(bytes)?;
        let Some(Json::List(listed)) = document.get("keys") else {
            return Err(NoUsableKeys::NotAKeySet);
        };
        let mut keys = Vec::new();
        for (position, jwk) in listed.iter().enumerate().take(MAX_LISTED_KEYS) {
            match PublishedKey::read(jwk, allowed) {
                Ok(key) => keys.push(key),
                Err(why) => events::key_skipped(position, why),
            }
            if keys.len() == MAX_KEYS {
                break;
            }
        }
        if keys.is_empty() {
            Err(NoUsableKeys::NoneUsable)
        } else {
            Ok(Self { keys })
        }
    }

    /// Finds the key that signed the message.
    pub(crate) fn verify(
        &self,
        header: &Header<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<Arc<Key>, NotSigned> {
        let named = |key: &&PublishedKey| header.kid.is_none() || key.kid.as_deref() == header.kid;
        let candidates = || self.keys.iter().filter(named);
        let fitting = || {
            candidates()
                .filter_map(|named| Some((&named.key, named.key.verifier(header.algorithm)?)))
        };
        match (header.kid, fitting().take(2).count()) {
            (Some(_), 0) if candidates().next().is_none() => return Err(NotSigned::UnknownKey),
            (Some(_), 0) => return Err(NotSigned::UnfitKey),
            (None, 0) => return Err(NotSigned::UnknownKey),
            (None, 2..) => return Err(NotSigned::Ambiguous),
            _ => {}
        }
        let signed =
            fitting().find(|(_, verifier)| verifier.verify_sig(message, signature).is_ok());
        signed
            .map(|(key, _)| key.clone())
            .ok_or(NotSigned::BadSignature)
    }
}

impl KeySet {
    /// Replaces an older set. A key that is in both stays the same object. A key that is gone is marked as retired, which ends
    /// the cache entries of tokens that it signed.
    pub(crate) fn replace(&mut self, older: &Self) {
        for new in &mut self.keys {
            if let Some(old) = older.keys.iter().find(|old| old.key.is_same(&new.key)) {
                new.key = old.key.clone();
            }
        }
        for old in &older.keys {
            if !self.keys.iter().any(|new| Arc::ptr_eq(&new.key, &old.key)) {
                old.key.retired.store(true, Ordering::Release);
            }
        }
    }
}

impl PublishedKey {
    /// Parses a JWK (RFC 7517). `alg` is read as text, because the type in `jsonwebtoken` does not know `Ed25519` and `ES512`.
    fn read(jwk: &Json<'_>, allowed: &Algorithms) -> Result<Self, &'static str> {
        let Json::Object(jwk) = jwk else {
            return Err("not an object");
        };
        let text = |name| match jwk.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text.as_ref())),
            Some(_) => Err("a member that should be text is not"),
        };
        if text("use")?.is_some_and(|usage| usage != "sig") {
            return Err("not for signatures");
        }
        match jwk.get("key_ops") {
            None | Some(Json::Null) => {}
            Some(Json::List(operations)) if operations.contains(&Json::Text("verify".into())) => {}
            Some(_) => return Err("not for verifying"),
        }
        let public_key = PublicKey::of_jwk(jwk)?;
        let only = match text("alg")? {
            Some(name) => Some(Algorithm::named(name).ok_or("for an unknown algorithm")?),
            None => None,
        };
        let verifiers: Vec<_> = allowed
            .iter()
            .filter(|algorithm| only.is_none_or(|only| only == *algorithm))
            .filter_map(|algorithm| Some((algorithm, public_key.verifier(algorithm)?)))
            .collect();
        if verifiers.is_empty() {
            return Err("fits no allowed algorithm, or is no valid key");
        }
        let key = Key {
            public_key,
            verifiers,
            retired: AtomicBool::new(false),
        };
        Ok(Self {
            kid: text("kid")?.map(str::to_owned),
            key: Arc::new(key),
        })
    }
}

impl Key {
    /// Whether the key has left its issuer's key set.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    fn verifier(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.verifiers
            .iter()
            .find(|(held, _)| *held == algorithm)
            .map(|(_, verifier)| verifier)
    }

    fn is_same(&self, other: &Self) -> bool {
        let algorithms = |key: &Self| {
            key.verifiers
                .iter()
                .map(|(algorithm, _)| *algorithm)
                .collect::<Vec<_>>()
        };
        self.public_key == other.public_key && algorithms(self) == algorithms(other)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("retired", &self.is_retired())
            .finish_non_exhaustive()
    }
}

/// The reason why a fetched document gives no keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoUsableKeys {
    #[error("the key set cannot be read")]
    Unreadable(#[from] Unreadable),
    #[error("the document has no `keys` array")]
    NotAKeySet,
    #[error("the key set has no usable key")]
    NoneUsable,
}
