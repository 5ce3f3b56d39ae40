//! A process in FIPS mode.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use toolgate::RequestBody;
use toolgate::testing::{Algorithm, AuthorizationServer, SigningKey};
use toolgate_fips::{RESOURCE, gate};
use tower::{Layer, ServiceExt, service_fn};

#[test]
fn aws_lc_and_the_tls_that_reqwest_takes_are_in_fips_mode() {
    assert_eq!(aws_lc_rs::try_fips_mode(), Ok(()));
    assert!(rustls::crypto::aws_lc_rs::default_provider().fips());
}

/// Twice each: the second time, the token is in the cache.
#[tokio::test]
async fn the_gate_verifies_tokens_of_every_algorithm_and_caches_them() {
    let server = AuthorizationServer::start().await;
    let keys = Algorithm::ALL.map(SigningKey::generate);
    server.publish(keys.iter().map(SigningKey::jwk).collect());
    let gate = gate(server.issuer()).build().unwrap();
    let inner = service_fn(|_: Request<RequestBody<Empty<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    for key in &keys {
        let token = server.token().audience(RESOURCE).scope("mcp:use");
        let good = token.clone().signed_with(key).mint();
        let signature = good.rsplit('.').next().unwrap();
        let another = token.subject("bob").signed_with(key);
        let forged = format!("{}.{signature}", another.signing_input());
        for (token, expected) in [
            (&good, StatusCode::OK),
            (&good, StatusCode::OK),
            (&forged, StatusCode::UNAUTHORIZED),
        ] {
            let request = Request::post("/mcp").header("authorization", format!("Bearer {token}"));
            let gated = gate.layer().layer(inner);
            let answer = gated.oneshot(request.body(Empty::new()).unwrap()).await;
            assert_eq!(answer.unwrap().status(), expected, "{:?}", key.algorithm());
        }
    }
}
