//! One token has several texts where its signature has several valid forms. A revocation is of the token.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey};
use toolgate::{Revocation, ScopeMap};

use crate::logs::listen;
use crate::world::{World, clock};

const HOUR: Duration = Duration::from_secs(3600);

/// The orders of the groups that signatures are numbers of, big-endian.
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const P384_ORDER: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf\
                          581a0db248b0a77aecec196accc52973";
const P521_ORDER: &str = "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
                          51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409";
const ED25519_ORDER: &str = "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";

#[tokio::test]
async fn a_token_is_revoked_in_every_text_that_verifies() {
    let (log, _guard) = listen();
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm);
        let server = AuthorizationServer::builder()
            .clock(clock())
            .signing_key(key.clone())
            .start()
            .await;
        let world = World::around(server, clock(), |builder, server| {
            builder
                .issuer(server.issuer())
                .scopes(ScopeMap::allow_unlisted())
        });
        let builder = world.token().without("jti");
        let texts = texts_of(&builder.mint(), algorithm, &key);
        let mut alike = Vec::new();
        for text in texts {
            if world.list_with(&text).await.code.is_none() {
                alike.push(text);
            }
        }
        let is_ecdsa = matches!(
            algorithm,
            Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512
        );
        assert_eq!(alike.len(), if is_ecdsa { 2 } else { 1 }, "{algorithm:?}");

        world.list_with(&alike[0]).await.assert_served();
        let token_id = log.decision()["fields"]["token_id"]
            .as_str()
            .unwrap()
            .to_owned();
        for text in &alike {
            world.list_with(text).await.assert_served();
            assert_eq!(
                log.decision()["fields"]["token_id"],
                *token_id,
                "{algorithm:?}: one token, one id"
            );
        }
        world
            .gate
            .revoke(Revocation::token(world.server.issuer(), &*token_id), HOUR)
            .await
            .unwrap();
        for text in &alike {
            world.list_with(text).await.assert_invalid_token("revoked");
            assert_eq!(log.decision()["fields"]["token_id"], *token_id);
        }
        // Of the same caller, but another token.
        world
            .list_with(&world.token().without("jti").claim("n", 1).mint())
            .await
            .assert_served();
    }
}

/// The token, and every other text of it that a careless verifier might take.
fn texts_of(token: &str, algorithm: Algorithm, key: &SigningKey) -> Vec<String> {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (first, second) = signature.split_at(signature.len() / 2);
    let reversed = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<_>>();
    let order = |digits: &str| number(digits);
    let others: Vec<Vec<u8>> = match algorithm {
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 => {
            let order = order(match algorithm {
                Algorithm::Es256 => P256_ORDER,
                Algorithm::Es384 => P384_ORDER,
                _ => P521_ORDER,
            });
            let negative = |part: &[u8]| minus(&order, part);
            vec![
                [first, &negative(second)].concat(),
                [&negative(first), second].concat(),
                [&negative(first)[..], &negative(second)].concat(),
            ]
        }
        Algorithm::EdDsa => {
            // The second half is a little-endian number below the order; the sum fits into its 32 bytes.
            let sum = plus(&reversed(second), &order(ED25519_ORDER));
            vec![[first, &reversed(&sum)].concat()]
        }
        _ => {
            let modulus = URL_SAFE_NO_PAD
                .decode(key.jwk()["n"].as_str().unwrap())
                .unwrap();
            vec![minus(&modulus, &signature), plus(&signature, &modulus)]
        }
    };
    let padded = [
        vec![
            [&[0][..], &signature].concat(),
            [&signature[..], &[0]].concat(),
        ],
        others,
    ]
    .concat();
    let texts = padded
        .iter()
        .map(|signature| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)));
    std::iter::once(token.to_owned())
        .chain(texts)
        .chain([format!("{token}="), format!("{token}==")])
        .collect()
}

fn number(digits: &str) -> Vec<u8> {
    let pairs = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// Of big-endian numbers of one length; what overflows is lost.
fn minus(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let digits = left.iter().zip(right).rev().map(|(left, right)| {
        let digit = i16::from(*left) - i16::from(*right) - borrow;
        borrow = i16::from(digit < 0);
        digit.rem_euclid(256) as u8
    });
    let mut difference: Vec<u8> = digits.collect();
    difference.reverse();
    difference
}

fn plus(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let digits = left.iter().zip(right).rev().map(|(left, right)| {
        let digit = u16::from(*left) + u16::from(*right) + carry;
        carry = digit >> 8;
        digit as u8
    });
    let mut sum: Vec<u8> = digits.collect();
    sum.reverse();
    sum
}
