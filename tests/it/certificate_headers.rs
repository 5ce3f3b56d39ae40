//! Client certificates that a proxy forwards in a header: they count if a listed peer wrote them, and no inner service
//! sees them.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use toolgate::testing::{Algorithm, SigningKey};
use toolgate::{
    Caller, CertificateFormat, ClientCertificate, Config, ConfigProblemKind, Holder, Peer,
    RefusalKind, ScopeMap, without_token,
};
use tower::{Layer, ServiceExt, service_fn};

use crate::challenge::Challenge;
use crate::logs::listen;
use crate::world::{Answer, RESOURCE, World, bare, call, post, post_without_token};

const DER: &[u8] = b"a certificate in DER";
const OTHER_DER: &[u8] = b"another certificate";
const HEADER: &str = "x-client-cert";
/// One of the peers that are listed, and one that is not.
const PROXY: &str = "10.1.2.3";
const STRANGER: &str = "192.0.2.7";

const FORMATS: [CertificateFormat; 3] = [
    CertificateFormat::Rfc9440,
    CertificateFormat::Xfcc,
    CertificateFormat::NginxEscapedPem,
];

/// A header with the certificate, as a proxy writes it.
fn written(format: CertificateFormat, der: &[u8]) -> String {
    match format {
        CertificateFormat::Rfc9440 => format!(":{}:", STANDARD.encode(der)),
        CertificateFormat::Xfcc => {
            let hash = digest(&SHA256, der);
            let hash: String = hash
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("By=spiffe://gate;Hash={hash};Subject=\"CN=a\";URI=spiffe://client")
        }
        _ => format!(
            "-----BEGIN%20CERTIFICATE-----%0A{}%0A-----END%20CERTIFICATE-----%0A",
            STANDARD.encode(der).replace('+', "%2B").replace('=', "%3D"),
        ),
    }
}

/// A gate that takes certificates in this format, and has a tool that is open without a token.
async fn world(format: CertificateFormat) -> World {
    World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted().tool("open", without_token()))
            .holder(Holder::default().certificate_header("X-Client-Cert", format))
            .listed_peer("10.0.0.0/8")
            .listed_peer("::1")
    })
    .await
}

/// A call through a peer, with these lines.
fn through(peer: Option<&str>, token: &str, lines: &[&str]) -> Request<Full<Bytes>> {
    with_lines(peer, post(token, &call("tools/list", json!({}))), lines)
}

fn with_lines(
    peer: Option<&str>,
    mut request: Request<Full<Bytes>>,
    lines: &[&str],
) -> Request<Full<Bytes>> {
    for line in lines {
        let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
        request.headers_mut().append(HEADER, line);
    }
    if let Some(address) = peer {
        let address: IpAddr = address.parse().unwrap();
        request.extensions_mut().insert(Peer::at(address));
    }
    request
}

#[track_caller]
fn assert_bad_request(answer: &Answer, code: &str) {
    assert_eq!(
        (answer.status, answer.code, answer.kind),
        (
            StatusCode::BAD_REQUEST,
            Some(code),
            Some(RefusalKind::MalformedCredentials)
        )
    );
    let bearer = Challenge::of_scheme("Bearer", &answer.headers).unwrap();
    assert_eq!(bearer.get("error"), Some("invalid_request"));
    let dpop = Challenge::of_scheme("DPoP", &answer.headers).unwrap();
    assert_eq!(dpop.get("error"), None);
}

#[tokio::test]
async fn in_each_format_only_the_certificate_that_the_token_is_bound_to_passes() {
    for format in FORMATS {
        let world = world(format).await;
        let bound = world.token().bound_to_certificate(DER);
        let (jwt, good) = (bound.mint(), written(format, DER));
        let other = written(format, OTHER_DER);
        let joined = format!("{good}, {good}");
        let appended = format!("{good},{other}");
        let quoted = format!("\"{good}");
        // The second time the token is remembered, and the certificate is checked all over again.
        for _ in 0..2 {
            let send = async |lines: &[&str]| {
                let reached = world.reached_count();
                let answer = world.send(through(Some(PROXY), &jwt, lines)).await;
                let is_served = answer.status == StatusCode::OK;
                assert_eq!(world.reached_count() - reached, usize::from(is_served));
                answer
            };
            send(&[&good]).await.assert_served();
            assert!(!world.reached().headers.contains_key(HEADER));
            for (lines, code) in [
                (&[&*other][..], "certificate_mismatch"),
                (&[], "certificate_missing"),
                (&[""], "certificate_missing"),
            ] {
                let answer = send(lines).await;
                answer.assert_invalid_token(code);
                let dpop = Challenge::of_scheme("DPoP", &answer.headers).unwrap();
                assert_eq!(dpop.get("error"), None);
            }
            for (lines, code) in [
                (&[&*good, &*good][..], "certificates_several"),
                (&[&*other, &*good], "certificates_several"),
                (&["", &*good], "certificates_several"),
                (&[&*joined], "certificates_several"),
                (&[&*appended], "certificates_several"),
                (&["x"], "certificate_unreadable"),
                (&["\u{e9}"], "certificate_unreadable"),
                (&[&*quoted], "certificate_unreadable"),
            ] {
                assert_bad_request(&send(lines).await, code);
            }
        }
    }
}

