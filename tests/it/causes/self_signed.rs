//! A TLS server whose certificate no machine trusts.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Starts the server on this machine, and returns its address.
pub async fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let key = pair.to_pkcs8v1().unwrap().as_ref().to_vec();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate(&pair))],
            PrivateKeyDer::Pkcs8(key.into()),
        );
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let refused = acceptor.accept(stream).await;
            assert!(refused.is_err(), "the client believes it");
        }
    });
    url
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SET: u8 = 0x31;

/// For 127.0.0.1, signed by its own key (RFC 5280 §4.1).
fn certificate(pair: &EcdsaKeyPair) -> Vec<u8> {
    let ecdsa_with_sha256 = b"\x2a\x86\x48\xce\x3d\x04\x03\x02";
    let (public_key, p256) = (
        b"\x2a\x86\x48\xce\x3d\x02\x01",
        b"\x2a\x86\x48\xce\x3d\x03\x01\x07",
    );
    let (common_name, alternative_name) = (b"\x55\x04\x03", b"\x55\x1d\x11");
    let id = |bytes: &[u8]| element(OBJECT_IDENTIFIER, &[bytes]);
    let algorithm = element(SEQUENCE, &[&id(ecdsa_with_sha256)]);
    let named = element(
        SEQUENCE,
        &[&id(common_name), &element(UTF8_STRING, &[b"test"])],
    );
    let name = element(SEQUENCE, &[&element(SET, &[&named])]);
    let validity = element(
        SEQUENCE,
        &[
            &element(UTC_TIME, &[b"200101000000Z"]),
            &element(GENERALIZED_TIME, &[b"20991231235959Z"]),
        ],
    );
    let key = element(
        SEQUENCE,
        &[
            &element(SEQUENCE, &[&id(public_key), &id(p256)]),
            &element(BIT_STRING, &[&[0], pair.public_key().as_ref()]),
        ],
    );
    let address = element(SEQUENCE, &[&element(0x87, &[&[127, 0, 0, 1]])]);
    let extension = [id(alternative_name), element(OCTET_STRING, &[&address])].concat();
    let extensions = element(SEQUENCE, &[&element(SEQUENCE, &[&extension])]);
    let signed = element(
        SEQUENCE,
        &[
            &element(0xa0, &[&element(INTEGER, &[&[2]])]),
            &element(INTEGER, &[&[1]]),
            &algorithm,
            &name,
            &validity,
            &name,
            &key,
            &element(0xa3, &[&extensions]),
        ],
    );
    let signature = pair.sign(&SystemRandom::new(), &signed).unwrap();
    let signature = element(BIT_STRING, &[&[0], signature.as_ref()]);
    element(SEQUENCE, &[&signed, &algorithm, &signature])
}

/// One element of DER.
fn element(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let content = contents.concat();
    let length = match u8::try_from(content.len()) {
        Ok(short @ ..0x80) => vec![short],
        Ok(long) => vec![0x81, long],
        Err(_) => [
            &[0x82][..],
            &u16::try_from(content.len()).unwrap().to_be_bytes(),
        ]
        .concat(),
    };
    [vec![tag], length, content].concat()
}
