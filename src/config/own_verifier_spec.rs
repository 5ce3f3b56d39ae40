//! Checks the verifiers of the operator's own, which only code can give, beside the rest of the configuration.

use std::time::Duration;

use super::api_keys::ApiKeys;
use super::introspection_spec::begins_alike;
use super::issuer_spec::{LEEWAY_SECONDS, SCOPE_CLAIMS};
use super::settings::Settings;
use crate::config_error::{ConfigProblem, Flawed, Problems, all};
use crate::jose::Algorithms;
use crate::token::{
    API_KEYS_ISSUER, OwnVerifier, OwnVerifierSpec, Profile, TokenRules, is_of_token68,
};

/// The specs of all verifiers. Each is checked beside the earlier ones, and every field of it, even if others are wrong.
pub(super) fn own_verifier_specs(
    verifiers: &[OwnVerifier],
    settings: &Settings,
    problems: &mut Problems,
) -> Result<Vec<OwnVerifierSpec>, Flawed> {
    all(verifiers.iter().enumerate().map(|(position, verifier)| {
        let earlier = verifiers.get(..position).unwrap_or_default();
        let field = |name: &str| format!("verifiers[{position}].{name}");
        let issuer = check_issuer(field("issuer"), verifier, earlier, settings);
        let issuer = problems.keep(issuer);
        let prefix = check_token_prefix(field("token_prefix"), verifier, earlier, settings);
        problems.keep(prefix)?;
        issuer?;
        Ok(OwnVerifierSpec {
            issuer: verifier.issuer.as_str().into(),
            rules: rules(settings),
            token_prefix: verifier.token_prefix.clone(),
            verifier: verifier.verifier.clone(),
        })
    }))
}

/// Checks that no other caller has the same issuer: two callers of one issuer with one name are taken for one.
fn check_issuer(
    field: String,
    verifier: &OwnVerifier,
    earlier: &[OwnVerifier],
    settings: &Settings,
) -> Result<(), ConfigProblem> {
    let name = verifier.issuer.as_str();
    let fix = if name.is_empty() {
        let fix =
            "write a name for the issuer of these callers, such as \"urn:example:access-tokens\"";
        return Err(ConfigProblem::missing(field, fix));
    } else if name == API_KEYS_ISSUER {
        "it is the issuer of API keys: choose another name"
    } else if settings.issuers.iter().any(|issuer| issuer.issuer == name) {
        "an authorization server has this name: choose another, since their users may have the same subjects"
    } else if earlier.iter().any(|earlier| earlier.issuer == name) {
        "another verifier has this name: choose another"
    } else {
        return Ok(());
    };
    Err(ConfigProblem::conflict(field, fix).showing(name))
}

/// Checks that a token of this verifier can be told from every other token.
fn check_token_prefix(
    field: String,
    verifier: &OwnVerifier,
    earlier: &[OwnVerifier],
    settings: &Settings,
) -> Result<(), ConfigProblem> {
    let issuers = settings.issuers.iter();
    let tables = issuers.filter_map(|issuer| Some(&issuer.introspection.as_ref()?.0));
    let of_tables = tables.map(|table| table.token_prefix.as_deref());
    let mut others = of_tables.chain(earlier.iter().map(|own| own.token_prefix.as_deref()));
    let Some(prefix) = verifier.token_prefix.as_deref() else {
        return match others.any(|other| other.is_none()) {
            true => {
                let fix = "another verifier, or an issuer with introspection, has no prefix either: write how the \
                           tokens of this one begin, so that each token has one authority";
                Err(ConfigProblem::missing(field, fix))
            }
            false => Ok(()),
        };
    };
    check_form(&field, prefix)?;
    let of_keys = settings
        .api_keys
        .iter()
        .map(|ApiKeys(keys)| keys.prefix.as_str());
    let mut others = others.flatten().chain(of_keys);
    match others.find(|other| begins_alike(prefix, other)) {
        None => Ok(()),
        Some(other) => {
            let fix = format!(
                "other tokens begin with {other:?}, and neither prefix may begin the other"
            );
            Err(ConfigProblem::conflict(field, fix).showing(prefix))
        }
    }
}

/// Checks that a token can begin so, and no JWT does.
pub(super) fn check_form(field: &str, prefix: &str) -> Result<(), ConfigProblem> {
    if prefix.is_empty() || !prefix.bytes().all(is_of_token68) {
        let fix = "use letters, digits and -._~+/ only: a token has no other characters";
        return Err(ConfigProblem::not_allowed(field, fix).showing(prefix));
    }
    if begins_alike(prefix, "ey") {
        let fix = "JWTs begin with \"ey\": choose another prefix";
        return Err(ConfigProblem::conflict(field, fix).showing(prefix));
    }
    Ok(())
}

fn rules(settings: &Settings) -> TokenRules {
    // A caller with such a token is told to ask the first issuer, as one who is not known yet.
    let first = settings.issuers.first();
    TokenRules {
        algorithms: Algorithms::default(),
        audiences: Vec::new(),
        profile: Profile::Compatible,
        scope_claims: SCOPE_CLAIMS.iter().map(|name| (*name).to_owned()).collect(),
        leeway: Duration::from_secs(LEEWAY_SECONDS),
        request_prefix: first
            .map_or("", |issuer| &issuer.scope_request_prefix)
            .into(),
        unbound_clients: Vec::new(),
        shared_audience: false,
        only_this_resource: false,
        machine_suffix: "",
    }
}
