//! Events about tenants, other than decisions.

use std::error::Error;

use super::text::with_causes;

/// A tenant keeps its configuration: the resolver was asked again in vain.
pub(crate) struct TenantKept<'e> {
    pub(crate) resource: &'e str,
    pub(crate) reason: &'static str,
    pub(crate) why: Option<&'e (dyn Error + 'static)>,
}

impl TenantKept<'_> {
    pub(crate) fn write(&self) {
        let source = self.why.map(with_causes);
        tracing::error!(
            target: "toolgate",
            resource = self.resource,
            reason = self.reason,
            source,
            "a tenant keeps its configuration: the resolver gave no other that can be used",
        );
    }
}

/// A tenant was removed: the resolver does not know it any more.
pub(crate) struct TenantRemoved<'e> {
    pub(crate) resource: &'e str,
}

impl TenantRemoved<'_> {
    pub(crate) fn write(&self) {
        tracing::info!(
            target: "toolgate",
            resource = self.resource,
            "a tenant is removed, and its streams end",
        );
    }
}
