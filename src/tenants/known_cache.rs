//! The tenants that are built, and the names that no tenant has. Strangers choose the names, so both are bounded.
//!
//! The proofs that were used at a tenant must outlive its gate, so they are kept apart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use moka::sync::Cache;

use super::name::TenantName;
use super::tenant::Tenant;
use crate::clock::Timestamp;
use crate::holder::Replays;

/// The most idle tenants that stay built, unless the operator sets it.
pub(super) const MAX_IDLE_TENANTS: usize = 1000;

/// One part of them is dropped at once, so that not every new tenant searches for the oldest.
const DROPPED_PART: usize = 16;

/// The most names that are remembered because no tenant has them.
const MAX_ABSENT_NAMES: u64 = 10_000;

/// How long such a name is remembered.
const ABSENT_FOR: Duration = Duration::from_secs(30);

/// The tenants that are built.
pub(super) struct KnownTenants {
    tenants: RwLock<HashMap<TenantName, Arc<Tenant>>>,
    /// The used proofs of tenants that are not built any more.
    retired: Mutex<HashMap<TenantName, Arc<Replays>>>,
    max_idle: usize,
}

impl KnownTenants {
    pub(super) fn new(max_idle: usize) -> Self {
        Self {
            tenants: RwLock::default(),
            retired: Mutex::default(),
            max_idle,
        }
    }

    pub(super) fn get(&self, name: &TenantName) -> Option<Arc<Tenant>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.get(name).cloned()
    }

    /// Adds a tenant, and drops the ones that were idle for longest if there are too many. Returns the tenant of this name, which
    /// is another one if that was added meanwhile.
    pub(super) fn insert(
        &self,
        name: TenantName,
        tenant: Arc<Tenant>,
        now: Timestamp,
    ) -> Arc<Tenant> {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= self.max_idle {
            // A request that looks for a tenant holds the other lock meanwhile, and the tenant after that.
            let is_idle =
                |tenant: &Arc<Tenant>| Arc::strong_count(tenant) == 1 && !tenant.is_in_use();
            let idle = tenants.iter().filter(|(_, tenant)| is_idle(tenant));
            let mut idle: Vec<_> = idle.map(|(name, it)| (it.last_used(), *name)).collect();
            if idle.len() >= self.max_idle {
                idle.sort_unstable_by_key(|(last_used, _)| *last_used);
                let excess = idle.len() - self.max_idle + self.max_idle.div_ceil(DROPPED_PART);
                for (_, name) in idle.into_iter().take(excess) {
                    if let Some(tenant) = tenants.remove(&name) {
                        self.retire(name, &tenant, now);
                    }
                }
            }
        }
        tenants.entry(name).or_insert(tenant).clone()
    }

    pub(super) fn remove(&self, name: &TenantName, now: Timestamp) -> Option<Arc<Tenant>> {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let removed = tenants.remove(name)?;
        self.retire(*name, &removed, now);
        Some(removed)
    }

    /// The used proofs of a tenant that is to be built.
    pub(super) fn used_proofs(&self, name: &TenantName) -> Arc<Replays> {
        self.retired().get(name).cloned().unwrap_or_default()
    }

    pub(super) fn all(&self) -> Vec<(TenantName, Arc<Tenant>)> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let tenants = tenants.iter();
        tenants
            .map(|(name, tenant)| (*name, tenant.clone()))
            .collect()
    }

    /// Keeps the proofs that were used at a tenant, until they could not be used again anyway. Under the lock of the tenants, so
    /// that the tenant is not built without them.
    fn retire(&self, name: TenantName, tenant: &Tenant, now: Timestamp) {
        let mut retired = self.retired();
        retired.retain(|_, replays| !replays.is_empty(now));
        // A request may still be on its way to the gate, so its memory is kept even if it is empty now.
        retired.insert(name, tenant.installed.state.replays.clone());
    }

    fn retired(&self) -> MutexGuard<'_, HashMap<TenantName, Arc<Replays>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names that no tenant has, for a short time.
pub(super) struct AbsentNames(Cache<TenantName, Timestamp>);

impl AbsentNames {
    pub(super) fn new() -> Self {
        // The time-to-live only frees memory: it runs by moka's clock, not by ours.
        let names = Cache::builder().max_capacity(MAX_ABSENT_NAMES);
        Self(names.time_to_live(ABSENT_FOR).build())
    }

    pub(super) fn insert(&self, name: TenantName, now: Timestamp) {
        self.0.insert(name, now);
    }

    pub(super) fn has(&self, name: &TenantName, now: Timestamp) -> bool {
        let since = self.0.get(name);
        since.is_some_and(|since| since <= now && now.since(since) < ABSENT_FOR)
    }

    pub(super) fn remove(&self, name: &TenantName) {
        self.0.invalidate(name);
    }
}
