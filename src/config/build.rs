//! From raw text to a gate. Every bad value is found here, and the error says which and how to mend it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Builder;
use super::issuer::{Advertise, Issuer, ProfileName};
use super::origins::{Allowed, OriginsTable};
use super::presets::PRESETS;
use crate::answer::{Answers, Cors, Publication, WellKnown, requested};
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::decision::DecisionLog;
use crate::gate::{Gate, Toolgate};
use crate::policy::{Origins, Policy, published_scopes};
use crate::resource_uri::{HttpUrl, ResourceUri};
use crate::scope::Scopes;
use crate::token::{
    Algorithm, Algorithms, Fetcher, KeyLifetimes, KeyLocation, KeySet, KeySource, Profile, TrustedIssuer,
    Verifier, metadata_urls,
};

/// Where scopes are looked for when nothing else is said.
const SCOPE_CLAIMS: &[&str] = &["scope", "scp", "scopes"];
const LEEWAY_SECONDS: u64 = 60;
/// RFC 9068 §4: "usually no more than a few minutes".
const MAX_LEEWAY_SECONDS: u64 = 10 * 60;

pub(super) fn build(builder: Builder) -> Result<Toolgate, ConfigError> {
    let Builder {
        config,
        http_client,
        clock,
    } = builder;
    let resource = ResourceUri::parse(&config.resource)
        .map_err(|mend| ConfigError::new("resource", &config.resource, mend))
        .map(Arc::new)?;
    config.limits.check()?;
    let scopes = config.scopes.as_ref().ok_or_else(|| {
        ConfigError::about(
            "scopes",
            "say what a token must allow: start from ScopeMap::deny_unlisted() or, if being \
             authenticated is enough, ScopeMap::allow_unlisted()",
        )
    })?;
    let policy = Policy::compile(scopes)?;
    let fetcher = Fetcher::new(http_client).map_err(|why| {
        let source = std::error::Error::source(&why)
            .map(ToString::to_string)
            .unwrap_or_default();
        ConfigError::new(
            "http_client",
            source,
            "the HTTP client cannot be built from these settings",
        )
    })?;
    let trust = Trust {
        resource: &resource,
        fetcher,
        lifetimes: config.limits.key_lifetimes(),
        clock: &clock,
    };
    let issuers = trust.issuers(&config.issuers)?;
    let authorization_servers = advertised(&config.issuers)?;
    let request_prefix = config
        .issuers
        .first()
        .map(|issuer| issuer.scope_request_prefix.clone())
        .unwrap_or_default();
    let published = match &config.metadata.scopes_supported {
        Some(texts) => published_scopes("metadata.scopes_supported", texts)?,
        None => policy.initial().clone(),
    };
    let publication = Publication {
        resource: &resource,
        legacy_target: authorization_servers
            .first()
            .and_then(|url| metadata_urls(url).ok()?.into_iter().next()),
        authorization_servers,
        scopes_supported: requested_list(&published, &request_prefix),
    };
    let well_known = WellKnown::new(&config.metadata, &publication)?;
    Ok(Toolgate::new(Gate {
        answers: Answers {
            resource_metadata: resource.metadata_url(),
            initial: policy.initial().clone(),
            request_prefix,
        },
        well_known: Arc::new(well_known),
        log: DecisionLog::default(),
        origins: origins(&resource, &config.origins)?,
        cors: if config.origins.cors_headers {
            Cors::Ours
        } else {
            Cors::LeftToOthers
        },
        verifier: Verifier { issuers, clock },
        policy,
        max_body_bytes: config.limits.body_bytes(),
        body_time: config.limits.body_time(),
        resource,
    }))
}

fn requested_list(scopes: &Scopes, prefix: &str) -> Vec<String> {
    requested(scopes, prefix)
        .split(' ')
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect()
}

fn origins(resource: &ResourceUri, table: &OriginsTable) -> Result<Origins, ConfigError> {
    match &table.allowed {
        Allowed::These(origins) => Origins::new(resource, origins),
        Allowed::Any => Ok(Origins::allow_any(resource)),
    }
}

/// The issuers as the metadata document names them.
fn advertised(issuers: &[Issuer]) -> Result<Vec<String>, ConfigError> {
    let mut urls = Vec::new();
    for (position, issuer) in issuers.iter().enumerate() {
        let url = match &issuer.advertise {
            Advertise::Not => continue,
            Advertise::AsItIs => &issuer.issuer,
            Advertise::As(url) => url,
        };
        HttpUrl::parse(url).map_err(|mend| {
            let mend = format!(
                "clients cannot find an authorization server by this: {mend}, or write advertise = false"
            );
            ConfigError::new(format!("issuers[{position}].advertise"), url, mend)
        })?;
        urls.push(url.clone());
    }
    if urls.is_empty() {
        return Err(ConfigError::about(
            "issuers",
            "advertise at least one, or clients cannot find where to get a token",
        ));
    }
    Ok(urls)
}

/// What all issuers share.
struct Trust<'a> {
    resource: &'a Arc<ResourceUri>,
    fetcher: Fetcher,
    lifetimes: KeyLifetimes,
    clock: &'a Clock,
}

