//! Stateless ownership: a seal is an HMAC appended to a text, which ties the text to its owner.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key, Tag};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::digest::sha256;
use crate::resource_uri::ResourceUri;

/// The length of a seal: a dot, and an HMAC-SHA-256 in base64url.
const SEAL_BYTES: usize = 44;

/// The length of a MAC: HMAC-SHA-256.
pub(crate) const MAC_BYTES: usize = 32;

/// The shortest key allowed: a key should be as long as the MAC (RFC 2104 §3).
const MIN_KEY_BYTES: usize = 32;

/// Seals texts of one resource, and opens them again.
pub(crate) struct Seal {
    resource: Arc<ResourceUri>,
    key: Arc<SealingKey>,
    /// Former keys. They still open texts, and seal none.
    older: Vec<Arc<SealingKey>>,
}

/// A secret key for sealing.
pub(crate) struct SealingKey(Key);

/// The purpose of a sealed text. A text that was sealed for one purpose does not open for another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// The id of an MCP session.
    Session,
    /// A purpose that the inner service names.
    Inner(&'a str),
}

/// The owner of a sealed text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) kind: OwnerKind,
    pub(crate) issuer: &'a str,
    pub(crate) name: &'a [u8],
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum OwnerKind {
    /// The sealed text was given to a request without a token.
    None,
    User,
    Machine,
    /// The owner is known by the token alone: it names neither a subject nor a client.
    Token,
}

impl OwnerKind {
    fn text(self) -> &'static str {
        match self {
            // The text is part of every seal in use, so it stays.
            OwnerKind::None => "nobody",
            Self::User => "user",
            Self::Machine => "machine",
            Self::Token => "token",
        }
    }
}

impl Seal {
    pub(crate) fn new(
        resource: Arc<ResourceUri>,
        key: Arc<SealingKey>,
        older: Vec<Arc<SealingKey>>,
    ) -> Self {
        Self {
            resource,
            key,
            older,
        }
    }

    /// Makes the seal to append to the text.
    pub(crate) fn seal_on(&self, purpose: Purpose<'_>, owner: Owner<'_>, text: &[u8]) -> String {
        self.seal_with(&self.key, purpose, owner, text)
    }

    /// Returns the text before the seal, if it was sealed for this purpose and owner.
    pub(crate) fn open<'s>(
        &self,
        purpose: Purpose<'_>,
        owner: Owner<'_>,
        sealed: &'s [u8],
    ) -> Result<&'s [u8], SealError> {
        let cut = sealed
            .len()
            .checked_sub(SEAL_BYTES)
            .and_then(|at| sealed.split_at_checked(at));
        let (text, seal) = cut
            .filter(|(_, seal)| seal.starts_with(b"."))
            .ok_or(SealError::NoSeal)?;
        // Compared as text: base64 has several spellings of one MAC, and only ours is accepted.
        let fits = |key: &Arc<SealingKey>| {
            let made = self.seal_with(key, purpose, owner, text);
            verify_slices_are_equal(made.as_bytes(), seal).is_ok()
        };
        if std::iter::once(&self.key).chain(&self.older).any(fits) {
            Ok(text)
        } else {
            Err(SealError::NotOwned)
        }
    }

    /// Makes the MAC of a nonce. It is not tied to the resource, so that gates with one key accept each other's.
    pub(crate) fn mac_of_nonce(&self, nonce: &[u8]) -> [u8; MAC_BYTES] {
        mac_of_nonce(&self.key, nonce)
    }

    /// Whether this key, or a former one, made the MAC of a nonce.
    pub(crate) fn made_mac_of_nonce(&self, nonce: &[u8], mac: &[u8]) -> bool {
        let fits =
            |key: &Arc<SealingKey>| verify_slices_are_equal(&mac_of_nonce(key, nonce), mac).is_ok();
        std::iter::once(&self.key).chain(&self.older).any(fits)
    }

    fn seal_with(
        &self,
        key: &SealingKey,
        purpose: Purpose<'_>,
        owner: Owner<'_>,
        text: &[u8],
    ) -> String {
        let (domain, purpose) = match purpose {
            Purpose::Session => ("session", ""),
            Purpose::Inner(purpose) => ("inner", purpose),
        };
        let kind = owner.kind.text();
        let texts =
            [domain, purpose, self.resource.as_str(), owner.issuer, kind].map(str::as_bytes);
        let mac = mac_of(key, texts.into_iter().chain([owner.name, text]));
        let mut seal = String::with_capacity(SEAL_BYTES);
        seal.push('.');
        URL_SAFE_NO_PAD.encode_string(mac, &mut seal);
        seal
    }
}

