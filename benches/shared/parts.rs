//! The floor that no gate can get under for a cached token: one AES-GMAC, one look-up, the body read as JSON.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark may stop where it cannot go on"
)]

use std::hint::black_box;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use moka::sync::Cache;
use serde::de::IgnoredAny;

pub(crate) struct Parts {
    key: LessSafeKey,
    token: String,
    body: String,
    remembered: Cache<Vec<u8>, u64>,
}

impl Parts {
    pub(crate) fn of(token: &str, body: &str) -> Self {
        let remembered = Cache::new(1000);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).unwrap());
        remembered.insert(tag(&key, token).to_vec(), 7);
        Self {
            key,
            token: token.to_owned(),
            body: body.to_owned(),
            remembered,
        }
    }

    pub(crate) fn run(&self) {
        let tag = tag(&self.key, black_box(&self.token));
        assert_eq!(self.remembered.get(tag.as_slice()), Some(7));
        serde_json::from_str::<IgnoredAny>(black_box(&self.body)).unwrap();
    }
}

fn tag(key: &LessSafeKey, token: &str) -> [u8; 16] {
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(token.as_bytes()), &mut [])
        .unwrap();
    tag.as_ref().try_into().unwrap()
}
