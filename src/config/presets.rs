//! Known facts about providers, as data. Settings of the operator take precedence over it.

use crate::token::Profile;

/// How the access tokens of a provider differ from the usual.
pub(super) struct Preset {
    pub(super) name: &'static str,
    /// The claims that hold the scopes.
    pub(super) scope_claims: &'static [&'static str],
    pub(super) profile: Profile,
    /// The text behind the client id in the subject of a client that acts for itself.
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
    // Session tokens and other kinds are signed with the same key.
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
