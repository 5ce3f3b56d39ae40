//! Explains why a request would be admitted or refused: each check of the gate in order, for operators.
//!
//! ```text
//! cargo run -p toolgate-examples --example explain -- config.toml --token-file token.txt --call delete_file
//! cargo run -p toolgate-examples --example explain -- config.toml --request request.txt
//! ```
//!
//! It takes the same file as `serve`, with the same `--table`, and sends requests to the same authorization servers, but
//! serves nothing. Without `--token-file` the request has no token. Instead of a tool, `--body FILE` gives the whole
//! JSON-RPC message. Instead of a tool and a token, `--request FILE` gives a whole HTTP request with its headers, as a proxy
//! shows it; with `--peer ADDRESS` it comes from this address. The exit code is 0 if the request would be admitted, 1 if
//! not, and 2 if the arguments or the files are not understood.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that people start talks to them"
)]

use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;
use std::{env, fs};

use serde_json::json;
use toolgate::{Caller, Explanation, Peer};

#[path = "shared/config.rs"]
mod config;
#[path = "shared/raw_request.rs"]
mod raw_request;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("explain: {why}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<bool, Box<dyn Error>> {
    let options = Options::parse(env::args().skip(1))?;
    let config = config::read(&read(&options.config)?, options.table.as_deref())
        .map_err(|why| format!("{}: {why}", options.config))?;
    let gate = config.into_builder().build()?;

    let token = options.token_file.as_deref().map(read).transpose()?;
    let caller = token
        .as_deref()
        .map_or(Caller::Anonymous, |token| Caller::Token(token.trim()));
    let body = match options.asked {
        Asked::Tool(name) => json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": name, "arguments": {} },
        })
        .to_string(),
        Asked::Body(file) => read(&file)?,
        Asked::Request(file) => {
            let request = raw_request::read(read(&file)?.as_bytes());
            let mut request = request.map_err(|why| format!("{file}: {why}"))?;
            if let Some(address) = options.peer {
                request.extensions_mut().insert(Peer::at(address));
            }
            return Ok(shown(&gate.explain_request(request).await));
        }
    };

    Ok(shown(&gate.explain(caller, body).await))
}

/// Prints the explanation, and returns whether the request would be admitted.
fn shown(explanation: &Explanation) -> bool {
    println!("{explanation}");
    explanation.is_allowed()
}

fn read(file: &str) -> Result<String, String> {
    fs::read_to_string(file).map_err(|why| format!("{file}: {why}"))
}

struct Options {
    config: String,
    table: Option<String>,
    token_file: Option<String>,
    peer: Option<IpAddr>,
    asked: Asked,
}

enum Asked {
    Tool(String),
    Body(String),
    Request(String),
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, &'static str> {
        let (mut config, mut table) = (None, None);
        let (mut token_file, mut peer, mut asked) = (None, None, None);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(USAGE);
            match argument.as_str() {
                "--table" => table = Some(value()?),
                "--token-file" => token_file = Some(value()?),
                "--call" => asked = Some(Asked::Tool(value()?)),
                "--body" => asked = Some(Asked::Body(value()?)),
                "--peer" => peer = Some(value()?.parse().map_err(|_| USAGE)?),
                "--request" => asked = Some(Asked::Request(value()?)),
                flag if flag.starts_with('-') => return Err(USAGE),
                _ if config.is_none() => config = Some(argument),
                _ => return Err(USAGE),
            }
        }
        // A whole request has a token of its own, or none. It alone comes from an address.
        let is_whole = matches!(asked, Some(Asked::Request(_)));
        if (is_whole && token_file.is_some()) || (!is_whole && peer.is_some()) {
            return Err(USAGE);
        }
        Ok(Self {
            config: config.ok_or(USAGE)?,
            table,
            token_file,
            peer,
            asked: asked.ok_or(USAGE)?,
        })
    }
}

const USAGE: &str = "usage: explain CONFIG.toml [--table NAME] [--token-file FILE] (--call TOOL | --body FILE)\n       explain CONFIG.toml [--table NAME] --request FILE [--peer ADDRESS]";
