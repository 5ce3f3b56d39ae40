//! rmcp's own client, from the first refusal to a result, with only the browser played by the test.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use reqwest::{Client, Url};
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService, ServiceError};
use rmcp::transport::auth::{AuthClient, AuthorizationCallback, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::{
    InsufficientScopeError, StreamableHttpClientTransportConfig,
};
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{
    StreamableHttpClientTransport, StreamableHttpServerConfig, StreamableHttpService,
};
use rmcp::{ServiceExt, tool, tool_router};
use tokio::net::TcpListener;
use toolgate::testing::{AuthorizationServer, Endpoint};
use toolgate::{ScopeMap, Toolgate, base_only, deny};

#[tokio::test]
async fn the_rust_sdk_logs_in_and_steps_up_at_a_server_without_sessions() {
    let stateless = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    log_in_and_step_up(stateless, NeverSessionManager::default()).await;
}

#[tokio::test]
async fn the_rust_sdk_logs_in_and_steps_up_at_a_server_with_sessions() {
    log_in_and_step_up(
        StreamableHttpServerConfig::default(),
        LocalSessionManager::default(),
    )
    .await;
}

async fn log_in_and_step_up(config: StreamableHttpServerConfig, sessions: impl SessionManager) {
    let authorization_server = AuthorizationServer::builder()
        .scopes(["mcp:use", "files:write", "admin"])
        .start()
        .await;
    let resource = start(&authorization_server, config, sessions).await;
    let browser = Browser::open().await;

    // Without a token: 401, and from its challenge alone to a page that asks the user.
    let refused = ()
        .serve(StreamableHttpClientTransport::with_client(
            http(),
            at(&resource),
        ))
        .await;
    let refused = refused.expect_err("there is no token");
    let challenge = refused.auth_challenge().expect("a challenge").to_owned();
    let mut state = OAuthState::new(&resource, None).await.unwrap();
    let request = AuthorizationRequest::new(&browser.callback)
        .with_initial_scope_selection()
        .with_client_name("rmcp")
        .with_challenge(challenge);
    state.start_authorization(request).await.unwrap();
    let page = state.get_authorization_url().await.unwrap();
    let callback = browser.allow(&page, "bob", &["mcp:use"]).await;
    state.handle_callback_url(callback.as_str()).await.unwrap();

    // With the token: in.
    let authorized = AuthClient::new(http(), state.into_authorization_manager().expect("a token"));
    let manager = authorized.auth_manager.clone();
    let client = ().serve(StreamableHttpClientTransport::with_client(
        authorized,
        at(&resource),
    ));
    let client = client.await.expect("the token is good");
    assert_eq!(call(&client, "ping").await.unwrap(), "pong");

    // A tool that needs more: 403, and from its challenge to the page once more.
    let refused = call(&client, "delete_file")
        .await
        .expect_err("the token lacks a scope");
    let needed = insufficient_scope(&refused).expect("an insufficient_scope challenge");
    let needed = needed
        .get_required_scope()
        .expect("the scopes to ask for")
        .to_owned();
    let page = manager
        .lock()
        .await
        .request_scope_upgrade(&needed)
        .await
        .unwrap();
    let callback = browser
        .allow(&page, "bob", &["mcp:use", "files:write"])
        .await;
    let callback = AuthorizationCallback::from_redirect_url(callback.as_str()).unwrap();
    let redeemed = manager
        .lock()
        .await
        .exchange_code_for_token_with_issuer(
            &callback.code,
            &callback.csrf_token,
            callback.issuer.as_deref(),
        )
        .await;
    redeemed.expect("the code is good");
    assert_eq!(call(&client, "delete_file").await.unwrap(), "gone");

    // A tool that no scope opens: the client must not be sent round in circles.
    let refused = call(&client, "wipe").await.expect_err("the rule denies it");
    let needed = insufficient_scope(&refused).and_then(InsufficientScopeError::get_required_scope);
    assert_eq!(needed, None);

    assert_eq!(authorization_server.hits(Endpoint::Register), 1);
    assert_eq!(authorization_server.hits(Endpoint::Token), 2);
    client.cancel().await.unwrap();
}

struct Tools;

#[tool_router(server_handler)]
impl Tools {
    #[tool]
    async fn ping(&self) -> String {
        "pong".to_owned()
    }

    #[tool]
    async fn delete_file(&self) -> String {
        "gone".to_owned()
    }

    #[tool]
    async fn wipe(&self) -> String {
        unreachable!("the gate refuses every call")
    }
}

/// Starts a protected server, and returns the URL to give to clients.
async fn start(
    authorization_server: &AuthorizationServer,
    config: StreamableHttpServerConfig,
    sessions: impl SessionManager,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let resource = format!("http://{}/mcp", listener.local_addr().unwrap());
    let gate = Toolgate::builder(&resource)
        .issuer(authorization_server.issuer())
        .scopes(
            ScopeMap::deny_unlisted()
                .every_request("mcp:use")
                .tool("ping", base_only())
                .tool("delete_file", "files:write")
                .tool("wipe", deny()),
        )
        .build()
        .unwrap();
    let mcp = StreamableHttpService::new(|| Ok(Tools), Arc::new(sessions), config);
    let app = Router::new().nest_service("/mcp", mcp).layer(gate.layer());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    resource
}

async fn call(
    client: &RunningService<RoleClient, ()>,
    tool: &'static str,
) -> Result<String, ServiceError> {
    let result = client.call_tool(CallToolRequestParams::new(tool)).await?;
    let text = result.content.first().and_then(|content| content.as_text());
    Ok(text.expect("text").text.clone())
}

/// The error that the transport made of a 403.
fn insufficient_scope(error: &ServiceError) -> Option<&InsufficientScopeError> {
    let ServiceError::TransportSend(error) = error else {
        panic!("not the transport's: {error:?}");
    };
    let mut source: Option<&(dyn Error + 'static)> = Some(&*error.error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        source = error.source();
    }
    None
}

fn at(resource: &str) -> StreamableHttpClientTransportConfig {
    StreamableHttpClientTransportConfig::with_uri(resource)
}

fn http() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// Opens pages, fills in forms, follows redirects; and the place at the client where those end.
struct Browser {
    http: Client,
    callback: String,
}

impl Browser {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let callback = format!("http://{}/callback", listener.local_addr().unwrap());
        let page = Router::new().route(
            "/callback",
            axum::routing::get(|| async { "You may close this page." }),
        );
        tokio::spawn(async move { axum::serve(listener, page).await.unwrap() });
        Self {
            http: http(),
            callback,
        }
    }

    /// Allows as `user` what the consent page offers, which must be `scopes`, and returns where that led.
    async fn allow(&self, page: &str, user: &str, scopes: &[&str]) -> Url {
        let shown = self.http.get(page).send().await.unwrap();
        let html = shown.text().await.unwrap();
        let offered: Vec<_> = inputs(&html, "checkbox").map(|(_, value)| value).collect();
        assert_eq!(offered, scopes);
        let mut form = Url::parse("http://form.invalid").unwrap();
        form.query_pairs_mut()
            .extend_pairs(inputs(&html, "hidden"))
            .extend_pairs(inputs(&html, "checkbox"))
            .append_pair("user", user)
            .append_pair("decision", "allow");
        let submit = self.http.post(page.split('?').next().unwrap());
        let submit = submit.header("content-type", "application/x-www-form-urlencoded");
        let submit = submit.body(form.query().unwrap().to_owned());
        let led_to = submit.send().await.unwrap().url().clone();
        assert!(led_to.as_str().starts_with(&self.callback), "{led_to}");
        led_to
    }
}

/// Names and values of the page's inputs of one kind.
fn inputs(html: &str, kind: &str) -> impl Iterator<Item = (String, String)> {
    let attribute = |input: &str, name: &str| {
        let (value, _) = input
            .split_once(&format!(" {name}=\""))?
            .1
            .split_once('"')?;
        Some(
            value
                .replace("&quot;", "\"")
                .replace("&#39;", "'")
                .replace("&amp;", "&"),
        )
    };
    let kind = format!("type=\"{kind}\"");
    let inputs = html
        .split("<input ")
        .skip(1)
        .filter_map(|rest| rest.split('>').next());
    inputs
        .filter(move |input| input.starts_with(&kind))
        .map(move |input| {
            (
                attribute(input, "name").unwrap(),
                attribute(input, "value").unwrap(),
            )
        })
}
