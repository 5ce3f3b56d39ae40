//! The header in which a proxy names the tenant.

use http::HeaderName;
use http::request::Parts;

use crate::header_name::is_alike;
use crate::network::Network;
use crate::peer::Peer;
use crate::refusal::{Reason, Refusal};

/// The header of listed peers that has the name of the tenant.
#[derive(Debug)]
pub(super) struct NameHeader {
    pub(super) name: HeaderName,
    pub(super) peers: Vec<Network>,
}

impl NameHeader {
    /// Takes the header off a request, with every name that could be taken for its own: the inner service must choose by the
    /// resource alone. Returns its text if a listed peer sent it.
    pub(super) fn take(&self, parts: &mut Parts) -> Result<Option<String>, Refusal> {
        let lines = parts.headers.get_all(&self.name).iter();
        let lines: Vec<_> = lines
            .map(|line| line.to_str().unwrap_or_default().to_owned())
            .collect();
        let own = self.name.as_str().as_bytes();
        let is_own = |name: &&HeaderName| is_alike(name.as_str().as_bytes(), own);
        let found: Vec<_> = parts.headers.keys().filter(is_own).cloned().collect();
        for name in &found {
            parts.headers.remove(name);
        }
        let peer = parts.extensions.get::<Peer>().map(Peer::address);
        let is_listed = peer.is_some_and(|peer| self.peers.iter().any(|it| it.contains(peer)));
        match lines.as_slice() {
            // The header of any other peer counts as missing.
            _ if !is_listed => Ok(None),
            [] => Ok(None),
            [line] => Ok(Some(line.clone())),
            _ => Err(Refusal::from(Reason::AmbiguousTenant)
                .expected(format!("one {} line", self.name))
                .got("several lines")),
        }
    }
}