impl Trust<'_> {
    fn issuers(&self, issuers: &[Issuer]) -> Result<Vec<TrustedIssuer>, ConfigError> {
        if issuers.is_empty() {
            return Err(ConfigError::about(
                "issuers",
                "name at least one authorization server to trust",
            ));
        }
        for (position, issuer) in issuers.iter().enumerate() {
            if issuers
                .iter()
                .take(position)
                .any(|earlier| earlier.issuer == issuer.issuer)
            {
                let field = format!("issuers[{position}].issuer");
                return Err(ConfigError::new(
                    field,
                    &issuer.issuer,
                    "it is named twice: join the two",
                ));
            }
        }
        issuers
            .iter()
            .enumerate()
            .map(|(position, issuer)| self.issuer(position, issuer))
            .collect()
    }

    fn issuer(&self, position: usize, issuer: &Issuer) -> Result<TrustedIssuer, ConfigError> {
        let field = |name: &str| format!("issuers[{position}].{name}");
        if issuer.introspection {
            return Err(ConfigError::about(
                field("introspection"),
                "not supported yet: leave the table out",
            ));
        }
        if issuer.issuer.is_empty() {
            return Err(ConfigError::new(
                field("issuer"),
                "",
                "write the text of the `iss` claim",
            ));
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
            return Err(ConfigError::new(
                field("leeway_seconds"),
                leeway.to_string(),
                mend,
            ));
        }
        let prefix = &issuer.scope_request_prefix;
        if !prefix.is_empty() {
            published_scopes(&field("scope_request_prefix"), std::slice::from_ref(prefix))?;
        }
        for (name, list) in [
            ("audiences", Some(&issuer.audiences)),
            ("scope_claims", issuer.scope_claims.as_ref()),
        ] {
            if list.is_some_and(|list| list.iter().any(String::is_empty)) {
                return Err(ConfigError::new(
                    field(name),
                    "",
                    "an empty text matches nothing: leave it out",
                ));
            }
        }
        let scope_claims = match (&issuer.scope_claims, preset) {
            (Some(names), _) => names.clone(),
            (None, Some(preset)) => preset
                .scope_claims
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            (None, None) => SCOPE_CLAIMS.iter().map(|name| (*name).to_owned()).collect(),
        };
        if scope_claims.is_empty() {
            return Err(ConfigError::new(
                field("scope_claims"),
                "[]",
                "name at least one claim",
            ));
        }
        let unbound_clients = issuer.unbound.clone().unwrap_or_default().only_clients;
        if issuer.unbound.is_some() && unbound_clients.is_empty() {
            return Err(ConfigError::new(
                field("unbound.only_clients"),
                "[]",
                "name at least one client",
            ));
        }
        let algorithms = algorithms(&field("algorithms"), issuer)?;
        let name: Arc<str> = issuer.issuer.as_str().into();
        let keys = KeySource {
            issuer: name.clone(),
            location: location(position, issuer, &algorithms)?,
            algorithms: algorithms.clone(),
            lifetimes: self.lifetimes.clone(),
            fetcher: self.fetcher.clone(),
            clock: self.clock.clone(),
            state: Mutex::default(),
        };
        Ok(TrustedIssuer {
            name,
            resource: self.resource.clone(),
            algorithms,
            audiences: issuer.audiences.clone(),
            profile: match issuer.profile {
                Some(ProfileName::Rfc9068) => Profile::Rfc9068,
                Some(ProfileName::Compatible) | None => Profile::Compatible,
            },
            scope_claims,
            leeway: Duration::from_secs(leeway),
            request_prefix: prefix.as_str().into(),
            unbound_clients,
            keys: Arc::new(keys),
        })
    }
}

fn algorithms(field: &str, issuer: &Issuer) -> Result<Algorithms, ConfigError> {
    let Some(names) = &issuer.algorithms else {
        return Ok(Algorithms::default());
    };
    let known = || Algorithm::ALL.map(Algorithm::name).join(", ");
    if names.is_empty() {
        return Err(ConfigError::new(
            field,
            "[]",
            format!("name at least one of {}", known()),
        ));
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

fn location(position: usize, issuer: &Issuer, algorithms: &Algorithms) -> Result<KeyLocation, ConfigError> {
    let field = |name: &str| format!("issuers[{position}].{name}");
    let fixed = |name: &str, value: String, bytes: &[u8]| {
        let keys = KeySet::read(bytes, algorithms);
        keys.map(|keys| KeyLocation::Fixed(Arc::new(keys)))
            .map_err(|why| ConfigError::new(field(name), value, format!("{why}: give a JWK set")))
    };
    match (&issuer.jwks_uri, &issuer.jwks_file, &issuer.jwks) {
        (Some(uri), None, None) => match HttpUrl::parse(uri) {
            Ok(_) => Ok(KeyLocation::At(uri.clone())),
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
            fixed("jwks_file", shown, &bytes)
        }
        (None, None, Some(json)) => fixed("jwks", "(the set given)".to_owned(), json.as_bytes()),
        (None, None, None) => metadata_urls(&issuer.issuer)
            .map(KeyLocation::Discovered)
            .map_err(|mend| {
                let mend = format!("its keys cannot be discovered: {mend}, or give jwks_uri or jwks_file");
                ConfigError::new(field("issuer"), &issuer.issuer, mend)
            }),
        _ => Err(ConfigError::about(
            field("jwks_uri"),
            "give one of jwks_uri and jwks_file, not both",
        )),
    }
}
