//! All tenants of a layer, and the choice of one for a request.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use super::name::TenantName;
use super::name_header::NameHeader;
use super::resolutions::Resolutions;
use super::template::{OfTenants, UrlTemplate, begins_with};
use crate::address::Address;
use crate::pipeline::Unrouted;
use crate::refusal::Refusal;
use crate::routing::{
    Directory, Elsewhere, Picked, ambiguous_path, authority_of, decoded_path, path_of,
};

/// The tenants that a template and a resolver make.
pub(crate) struct TenantSet {
    pub(super) header: Option<NameHeader>,
    /// The hosts of the gates that are configured; `None` if they have that of all tenants, so that the host of a request
    /// decides nothing.
    pub(super) other_hosts: Option<Vec<String>>,
    pub(super) unrouted: Unrouted,
    pub(super) resolutions: Arc<Resolutions>,
}

/// The tenant that a request names.
#[derive(Debug, Clone, Copy)]
pub(super) struct NamedTenant {
    pub(super) name: TenantName,
    /// Whether the request has the path of a document.
    pub(super) is_document: bool,
}

/// A request that names a tenant, or what is picked for it otherwise.
type Chosen<'d> = Result<NamedTenant, Picked<'d, Address>>;

impl TenantSet {
    pub(crate) fn template(&self) -> &str {
        self.parsed().as_str()
    }

    pub(super) fn url_of(&self, name: &TenantName) -> String {
        self.parsed().filled(name)
    }

    /// The name, if a tenant can have it.
    pub(crate) fn name(&self, text: &str) -> Option<TenantName> {
        TenantName::read(text, self.parsed().place())
    }

    pub(crate) fn forget(&self, name: TenantName) {
        self.resolutions.forget(name);
    }

    pub(crate) fn close_streams(&self) {
        self.resolutions.close_streams();
    }

    /// Chooses what a request is for. A gate that is configured goes first.
    pub(super) fn choose<'d>(
        &self,
        directory: &'d Directory<Address>,
        parts: &mut Parts,
    ) -> Result<Chosen<'d>, Refusal> {
        let header = match &self.header {
            Some(header) => header.take(parts)?,
            None => None,
        };
        let path = path_of(parts.uri.path())?;
        let host = match &self.other_hosts {
            Some(_) => authority_of(parts)?,
            None => None,
        };
        let is_of_gates = self.other_hosts.as_ref().is_none_or(|others| {
            let host = host.as_ref();
            host.is_some_and(|host| others.contains(host))
        });
        let picked = match is_of_gates {
            true => directory.pick(parts)?,
            false => elsewhere(directory, &path),
        };
        if let Picked::Only(_) | Picked::OneOf(_) = picked {
            return Ok(Err(picked));
        }
        let named = self.named(host.as_deref(), header.as_deref(), &path);
        if let Some(decoded) = decoded_path(&path) {
            let other = self.named(host.as_deref(), header.as_deref(), &decoded);
            if other.map(|it| it.name) != named.map(|it| it.name)
                || self.of_path(&decoded).is_some() != self.of_path(&path).is_some()
            {
                return Err(ambiguous_path("an escape that decides the resource"));
            }
        }
        Ok(match named {
            Some(named) => Ok(named),
            // Most services go by the path alone, and a caller chooses the host and the name.
            None if self.of_path(&path).is_some() => Err(Picked::NotFound),
            None => Err(picked),
        })
    }

    /// The tenant that a host, a header and a path name together.
    fn named(&self, host: Option<&str>, header: Option<&str>, path: &str) -> Option<NamedTenant> {
        let template = self.parsed();
        let OfTenants {
            segment,
            is_document,
        } = self.of_path(path)?;
        let text = match (&self.header, template.host()) {
            (Some(_), _) => {
                // A path that has a name as well must have the same.
                let text = header?;
                segment
                    .is_none_or(|segment| segment == text)
                    .then_some(text)?
            }
            (None, None) => template.label_of(host?)?,
            (None, Some(own)) => {
                let is_own = self.other_hosts.is_none() || host == Some(own);
                segment.filter(|_| is_own)?
            }
        };
        Some(NamedTenant {
            name: self.name(text)?,
            is_document,
        })
    }

    /// Whether a path is one of tenants, in the requests that reach this server.
    fn of_path<'p>(&self, path: &'p str) -> Option<OfTenants<'p>> {
        let found = self.parsed().of_path(path);
        let Some(seen_at) = &self.resolutions.maker.seen_at else {
            return found;
        };
        let seen = begins_with(path, seen_at).then_some(OfTenants {
            segment: None,
            is_document: false,
        });
        seen.or_else(|| found.filter(|found| found.is_document))
    }

    fn parsed(&self) -> &UrlTemplate {
        &self.resolutions.maker.template
    }
}

/// The choice for a host that no gate has.
fn elsewhere<'d>(directory: &'d Directory<Address>, path: &str) -> Picked<'d, Address> {
    let is_of_a_gate = |path: &str| directory.has_path(path);
    let is_open = directory.elsewhere() == Elsewhere::Ungated
        && !is_of_a_gate(path)
        && !decoded_path(path).as_deref().is_some_and(is_of_a_gate);
    match is_open {
        true => Picked::Ungated,
        false => Picked::NotFound,
    }
}

impl fmt::Debug for TenantSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TenantSet").field(&self.template()).finish()
    }
}
