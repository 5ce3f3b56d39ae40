//! Builds the gates of tenants, and replaces their configurations.

use std::fmt;
use std::sync::Arc;

use super::name::{NamePlace, TenantName};
use super::template::UrlTemplate;
use super::tenant::Tenant;
use crate::config::{CodeOnly, Config, Family, TenantRules};
use crate::config_error::{ConfigError, Problems};
use crate::holder::Replays;
use crate::installed::{Installed, turn_to_reload};
use crate::pipeline::{Pipeline, check_pair};
use crate::policy::Decider;

/// Makes the gate of a tenant from the configuration that the resolver gave.
pub(super) struct Maker {
    pub(super) template: UrlTemplate,
    /// The state that all tenants have in common: fetched documents, revocations, the key to seal with.
    pub(super) family: Family,
    pub(super) decider: Option<Arc<dyn Decider>>,
    pub(super) seen_at: Option<String>,
    pub(super) allows_private_addresses: bool,
    pub(super) allows_files: bool,
    /// The gates that stand beside all tenants.
    pub(super) fixed: Vec<Arc<Installed>>,
}

impl Maker {
    pub(super) fn build(
        &self,
        name: &TenantName,
        config: &Config,
        replays: Arc<Replays>,
    ) -> Result<Installed, ConfigError> {
        let _turn = turn_to_reload();
        let mut problems = Problems::default();
        let settings = self.within_rules(name, |rules| config.of_tenant(rules, &mut problems));
        let installed = settings.and_then(|settings| {
            let code_only = CodeOnly {
                decider: self.decider.clone(),
                family: Some(self.family.clone()),
                replays,
                is_of_tenant: true,
                ..CodeOnly::default()
            };
            Installed::build(&settings, code_only, &mut problems)
        });
        if let Ok(installed) = &installed {
            self.check_beside(&installed.main.pipeline.get(), &mut problems);
        }
        let installed = problems.finish(installed)?;
        for fixed in &self.fixed {
            fixed.stand_beside(std::iter::once(&installed));
        }
        installed.stand_beside(self.fixed.iter().map(|fixed| &**fixed));
        installed.main.pipeline.look().announce();
        Ok(installed)
    }

    pub(super) fn replace(
        &self,
        name: &TenantName,
        tenant: &Tenant,
        config: &Config,
    ) -> Result<(), ConfigError> {
        let _turn = turn_to_reload();
        let mut problems = Problems::default();
        let settings = self.within_rules(name, |rules| config.of_tenant(rules, &mut problems));
        let next = settings.and_then(|settings| tenant.installed.prepare(&settings, &mut problems));
        if let Ok(next) = &next {
            self.check_beside(&next.pipelines.main, &mut problems);
        }
        tenant.installed.replace(problems.finish(next)?);
        Ok(())
    }

    /// Two tenants are not compared: whichever is built later would be refused. Their rules keep them apart instead.
    fn check_beside(&self, next: &Pipeline, problems: &mut Problems) {
        for fixed in &self.fixed {
            check_pair(&fixed.main.pipeline.get(), next, problems);
        }
    }

    fn within_rules<T>(&self, name: &TenantName, then: impl FnOnce(&TenantRules<'_>) -> T) -> T {
        let names_another = |audience: &str| {
            let named = self.template.name_in_url(audience);
            named.is_some_and(|named| named != *name)
        };
        then(&TenantRules {
            resource: &self.template.filled(name),
            seen_at: self.seen_at.as_deref(),
            names_another: &names_another,
            shares_host: self.template.place() == NamePlace::Segment,
            allows_private_addresses: self.allows_private_addresses,
            allows_files: self.allows_files,
        })
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Maker")
            .field(&self.template.as_str())
            .finish()
    }
}
