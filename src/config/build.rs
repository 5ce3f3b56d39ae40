//! From raw text to a gate. Every bad value is found here, and the error says which and how to mend it.

use std::sync::Arc;

use super::callers::caller_rules;
use super::issuer::{Advertise, Issuer};
use super::origins::{Allowed, OriginsTable};
use super::questions::Questions;
use super::trust::Trust;
use super::{Builder, Config};
use crate::answer::{Answers, Cors, Publication, WellKnown, requested};
use crate::call::Arriving;
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::events::Events;
use crate::gate::Toolgate;
use crate::issuer::{Fetcher, metadata_urls};
use crate::pipeline::{Origins, Pipeline};
use crate::policy::{Callers, Decider, OwnDecision, Policy, published_scopes};
use crate::resource_uri::{HttpUrl, ResourceUri};
use crate::scope::Scopes;
use crate::seal::SealingKey;
use crate::token::{FingerprintKey, RecentlyGood, Revocations, Verifier};

pub(super) fn build(builder: Builder) -> Result<Toolgate, ConfigError> {
    let Builder { config, http_client, clock, decider } = builder;
    let fetcher = Fetcher::new(http_client).map_err(|why| {
        let source = std::error::Error::source(&why).map(ToString::to_string).unwrap_or_default();
        ConfigError::new("http_client", source, "the HTTP client cannot be built from these settings")
    })?;
    let key = SealingKey::random().ok_or_else(no_randomness)?;
    let lasting = Lasting {
        fetcher,
        clock,
        decider,
        revocations: Arc::default(),
        recently_good: Arc::default(),
        key: Arc::new(key),
        arriving: Arc::default(),
    };
    Ok(Toolgate::new(gate(&config, &lasting, None)?, lasting))
}

/// What stays when a configuration takes the place of another.
pub(crate) struct Lasting {
    fetcher: Fetcher,
    clock: Clock,
    decider: Option<Arc<dyn Decider>>,
    revocations: Arc<Revocations>,
    recently_good: Arc<RecentlyGood>,
    /// What is sealed with, where no key is given.
    key: Arc<SealingKey>,
    arriving: Arc<Arriving>,
}

/// What a configuration makes. Of the `earlier` one it keeps what issuers publish, where nothing about that has changed.
pub(crate) fn gate(
    config: &Config,
    lasting: &Lasting,
    earlier: Option<&Verifier>,
) -> Result<Pipeline, ConfigError> {
    let Lasting { fetcher, clock, decider, revocations, recently_good, key, arriving } = lasting;
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
    let (lifetimes, fetcher) = (config.limits.lifetimes(), fetcher.clone());
    let memory = Arc::new(config.limits.memory(revocations.clone(), recently_good.clone()));
    let seal = config.sessions.seal(&resource, key)?;
    let trust = Trust {
        resource: &resource,
        fetcher: fetcher.clone(),
        lifetimes: lifetimes.clone(),
        clock,
        seal: &seal,
        earlier: earlier.map(|earlier| earlier.issuers.as_slice()).unwrap_or_default(),
    };
    let issuers = trust.issuers(&config.issuers)?;
    let active_for = config.limits.introspection_active();
    let earlier = earlier.map(|earlier| earlier.lookups.as_slice()).unwrap_or_default();
    let questions = Questions { fetcher, lifetimes, active_for, memory: &memory, clock, earlier };
    let fingerprints = FingerprintKey::random().ok_or_else(no_randomness)?;
    let lookups = questions.lookups(&config.issuers, &issuers)?;
    let mut callers = Callers::default();
    for (position, (issuer, trusted)) in config.issuers.iter().zip(&issuers).enumerate() {
        callers.insert(trusted.name.clone(), caller_rules(position, &issuer.clients, &issuer.claims)?);
    }
    let authorization_servers = advertised(&config.issuers)?;
    let request_prefix =
        config.issuers.first().map(|issuer| issuer.scope_request_prefix.clone()).unwrap_or_default();
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
    Ok(Pipeline {
        answers: Answers::new(resource.metadata_url(), policy.initial().clone(), request_prefix),
        well_known: Arc::new(well_known),
        events: Events::new(clock.clone()),
        origins: origins(&resource, &config.origins, &policy)?,
        cors: if config.origins.cors_headers { Cors::Ours } else { Cors::LeftToOthers },
        verifier: Verifier { issuers, lookups, memory, fingerprints, clock: clock.clone() },
        callers,
        streams: config.sessions.stream_policy()?,
        sessions: config.sessions.with(seal),
        policy,
        decision: decider.clone().map(|decider| OwnDecision { decider, time: config.limits.decision_time() }),
        bodies: config.limits.bodies(arriving.clone()),
        resource,
    })
}

fn no_randomness() -> ConfigError {
    ConfigError::about("(the system)", "it has no randomness to make a key of: start later")
}

fn requested_list(scopes: &Scopes, prefix: &str) -> Vec<String> {
    requested(scopes, prefix).split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

fn origins(resource: &ResourceUri, table: &OriginsTable, policy: &Policy) -> Result<Origins, ConfigError> {
    let origins = match &table.allowed {
        Allowed::These(origins) => Origins::new(resource, origins)?,
        Allowed::Any => Origins::allow_any(resource),
    };
    if policy.opens_anything() && origins.allow_every_page() {
        let mend = "where something is open without a token, every web page that somebody visits could call it \
                    from inside of their network: name the origins that may";
        return Err(ConfigError::about("origins.allowed", mend));
    }
    Ok(origins)
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
