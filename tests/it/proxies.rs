//! Loopback URLs are fetched without a proxy: no proxy variable and no setting of a user diverts them.

use std::sync::{Arc, Mutex};

use reqwest::{ClientBuilder, Proxy};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use toolgate::testing::{AuthorizationServer, Endpoint};
use toolgate::{Introspection, Issuer, ScopeMap};

use crate::examples::{Example, File, RESOURCE, config, result, tool};
use crate::world::{World, token_of};

/// Answers every request with 502, and keeps the heads of all.
struct Diversion {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Diversion {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let heads = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let length = stream.read(&mut head).await.unwrap_or_default();
                heads
                    .lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&head[..length]).into_owned());
                let _ = stream
                    .write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn no_environment_variable_diverts_requests_to_loopback() {
    let authorization_server = AuthorizationServer::start().await;
    let of_this_name = |url: String| url.replace("127.0.0.1", "localhost");
    let discovered = String::new();
    let named = format!(
        "endpoint = {:?}",
        of_this_name(authorization_server.url(Endpoint::Introspect))
    );
    let jwks = format!(
        "jwks_uri = {:?}",
        of_this_name(authorization_server.url(Endpoint::Jwks))
    );
    let token = authorization_server
        .token()
        .audience(RESOURCE)
        .scope("mcp:use");
    let (opaque, jwt) = (authorization_server.mint_opaque(&token), token.mint());
    for (jwks_uri, endpoint) in [(&discovered, &discovered), (&jwks, &named)] {
        let issuer = format!(
            "issuer = {:?}\n{jwks_uri}\n[issuers.introspection]\n{endpoint}\nclient_id = \"rs\"\nclient_secret = \"rs-secret\"",
            authorization_server.issuer()
        );
        let file = File::new("diverted", &config(RESOURCE, &issuer));
        for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            let diversion = Diversion::start().await;
            let arguments = [file.path(), "--listen", "127.0.0.1:0"];
            // The machine's own `no_proxy` must not affect the test.
            let variables = [
                ("NO_PROXY", ""),
                ("no_proxy", ""),
                (variable, &*diversion.url),
            ];
            let mut serve = Example::start_with("serve", &arguments, &variables);
            let mcp = format!("{}/mcp", serve.listening().await);
            for token in [&jwt, &opaque] {
                let add = tool(&mcp, "add", json!({ "a": 1, "b": 2 })).bearer_auth(token);
                let status = add.try_clone().unwrap().send().await.unwrap().status();
                assert_eq!(diversion.seen(), [""; 0], "{variable}");
                assert_eq!(status, 200, "{variable}");
                assert_eq!(result(add).await, "3", "{variable}");
            }
        }
    }
}

#[tokio::test]
async fn no_setting_of_the_http_client_diverts_requests_to_loopback() {
    let diversion = Diversion::start().await;
    let world = World::with(|builder, server| {
        let client = ClientBuilder::new().proxy(Proxy::all(&diversion.url).unwrap());
        let elsewhere = "192.0.2.1:1".parse().unwrap();
        let introspection = Introspection::basic("rs", "rs-secret");
        let issuer = Issuer::new(server.issuer())
            .jwks_uri(server.url(Endpoint::Jwks).replace("127.0.0.1", "localhost"))
            .introspection(introspection);
        let builder = builder.issuer(issuer).scopes(ScopeMap::allow_unlisted());
        builder.http_client(client.resolve("localhost", elsewhere))
    })
    .await;
    world.list_with(&world.token().mint()).await.assert_served();
    world
        .list_with(&world.server.mint_opaque(&world.token()))
        .await
        .assert_served();
    assert_eq!(diversion.seen(), [""; 0]);
}

#[tokio::test]
async fn other_urls_go_through_the_proxy_that_the_user_set() {
    let diversion = Diversion::start().await;
    let elsewhere = "https://auth.example.com";
    let world = World::with(|builder, _| {
        let client = ClientBuilder::new().proxy(Proxy::all(&diversion.url).unwrap());
        builder
            .issuer(elsewhere)
            .scopes(ScopeMap::allow_unlisted())
            .http_client(client)
    })
    .await;
    let token = token_of(&world.server).claim("iss", elsewhere).mint();
    world
        .list_with(&token)
        .await
        .assert_unavailable("discovery_failed");
    let seen = diversion.seen();
    assert!(!seen.is_empty());
    for head in seen {
        assert!(head.starts_with("CONNECT auth.example.com:443 "), "{head}");
    }
}
