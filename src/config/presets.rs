//! What is known about providers, as data. What an operator sets wins over it.

/// How a provider's access tokens differ from the ordinary.
pub(super) struct Preset {
    pub(super) name: &'static str,
    /// Where its scopes are.
    pub(super) scope_claims: &'static [&'static str],
}

pub(super) const PRESETS: &[Preset] = &[
    Preset { name: "auth0", scope_claims: &["scope"] },
    Preset { name: "cognito", scope_claims: &["scope"] },
    Preset { name: "entra", scope_claims: &["scp"] },
    Preset { name: "keycloak", scope_claims: &["scope"] },
    Preset { name: "okta", scope_claims: &["scp"] },
];
