//! From raw text to the parts of a gate. Every value is checked, whatever is wrong with the others.

use std::sync::Arc;

use super::Config;
use super::callers::caller_rules;
use super::issuer::{Advertise, Issuer};
use super::origins::{Allowed, OriginsTable};
use super::questions::{Questions, lookups};
use super::trust::{Trust, issuers};
use crate::answer::{Answers, Publication, WellKnown, requested};
use crate::call::Arriving;
use crate::clock::Clock;
use crate::config_error::{ConfigError, ConfigProblem, Flawed, Problems};
use crate::events::Events;
use crate::issuer::{Fetcher, HttpClientBuilder, metadata_urls};
use crate::pipeline::{Cors, Origins, Pipeline, PreparedAnswers};
use crate::policy::{Callers, Decider, OwnDecision, Policy, published_scopes};
use crate::resource_uri::{HttpUrl, ResourceUri};
use crate::scope::Scopes;
use crate::seal::{Seal, SealingKey};
use crate::token::{FingerprintKey, RecentlyGood, Revocations, Verifier};

/// What no file can hold.
pub(crate) struct CodeOnly {
    pub(crate) http_client: HttpClientBuilder,
    pub(crate) clock: Clock,
    pub(crate) decider: Option<Arc<dyn Decider>>,
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

/// The first configuration, and what outlives it.
pub(crate) fn build(
    config: &Config,
    code_only: CodeOnly,
) -> Result<(Pipeline, Lasting), ConfigError> {
    let mut problems = Problems::default();
    let lasting = Lasting::new(code_only, &mut problems);
    let gate = gate(
        config,
        lasting.as_ref().map_err(|flawed| *flawed),
        None,
        &mut problems,
    );
    problems.finish(gate.and_then(|gate| Ok((gate, lasting?))))
}

/// A configuration that takes the place of an earlier one. Of that it keeps the resource, and what issuers publish, where
/// nothing about them has changed.
pub(crate) fn rebuild(
    config: &Config,
    lasting: &Lasting,
    earlier: &Pipeline,
) -> Result<Pipeline, ConfigError> {
    let mut problems = Problems::default();
    let gate = gate(config, Ok(lasting), Some(earlier), &mut problems);
    problems.finish(gate)
}

impl Lasting {
    fn new(code_only: CodeOnly, problems: &mut Problems) -> Result<Self, Flawed> {
        let CodeOnly {
            http_client,
            clock,
            decider,
        } = code_only;
        let fetcher = problems.keep(Fetcher::new(http_client).map_err(|why| {
            let fix = "change the settings of the client, or what they refer to";
            ConfigProblem::not_allowed("http_client", fix).because(why)
        }));
        let key = problems.keep(SealingKey::random().ok_or_else(no_randomness));
        Ok(Self {
            fetcher: fetcher?,
            clock,
            decider,
            revocations: Arc::default(),
            recently_good: Arc::default(),
            key: Arc::new(key?),
            arriving: Arc::default(),
        })
    }
}

fn gate(
    config: &Config,
    lasting: Result<&Lasting, Flawed>,
    earlier: Option<&Pipeline>,
    problems: &mut Problems,
) -> Result<Pipeline, Flawed> {
    let resource = problems.keep(resource(config, earlier)).map(Arc::new);
    let of_resource = resource.as_deref().map_err(|flawed| *flawed);
    // Of unsound limits nothing is built: a cache may panic over them.
    let lasting = config.limits.check(problems).and(lasting);
    let policy = policy(config, problems);
    let seal = config.sessions.keys(problems).and_then(|keys| {
        let mut keys = keys.into_iter();
        let first = keys
            .next()
            .map_or_else(|| lasting.map(|lasting| lasting.key.clone()), Ok);
        Ok(Arc::new(Seal::new(
            resource.clone()?,
            first?,
            keys.collect(),
        )))
    });
    let streams = problems.keep(config.sessions.stream_policy());
    let memory = lasting.map(|lasting| {
        let Lasting {
            revocations,
            recently_good,
            ..
        } = lasting;
        Arc::new(
            config
                .limits
                .memory(revocations.clone(), recently_good.clone()),
        )
    });
    let earlier = earlier.map(|earlier| &earlier.verifier);
    let trust = (|| {
        Ok(Trust {
            resource: resource.clone()?,
            fetcher: lasting?.fetcher.clone(),
            lifetimes: config.limits.lifetimes(),
            clock: lasting?.clock.clone(),
            seal: seal.clone()?,
            earlier: earlier
                .map(|earlier| earlier.issuers.as_slice())
                .unwrap_or_default(),
        })
    })();
    let issuers = issuers(
        &config.issuers,
        trust.as_ref().map_err(|flawed| *flawed),
        problems,
    );
    let questions = (|| {
        Ok(Questions {
            fetcher: lasting?.fetcher.clone(),
            lifetimes: config.limits.lifetimes(),
            active_for: config.limits.introspection_active(),
            memory: memory.clone()?,
            clock: lasting?.clock.clone(),
            earlier: earlier
                .map(|earlier| earlier.lookups.as_slice())
                .unwrap_or_default(),
        })
    })();
    let questions = questions.as_ref().map_err(|flawed| *flawed);
    let lookups = lookups(&config.issuers, &issuers, questions, problems);
    let callers = callers(&config.issuers, problems);
    let request_prefix = config
        .issuers
        .first()
        .map(|issuer| issuer.scope_request_prefix.clone())
        .unwrap_or_default();
    let published = match &config.metadata.scopes_supported {
        Some(texts) => published_scopes("metadata.scopes_supported", texts, problems),
        None => policy
            .as_ref()
            .map(|policy| policy.initial().clone())
            .map_err(|flawed| *flawed),
    };
    let authorization_servers = advertised(&config.issuers, problems);
    let publication = Publication {
        resource: of_resource,
        legacy_target: authorization_servers
            .as_ref()
            .map(|urls| {
                urls.first()
                    .and_then(|url| metadata_urls(url).ok()?.into_iter().next())
            })
            .map_err(|flawed| *flawed),
        authorization_servers,
        scopes_supported: published.map(|scopes| requested_list(&scopes, &request_prefix)),
    };
    let well_known = WellKnown::new(&config.metadata, &publication, problems);
    let origins = origins(of_resource, config, problems);
    let fingerprints = problems.keep(FingerprintKey::random().ok_or_else(no_randomness));
    // From here on nothing is checked any more.
    let (resource, policy, lasting) = (resource.clone()?, policy?, lasting?);
    let clock = lasting.clock.clone();
    let issuers = issuers.into_iter().collect::<Result<_, _>>()?;
    let cors = if config.origins.cors_headers {
        Cors::Ours
    } else {
        Cors::LeftToOthers
    };
    let answers = Answers::new(
        resource.metadata_url(),
        policy.initial().clone(),
        request_prefix,
    );
    Ok(Pipeline {
        prepared: PreparedAnswers::new(&answers, cors),
        answers,
        well_known: Arc::new(well_known?),
        events: Events::new(clock.clone()),
        origins: origins?,
        cors,
        verifier: Verifier {
            issuers,
            lookups: lookups?,
            memory: memory?,
            fingerprints: fingerprints?,
            clock,
        },
        callers: callers?,
        streams: streams?,
        sessions: config.sessions.with(seal?),
        policy,
        decision: lasting.decider.clone().map(|decider| OwnDecision {
            decider,
            time: config.limits.decision_time(),
        }),
        bodies: config.limits.bodies(lasting.arriving.clone()),
        resource,
    })
}

fn no_randomness() -> ConfigProblem {
    ConfigProblem::unreadable(
        "(the system)",
        "it has no randomness to make a key of: start later",
    )
}

fn resource(config: &Config, earlier: Option<&Pipeline>) -> Result<ResourceUri, ConfigProblem> {
    let resource = ResourceUri::parse(&config.resource)
        .map_err(|fix| ConfigProblem::not_allowed("resource", fix).showing(&config.resource))?;
    match earlier.map(|earlier| earlier.resource.as_str()) {
        Some(kept) if kept != resource.as_str() => {
            let fix = format!(
                "a gate keeps its resource, {kept:?}: tokens are for it, and clients were told it; build another one",
            );
            Err(ConfigProblem::conflict("resource", fix).showing(resource.as_str()))
        }
        _ => Ok(resource),
    }
}

fn policy(config: &Config, problems: &mut Problems) -> Result<Policy, Flawed> {
    let scopes = problems.keep(config.scopes.as_ref().ok_or_else(|| {
        ConfigProblem::missing(
            "scopes",
            "say what a token must allow: start from ScopeMap::deny_unlisted() or, if being \
             authenticated is enough, ScopeMap::allow_unlisted()",
        )
    }));
    Policy::compile(scopes?, problems)
}

fn callers(issuers: &[Issuer], problems: &mut Problems) -> Result<Callers, Flawed> {
    let mut callers = Ok(Callers::default());
    for (position, issuer) in issuers.iter().enumerate() {
        let rules = caller_rules(position, &issuer.clients, &issuer.claims, problems);
        callers = callers.and_then(|mut callers| {
            callers.insert(issuer.issuer.as_str().into(), rules?);
            Ok(callers)
        });
    }
    callers
}

fn requested_list(scopes: &Scopes, prefix: &str) -> Vec<String> {
    requested(scopes, prefix)
        .split(' ')
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect()
}

fn origins(
    resource: Result<&ResourceUri, Flawed>,
    config: &Config,
    problems: &mut Problems,
) -> Result<Origins, Flawed> {
    let OriginsTable { allowed, .. } = &config.origins;
    let origins = match allowed {
        Allowed::These(origins) => Origins::new(resource, origins, problems),
        Allowed::Any => resource.map(Origins::allow_any),
    };
    let opens_anything = config
        .scopes
        .as_ref()
        .is_some_and(|scopes| scopes.opens_anything());
    if opens_anything && allowed.includes_every_page() {
        let fix = "where something is open without a token, every web page that somebody visits could call it \
                   from inside of their network: name the origins that may";
        return Err(problems.add(ConfigProblem::conflict("origins.allowed", fix)));
    }
    origins
}

/// The issuers as the metadata document names them.
fn advertised(issuers: &[Issuer], problems: &mut Problems) -> Result<Vec<String>, Flawed> {
    let mut urls = Ok(Vec::new());
    for (position, issuer) in issuers.iter().enumerate() {
        let url = match &issuer.advertise {
            Advertise::Not => continue,
            // It has no name, which is said already.
            Advertise::AsItIs if issuer.issuer.is_empty() => continue,
            Advertise::AsItIs => &issuer.issuer,
            Advertise::As(url) => url,
        };
        let advertised = HttpUrl::parse(url).map_err(|fix| {
            let fix = format!(
                "clients cannot find an authorization server by this: {fix}, or write advertise = false"
            );
            ConfigProblem::not_allowed(format!("issuers[{position}].advertise"), fix).showing(url)
        });
        let advertised = problems.keep(advertised);
        urls = urls.and_then(|mut urls| {
            advertised?;
            urls.push(url.clone());
            Ok(urls)
        });
    }
    if !issuers.is_empty()
        && issuers
            .iter()
            .all(|issuer| matches!(issuer.advertise, Advertise::Not))
    {
        let fix = "advertise at least one, or clients cannot find where to get a token";
        return Err(problems.add(ConfigProblem::missing("issuers", fix)));
    }
    urls
}
