//! Checks the issuers, and makes from them what the verifier is assembled from.

use std::time::Duration;

use super::algorithms::algorithms_named;
use super::introspection_spec::{check_prefixes, introspection_spec};
use super::issuer::{Issuer, ProfileName};
use super::issuers::check_names;
use super::presets::{PRESETS, Preset};
use crate::config_error::{ConfigProblem, Flawed, Problems, all};
use crate::issuer::{Location, metadata_urls};
use crate::jose::{Algorithms, KeySet};
use crate::policy::published_scopes;
use crate::resource_uri::HttpUrl;
use crate::token::{IssuerSpec, KeysSpec, Profile, TokenRules};

/// The claims that hold scopes unless the configuration or a preset names others.
pub(super) const SCOPE_CLAIMS: &[&str] = &["scope", "scp", "scopes"];
pub(super) const LEEWAY_SECONDS: u64 = 60;
/// RFC 9068 §4: "usually no more than a few minutes".
const MAX_LEEWAY_SECONDS: u64 = 10 * 60;

/// The specs of all issuers. Every field is checked, even if others are wrong.
pub(super) fn issuer_specs(
    issuers: &[Issuer],
    problems: &mut Problems,
) -> Result<Vec<IssuerSpec>, Flawed> {
    if issuers.is_empty() {
        let fix = "name at least one authorization server to trust";
        problems.add(ConfigProblem::missing("issuers", fix));
    }
    check_names(issuers, problems);
    for (position, issuer) in issuers.iter().enumerate() {
        let mut earlier = issuers.iter().take(position);
        if earlier.any(|earlier| earlier.issuer == issuer.issuer) {
            let problem = ConfigProblem::duplicate(
                format!("{}.issuer", issuer.field(position)),
                "it is named twice: join the two",
            );
            problems.add(problem.showing(&issuer.issuer));
        }
    }
    let are_apart = check_prefixes(issuers, problems);
    let specs = issuers.iter().enumerate();
    let specs =
        all(specs.map(|(position, issuer)| issuer_spec(&issuer.field(position), issuer, problems)));
    are_apart?;
    specs
}

fn issuer_spec(at: &str, issuer: &Issuer, problems: &mut Problems) -> Result<IssuerSpec, Flawed> {
    let field = |name: &str| format!("{at}.{name}");
    let mut sound = Ok(());
    let mut wrong = |problem| sound = Err(problems.add(problem));
    if issuer.issuer.is_empty() {
        wrong(unnamed(&field));
    }
    let leeway = issuer.leeway_seconds.unwrap_or(LEEWAY_SECONDS);
    if leeway > MAX_LEEWAY_SECONDS {
        let fix = format!("write at most {MAX_LEEWAY_SECONDS}: it keeps expired tokens alive");
        wrong(ConfigProblem::not_allowed(field("leeway_seconds"), fix).showing(leeway.to_string()));
    }
    for (name, list) in [
        ("audiences", Some(&issuer.audiences)),
        ("scope_claims", issuer.scope_claims.as_ref()),
    ] {
        if list.is_some_and(|list| list.iter().any(String::is_empty)) {
            let fix = "an empty text matches nothing: leave it out";
            wrong(ConfigProblem::not_allowed(field(name), fix).showing(""));
        }
    }
    if issuer.scope_claims.as_ref().is_some_and(Vec::is_empty) {
        let fix = "name at least one claim";
        wrong(ConfigProblem::missing(field("scope_claims"), fix).showing("[]"));
    }
    let unbound_clients = issuer.unbound.clone().unwrap_or_default().only_clients;
    if issuer.unbound.is_some() && unbound_clients.is_empty() {
        let fix = "name at least one client";
        wrong(ConfigProblem::missing(field("unbound.only_clients"), fix).showing("[]"));
    }
    let prefix = std::slice::from_ref(&issuer.scope_request_prefix);
    if !issuer.scope_request_prefix.is_empty()
        && let Err(flawed) = published_scopes(&field("scope_request_prefix"), prefix, problems)
    {
        sound = Err(flawed);
    }
    let preset = problems.keep(preset(field("preset"), issuer));
    let algorithms = match &issuer.algorithms {
        Some(names) => algorithms_named(&field("algorithms"), names, problems),
        None => Ok(Algorithms::default()),
    };
    // The key set is read even if the algorithms are wrong: it may have a problem of its own.
    let allowed = algorithms.clone().unwrap_or_default();
    let keys = problems.keep(keys_spec(&field, issuer, &allowed));
    let introspection = introspection_spec(at, issuer, problems);
    sound?;
    let preset = preset?;
    Ok(IssuerSpec {
        name: issuer.issuer.as_str().into(),
        rules: TokenRules {
            algorithms: algorithms?,
            audiences: issuer.audiences.clone(),
            profile: match issuer.profile {
                Some(ProfileName::Rfc9068) => Profile::Rfc9068,
                Some(ProfileName::Compatible) => Profile::Compatible,
                None => preset.map_or(Profile::Compatible, |preset| preset.profile),
            },
            scope_claims: scope_claims(issuer, preset),
            leeway: Duration::from_secs(leeway),
            request_prefix: issuer.scope_request_prefix.as_str().into(),
            unbound_clients,
            shared_audience: issuer.shared_audience,
            only_this_resource: issuer.only_this_resource,
            machine_suffix: preset.map_or("", |preset| preset.machine_suffix),
        },
        keys: keys?,
        introspection: introspection?,
    })
}