#[tokio::test]
async fn a_header_is_read_in_its_own_format_alone() {
    for format in FORMATS {
        let world = world(format).await;
        let token = world.token().bound_to_certificate(DER).mint();
        for other in FORMATS.into_iter().filter(|other| *other != format) {
            let line = written(other, DER);
            let answer = world.send(through(Some(PROXY), &token, &[&line])).await;
            assert_bad_request(&answer, "certificate_unreadable");
        }
    }
}

#[tokio::test]
async fn a_certificate_of_a_peer_that_is_not_listed_counts_as_missing_and_the_log_says_so() {
    let (log, _guard) = listen();
    let world = world(CertificateFormat::Rfc9440).await;
    let token = world.token().bound_to_certificate(DER).mint();
    let line = written(CertificateFormat::Rfc9440, DER);
    for (peer, got) in [
        (
            Some(STRANGER),
            "x-client-cert from a peer that is not listed: 192.0.2.7",
        ),
        (
            Some("11.0.0.1"),
            "x-client-cert from a peer that is not listed: 11.0.0.1",
        ),
        (
            Some("::2"),
            "x-client-cert from a peer that is not listed: ::2",
        ),
        (
            Some("::ffff:192.0.2.7"),
            "x-client-cert from a peer that is not listed: 192.0.2.7",
        ),
        (
            None,
            "x-client-cert in a request without the extension Peer",
        ),
    ] {
        // An unreadable line is not even read.
        for lines in [&[&*line][..], &["x"], &[&*line, &*line]] {
            let answer = world.send(through(peer, &token, lines)).await;
            answer.assert_invalid_token("certificate_missing");
            let decision = log.decision();
            assert_eq!(decision["level"], "WARN");
            assert_eq!(decision["fields"]["got"], got);
            assert_eq!(
                decision["fields"]["expected"],
                "x-client-cert from a listed peer: 10.0.0.0/8 ::1"
            );
            assert!(!decision.to_string().contains(&line));
        }
    }
    // Their addresses may be written as IPv6.
    for peer in ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3", "::1"] {
        let answer = world.send(through(Some(peer), &token, &[&line])).await;
        answer.assert_served();
    }
}

/// Only `X-Client-Cert` is the header of the proxy: no other source counts beside it.
#[tokio::test]
async fn no_other_source_counts_beside_the_header() {
    let world = world(CertificateFormat::Rfc9440).await;
    let token = world.token().bound_to_certificate(DER).mint();
    let line: HeaderValue = written(CertificateFormat::Rfc9440, DER).parse().unwrap();
    let mut request = through(Some(PROXY), &token, &[]);
    let certificate = ClientCertificate::of_der(DER);
    request.extensions_mut().insert(certificate);
    for name in ["client-cert", "x_client_cert", "x-forwarded-client-cert"] {
        request.headers_mut().insert(name, line.clone());
    }
    let answer = world.send(request).await;
    answer.assert_invalid_token("certificate_missing");
}

