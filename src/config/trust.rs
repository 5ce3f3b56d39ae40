//! From the issuers as written to the issuers as trusted.

use std::sync::Arc;
use std::time::Duration;

use super::issuer::{Issuer, ProfileName};
use super::presets::PRESETS;
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::issuer::{Fetcher, KeyFetch, KeySource, Lifetimes, Location, metadata_urls};
use crate::jose::{Algorithm, Algorithms, KeySet};
use crate::policy::published_scopes;
use crate::resource_uri::{HttpUrl, ResourceUri};
use crate::seal::Seal;
use crate::token::{Profile, TrustedIssuer};

/// Where scopes are looked for when nothing else is said.
const SCOPE_CLAIMS: &[&str] = &["scope", "scp", "scopes"];
const LEEWAY_SECONDS: u64 = 60;
/// RFC 9068 §4: "usually no more than a few minutes".
const MAX_LEEWAY_SECONDS: u64 = 10 * 60;

/// What all issuers share.
pub(super) struct Trust<'a> {
    pub(super) resource: &'a Arc<ResourceUri>,
    pub(super) fetcher: Fetcher,
    pub(super) lifetimes: Lifetimes,
    pub(super) clock: &'a Clock,
    pub(super) seal: &'a Arc<Seal>,
    /// Of the configuration that this one replaces.
    pub(super) earlier: &'a [Arc<TrustedIssuer>],
}

impl Trust<'_> {
    pub(super) fn issuers(&self, issuers: &[Issuer]) -> Result<Vec<Arc<TrustedIssuer>>, ConfigError> {
        if issuers.is_empty() {
            return Err(ConfigError::about("issuers", "name at least one authorization server to trust"));
        }
        for (position, issuer) in issuers.iter().enumerate() {
            if issuers.iter().take(position).any(|earlier| earlier.issuer == issuer.issuer) {
                let field = format!("issuers[{position}].issuer");
                return Err(ConfigError::new(field, &issuer.issuer, "it is named twice: join the two"));
            }
        }
        issuers.iter().enumerate().map(|(position, issuer)| self.issuer(position, issuer)).collect()
    }

    fn issuer(&self, position: usize, issuer: &Issuer) -> Result<Arc<TrustedIssuer>, ConfigError> {
        let field = |name: &str| format!("issuers[{position}].{name}");
        if issuer.issuer.is_empty() {
            return Err(ConfigError::new(field("issuer"), "", "write the text of the `iss` claim"));
        }
        let preset = match &issuer.preset {
            None => None,
            Some(name) => Some(PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| {
                let known: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
                ConfigError::new(field("preset"), name, format!("known are {}", known.join(", ")))
            })?),
        };
        let leeway = issuer.leeway_seconds.unwrap_or(LEEWAY_SECONDS);
        if leeway > MAX_LEEWAY_SECONDS {
            let mend = format!("write at most {MAX_LEEWAY_SECONDS}: it keeps expired tokens alive");
            return Err(ConfigError::new(field("leeway_seconds"), leeway.to_string(), mend));
        }
        let prefix = &issuer.scope_request_prefix;
        if !prefix.is_empty() {
            published_scopes(&field("scope_request_prefix"), std::slice::from_ref(prefix))?;
        }
        for (name, list) in
            [("audiences", Some(&issuer.audiences)), ("scope_claims", issuer.scope_claims.as_ref())]
        {
            if list.is_some_and(|list| list.iter().any(String::is_empty)) {
                return Err(ConfigError::new(field(name), "", "an empty text matches nothing: leave it out"));
            }
        }
        let scope_claims = match (&issuer.scope_claims, preset) {
            (Some(names), _) => names.clone(),
            (None, Some(preset)) => preset.scope_claims.iter().map(|name| (*name).to_owned()).collect(),
            (None, None) => SCOPE_CLAIMS.iter().map(|name| (*name).to_owned()).collect(),
        };
        if scope_claims.is_empty() {
            return Err(ConfigError::new(field("scope_claims"), "[]", "name at least one claim"));
        }
        let unbound_clients = issuer.unbound.clone().unwrap_or_default().only_clients;
        if issuer.unbound.is_some() && unbound_clients.is_empty() {
            return Err(ConfigError::new(field("unbound.only_clients"), "[]", "name at least one client"));
        }
        let algorithms = algorithms(&field("algorithms"), issuer)?;
        let name: Arc<str> = issuer.issuer.as_str().into();
        let keys = match keys_at(&field, issuer, &algorithms)? {
            KeysAt::Fixed(keys) => {
                Arc::new(KeySource::fixed(keys, self.lifetimes.clone(), self.clock.clone()))
            }
            KeysAt::Location(location) => {
                let fetcher = self.fetcher.clone();
                let fetch =
                    KeyFetch { issuer: name.clone(), location, algorithms: algorithms.clone(), fetcher };
                let mut earlier = self.earlier.iter().filter(|issuer| issuer.name == name);
                earlier.find_map(|issuer| issuer.keys.kept_for(&fetch, &self.lifetimes)).unwrap_or_else(
                    || Arc::new(KeySource::fetched(fetch, self.lifetimes.clone(), self.clock.clone())),
                )
            }
        };
        Ok(Arc::new(TrustedIssuer {
            name,
            resource: self.resource.clone(),
            algorithms,
            audiences: issuer.audiences.clone(),
            profile: match issuer.profile {
                Some(ProfileName::Rfc9068) => Profile::Rfc9068,
                Some(ProfileName::Compatible) => Profile::Compatible,
                None => preset.map_or(Profile::Compatible, |preset| preset.profile),
            },
            scope_claims,
            leeway: Duration::from_secs(leeway),
            request_prefix: prefix.as_str().into(),
            unbound_clients,
            machine_suffix: preset.map_or("", |preset| preset.machine_suffix),
            keys,
            seal: self.seal.clone(),
        }))
    }
}