fn unnamed(field: &dyn Fn(&str) -> String) -> ConfigProblem {
    ConfigProblem::missing(field("issuer"), "write the text of the `iss` claim").showing("")
}

fn preset(field: String, issuer: &Issuer) -> Result<Option<&'static Preset>, ConfigProblem> {
    let Some(name) = &issuer.preset else {
        return Ok(None);
    };
    PRESETS
        .iter()
        .find(|preset| preset.name == name)
        .map(Some)
        .ok_or_else(|| {
            let known: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
            ConfigProblem::not_allowed(field, format!("known are {}", known.join(", ")))
                .showing(name)
        })
}

fn scope_claims(issuer: &Issuer, preset: Option<&Preset>) -> Vec<String> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match (&issuer.scope_claims, preset) {
        (Some(names), _) => names.clone(),
        (None, Some(preset)) => owned(preset.scope_claims),
        (None, None) => owned(SCOPE_CLAIMS),
    }
}

fn keys_spec(
    field: &dyn Fn(&str) -> String,
    issuer: &Issuer,
    algorithms: &Algorithms,
) -> Result<KeysSpec, ConfigProblem> {
    match (&issuer.jwks_uri, &issuer.jwks_file, &issuer.jwks) {
        (Some(uri), None, None) => match HttpUrl::parse(uri) {
            Ok(_) => Ok(KeysSpec::Fetched(Location::At(uri.clone()))),
            Err(fix) => Err(ConfigProblem::not_allowed(field("jwks_uri"), fix).showing(uri)),
        },
        (None, Some(path), None) => {
            let unreadable = |fix: &str| {
                ConfigProblem::unreadable(field("jwks_file"), fix)
                    .showing(path.display().to_string())
            };
            let bytes = std::fs::read(path).map_err(|why| {
                unreadable("it cannot be read: check the path, and who may read it").because(why)
            })?;
            let keys = KeySet::read(&bytes, algorithms);
            keys.map(KeysSpec::Fixed)
                .map_err(|why| unreadable("give a JWK set").because(why))
        }
        (None, None, Some(json)) => {
            let keys = KeySet::read(json.0.as_bytes(), algorithms);
            keys.map(KeysSpec::Fixed).map_err(|why| {
                let problem = ConfigProblem::not_allowed(field("jwks"), "give a JWK set");
                problem.showing("(the set given)").because(why)
            })
        }
        (None, None, None) if issuer.issuer.is_empty() => Err(unnamed(field)),
        (None, None, None) => match metadata_urls(&issuer.issuer) {
            Ok(urls) => Ok(KeysSpec::Fetched(Location::Discovered(urls))),
            Err(fix) => {
                let fix =
                    format!("its keys cannot be discovered: {fix}, or give jwks_uri or jwks_file");
                Err(ConfigProblem::not_allowed(field("issuer"), fix).showing(&issuer.issuer))
            }
        },
        _ => {
            let fix = "give one of jwks_uri, jwks_file and jwks, not several";
            Err(ConfigProblem::conflict(field("jwks_uri"), fix))
        }
    }
}
