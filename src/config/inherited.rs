//! The settings that gates with the same issuers have in common.

use super::issuer::Issuer;
use super::limits::Limits;
use super::settings::Settings;

/// The settings that a gate hands on to one with the same issuers.
#[derive(Clone)]
pub(crate) struct Inherited {
    issuers: Vec<Issuer>,
    limits: Limits,
}

impl Inherited {
    pub(crate) fn of(settings: &Settings) -> Self {
        let issuers = settings.issuers.iter();
        Self {
            issuers: issuers.map(for_another_resource).collect(),
            limits: settings.limits.clone(),
        }
    }

    /// The settings of a gate for another resource.
    pub(crate) fn settings(self, resource: String) -> Settings {
        Settings {
            issuers: self.issuers,
            limits: self.limits,
            ..Settings::new(resource)
        }
    }
}

/// The same issuer, without the settings by which a token for the first resource would be good at another.
fn for_another_resource(issuer: &Issuer) -> Issuer {
    Issuer {
        audiences: Vec::new(),
        unbound: None,
        shared_audience: false,
        ..issuer.clone()
    }
}
