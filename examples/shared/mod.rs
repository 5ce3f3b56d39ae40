//! The parts that the larger examples share, none of which is about the gate: an MCP server with something to protect,
//! and a loop that serves it until it is stopped.

use std::env;
use std::error::Error;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::extract::ConnectInfo;
use http::request::Parts;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    Implementation, ListResourcesResult, PaginatedRequestParams, PromptMessage,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, Role, ServerCapabilities, ServerConfig,
};
use rmcp::schemars::{self, JsonSchema};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{
    ErrorData, RoleServer, ServerHandler, prompt, prompt_handler, prompt_router, tool,
    tool_handler, tool_router,
};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use toolgate::{Peer, Principal, Toolgate};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

/// The MCP server of the examples, for rmcp and over HTTP.
///
/// rmcp does not bind a session to a caller: a caller who learned the id of another's session could listen in with a
/// valid token of their own. The gate prevents that.
pub(crate) fn mcp_service(
    allowed_hosts: &[&str],
    config: StreamableHttpServerConfig,
) -> StreamableHttpService<Demo, LocalSessionManager> {
    let config = config
        .with_json_response(true)
        // rmcp answers only to host names that it is given; without this line, only to those of this machine.
        .with_allowed_hosts([allowed_hosts, &["localhost", "127.0.0.1", "::1"]].concat());
    StreamableHttpService::new(
        || Ok(Demo),
        Arc::new(LocalSessionManager::default()),
        config,
    )
}

/// Logs to stderr, by the targets and levels in `RUST_LOG` or else by those in `usual`.
pub(crate) fn log(usual: &str) -> Result<(), Box<dyn Error>> {
    let wanted = env::var("RUST_LOG").unwrap_or_default();
    let wanted = if wanted.is_empty() { usual } else { &wanted };
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(lines)
        .with(wanted.parse::<Targets>()?)
        .init();
    Ok(())
}

/// Serves until the program is told to stop, then lets requests in flight finish, for a bounded time.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    gates: &[Toolgate],
    stop_signal: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, stopped) = oneshot::channel();
    let gates = gates.to_vec();
    // The last layer is the outermost, so the gate finds the peer of each request.
    let app = app.layer(Peer::layer(|info: &ConnectInfo<SocketAddr>| info.0.ip()));
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop_signal.await;
        // A stream that a client listens on would never end by itself.
        gates.iter().for_each(Toolgate::close_streams);
        let _ = stopping.send(());
    });
    let patience = async {
        // If the sender was dropped, the server has failed, and the other branch says why.
        match stopped.await {
            Ok(()) => tokio::time::sleep(GRACE).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        served = server => served,
        () = patience => Ok(()),
    }
}

/// The longest time for requests in flight to finish.
const GRACE: Duration = Duration::from_secs(5);

/// Ctrl-C or SIGTERM. They are listened for from this call on, so make it before the program says that it is ready: a
/// signal that comes earlier ends the program at once.
#[cfg(unix)]
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Tools, resources and a prompt. None of them checks anything: the gate does that.
#[derive(Debug, Clone)]
pub(crate) struct Demo;

#[tool_router]
impl Demo {
    #[tool(description = "Say who is calling, as the gate verified it")]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        let principal = parts
            .extensions
            .get::<Principal>()
            .ok_or_else(|| ErrorData::internal_error("this server is not behind a gate", None))?;
        let expires_at = principal
            .expires_at()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(json!({
            "issuer": principal.issuer(),
            "subject": principal.subject(),
            "client_id": principal.client_id(),
            "scopes": principal.scopes().iter().collect::<Vec<_>>(),
            "audience": principal.audience().collect::<Vec<_>>(),
            "expires_at": expires_at.map(|time| time.as_secs()),
            "token_id": principal.token_id(),
            "machine": principal.is_machine(),
        })
        .to_string())
    }

    #[tool(description = "Add two numbers")]
    async fn add(&self, Parameters(Sum { a, b }): Parameters<Sum>) -> String {
        (a + b).to_string()
    }

    #[tool(description = "Say something back")]
    async fn echo(&self, Parameters(Echo { text }): Parameters<Echo>) -> String {
        text
    }

    #[tool(description = "Tell the weather in a city")]
    async fn get_weather(&self, Parameters(Weather { city }): Parameters<Weather>) -> String {
        format!("Sunny in {city}, 21 °C.")
    }

    #[tool(description = "Pretend to delete a file")]
    async fn delete_file(&self, Parameters(File { path }): Parameters<File>) -> String {
        format!("{path} would be gone now, if this were not a demonstration.")
    }

    #[tool(description = "Report what happened today")]
    async fn report_daily(&self) -> String {
        "Nothing out of the ordinary.".to_owned()
    }

    #[tool(description = "Pretend to delete everything")]
    async fn wipe(&self) -> String {
        "Everything would be gone now, if this were not a demonstration.".to_owned()
    }
}

#[prompt_router]
impl Demo {
    #[prompt(description = "Greet a person")]
    async fn greet(
        &self,
        Parameters(Greeting { name }): Parameters<Greeting>,
    ) -> Vec<PromptMessage> {
        vec![PromptMessage::new_text(
            Role::User,
            format!("Please greet {name} warmly."),
        )]
    }
}

#[tool_handler]
#[prompt_handler]
impl ServerHandler for Demo {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new(
            "toolgate-demo",
            env!("CARGO_PKG_VERSION"),
        ))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = RESOURCES.map(|(uri, name, _)| Resource::new(uri, name));
        Ok(ListResourcesResult::with_all_items(resources.to_vec()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let (uri, _, text) = RESOURCES
            .into_iter()
            .find(|(uri, ..)| *uri == request.uri)
            .ok_or_else(|| ErrorData::resource_not_found("there is no such resource", None))?;
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri)]).into())
    }
}

const RESOURCES: [(&str, &str, &str); 2] = [
    ("file:///public/readme", "readme", "Everyone may read this."),
    ("file:///secret/plan", "plan", "Read by those who may."),
];

#[derive(Deserialize, JsonSchema)]
struct Sum {
    a: f64,
    b: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Echo {
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Weather {
    city: String,
}

#[derive(Deserialize, JsonSchema)]
struct File {
    path: String,
}

#[derive(Deserialize, JsonSchema)]
struct Greeting {
    name: String,
}