fn mac_of_nonce(key: &SealingKey, nonce: &[u8]) -> [u8; MAC_BYTES] {
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(mac_of(key, [&b"nonce"[..], nonce].into_iter()).as_ref());
    mac
}

fn mac_of<'p>(key: &SealingKey, parts: impl Iterator<Item = &'p [u8]>) -> Tag {
    let mut mac = Context::with_key(&key.0);
    // The length of each part comes before it, so that two different lists of parts never make the same bytes.
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.sign()
}

/// The reason why a text was not opened. For the log alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SealError {
    /// The text has no seal.
    NoSeal,
    /// The seal was made for another owner, with another key, or is forged.
    NotOwned,
}

impl SealingKey {
    /// Makes a random key. `None` only if the system has no randomness to give.
    pub(crate) fn random() -> Option<Self> {
        let mut key = [0; MIN_KEY_BYTES];
        rand::fill(&mut key).ok()?;
        Some(Self(Key::new(HMAC_SHA256, &key)))
    }

    pub(crate) fn read(text: &str) -> Result<Self, &'static str> {
        if text.len() < MIN_KEY_BYTES {
            return Err("it is too short to be secret: write at least 32 random characters");
        }
        Ok(Self(Key::new(HMAC_SHA256, text.as_bytes())))
    }
}

