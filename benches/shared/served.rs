//! A server on loopback, for benchmarks that measure one from outside.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark may stop where it cannot go on"
)]

use std::net::SocketAddr;
use std::thread;

use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// In a runtime of its own, as `#[tokio::main]` makes it.
pub(crate) fn serve(app: Router) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(async {
                axum::serve(TcpListener::from_std(listener).unwrap(), app)
                    .await
                    .unwrap();
            });
    });
    address
}
