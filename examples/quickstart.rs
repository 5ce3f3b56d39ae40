//! A protected MCP server to try out, with everything it needs: `cargo run --example quickstart`.
//!
//! It starts a development authorization server and an rmcp server behind a gate, and prints what to type.
//! This is the base of the examples; the others say how they differ from it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that people start talks to them"
)]

use std::env;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use axum::Router;
use rmcp::transport::StreamableHttpServerConfig;
use tokio::net::TcpListener;
use toolgate::testing::{AuthorizationServer, NOTICE};
use toolgate::{ScopeMap, Toolgate, any_of, base_only, deny};

mod shared;

/// Where the MCP server listens, and its authorization server, unless the port is taken or you say otherwise.
const LISTEN: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 3000);
const ISSUER: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 4000);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("quickstart: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(env::args().skip(1))?;

    // Somebody has to issue tokens. Yours will be Keycloak, Entra, Auth0, …: below, only its URL changes.
    let authorization_server = AuthorizationServer::builder()
        .listen(vacant(options.issuer, ISSUER)?)
        .scopes([
            "mcp:use",
            "weather:read",
            "reports:read",
            "files:write",
            "admin",
        ])
        .start()
        .await;

    // Every decision will be a line on stderr, and one says what was built.
    shared::log("toolgate=debug")?;

    // The gate: who may issue tokens for this server, and which scopes which tool needs.
    let listener = TcpListener::bind(vacant(options.listen, LISTEN)?).await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);
    let gate = Toolgate::builder(resource)
        .issuer(authorization_server.issuer())
        .scopes(
            ScopeMap::deny_unlisted()
                .every_request("mcp:use")
                .initial(["mcp:use", "weather:read"])
                .tool("whoami", base_only())
                .tool("get_weather", "weather:read")
                .tool("report_*", any_of(["reports:read", "admin"]))
                .tool("delete_file", "files:write")
                .tool("wipe", deny())
                .implies("admin", ["files:write"]),
        )
        .build()?;

    // Without sessions, so that one `curl` is a whole conversation.
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let mcp = shared::mcp_service("127.0.0.1", config);

    // Your MCP server, as it was, with one layer around it: the last call on the router.
    let app = Router::new().nest_service("/mcp", mcp).layer(gate.layer());

    print!("{}", welcome(&gate, &authorization_server));
    Ok(shared::serve(listener, app, &gate).await?)
}

/// What to try. Every command in it can be pasted as it is.
fn welcome(gate: &Toolgate, authorization_server: &AuthorizationServer) -> String {
    let (mcp, metadata, issuer) = (
        gate.resource(),
        gate.metadata_url(),
        authorization_server.issuer(),
    );
    let token = authorization_server
        .token()
        .audience(mcp)
        .scope("mcp:use weather:read")
        .expires_in(3600)
        .mint();
    let call = |tool: &str, arguments: &str| {
        format!(
            r#"curl -i {mcp} -H "Authorization: Bearer $TOKEN" \
      -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
      -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}'"#
        )
    };
    let (get_weather, delete_file, wipe) = (
        call("get_weather", r#"{"city":"Paris"}"#),
        call("delete_file", r#"{"path":"/tmp/a"}"#),
        call("wipe", "{}"),
    );
    format!(
        r#"
  TOOLGATE QUICKSTART

  MCP server             {mcp}
  Authorization server   {issuer}

  !!  {NOTICE}
  !!  The authorization server takes no passwords. Never let anything real trust it.

  Every request needs the scope mcp:use, and on top of it

    whoami         nothing else
    get_weather    weather:read
    report_*       reports:read or admin
    delete_file    files:write, or admin, which implies it
    wipe           nobody may, whatever the token grants

  Tools, resources and prompts that no rule names are refused.


  IN A TERMINAL

  1. Without a token: 401, and a challenge that says where to find out more.

    curl -i {mcp}

  2. There: the metadata document. It names the authorization server.

    curl -i {metadata}

  3. Skip the login: a token of Alice's with mcp:use and weather:read, good for an hour.

    TOKEN={token}

  4. A tool that it allows: 200.

    {get_weather}

  5. A tool that needs files:write: 403, and a challenge that names all it takes. MCP clients
     answer it by asking the user for more ("step-up").

    {delete_file}

  6. A tool that nobody may call: 403, and no scope to ask for.

    {wipe}

  7. The call of number 4 as clients of the 2026-07-28 revision send it, with method and name
     in headers too. Change one of these: 400, because an answer must not depend on who reads
     which of the two.

    curl -i {mcp} -H "Authorization: Bearer $TOKEN" \
      -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
      -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: get_weather' \
      -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"get_weather","arguments":{{"city":"Paris"}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}'


  WITH AN MCP CLIENT

  Give it this URL, and nothing else: {mcp}

    npx @modelcontextprotocol/inspector
    claude mcp add --transport http toolgate {mcp}

  In the Inspector choose "Add Servers", "Add manually" and the transport "streamable-http", in VS
  Code "MCP: Add Server…", "HTTP".

  When it connects it meets the 401 of number 1, finds the authorization server, registers itself
  there and opens your browser. The page asks who you want to be and what the client may do: allow
  it, and the client is connected with a token for mcp:use and weather:read: whoami says who you
  are, get_weather works. delete_file needs more: a client that knows step-up opens the page once
  more, now for files:write. (Clients on version 1 of the TypeScript SDK refresh the token they have
  instead, and stop at the 403: its issue 2255.)

  Ctrl-C stops both servers. What the gate decides appears below.

"#
    )
}

/// The address that was asked for; or else the usual one, so that URLs stay the same; or else a free one.
fn vacant(asked: Option<SocketAddr>, usual: (Ipv4Addr, u16)) -> Result<SocketAddr, String> {
    let address = asked.unwrap_or(usual.into());
    match (std::net::TcpListener::bind(address), asked) {
        (Ok(_), Some(_)) if !address.ip().is_loopback() => Err(format!(
            "{address} is not on this machine alone, and everyone may log in here"
        )),
        (Ok(_), _) => Ok(address),
        (Err(_), None) => Ok((Ipv4Addr::LOCALHOST, 0).into()),
        (Err(why), Some(_)) => Err(format!("cannot listen on {address}: {why}")),
    }
}

#[derive(Default)]
struct Options {
    listen: Option<SocketAddr>,
    issuer: Option<SocketAddr>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let address = match argument.as_str() {
                "--listen" => &mut options.listen,
                "--issuer" => &mut options.issuer,
                _ => return Err(USAGE.into()),
            };
            *address = Some(arguments.next().ok_or(USAGE)?.parse().map_err(|_| USAGE)?);
        }
        Ok(options)
    }
}

const USAGE: &str = "usage: quickstart [--listen ADDRESS:PORT] [--issuer ADDRESS:PORT]";
