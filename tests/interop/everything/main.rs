//! The server that the conformance suite asks for, as far as rmcp goes, bare or behind a gate.
//!
//! ```text
//! interop_everything ADDRESS [CONFIG.toml]
//! ```
#![allow(clippy::print_stdout, reason = "that is how it says that it listens")]

use std::error::Error;
use std::{env, fs};

use axum::Router;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use toolgate::Config;

mod offers;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments
        .next()
        .ok_or("usage: interop_everything ADDRESS [CONFIG.toml]")?;
    // With sessions, streams and all: what there is for a gate to get in the way of.
    let mcp = StreamableHttpService::new(
        || Ok(offers::Everything),
        LocalSessionManager::default().into(),
        StreamableHttpServerConfig::default(),
    );
    let bare = Router::new().nest_service("/mcp", mcp);
    let app = match arguments.next() {
        Some(file) => {
            let config: Config = toml::from_str(&fs::read_to_string(file)?)?;
            bare.layer(config.into_builder().build()?.layer())
        }
        None => bare,
    };
    let listener = TcpListener::bind(address).await?;
    println!("listening");
    Ok(axum::serve(listener, app).await?)
}
