//! API keys for machines, in a file that is followed: `cargo run -p toolgate-examples --example api_keys`.
//!
//! It makes a key, writes its hash to a file, and serves an MCP server that accepts the key. Replace the file by
//! `keys = []` while it runs, and the key is refused within a second or two.
//!
//! `cargo run -p toolgate-examples --example api_keys -- new NAME [SCOPE…] [expires=TIME]` only makes a key. It prints
//! the key, for its machine, and after it the table to store, which is no secret.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that people start talks to them"
)]

use std::error::Error;
use std::{env, fs, process};

use axum::Router;
use rmcp::transport::StreamableHttpServerConfig;
use tokio::net::TcpListener;
use toolgate::testing::AuthorizationServer;
use toolgate::{ApiKey, ApiKeys, ScopeMap, Toolgate};

mod shared;

/// Yours may be another: it says that a token is one of your keys, also to a scanner of leaked secrets.
const PREFIX: &str = "tg_";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => serve().await,
        ["new", name, rest @ ..] => {
            let (key, stored) = new_key(name, rest)?;
            eprintln!("Give the key (the first line) to its machine, and keep no copy.");
            eprintln!("Add the other lines to the file with keys. They are no secret.\n");
            println!("{key}\n{stored}");
            Ok(())
        }
        _ => Err("usage: api_keys [new NAME [SCOPE…] [expires=TIME]]".into()),
    }
}

/// A key, and the table to store.
fn new_key(name: &str, rest: &[&str]) -> Result<(String, ApiKey), Box<dyn Error>> {
    let made = ApiKey::generate(PREFIX, name);
    let (key, stored) = made.ok_or("the system gave no random bytes")?;
    let stored = rest
        .iter()
        .fold(stored, |stored, word| match word.strip_prefix("expires=") {
            Some(time) => stored.expires(time),
            None => stored.scopes([*word]),
        });
    // A mistake is found here, and not when the file is next read.
    Toolgate::builder("https://mcp.example.com/mcp")
        .issuer("https://auth.example.com")
        .scopes(ScopeMap::allow_unlisted())
        .api_keys(ApiKeys::with_prefix(PREFIX).key(stored.clone()))
        .build()?;
    Ok((key, stored))
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let (key, stored) = new_key("nightly-build", &["mcp:use", "weather:read"])?;
    let file = env::temp_dir().join(format!("toolgate-keys-{}.toml", process::id()));
    fs::write(&file, format!("{stored}\n"))?;

    shared::log("toolgate=info")?;
    // People log in there as before.
    let authorization_server = AuthorizationServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);
    let gate = Toolgate::builder(&resource)
        .issuer(authorization_server.issuer())
        .scopes(
            ScopeMap::deny_unlisted()
                .every_request("mcp:use")
                .tool("get_weather", "weather:read"),
        )
        .api_keys(ApiKeys::with_prefix(PREFIX).file(&file))
        .build()?;
    // Without sessions, so that one `curl` is a whole conversation.
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let mcp = shared::mcp_service(&["127.0.0.1"], config);
    let app = Router::new().nest_service("/mcp", mcp).layer(gate.layer());

    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_weather","arguments":{"city":"Paris"}}}"#;
    let stop_signal = shared::stop_signal()?;
    println!("curl -i {resource} -H 'Authorization: Bearer {key}' \\");
    println!(
        "  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\"
    );
    println!("  -d '{call}'\n");
    println!("It is allowed. Write `keys = []` in place of the key, and it is not:");
    println!("{}", file.display());
    let served = shared::serve(listener, app, &[gate], stop_signal).await;
    fs::remove_file(&file)?;
    Ok(served?)
}
