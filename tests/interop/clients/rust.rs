//! rmcp's client. `../client.mjs` describes the messages between the harness and a client.
#![allow(clippy::print_stdout, reason = "that is how it answers")]

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::{env, iter};

use reqwest::Client;
use rmcp::model::{CallToolRequestParams, ClientConfig, JsonObject, ProtocolVersion};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService, ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationManager, AuthorizationRequest, OAuthState,
};
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, InsufficientScopeError, StreamableHttpClientTransportConfig,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Command {
    Connect,
    List,
    Call { tool: String, arguments: JsonObject },
    Leave,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: REVISION RESOURCE CALLBACK");
    let (revision, resource, callback) = (next()?, next()?, next()?);
    let mut connected = None;
    while let Some(command) = heard()? {
        let done = match (serde_json::from_value(command)?, &mut connected) {
            (Command::Connect, _) => connect(&resource, &callback, &revision)
                .await
                .map(|client| {
                    let revision = client.revision();
                    connected = Some(client);
                    revision
                }),
            (Command::Leave, Some(connected)) => connected.leave().await,
            (command, Some(connected)) => connected.obey(&command).await,
            (_, None) => Err("not connected".into()),
        };
        match done {
            Ok(done) => println!("{}", json!({ "done": done })),
            Err(why) => println!("{}", json!({ "failed": why.to_string() })),
        }
    }
    Ok(())
}

/// First without a token, and with the challenge of the refusal to one.
async fn connect(resource: &str, callback: &str, revision: &str) -> Outcome<Connected> {
    let revision: ProtocolVersion = serde_json::from_value(revision.into())?;
    let lifecycle = if revision.has_initialize() {
        ClientLifecycleMode::Initialize
    } else {
        ClientLifecycleMode::Discover {
            preferred_versions: vec![revision.clone()],
        }
    };
    let client = ClientConfig::default().with_protocol_version(revision);
    let config = || StreamableHttpClientTransportConfig::with_uri(resource);
    let http = Client::builder().no_proxy().build()?;

    let bare = StreamableHttpClientTransport::with_client(http.clone(), config());
    let Err(refused) = client
        .clone()
        .serve_with_lifecycle(bare, lifecycle.clone())
        .await
    else {
        return Err("it is let in without a token".into());
    };
    let challenge = refused
        .auth_challenge()
        .ok_or("a refusal without a challenge")?;

    let mut state = OAuthState::new(resource, None).await?;
    let request = AuthorizationRequest::new(callback)
        .with_initial_scope_selection()
        .with_challenge(challenge);
    state
        .start_authorization(request.with_client_name("interop"))
        .await?;
    let landed = open(&state.get_authorization_url().await?)?;
    state.handle_callback_url(&landed).await?;
    let authorized = AuthClient::new(http, state.into_authorization_manager().ok_or("no token")?);
    let manager = authorized.auth_manager.clone();
    let transport = StreamableHttpClientTransport::with_client(authorized, config());
    Ok(Connected {
        session: client.serve_with_lifecycle(transport, lifecycle).await?,
        manager,
    })
}

struct Connected {
    session: RunningService<RoleClient, ClientConfig>,
    manager: Arc<Mutex<AuthorizationManager>>,
}

impl Connected {
    fn revision(&self) -> Value {
        self.session
            .peer_info()
            .map(|server| server.protocol_version.as_str().into())
            .unwrap_or_default()
    }

    /// rmcp leaves it to its user to open the page that a refusal asks for, and to try again.
    async fn obey(&self, command: &Command) -> Outcome<Value> {
        match self.attempt(command).await {
            Err(refused) => match self.page(refused.as_ref()).await? {
                Some(page) => {
                    self.redeem(&open(&page)?).await?;
                    self.attempt(command).await
                }
                None => Err(refused),
            },
            done => done,
        }
    }

    async fn attempt(&self, command: &Command) -> Outcome<Value> {
        match command {
            Command::Connect | Command::Leave => Err("nothing to attempt again".into()),
            Command::List => {
                let tools = self.session.list_all_tools().await?;
                Ok(tools.iter().map(|tool| tool.name.as_ref()).collect())
            }
            Command::Call { tool, arguments } => {
                let call =
                    CallToolRequestParams::new(tool.clone()).with_arguments(arguments.clone());
                let result = self.session.call_tool(call).await?;
                let text = result.content.first().and_then(|content| content.as_text());
                Ok(text.ok_or("a result without text")?.text.clone().into())
            }
        }
    }

    async fn leave(&mut self) -> Outcome<Value> {
        self.session.close().await?;
        Ok(Value::Null)
    }

    async fn page(&self, refused: &(dyn Error + 'static)) -> Outcome<Option<String>> {
        let manager = self.manager.lock().await;
        let scope = find(refused).and_then(InsufficientScopeError::get_required_scope);
        if let Some(scope) = scope {
            return Ok(Some(manager.request_scope_upgrade(scope).await?));
        }
        if find::<AuthRequiredError>(refused).is_some() {
            let scopes = manager.select_scopes(None, &[]);
            let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
            return Ok(Some(manager.get_authorization_url(&scopes).await?));
        }
        Ok(None)
    }

    async fn redeem(&self, landed: &str) -> Outcome<()> {
        let AuthorizationCallback {
            code,
            csrf_token,
            issuer,
            ..
        } = AuthorizationCallback::from_redirect_url(landed)?;
        let manager = self.manager.lock().await;
        manager
            .exchange_code_for_token_with_issuer(&code, &csrf_token, issuer.as_deref())
            .await?;
        Ok(())
    }
}

/// The transport's error of this type behind an error.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let ServiceError::TransportSend(error) = error.downcast_ref()? else {
        return None;
    };
    let first: &(dyn Error + 'static) = &*error.error;
    iter::successors(Some(first), |&error| error.source()).find_map(<dyn Error>::downcast_ref)
}

fn open(page: &str) -> Outcome<String> {
    println!("{}", json!({ "open": page }));
    let answer = heard()?.ok_or("the harness did not open the page")?;
    Ok(answer
        .get("landed")
        .and_then(Value::as_str)
        .ok_or("it leads nowhere")?
        .to_owned())
}

fn heard() -> Outcome<Option<Value>> {
    let mut line = String::new();
    let length = io::stdin().read_line(&mut line)?;
    Ok(if length == 0 {
        None
    } else {
        Some(serde_json::from_str(&line)?)
    })
}
