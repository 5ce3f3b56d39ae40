//! A protected MCP server to try out, with everything it needs: `cargo run --bin quickstart`.
//!
//! It starts a development authorization server and an rmcp server behind a gate, and prints the commands to try. It is
//! the base of the examples; the others say how they differ from it, and start with
//! `cargo run -p toolgate-examples --example`.
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
use toolgate::{Metadata, Rule, ScopeMap, Toolgate, any_of, base_only, deny};

mod shared;

/// The usual ports of the MCP server and of its authorization server.
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

    // The tokens come from a development server. Yours will come from Keycloak, Entra, Auth0, …: only the URL changes
    // below.
    let authorization_server = AuthorizationServer::builder()
        .listen(vacant(options.issuer, ISSUER)?)
        .scopes([
            "mcp:use",
            "weather:read",
            "reports:read",
            "files:write",
            "admin",
        ])
        .scope_text("mcp:use", "Connect to this server")
        .scope_text("weather:read", "Look up the weather")
        .scope_text("reports:read", "Read the reports")
        .scope_text("files:write", "Change and delete files")
        .scope_text("admin", "Read the reports, and change and delete files")
        .start()
        .await;

    // Every decision will be a line on stderr. The first line shows the effective configuration.
    shared::log("toolgate=debug")?;

    // The gate: which issuer to trust for this server, and which scopes each tool needs.
    let listener = TcpListener::bind(vacant(options.listen, LISTEN)?).await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);
    let gate = Toolgate::builder(resource)
        .issuer(authorization_server.issuer())
        .metadata(Metadata::default().resource_name("Toolgate quickstart"))
        .scopes(
            ScopeMap::deny_unlisted()
                .every_request("mcp:use")
                .initial(["mcp:use", "weather:read"])
                .tool("whoami", base_only())
                .tool("get_weather", "weather:read")
                .tool("report_*", any_of(["reports:read", "admin"]).listed())
                .tool("delete_file", Rule::from("files:write").listed())
                .tool("wipe", deny())
                .implies("admin", ["files:write"])
                // Lists show what the caller may call, and what is `listed`: a client can ask for the scopes of that.
                .list_callable(),
        )
        .build()?;

    // Without sessions, so that one `curl` is a whole conversation.
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let mcp = shared::mcp_service(&["127.0.0.1"], config);

    // Your MCP server, as it was, with one layer around it: the last call on the router.
    let app = Router::new().nest_service("/mcp", mcp).layer(gate.layer());

    let stop_signal = shared::stop_signal()?;
    print!("{}", welcome(&gate, &authorization_server));
    Ok(shared::serve(listener, app, &[gate], stop_signal).await?)
}

/// The text to start with. Every command in it can be pasted as it is.
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

  Every request needs the scope mcp:use. In addition, these tools need:

    whoami         nothing
    get_weather    weather:read
    report_*       reports:read or admin
    delete_file    files:write, or admin, which implies it
    wipe           refused, whatever the token grants

  Tools, resources and prompts without a rule are refused. Like wipe, they are in no list.


  IN A TERMINAL

  1. Without a token: 401, and a challenge with the address of the metadata document.

    curl -i {mcp}

  2. The metadata document, at that address. It names the authorization server.

    curl -i {metadata}

  3. Skip the login: a token of Alice with mcp:use and weather:read, valid for an hour.

    TOKEN={token}

  4. A tool that this token allows: 200.

    {get_weather}

  5. A tool that needs files:write: 403, and a challenge that names all scopes. MCP clients
     answer it by asking the user for more ("step-up").

    {delete_file}

  6. A tool that is refused to everyone: 403, and no scope to request.

    {wipe}

  7. The call of number 4 as clients of revision 2026-07-28 send it, with method and name
     in headers too. Change one of these: 400, because a proxy may read the headers, and the
     server the body.

    curl -i {mcp} -H "Authorization: Bearer $TOKEN" \
      -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
      -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: get_weather' \
      -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"get_weather","arguments":{{"city":"Paris"}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}'


  WITH AN MCP CLIENT

  Give it only this URL: {mcp}

    npx @modelcontextprotocol/inspector@2.12.0     # needs Node.js 22.19 or newer
    claude mcp add --transport http toolgate {mcp}

  In the Inspector choose "Add Servers", "Add manually" and the transport "streamable-http", in VS
  Code "MCP: Add Server…", "HTTP".

  When it connects, it gets the 401 of number 1, finds the authorization server, registers itself
  there and opens your browser. The page asks who you want to be and what the client may do: allow
  it, and the client gets a token for mcp:use and weather:read. whoami then says who you
  are, and get_weather works. delete_file needs more: a client with step-up opens the page once
  more, where you are still logged in and files:write is marked as new. (Clients with version 1
  of the TypeScript SDK refresh their token instead, and stop at the 403: see its issue 2255.)


  IN A BROWSER

  {mcp} is the 401 of number 1 again, as a page that says what to do with this URL.
  {issuer} is a page that says what the authorization server has.


  Ctrl-C stops both servers. The decisions of the gate appear below.

"#
    )
}

/// The address from the command line, or else the usual one, so that URLs stay the same, or else a free one.
fn vacant(asked: Option<SocketAddr>, usual: (Ipv4Addr, u16)) -> Result<SocketAddr, String> {
    let address = asked.unwrap_or(usual.into());
    match (std::net::TcpListener::bind(address), asked) {
        (Ok(_), Some(_)) if !address.ip().is_loopback() => Err(format!(
            "{address} is not on this machine alone, and everyone may log in here without a password"
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
