//! A published key set: which of its keys we can use, and which of them fits a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, OctetKeyPairParameters};

use super::algorithm::{Algorithm, Algorithms, KeyType, Material};
use super::json::{Json, Object, Unreadable};
use super::jws::Header;
use crate::events;

/// More keys than any real issuer publishes; the rest of a longer set is not looked at.
pub(crate) const MAX_KEYS: usize = 64;

/// Of these, usable or not, no more are looked at.
const MAX_LISTED_KEYS: usize = 4 * MAX_KEYS;

/// RFC 7518 §3.3 asks for 2048 bits at least; beyond 8192 a verification becomes an attack.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The usable keys of one issuer, as published at one moment.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<Named>,
}

/// A key under the name it is published by. The name may change; the key is its material.
#[derive(Debug)]
struct Named {
    kid: Option<String>,
    key: Arc<Key>,
}

/// A key with its verifiers prebuilt, one for each algorithm it may be used with.
pub(crate) struct Key {
    material: Material,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
    retired: AtomicBool,
}

/// Why no key of the set stands for a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSigned {
    /// No key has this `kid`, or none at all fits a token without one: a newer set may have it.
    UnknownKey,
    /// The named key is there, but is not for this algorithm.
    UnfitKey,
    /// Without a `kid` there must be exactly one key to choose.
    Ambiguous,
    BadSignature,
}

impl KeySet {
    /// Reads a JWK set. Keys we cannot use are left out one by one, and said so in the log: one
    /// exotic key must not take the others with it. A member named twice is not exotic, but leaves open which keys were
    /// meant: the whole document is refused.
    pub(crate) fn read(bytes: &[u8], allowed: &Algorithms) -> Result<Self, NoUsableKeys> {
        let document = Object::read(bytes)?;
        let Some(Json::List(listed)) = document.get("keys") else {
            return Err(NoUsableKeys::NotAKeySet);
        };
        let mut keys = Vec::new();
        for (position, jwk) in listed.iter().enumerate().take(MAX_LISTED_KEYS) {
            match Named::read(jwk, allowed) {
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

    /// The key that signed the message.
    pub(crate) fn verify(
        &self,
        header: &Header<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<Arc<Key>, NotSigned> {
        let named = |key: &&Named| header.kid.is_none() || key.kid.as_deref() == header.kid;
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
    /// Takes the place of an older set. Keys that are in both stay the same object, those that are gone are marked, and
    /// what was remembered under them dies with them.
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

impl Named {
    /// RFC 7517. `alg` is read as text, because the key reader's own type does not know `Ed25519` and `ES512`.
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
        if text("kty")?.is_none() {
            return Err("no key type");
        }
        let parameters = serde_json::to_value(jwk).and_then(serde_json::from_value);
        let parameters: AlgorithmParameters =
            parameters.map_err(|_| "key type or parameters unknown")?;
        let (key_type, material) = material(&parameters)?;
        let only = match text("alg")? {
            Some(name) => Some(Algorithm::named(name).ok_or("for an algorithm we do not know")?),
            None => None,
        };
        let verifiers: Vec<_> = allowed
            .iter()
            .filter(|algorithm| {
                algorithm.key_type() == key_type && only.is_none_or(|only| only == *algorithm)
            })
            .filter_map(|algorithm| Some((algorithm, algorithm.verifier(&material)?)))
            .collect();
        if verifiers.is_empty() {
            return Err("fits no allowed algorithm, or is no valid key");
        }
        let key = Key {
            material,
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
    /// Whether it has left its issuer's set.
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
        self.material == other.material && algorithms(self) == algorithms(other)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("retired", &self.is_retired())
            .finish_non_exhaustive()
    }
}

/// Why a fetched set is as good as none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoUsableKeys {
    #[error("the key set cannot be read")]
    Unreadable(#[from] Unreadable),
    #[error("the document has no `keys` array")]
    NotAKeySet,
    #[error("the key set has no key we can use")]
    NoneUsable,
}

fn material(parameters: &AlgorithmParameters) -> Result<(KeyType, Material), &'static str> {
    let number = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| "not base64url");
    match parameters {
        AlgorithmParameters::RSA(rsa) => {
            let (n, e) = (
                without_leading_zeros(number(&rsa.n)?),
                without_leading_zeros(number(&rsa.e)?),
            );
            let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
            if !RSA_BITS.contains(&bits) {
                return Err("an RSA key of a length we do not trust");
            }
            Ok((KeyType::Rsa, Material::Rsa { n, e }))
        }
        AlgorithmParameters::EllipticCurve(curve) => {
            let (key_type, width) = match curve.curve {
                EllipticCurve::P256 => (KeyType::P256, 32),
                EllipticCurve::P384 => (KeyType::P384, 48),
                EllipticCurve::P521 => (KeyType::P521, 66),
                _ => return Err("a curve we do not know"),
            };
            let (x, y) = (number(&curve.x)?, number(&curve.y)?);
            if x.len() != width || y.len() != width {
                return Err("coordinates of the wrong length");
            }
            Ok((
                key_type,
                Material::Point([&[UNCOMPRESSED], x.as_slice(), y.as_slice()].concat()),
            ))
        }
        AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
            curve: EllipticCurve::Ed25519,
            x,
            ..
        }) => Ok((KeyType::Ed25519, Material::Point(number(x)?))),
        _ => Err("a key type we do not use"),
    }
}

/// SEC 1 §2.3.3.
const UNCOMPRESSED: u8 = 4;

/// Some servers write the sign byte of a DER integer into `n`; the verifier refuses it.
fn without_leading_zeros(number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.get(zeros..).unwrap_or_default().to_vec()
}
