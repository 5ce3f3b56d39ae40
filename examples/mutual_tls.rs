//! Tokens that only the holder of a client certificate can use (RFC 8705): `cargo run --example mutual_tls`.
//!
//! It differs from `hyper` in that it ends TLS itself. The acceptor puts two extensions into every request of a
//! connection: [`ClientCertificate`], which the gate compares with the token, and [`Peer`], the address of the other end.
//! Any certificate is accepted, for the token says which one it is bound to; the acceptor only makes sure that the client
//! holds the private key.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that people start talks to them"
)]

use std::convert::Infallible;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs, process};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    self, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
};
use toolgate::testing::AuthorizationServer;
use toolgate::{ClientCertificate, Holder, Peer, Principal, RequestBody, ScopeMap, Toolgate};
use tower::{Layer, ServiceBuilder, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let authorization_server = AuthorizationServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let resource = format!("https://localhost:{}/mcp", listener.local_addr()?.port());

    let gate = Toolgate::builder(&resource)
        .issuer(authorization_server.issuer())
        .scopes(ScopeMap::allow_unlisted().every_request("mcp:use"))
        .holder(Holder::default().tls_certificates())
        .build()?;
    let gated = gate.layer().layer(service_fn(greet));

    let server = generate_simple_self_signed(["localhost".to_owned()])?;
    let (client, thief) = (self_signed("client")?, self_signed("thief")?);
    let acceptor = acceptor(&server)?;

    // An authorization server binds the token to the certificate with which its client asked for it.
    let token = authorization_server
        .token()
        .audience(&*resource)
        .scope("mcp:use")
        .bound_to_certificate(client.cert.der())
        .mint();
    let files = Files::new()?;
    let authority = files.write("server.pem", server.cert.pem())?;
    println!("{authorization_server}\n");
    println!("TOKEN={token}\n");
    for (name, certified) in [
        ("client", Some(&client)),
        ("thief", Some(&thief)),
        ("", None),
    ] {
        let certificate = match certified {
            Some(CertifiedKey { cert, signing_key }) => {
                let pem = cert.pem() + &signing_key.serialize_pem();
                format!(
                    " --cert {}",
                    files.write(&format!("{name}.pem"), pem)?.display()
                )
            }
            None => String::new(),
        };
        let authority = authority.display();
        println!(
            "curl -i {resource} --cacert {authority}{certificate} -H \"Authorization: Bearer $TOKEN\"\n"
        );
    }

    loop {
        let (stream, address) = listener.accept().await?;
        let (acceptor, gated) = (acceptor.clone(), gated.clone());
        tokio::spawn(async move {
            let stream = match acceptor.accept(stream).await {
                Ok(stream) => stream,
                Err(why) => return eprintln!("a handshake failed: {why}"),
            };
            let (_, connection) = stream.get_ref();
            // The first certificate is that of the client; others are of its issuers.
            let certificate = connection
                .peer_certificates()
                .and_then(|chain| chain.first());
            let certificate = certificate.map(|der| ClientCertificate::of_der(der));
            let peer = Peer::at(address.ip());
            let service = ServiceBuilder::new()
                .map_request(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(peer);
                    if let Some(certificate) = certificate {
                        request.extensions_mut().insert(certificate);
                    }
                    request
                })
                .service(gated);
            let connection = auto::Builder::new(TokioExecutor::new());
            let service = TowerToHyperService::new(service);
            let served = connection.serve_connection(TokioIo::new(stream), service);
            if let Err(why) = served.await {
                eprintln!("a connection failed: {why}");
            }
        });
    }
}

async fn greet(
    request: Request<RequestBody<Incoming>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let name = request
        .extensions()
        .get::<Principal>()
        .and_then(Principal::subject)
        .unwrap_or("machine");
    Ok(Response::new(Full::from(format!("Hello, {name}.\n"))))
}

/// Accepts TLS connections with any client certificate, and without one.
fn acceptor(server: &CertifiedKey<KeyPair>) -> Result<TlsAcceptor, Box<dyn Error>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(AnyCertificate(provider.clone()));
    let key = PrivateKeyDer::Pkcs8(server.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![server.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Asks for a client certificate, from whichever issuer. A client without one may connect: the gate refuses its token if
/// that is bound to a certificate. The signature of the handshake is verified, or anyone could show a certificate of
/// another client.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn self_signed(name: &str) -> Result<CertifiedKey<KeyPair>, rcgen::Error> {
    generate_simple_self_signed([name.to_owned()])
}

/// A folder for what `curl` needs.
struct Files(PathBuf);

impl Files {
    fn new() -> Result<Self, std::io::Error> {
        let folder = env::temp_dir().join(format!("toolgate-mutual-tls-{}", process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    fn write(&self, name: &str, text: String) -> Result<PathBuf, std::io::Error> {
        let file = Path::join(&self.0, name);
        fs::write(&file, text)?;
        Ok(file)
    }
}
