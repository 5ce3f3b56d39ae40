use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde_json::{Value, json};

use super::key::SigningKey;

/// The keys of a server: the current signing key, all earlier ones, and the published ones.
#[derive(Debug)]
pub(super) struct KeyRing {
    /// The newest is the last. Introspection accepts tokens of all of them.
    signing_keys: Vec<SigningKey>,
    published: Vec<Value>,
    pub(super) cache_control: Option<HeaderValue>,
}

impl KeyRing {
    pub(super) fn new(key: SigningKey) -> Self {
        Self {
            published: vec![key.jwk()],
            signing_keys: vec![key],
            cache_control: None,
        }
    }

    pub(super) fn signing_key(&self) -> SigningKey {
        self.signing_keys
            .last()
            .expect("a key ring starts with a key and loses none")
            .clone()
    }

    pub(super) fn rotate(&mut self, key: SigningKey) {
        self.published = vec![key.jwk()];
        self.signing_keys.push(key);
    }

    pub(super) fn publish(&mut self, keys: Vec<Value>) {
        self.published = keys;
    }

    pub(super) fn jwks(&self) -> Value {
        json!({ "keys": self.published })
    }

    /// The claims of `token`, if one of our keys signed it.
    pub(super) fn claims_of(&self, token: &str) -> Option<Value> {
        let (signing_input, signature) = token.rsplit_once('.')?;
        let (_header, payload) = signing_input.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.signing_keys
            .iter()
            .find(|key| key.verifies(signing_input.as_bytes(), &signature))?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }
}
