//! An MCP server behind a gate that is made from a file.
//!
//! ```text
//! cargo run -p toolgate-examples --example serve -- config.toml [--table NAME] [--listen ADDRESS]
//! ```
//!
//! It differs from `quickstart` in that the gate is built from a file, which may change while it runs (it is checked
//! every second, and on SIGHUP), and in that it starts no authorization server. If the file has `[[resources]]`, it serves
//! the same tools under each of them. Without `--listen` it listens on the host and port of the (first) resource. `--table gate` reads the gate's configuration from the table `[gate]` of a bigger file.
//! The page `docs::configuration` shows every field. `RUST_LOG` sets what is logged; `toolgate=debug` shows every
//! decision.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that people start talks to them"
)]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use axum::Router;
use http::Uri;
use rmcp::transport::StreamableHttpServerConfig;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use toolgate::{Config, Gates, Toolgate};

#[path = "shared/config.rs"]
mod config;
mod shared;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("serve: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(env::args().skip(1))?;
    shared::log("toolgate=info")?;

    // Read before the gate is built, or a change in between would be missed.
    let text = fs::read_to_string(&options.config).ok();
    let gates =
        gates_from(&options).map_err(|why| format!("{}: {why}", options.config.display()))?;
    let app = protected(&gates)?;

    let first = gates.gates().first().map(Toolgate::resource);
    let address = match &options.listen {
        Some(address) => address.clone(),
        None => address_of(first.unwrap_or_default())?,
    };
    tokio::spawn(follow(options, text, gates.clone()));
    let listener = TcpListener::bind(&address).await.map_err(|why| {
        format!("cannot listen on {address} ({why}): say where with --listen ADDRESS:PORT")
    })?;
    let stop_signal = shared::stop_signal()?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(shared::serve(listener, app, gates.gates(), stop_signal).await?)
}

/// Builds the gates of a file. An error says which fields are wrong, and how to fix each.
fn gates_from(options: &Options) -> Result<Gates, Box<dyn Error>> {
    Ok(options.read()?.into_gates(|builder| builder)?)
}

/// Reloads the file when it has changed, and on SIGHUP. A file with mistakes changes nothing.
async fn follow(options: Options, mut last: Option<String>, gates: Gates) {
    let told = Arc::new(Notify::new());
    tokio::spawn(listen_for_hangups(told.clone()));
    let file = &options.config;
    loop {
        let is_told = timeout(Duration::from_secs(1), told.notified())
            .await
            .is_ok();
        let now = fs::read_to_string(file).ok();
        if !is_told && now == last {
            continue;
        }
        last = now;
        match reload(&options, &gates) {
            Ok(()) => println!("reloaded {}", file.display()),
            Err(why) => eprintln!("serve: {} is not reloaded: {why}", file.display()),
        }
    }
}

/// Waits for SIGHUP, by which service managers have a configuration read again.
async fn listen_for_hangups(told: Arc<Notify>) {
    #[cfg(unix)]
    if let Ok(mut hangups) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
    {
        while hangups.recv().await.is_some() {
            told.notify_one();
        }
    }
    let _ = told;
}

fn reload(options: &Options, gates: &Gates) -> Result<(), Box<dyn Error>> {
    Ok(gates.reload(options.read()?)?)
}

/// The address of the resource, as clients see it. It is right to listen there if nothing is in between, as on a
/// developer's machine.
fn address_of(resource: &str) -> Result<String, Box<dyn Error>> {
    let resource: Uri = resource.parse()?;
    let port = resource
        .port_u16()
        .unwrap_or(if resource.scheme_str() == Some("http") {
            80
        } else {
            443
        });
    Ok(format!("{}:{port}", resource.host().unwrap_or_default()))
}

/// Serves MCP at the path of each resource, under each of its names. The layer comes last, around everything: the metadata
/// documents are not below the paths of the resources.
fn protected(gates: &Gates) -> Result<Router, Box<dyn Error>> {
    let names = gates.gates().iter();
    let names = names.flat_map(|gate| std::iter::once(gate.resource()).chain(gate.also_at()));
    let names: Vec<Uri> = names.map(str::parse).collect::<Result<_, _>>()?;
    let hosts: Vec<&str> = names.iter().filter_map(Uri::host).collect();
    let paths: BTreeSet<&str> = names.iter().map(Uri::path).collect();
    let mcp = shared::mcp_service(&hosts, StreamableHttpServerConfig::default());
    // A path like `/:tenant` is taken literally, and not as a pattern of an older axum.
    let mut app = Router::new().without_v07_checks();
    for path in paths {
        app = app.route_service(path, mcp.clone());
    }
    Ok(app.layer(gates.layer()))
}

struct Options {
    config: PathBuf,
    table: Option<String>,
    listen: Option<String>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, &'static str> {
        let (mut config, mut table, mut listen) = (None, None, None);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--table" => table = Some(arguments.next().ok_or(USAGE)?),
                "--listen" => listen = Some(arguments.next().ok_or(USAGE)?),
                flag if flag.starts_with('-') => return Err(USAGE),
                file if config.is_none() => config = Some(PathBuf::from(file)),
                _ => return Err(USAGE),
            }
        }
        Ok(Self {
            config: config.ok_or(USAGE)?,
            table,
            listen,
        })
    }

    fn read(&self) -> Result<Config, Box<dyn Error>> {
        let text = fs::read_to_string(&self.config)?;
        Ok(config::read(&text, self.table.as_deref())?)
    }
}

const USAGE: &str = "usage: serve CONFIG.toml [--table NAME] [--listen ADDRESS:PORT]";