impl Owner<'_> {
    /// The owner of a text that was given to a request without a token.
    pub(crate) const NONE: Self = Self {
        kind: OwnerKind::None,
        issuer: "",
        name: b"",
    };

    /// A hash that no two owners share.
    pub(crate) fn hash(&self) -> [u8; 32] {
        let issuer = self.issuer.as_bytes();
        let length = (issuer.len() as u64).to_be_bytes();
        sha256(&[self.kind.text().as_bytes(), &length, issuer, self.name].concat())
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"a text";

    fn seal_with(keys: &[&str], resource: &str) -> Seal {
        let mut keys = keys
            .iter()
            .map(|key| Arc::new(SealingKey::read(key).ok().unwrap()));
        let resource = Arc::new(ResourceUri::parse(resource).unwrap());
        Seal::new(resource, keys.next().unwrap(), keys.collect())
    }

    fn seal() -> Seal {
        seal_with(
            &["0123456789abcdef0123456789abcdef"],
            "https://mcp.example.com/mcp",
        )
    }

    fn sealed(seal: &Seal, purpose: Purpose<'_>, owner: Owner<'_>, text: &[u8]) -> Vec<u8> {
        [text, seal.seal_on(purpose, owner, text).as_bytes()].concat()
    }

    fn owner<'a>(kind: OwnerKind, issuer: &'a str, name: &'a str) -> Owner<'a> {
        Owner {
            kind,
            issuer,
            name: name.as_bytes(),
        }
    }

    #[test]
    fn a_sealed_value_opens_only_for_its_owner_and_purpose() {
        let seal = seal();
        let purposes = ["", "session", "task", "tas"].map(Purpose::Inner);
        let kinds = [
            OwnerKind::None,
            OwnerKind::User,
            OwnerKind::Machine,
            OwnerKind::Token,
        ];
        let names = [
            ("", ""),
            ("", "issuer"),
            ("issuer", ""),
            ("issuer", "alice"),
            ("issuera", "lice"),
        ];
        let mut all = Vec::new();
        for purpose in purposes.into_iter().chain([Purpose::Session]) {
            for kind in kinds {
                all.extend(names.map(|(issuer, name)| (purpose, owner(kind, issuer, name))));
            }
        }
        for (at, (purpose, of)) in all.iter().enumerate() {
            let sealed = sealed(&seal, *purpose, *of, TEXT);
            for (other, (purpose, by)) in all.iter().enumerate() {
                let opened = seal.open(*purpose, *by, &sealed);
                assert_eq!(
                    opened.ok(),
                    (at == other).then_some(TEXT),
                    "{of:?} by {by:?}"
                );
            }
        }
    }

    #[test]
    fn no_part_runs_into_the_next() {
        let seal = seal();
        let alice = owner(OwnerKind::User, "issuer", "alice");
        let sealed = sealed(&seal, Purpose::Inner("task"), alice, b"1-2");
        let mac = sealed.strip_prefix(b"1-2").unwrap();
        for (name, text) in [
            ("alice1", "-2"),
            ("alic", "e1-2"),
            ("alice1-2", ""),
            ("", "alice1-2"),
        ] {
            let forged = [text.as_bytes(), mac].concat();
            let by = owner(OwnerKind::User, "issuer", name);
            assert_eq!(
                seal.open(Purpose::Inner("task"), by, &forged),
                Err(SealError::NotOwned)
            );
        }
    }

    #[test]
    fn another_resource_and_another_key_are_another_seal() {
        let keys = [
            "0123456789abcdef0123456789abcdef",
            "fedcba9876543210fedcba9876543210",
        ];
        let alice = owner(OwnerKind::User, "issuer", "alice");
        let old = seal_with(&keys[..1], "https://mcp.example.com/mcp");
        let sealed = sealed(&old, Purpose::Session, alice, TEXT);
        let elsewhere = seal_with(&keys[..1], "https://mcp.example.com/other");
        assert_eq!(
            elsewhere.open(Purpose::Session, alice, &sealed),
            Err(SealError::NotOwned)
        );
        let new = seal_with(&keys[1..], "https://mcp.example.com/mcp");
        assert_eq!(
            new.open(Purpose::Session, alice, &sealed),
            Err(SealError::NotOwned)
        );

        // Between the two a gate seals with the new one, and opens both.
        let between = seal_with(&[keys[1], keys[0]], "https://mcp.example.com/mcp");
        assert_eq!(between.open(Purpose::Session, alice, &sealed), Ok(TEXT));
        assert_eq!(
            between.seal_on(Purpose::Session, alice, TEXT),
            new.seal_on(Purpose::Session, alice, TEXT)
        );
    }

    #[test]
    fn a_value_without_a_seal_is_told_apart_from_one_with_a_foreign_seal() {
        let (seal, alice) = (seal(), owner(OwnerKind::User, "issuer", "alice"));
        let bare = [&b""[..], b"id", b".", &[b'a'; SEAL_BYTES], &[b'a'; 100]];
        for bare in bare {
            assert_eq!(
                seal.open(Purpose::Session, alice, bare),
                Err(SealError::NoSeal)
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_survive_the_round_trip_and_grow_by_the_documented_length(text: Vec<u8>, name: Vec<u8>) {
            let seal = seal();
            let owner = Owner { kind: OwnerKind::User, issuer: "issuer", name: &name };
            let sealed = sealed(&seal, Purpose::Session, owner, &text);
            prop_assert_eq!(sealed.len(), text.len() + SEAL_BYTES);
            prop_assert_eq!(seal.open(Purpose::Session, owner, &sealed), Ok(&*text));
        }

        #[test]
        fn only_sealed_values_open(
            text in proptest::collection::vec(any::<u8>(), 1..40),
            at: proptest::sample::Index,
            by: u8,
            others: Vec<u8>,
        ) {
            let (seal, alice) = (seal(), owner(OwnerKind::User, "issuer", "alice"));
            let mut sealed = sealed(&seal, Purpose::Session, alice, &text);
            prop_assert!(seal.open(Purpose::Session, alice, &others).is_err());
            let at = at.index(sealed.len());
            prop_assume!(sealed[at] != by);
            sealed[at] = by;
            prop_assert!(seal.open(Purpose::Session, alice, &sealed).is_err());
        }
    }
}
