//! A gate with one secret tool, one secret resource and one secret prompt, and who knocks at it.

use std::convert::Infallible;
use std::sync::LazyLock;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tokio::runtime::Runtime;
use toolgate::testing::AuthorizationServer;
use toolgate::{Builder, Holder, Issuer, RequestBody, ScopeMap, Toolgate};
use tower::{Layer, ServiceExt, service_fn};

pub const RESOURCE: &str = "https://mcp.example.com/mcp";

#[allow(dead_code, reason = "no target needs all of it")]
pub struct World {
    runtime: Runtime,
    gate: Toolgate,
    pub server: AuthorizationServer,
    /// Good for the base scopes, and for nothing secret.
    pub token: String,
}

#[allow(dead_code, reason = "not every target trusts only JWTs")]
pub static WORLD: LazyLock<World> = LazyLock::new(|| build(|issuer, _| issuer));

#[allow(dead_code, reason = "not every target sets anything else")]
pub fn build_with(configure: impl FnOnce(Builder) -> Builder) -> World {
    build_both(|issuer, _| issuer, configure)
}

#[allow(dead_code, reason = "not every target has another issuer")]
pub fn build(configure: impl FnOnce(Issuer, &AuthorizationServer) -> Issuer) -> World {
    build_both(configure, |builder| builder)
}

fn build_both(
    issuer_of: impl FnOnce(Issuer, &AuthorizationServer) -> Issuer,
    configure: impl FnOnce(Builder) -> Builder,
) -> World {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(AuthorizationServer::start());
    let token = server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use")
        .expires_in(1_000_000)
        .mint();
    let scopes = ScopeMap::allow_unlisted()
        .every_request("mcp:use")
        .tool("secret", "secret")
        .prompt("secret", "secret")
        .resource("file:///secret/*", "secret");
    let issuer = Issuer::new(server.issuer()).jwks(server.jwks().to_string());
    let builder = Toolgate::builder(RESOURCE)
        .issuer(issuer_of(issuer, &server))
        .scopes(scopes)
        // One caller may use a sixteenth. By default that is full within seconds, and then every proof gets 503.
        .holder(Holder::default().replay_bytes(1 << 34));
    let gate = configure(builder).build().unwrap();
    World {
        runtime,
        gate,
        server,
        token,
    }
}

impl World {
    /// Whether the request reached the inner service.
    pub fn lets_in(&self, request: Request<Full<Bytes>>) -> bool {
        let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
            Ok::<_, Infallible>(
                Response::builder()
                    .status(299)
                    .body(Empty::<Bytes>::new())
                    .unwrap(),
            )
        });
        let answer = self
            .runtime
            .block_on(self.gate.layer().layer(inner).oneshot(request))
            .unwrap();
        let status = answer.status().as_u16();
        assert!(
            matches!(status, 299 | 400 | 401 | 403 | 404 | 413 | 415 | 503),
            "{status}"
        );
        status == 299
    }
}
