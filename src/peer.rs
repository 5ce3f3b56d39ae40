//! Noun: the other end of the connection on which a request arrived.

use std::net::IpAddr;
use std::task::{Context, Poll};

use http::Request;
use tower::{Layer, Service};

/// The address of the other end of the connection, for headers that count only if one of your proxies wrote them.
///
/// Put it into the extensions of every request of the connection, where the connection is accepted. Take the address
/// from the connection itself, never from a header. A request without this extension comes from a peer that is not
/// [listed](crate::Builder::listed_peer), so no header of a proxy counts in it.
///
/// With axum, [`Peer::layer`] takes the address from what `into_make_service_with_connect_info` puts into each request:
///
/// ```no_run
/// use std::net::SocketAddr;
///
/// use axum::extract::ConnectInfo;
/// use toolgate::Peer;
///
/// # async fn serve(mcp: axum::Router, gate: toolgate::Toolgate, listener: tokio::net::TcpListener) -> std::io::Result<()> {
/// // The last layer is the outermost, so the gate finds the peer.
/// let app = mcp
///     .layer(gate.layer())
///     .layer(Peer::layer(|info: &ConnectInfo<SocketAddr>| info.0.ip()));
/// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    address: IpAddr,
}

/// A layer that makes the [`Peer`] of each request from another extension; see [`Peer::layer`].
#[derive(Debug, Clone, Copy)]
pub struct PeerLayer<C> {
    address_of: fn(&C) -> IpAddr,
}

/// The service of [`PeerLayer`].
#[derive(Debug, Clone, Copy)]
pub struct PeerService<S, C> {
    inner: S,
    address_of: fn(&C) -> IpAddr,
}

impl Peer {
    /// Wraps the address of the other end. An IPv4 address that is written as an IPv6 one (`::ffff:10.0.0.7`) counts as
    /// the IPv4 address.
    pub fn at(address: IpAddr) -> Self {
        Self {
            address: address.to_canonical(),
        }
    }

    /// Makes a layer for a server that puts an extension of its own into each request: `address_of` finds the address in
    /// it. A request without that extension passes unchanged.
    pub fn layer<C: Send + Sync + 'static>(address_of: fn(&C) -> IpAddr) -> PeerLayer<C> {
        PeerLayer { address_of }
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }
}

impl<S, C> Layer<S> for PeerLayer<C> {
    type Service = PeerService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        PeerService {
            inner,
            address_of: self.address_of,
        }
    }
}

impl<S, C, B> Service<Request<B>> for PeerService<S, C>
where
    S: Service<Request<B>>,
    C: Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let address = request.extensions().get().map(self.address_of);
        if let Some(address) = address {
            request.extensions_mut().insert(Peer::at(address));
        }
        self.inner.call(request)
    }
}