#[tokio::test]
async fn the_header_and_names_that_read_as_it_reach_no_service_whichever_peer_sent_them() {
    let names = [
        "x-client-cert",
        "x_client_cert",
        "x-client_cert",
        "x.client-cert",
    ];
    let kept = [
        "client-cert",
        "x-client-certs",
        "y-client-cert",
        "xaclient-cert",
    ];
    let reading = world(CertificateFormat::Rfc9440).await;
    let unread = World::with(|builder, server| {
        builder
            .issuer(server.issuer())
            .scopes(ScopeMap::allow_unlisted())
            .holder(Holder::default().certificate_header(HEADER, CertificateFormat::Rfc9440))
            .listed_peer("10.0.0.0/8")
    })
    .await;
    let line = written(CertificateFormat::Rfc9440, DER);
    let open = call("tools/call", json!({ "name": "open" }));
    for world in [&reading, &unread] {
        let unbound = world.token().mint();
        let mut listening = bare(Method::GET, "/mcp");
        let authorization = format!("Bearer {unbound}").parse().unwrap();
        listening
            .headers_mut()
            .insert("authorization", authorization);
        for peer in [Some(PROXY), Some(STRANGER), None] {
            let is_anonymous = [false, true];
            let is_anonymous = is_anonymous.iter().take(if world.reads() { 2 } else { 1 });
            let requests = is_anonymous.map(|is_anonymous| match is_anonymous {
                true => post_without_token(&open),
                false => post(&unbound, &open),
            });
            for mut request in requests.chain([listening.clone()]) {
                for name in names.iter().chain(&kept) {
                    let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                    // For a token that is bound to no certificate, not even an unreadable line matters.
                    for line in [&*line, "x"] {
                        request
                            .headers_mut()
                            .append(name.clone(), line.parse().unwrap());
                    }
                }
                world
                    .send(with_lines(peer, request, &[]))
                    .await
                    .assert_served();
                let reached = world.reached().headers;
                assert!(names.iter().all(|name| !reached.contains_key(*name)));
                assert!(
                    kept.iter()
                        .all(|name| reached.get_all(*name).iter().count() == 2)
                );
            }
        }
    }
}

impl World {
    /// Whether this is the world of [`world`], in which something is open without a token.
    fn reads(&self) -> bool {
        self.gate.review(["open"]).tools_without_rule().is_empty()
    }
}

