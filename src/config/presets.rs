//! What is known about providers, as data. What an operator sets wins over it.

use crate::token::Profile;

/// How a provider's access tokens differ from the ordinary.
pub(super) struct Preset {
    pub(super) name: &'static str,
    /// Where its scopes are.
    pub(super) scope_claims: &'static [&'static str],
    pub(super) profile: Profile,
    /// What stands behind the client's id in the subject of a client on its own.
    pub(super) machine_suffix: &'static str,
}

impl Preset {
    const fn reading(name: &'static str, scope_claims: &'static [&'static str]) -> Self {
        Self {
            name,
            scope_claims,
            profile: Profile::Compatible,
            machine_suffix: "",
        }
    }
}

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        machine_suffix: "@clients",
        ..Preset::reading("auth0", &["scope"])
    },
    // Session tokens and others are signed with the same key.
    Preset {
        profile: Profile::Typed,
        ..Preset::reading("clerk", &["scope"])
    },
    Preset::reading("cognito", &["scope"]),
    Preset::reading("descope", &["scope", "scopes"]),
    Preset::reading("entra", &["scp"]),
    Preset::reading("fusionauth", &["scope"]),
    Preset::reading("hydra", &["scope", "scp"]),
    Preset::reading("keycloak", &["scope"]),
    Preset::reading("okta", &["scp"]),
    Preset::reading("scalekit", &["scopes", "scope"]),
    Preset::reading("stytch", &["scope"]),
    Preset::reading("workos", &["scope"]),
];
