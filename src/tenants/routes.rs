//! The way of a request among the gates that are configured, and the tenants.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use super::name::TenantName;
use super::resolutions::{Outcome, TenantLookup};
use super::tenant::Tenant;
use super::tenant_set::{NamedTenant, TenantSet};
use crate::address::{Address, Route};
use crate::answer::not_found;
use crate::resource::Resource;
use crate::routing::{Directory, Documents};

/// Everything behind one layer.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    pub(crate) directory: Arc<Directory<Address>>,
    tenants: Option<Arc<TenantSet>>,
}

/// The way that a request takes.
pub(crate) enum Way<'d> {
    Known(Route<'d>),
    Tenant(Arc<Tenant>),
    /// To a tenant whose resolver must answer first.
    Awaited(AwaitedTenant),
}

/// A request for a tenant that is not known yet.
pub(crate) struct AwaitedTenant {
    tenants: Arc<TenantSet>,
    named: NamedTenant,
    outcome: Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

impl Routes {
    pub(crate) fn of_gates(directory: Arc<Directory<Address>>) -> Self {
        Self {
            directory,
            tenants: None,
        }
    }

    pub(crate) fn with_tenants(self, tenants: Arc<TenantSet>) -> Self {
        Self {
            tenants: Some(tenants),
            ..self
        }
    }

    pub(crate) fn tenants(&self) -> Option<&Arc<TenantSet>> {
        self.tenants.as_ref()
    }

    /// Routes a request. The gates that are configured go first.
    pub(crate) fn route(&self, parts: &mut Parts) -> Way<'_> {
        let Some(tenants) = &self.tenants else {
            return Way::Known(self.directory.route(parts));
        };
        let directory = &*self.directory;
        let named = match tenants.choose(directory, parts) {
            Ok(Ok(named)) => named,
            Ok(Err(picked)) => return Way::Known(directory.follow(Ok(picked), parts)),
            // No gate was picked, and none is named in the answer.
            Err(refusal) => {
                let resource = tenants.template();
                let answer = tenants.unrouted.refuse(refusal, resource, parts);
                return Way::Known(Route::Answered(answer));
            }
        };
        match tenants.resolutions.find(named.name) {
            TenantLookup::Now(found) => match tenants.enter(named, found, parts) {
                Some(tenant) => Way::Tenant(tenant),
                None => Way::Known(Route::Answered(not_found())),
            },
            TenantLookup::Later(outcome) => Way::Awaited(AwaitedTenant {
                tenants: tenants.clone(),
                named,
                outcome,
            }),
        }
    }
}

impl AwaitedTenant {
    /// Waits for the tenant. The error is the answer to the request.
    pub(crate) async fn arrive(self, parts: &mut Parts) -> Result<Arc<Tenant>, Response<Bytes>> {
        let Self {
            tenants,
            named,
            outcome,
        } = self;
        match outcome.await {
            Ok(found) => tenants.enter(named, found, parts).ok_or_else(not_found),
            Err(refusal) => {
                let resource = tenants.url_of(&named.name);
                Err(tenants.unrouted.refuse(refusal, &resource, parts))
            }
        }
    }
}

impl TenantSet {
    /// Lets a request in to its tenant, if there is one. The inner service is told of it.
    fn enter(
        &self,
        named: NamedTenant,
        found: Option<Arc<Tenant>>,
        parts: &mut Parts,
    ) -> Option<Arc<Tenant>> {
        let tenant = found?;
        let address = tenant.address();
        if named.is_document && !address.answers(parts) {
            return None;
        }
        parts
            .extensions
            .insert::<Resource>(address.resource.clone());
        Some(tenant)
    }

    /// Finds a tenant, for the operator.
    pub(crate) async fn tenant(&self, name: TenantName) -> Outcome {
        match self.resolutions.find(name) {
            TenantLookup::Now(found) => Ok(found),
            TenantLookup::Later(outcome) => outcome.await,
        }
    }
}