#[tokio::test]
async fn where_the_header_is_not_configured_it_is_any_header() {
    let world = World::new().await;
    let token = world.token().mint();
    let request = through(Some(PROXY), &token, &["x"]);
    world.send(request).await.assert_served();
    assert_eq!(world.reached().headers[HEADER], "x");
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_and_a_certificate_needs_both() {
    let format = CertificateFormat::Xfcc;
    let world = world(format).await;
    let key = SigningKey::generate(Algorithm::Es256);
    let token = world
        .token()
        .bound_to(&key)
        .bound_to_certificate(DER)
        .mint();
    let (good, other) = (written(format, DER), written(format, OTHER_DER));
    let appended = format!("{other},{good}");
    let send = async |peer, lines: &[&str], is_proved: bool| {
        let mut request = through(Some(peer), &token, lines);
        let line = format!("DPoP {token}").parse().unwrap();
        request.headers_mut().insert("authorization", line);
        if is_proved {
            let proof = world.server.proof(&key, "POST", RESOURCE);
            let proof = proof.for_token(&token).mint().parse().unwrap();
            request.headers_mut().insert("dpop", proof);
        }
        world.send(request).await
    };
    send(PROXY, &[&good], true).await.assert_served();
    for (peer, line, is_proved, status, code, error) in [
        (
            STRANGER,
            &good,
            true,
            401,
            "certificate_missing",
            "invalid_token",
        ),
        (
            PROXY,
            &other,
            true,
            401,
            "certificate_mismatch",
            "invalid_token",
        ),
        (
            PROXY,
            &good,
            false,
            401,
            "dpop_proof_missing",
            "invalid_dpop_proof",
        ),
        (
            PROXY,
            &appended,
            true,
            400,
            "certificates_several",
            "invalid_request",
        ),
    ] {
        let answer = send(peer, &[line], is_proved).await;
        assert_eq!((answer.status.as_u16(), answer.code), (status, Some(code)));
        // Under the scheme DPoP, the error is on its line.
        let dpop = Challenge::of_scheme("DPoP", &answer.headers).unwrap();
        assert_eq!(dpop.get("error"), Some(error));
        let bearer = Challenge::of_scheme("Bearer", &answer.headers).unwrap();
        assert_eq!(bearer.get("error"), None);
    }
}

#[tokio::test]
async fn the_document_promises_certificates_and_the_start_shows_where_they_come_from() {
    let (log, _guard) = listen();
    let world = world(CertificateFormat::NginxEscapedPem).await;
    let path = "/.well-known/oauth-protected-resource/mcp";
    let document = world.send(bare(Method::GET, path)).await.json();
    assert_eq!(
        document["tls_client_certificate_bound_access_tokens"],
        json!(true)
    );
    let holder = log.events()[0]["fields"]["holder"].clone();
    let source = "client certificates in x-client-cert (nginx_escaped_pem) from 10.0.0.0/8 ::1";
    assert!(holder.as_str().unwrap().ends_with(source), "{holder}");
}

#[tokio::test]
async fn an_explanation_shows_what_was_wrong_with_the_certificate() {
    let world = world(CertificateFormat::Rfc9440).await;
    let token = world.token().bound_to_certificate(DER).mint();
    let good = written(CertificateFormat::Rfc9440, DER);
    let explain = async |peer, lines: &[&str]| {
        let request = through(peer, &token, lines);
        let (parts, _) = request.into_parts();
        let body = call("tools/list", json!({}));
        let request = Request::from_parts(parts, Bytes::from(body));
        world.gate.explain_request(request).await.to_string()
    };
    let explained = explain(Some(PROXY), &[&good]).await;
    assert!(explained.ends_with("\nallowed"), "{explained}");
    assert!(
        explained.contains("x-client-cert (rfc9440) from 10.0.0.0/8"),
        "{explained}"
    );
    for (peer, lines, end, fact) in [
        (
            Some(STRANGER),
            &[&*good][..],
            "certificate_missing",
            "not listed: 192.0.2.7",
        ),
        (
            None,
            &[&*good],
            "certificate_missing",
            "without the extension Peer",
        ),
        (
            Some(PROXY),
            &[],
            "certificate_missing",
            "no x-client-cert line",
        ),
        (
            Some(PROXY),
            &["x"],
            "certificate_unreadable",
            "no colons around it",
        ),
        (
            Some(PROXY),
            &[":AA==:"],
            "certificate_mismatch",
            "another client certificate",
        ),
        (
            Some(PROXY),
            &["x", "x"],
            "certificates_several",
            "several x-client-cert lines",
        ),
    ] {
        let explained = explain(peer, lines).await;
        let failed = explained
            .lines()
            .find(|line| line.starts_with("FAIL  binding"));
        assert!(
            failed.is_some_and(|line| line.contains(fact)),
            "{explained}"
        );
        assert!(
            explained.ends_with(&format!("refused: {end}")),
            "{explained}"
        );
    }
    // A call alone is taken for one of a client that has the certificate.
    let call = call("tools/list", json!({}));
    let explained = world.gate.explain(Caller::Token(&token), call).await;
    assert!(explained.is_allowed(), "{explained}");
}

/// As axum's `ConnectInfo`: an extension of a server's own.
#[derive(Clone)]
struct Connection(SocketAddr);

#[tokio::test]
async fn a_layer_makes_the_peer_of_the_extension_of_a_server() {
    let world = world(CertificateFormat::Rfc9440).await;
    let token = world.token().bound_to_certificate(DER).mint();
    let line = written(CertificateFormat::Rfc9440, DER);
    let inner = service_fn(async |_: Request<_>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let gated = world.gate.layer().layer(inner);
    let app = Peer::layer(|Connection(address): &Connection| address.ip()).layer(gated);
    for (address, status) in [
        (Some("10.1.2.3:50000"), 200),
        (Some("[::ffff:10.1.2.3]:50000"), 200),
        (Some("192.0.2.7:50000"), 401),
        (None, 401),
    ] {
        let mut request = through(None, &token, &[&line]);
        if let Some(address) = address {
            let connection = Connection(address.parse().unwrap());
            request.extensions_mut().insert(connection);
        }
        let answer = app.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{address:?}");
    }
}

#[test]
fn every_mistake_about_certificates_and_peers_is_reported_at_once() {
    use ConfigProblemKind::{Missing, NotAllowed};

    let file = |rest: &str| {
        let start = "resource = 'https://mcp.example.com/mcp'\nscopes.unlisted = 'allow'\n\
                     issuers.main.issuer = 'https://auth.example.com'\n";
        let config: Config = toml::from_str(&format!("{start}{rest}")).expect(rest);
        let problems = match config.into_builder().build() {
            Ok(_) => Vec::new(),
            Err(why) => why.problems().to_vec(),
        };
        let shown = problems
            .iter()
            .map(|problem| (problem.field().to_owned(), problem.kind()));
        shown.collect::<Vec<_>>()
    };
    let header = |name: &str| {
        format!(
            "peers.listed = ['10.0.0.0/8']\nholder.certificate = {{ header = '{name}', format = 'xfcc' }}"
        )
    };
    for name in [
        "client-cert",
        "Client-Cert",
        "X-Forwarded-Client-Cert",
        "ssl-client-cert",
    ] {
        assert_eq!(file(&header(name)), []);
    }
    for name in [
        "authorization",
        "DPoP",
        "Host",
        "cookie",
        "content-type",
        "Content-Digest",
        "mcp-session-id",
        "Mcp-Anything",
        "x-forwarded-for",
        "origin",
        "client_cert",
        "client cert",
        "client-cert:",
        "",
    ] {
        let problem = ("holder.certificate.header".to_owned(), NotAllowed);
        assert_eq!(file(&header(name)), [problem], "{name}");
    }
    let problems = |problems: &[(&str, ConfigProblemKind)]| {
        let problems = problems
            .iter()
            .map(|(field, kind)| (field.to_string(), *kind));
        problems.collect::<Vec<_>>()
    };
    for (rest, expected) in [
        ("holder.certificate = 'off'", &[][..]),
        ("holder.certificate = 'tls'", &[]),
        ("peers.listed = ['10.0.0.0/8', '::1', 'fd00::/8']", &[]),
        (
            "holder.certificate = 'header'",
            &[("holder.certificate", NotAllowed)],
        ),
        (
            "holder.certificate = { header = 'client-cert', format = 'rfc9440' }",
            &[("peers.listed", Missing)],
        ),
        (
            "peers.listed = []\nholder.certificate = { header = 'client-cert', format = 'rfc9440' }",
            &[("peers.listed", Missing)],
        ),
        (
            "holder.certificate = {}",
            &[
                ("holder.certificate.header", Missing),
                ("holder.certificate.format", Missing),
                ("peers.listed", Missing),
            ],
        ),
        (
            "peers.listed = ['10.1.2.3/8', '::1', '0.0.0.0/0', '::/0', 'proxy']\n\
             holder.certificate = { header = 'cookie', format = 'rfc9440' }",
            &[
                ("peers.listed[0]", NotAllowed),
                ("peers.listed[2]", NotAllowed),
                ("peers.listed[3]", NotAllowed),
                ("peers.listed[4]", NotAllowed),
                ("holder.certificate.header", NotAllowed),
            ],
        ),
    ] {
        assert_eq!(file(rest), problems(expected), "{rest}");
    }
    for (text, why) in [
        (
            "peers.trusted = []",
            "unknown field `trusted`, expected `listed`",
        ),
        (
            "peers.client_address = 'forwarded'",
            "unknown field `client_address`",
        ),
        (
            "holder.certificate = 7",
            "expected \"off\", \"tls\" or { header = ",
        ),
        (
            "holder.certificate.name = 'a'",
            "unknown field `name`, expected `header` or `format`",
        ),
        (
            "holder.certificate.format = 'pem'",
            "unknown variant `pem`, expected one of `rfc9440`, `xfcc`, `nginx_escaped_pem`",
        ),
    ] {
        let message = toml::from_str::<Config>(text)
            .unwrap_err()
            .message()
            .to_owned();
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn each_part_of_the_setting_can_be_that_of_a_variable() {
    // Variables that cargo sets, with texts that no such setting can have: each is reported with its name.
    let start = "resource = 'https://mcp.example.com/mcp'\nscopes.unlisted = 'allow'\n\
                 issuers.main.issuer = 'https://auth.example.com'\n";
    for (rest, fields) in [
        (
            "holder.certificate = { env = 'CARGO_PKG_NAME' }",
            &["holder.certificate"][..],
        ),
        (
            "holder.certificate = { header = { env = 'CARGO_PKG_VERSION' }, format = 'xfcc' }\n\
             peers.listed = [{ env = 'CARGO_PKG_NAME' }]",
            &["peers.listed[0]", "holder.certificate.header"],
        ),
    ] {
        let config: Config = toml::from_str(&format!("{start}{rest}")).expect(rest);
        let why = config.into_builder().build().unwrap_err();
        let shown: Vec<_> = why
            .problems()
            .iter()
            .map(|problem| problem.field())
            .collect();
        assert_eq!(shown, fields);
        for problem in why.problems() {
            assert!(
                problem.fix().contains("the variable CARGO_PKG_"),
                "{problem}"
            );
        }
    }
}
