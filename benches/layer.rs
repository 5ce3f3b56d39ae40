//! What the gate costs, beside the floor no gate can get under. Run: `cargo bench`.
//!
//! The floor is measured in the same run, because machines are shared and noisy: read ratios, not
//! microseconds. The floor of a remembered token is one SHA-256 and one look-up; that of a new one is a
//! bare signature check.

#![allow(missing_docs, reason = "criterion's macros make functions without any")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may stop where it cannot go on"
)]

use std::convert::Infallible;
use std::hint::black_box;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use tokio::runtime::Runtime;
use toolgate::testing::AuthorizationServer;
use toolgate::{Limits, RequestBody, ScopeMap, Toolgate};
use tower::{Layer, Service, ServiceExt, service_fn};

const RESOURCE: &str = "https://mcp.example.com/mcp";

fn gate(server: &AuthorizationServer, limits: Limits) -> Toolgate {
    let scopes = ScopeMap::deny_unlisted().every_request("mcp:use").tool("get_weather", "weather:read");
    Toolgate::builder(RESOURCE).issuer(server.issuer()).scopes(scopes).limits(limits).build().unwrap()
}

/// A `tools/call` of 200 bytes, as clients of the newest revision send it.
fn request(token: Option<&str>) -> Request<Full<Bytes>> {
    const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_weather","arguments":{"city":"Paris"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}                          "#;
    let mut request = Request::post("/mcp")
        .header("content-type", "application/json")
        .header("origin", "https://mcp.example.com")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "get_weather");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Full::new(Bytes::from_static(BODY.as_bytes()))).unwrap()
}

fn send<S, R>(runtime: &Runtime, service: &S, request: Request<Full<Bytes>>) -> StatusCode
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible> + Clone,
{
    let Ok(answer) = runtime.block_on(service.clone().oneshot(request));
    answer.status()
}

fn benchmark(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(AuthorizationServer::start());
    let token = server.token().audience(RESOURCE).scope("mcp:use weather:read").expires_in(100_000).mint();

    let inner = || {
        service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        })
    };
    let hot = gate(&server, Limits::default()).layer().layer(inner());
    let cold = gate(&server, Limits::default().verified_cache_bytes(0)).layer().layer(inner());
    assert_eq!(send(&runtime, &hot, request(Some(&token))), 200);
    assert_eq!(send(&runtime, &cold, request(Some(&token))), 200);
    let garbage = token.replace('.', ".A");

    let mut group = criterion.benchmark_group("layer");
    group.bench_function("floor: the service alone", |bencher| {
        let alone = service_fn(|_: Request<Full<Bytes>>| async {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        bencher.iter_batched(
            || request(Some(&token)),
            |request| runtime.block_on(alone.oneshot(request)).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("floor: one SHA-256 of the token", |bencher| {
        bencher.iter(|| digest(&SHA256, black_box(token.as_bytes())));
    });
    group.bench_function("floor: one bare ES256 verification", |bencher| {
        let jwk = server.signing_key().jwk();
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let point = [vec![4], number("x"), number("y")].concat();
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bencher.iter(|| key.verify_sig(black_box(signed.as_bytes()), &signature).unwrap());
    });
    for (name, service, token, status) in [
        ("a remembered token", &hot, Some(token.as_str()), 200),
        ("a new ES256 token", &cold, Some(token.as_str()), 200),
        ("no token", &hot, None, 401),
        ("garbage", &hot, Some(garbage.as_str()), 401),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || request(token),
                |request| assert_eq!(send(&runtime, service, request), status),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
