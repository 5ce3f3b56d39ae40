//! Tokens that are bound to a client certificate (RFC 8705): of use only over a connection with that certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use toolgate::testing::{Algorithm, SigningKey};
use toolgate::{ClientCertificate, Holder, Introspection, Issuer, ScopeMap};

use crate::challenge::Challenge;
use crate::world::{RESOURCE, World, bare, call, post};

/// The gate never reads a certificate, only its hash, so any bytes will do.
const DER: &[u8] = b"a certificate in DER";
const OTHER_DER: &[u8] = b"another certificate";

async fn world(holder: Holder) -> World {
    World::with(|builder, server| {
        let introspection = Introspection::basic("rs", "rs-secret");
        builder
            .issuer(Issuer::new(server.issuer()).introspection(introspection))
            .scopes(ScopeMap::allow_unlisted())
            .holder(holder)
    })
    .await
}

fn over_tls(token: &str, certificate: Option<&[u8]>) -> Request<Full<bytes::Bytes>> {
    let mut request = post(token, &call("tools/list", json!({})));
    if let Some(der) = certificate {
        let certificate = ClientCertificate::of_der(der);
        request.extensions_mut().insert(certificate);
    }
    request
}

#[tokio::test]
async fn a_token_passes_with_the_certificate_that_it_is_bound_to_and_with_no_other() {
    let world = world(Holder::default().tls_certificates()).await;
    let bound = world.token().bound_to_certificate(DER);
    let (jwt, opaque) = (bound.mint(), world.server.mint_opaque(&bound));
    for token in [&jwt, &opaque] {
        // The second time the token is remembered, and the certificate is checked all over again.
        for _ in 0..2 {
            world.send(over_tls(token, Some(DER))).await.assert_served();
            let answer = world.send(over_tls(token, Some(OTHER_DER))).await;
            answer.assert_invalid_token("certificate_mismatch");
            let answer = world.send(over_tls(token, None)).await;
            answer.assert_invalid_token("certificate_missing");
            // The scheme is Bearer, so that is where the error stands.
            let dpop = Challenge::of_scheme("DPoP", &answer.headers).unwrap();
            assert_eq!(dpop.get("error"), None);
        }
    }
    // A token that is bound to nothing needs no certificate, and one does no harm.
    let unbound = world.token().mint();
    world.send(over_tls(&unbound, None)).await.assert_served();
    world
        .send(over_tls(&unbound, Some(DER)))
        .await
        .assert_served();
}

#[tokio::test]
async fn a_certificate_that_a_client_sends_in_a_header_is_none() {
    let world = world(Holder::default().tls_certificates()).await;
    let token = world.token().bound_to_certificate(DER).mint();
    for name in ["client-cert", "x-forwarded-client-cert", "x-ssl-cert"] {
        let mut request = over_tls(&token, None);
        let value = format!(
            ":{}:",
            base64::engine::general_purpose::STANDARD.encode(DER)
        );
        request.headers_mut().insert(name, value.parse().unwrap());
        let answer = world.send(request).await;
        answer.assert_invalid_token("certificate_missing");
    }
}

#[tokio::test]
async fn a_token_that_is_bound_to_both_needs_both() {
    let world = world(Holder::default().tls_certificates()).await;
    let key = SigningKey::generate(Algorithm::Es256);
    let token = world.token().bound_to(&key).bound_to_certificate(DER);
    let token = token.mint();
    let send = async |certificate: Option<&[u8]>, is_proved: bool| {
        let mut request = over_tls(&token, certificate);
        let line = format!("DPoP {token}").parse().unwrap();
        request.headers_mut().insert("authorization", line);
        if is_proved {
            let proof = world.server.proof(&key, "POST", RESOURCE);
            let proof = proof.for_token(&token).mint().parse().unwrap();
            request.headers_mut().insert("dpop", proof);
        }
        world.send(request).await
    };
    send(Some(DER), true).await.assert_served();
    for (certificate, is_proved, code) in [
        (None, true, "certificate_missing"),
        (Some(OTHER_DER), true, "certificate_mismatch"),
        (Some(DER), false, "dpop_proof_missing"),
    ] {
        let answer = send(certificate, is_proved).await;
        assert_eq!(answer.code, Some(code));
        // Under the scheme DPoP, the error is on its line.
        let dpop = Challenge::of_scheme("DPoP", &answer.headers).unwrap();
        assert!(dpop.get("error").is_some());
        let bearer = Challenge::of_scheme("Bearer", &answer.headers).unwrap();
        assert_eq!(bearer.get("error"), None);
    }
    let answer = world.send(over_tls(&token, Some(DER))).await;
    answer.assert_invalid_token("dpop_token_as_bearer");
}

#[tokio::test]
async fn where_certificates_are_off_a_token_that_is_bound_to_one_is_refused() {
    let world = world(Holder::default()).await;
    let token = world.token().bound_to_certificate(DER);
    let answer = world.send(over_tls(&token.mint(), Some(DER))).await;
    answer.assert_invalid_token("certificate_off");
}

#[tokio::test]
async fn the_document_promises_certificates_only_where_they_are_checked() {
    let path = "/.well-known/oauth-protected-resource/mcp";
    for (holder, promised) in [
        (Holder::default(), Value::Null),
        (Holder::default().tls_certificates(), json!(true)),
    ] {
        let world = world(holder).await;
        let document = world.send(bare(Method::GET, path)).await.json();
        assert_eq!(
            document["tls_client_certificate_bound_access_tokens"],
            promised
        );
    }
}

#[test]
fn a_certificate_shows_nothing_of_itself() {
    let shown = format!("{:?}", ClientCertificate::of_der(DER));
    assert_eq!(shown, "ClientCertificate(…)");
}

/// The certificate of RFC 8705, Appendix A, in base64, and the `x5t#S256` that it has there.
const OF_THE_RFC: &str = "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcwOVow\
    DzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS7LfA4vOL\
    S9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJSGQg\
    jwD5vaUaKlLR50Q2DmFfQj1L+SY=";
const THUMBPRINT_OF_THE_RFC: &str = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";

#[tokio::test]
async fn the_certificate_of_the_rfc_has_the_thumbprint_that_the_rfc_gives() {
    let world = world(Holder::default().tls_certificates()).await;
    let confirmation = json!({ "x5t#S256": THUMBPRINT_OF_THE_RFC });
    let token = world.token().claim("cnf", confirmation).mint();
    let der = STANDARD.decode(OF_THE_RFC).unwrap();
    world
        .send(over_tls(&token, Some(&der)))
        .await
        .assert_served();
    let refused = world.send(over_tls(&token, Some(&der[1..]))).await;
    refused.assert_invalid_token("certificate_mismatch");
}