fn algorithms(field: &str, issuer: &Issuer) -> Result<Algorithms, ConfigError> {
    let Some(names) = &issuer.algorithms else {
        return Ok(Algorithms::default());
    };
    let known = || Algorithm::ALL.map(Algorithm::name).join(", ");
    if names.is_empty() {
        return Err(ConfigError::new(field, "[]", format!("name at least one of {}", known())));
    }
    names
        .iter()
        .map(|name| {
            Algorithm::named(name).ok_or_else(|| {
                let mend = format!("use asymmetric signatures only: {}", known());
                ConfigError::new(field, name, mend)
            })
        })
        .collect()
}

/// Keys that are here already, or where to get them.
enum KeysAt {
    Fixed(KeySet),
    Location(Location),
}

fn keys_at(
    field: &dyn Fn(&str) -> String,
    issuer: &Issuer,
    algorithms: &Algorithms,
) -> Result<KeysAt, ConfigError> {
    let fixed = |name: &str, value: &str, bytes: &[u8]| {
        let keys = KeySet::read(bytes, algorithms);
        keys.map(KeysAt::Fixed)
            .map_err(|why| ConfigError::new(field(name), value, format!("{why}: give a JWK set")))
    };
    match (&issuer.jwks_uri, &issuer.jwks_file, &issuer.jwks) {
        (Some(uri), None, None) => match HttpUrl::parse(uri) {
            Ok(_) => Ok(KeysAt::Location(Location::At(uri.clone()))),
            Err(mend) => Err(ConfigError::new(field("jwks_uri"), uri, mend)),
        },
        (None, Some(path), None) => {
            let shown = path.display().to_string();
            let bytes = std::fs::read(path).map_err(|why| {
                ConfigError::new(
                    field("jwks_file"),
                    &shown,
                    format!("it cannot be read ({why}): check the path"),
                )
            })?;
            fixed("jwks_file", &shown, &bytes)
        }
        (None, None, Some(json)) => fixed("jwks", "(the set given)", json.0.as_bytes()),
        (None, None, None) => match metadata_urls(&issuer.issuer) {
            Ok(urls) => Ok(KeysAt::Location(Location::Discovered(urls))),
            Err(mend) => {
                let mend = format!("its keys cannot be discovered: {mend}, or give jwks_uri or jwks_file");
                Err(ConfigError::new(field("issuer"), &issuer.issuer, mend))
            }
        },
        _ => Err(ConfigError::about(
            field("jwks_uri"),
            "give one of jwks_uri, jwks_file and jwks, not several",
        )),
    }
}
