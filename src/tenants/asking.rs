//! The names for which the resolver is being asked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::name::TenantName;

/// These names, and whether the answer for each will be out of date.
#[derive(Default)]
pub(super) struct AskedNames(Mutex<HashMap<TenantName, bool>>);

/// The time while the resolver is being asked for one name.
pub(super) struct Asking<'n> {
    names: &'n AskedNames,
    name: TenantName,
}

impl AskedNames {
    pub(super) fn begin(&self, name: TenantName) -> Asking<'_> {
        self.lock().insert(name, false);
        Asking { names: self, name }
    }

    /// Notes that an answer from before now is out of date.
    pub(super) fn outdate(&self, name: &TenantName) {
        if let Some(is_outdated) = self.lock().get_mut(name) {
            *is_outdated = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantName, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asking<'_> {
    pub(super) fn is_outdated(&self) -> bool {
        let names = self.names.lock();
        names.get(&self.name).copied().unwrap_or_default()
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.names.lock().remove(&self.name);
    }
}
