//! Checks the raw text of a configuration, and makes from it what the rooms assemble themselves from. Every value is
//! checked, even if others are wrong.

use std::sync::Arc;

use super::api_key_spec::api_keys_spec;
use super::callers::caller_rules;
use super::issuer::{Advertise, Issuer};
use super::issuer_spec::issuer_specs;
use super::names::ResourceNames;
use super::origins::{Allowed, OriginsTable};
use super::own_verifier_spec::own_verifier_specs;
use super::settings::Settings;
use crate::answer::{Publication, WellKnown, requested};
use crate::config_error::{ConfigProblem, Flawed, Problems, all};
use crate::holder::{ExternalUrls, HolderSpec, SeenAt};
use crate::issuer::metadata_urls;
use crate::jose::Algorithms;
use crate::pipeline::{Cors, NameSpec, Origins, PipelineSpec};
use crate::policy::{Callers, Policy, published_scopes};
use crate::resource_uri::{HttpUrl, ResourceUri};
use crate::scheme::Schemes;
use crate::scope::Scopes;
use crate::token::{OwnVerifier, VerifierSpec};

impl Settings {
    /// Checks the whole configuration. `kept` has the names of a gate whose configuration this one replaces.
    pub(super) fn spec(
        &self,
        kept: Option<&[Arc<ResourceUri>]>,
        own_verifiers: &[OwnVerifier],
        problems: &mut Problems,
    ) -> Result<PipelineSpec, Flawed> {
        let names = ResourceNames::read(self, kept, problems);
        // Nothing is built from unsound limits: a cache may panic over them.
        let limits = self.limits.check(problems);
        let policy = policy(self, problems);
        let sessions = self.sessions.spec(problems);
        let streams = problems.keep(self.sessions.stream_policy());
        let tool_results = self.clients.tool_results(problems);
        let issuers = issuer_specs(&self.issuers, problems);
        let api_keys = api_keys_spec(self, problems);
        let own_verifiers = own_verifier_specs(own_verifiers, self, problems);
        let callers = callers(&self.issuers, problems);
        let algorithms = self.holder.accepted_algorithms(problems);
        let replay_bytes = self.holder.replay_limit(problems);
        let peers = self.peers.networks(problems);
        let certificates = self.holder.certificate().source(peers, problems);
        let schemes = self
            .holder
            .schemes(algorithms.as_ref().unwrap_or(&Algorithms::default()));
        let mut name = |resource: Result<&Arc<ResourceUri>, Flawed>, seen_at: Option<&SeenAt>| {
            let of = resource.map(|resource| &**resource);
            let well_known = well_known(self, of, policy.as_ref(), &schemes, problems);
            let origins = origins(of, self, problems);
            let (resource, seen_at) = (resource?, seen_at.cloned().unwrap_or(SeenAt::SamePath));
            Ok(NameSpec {
                resource: resource.clone(),
                well_known: well_known?,
                origins: origins?,
                urls: ExternalUrls::new(resource, seen_at),
            })
        };
        let read = names.as_ref().map_err(|flawed| *flawed);
        let seen_at = read.ok().map(|names| &names.seen_at);
        let main = name(read.map(|names| &names.main), seen_at);
        let aliases = read.map_or(&[][..], |names| &names.aliases);
        let aliases = all(aliases.iter().map(|alias| name(Ok(alias), seen_at)));
        limits?;
        let limits = &self.limits;
        Ok(PipelineSpec {
            main: main?,
            aliases: aliases?,
            cors: if self.origins.cors_headers {
                Cors::Ours
            } else {
                Cors::LeftToOthers
            },
            verifier: VerifierSpec {
                names: names?.all(),
                issuers: issuers?,
                api_keys: api_keys?,
                own_verifiers: own_verifiers?,
                lifetimes: limits.lifetimes(),
                verified_bytes: limits.verified_bytes(),
                verified_for: limits.verified_for(),
                active_for: limits.active_for(),
                inactive_for: limits.inactive_for(),
            },
            holder: HolderSpec {
                dpop: self.holder.dpop_mode(),
                certificates: certificates?,
                algorithms: algorithms?,
                nonces: self.holder.demands_nonces(),
                replay_bytes: replay_bytes?,
            },
            schemes,
            callers: callers?,
            bodies: limits.bodies(),
            sessions: sessions?,
            streams: streams?,
            policy: policy?,
            tool_results: tool_results?,
            describes_security: self.clients.describe_security,
            decision_time: limits.decision_time(),
        })
    }
}

fn policy(config: &Settings, problems: &mut Problems) -> Result<Policy, Flawed> {
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
        let rules = caller_rules(
            &issuer.field(position),
            &issuer.clients,
            &issuer.claims,
            problems,
        );
        callers = callers.and_then(|mut callers| {
            callers.insert(issuer.issuer.as_str().into(), rules?);
            Ok(callers)
        });
    }
    callers
}

fn well_known(
    config: &Settings,
    resource: Result<&ResourceUri, Flawed>,
    policy: Result<&Policy, &Flawed>,
    schemes: &Schemes,
    problems: &mut Problems,
) -> Result<WellKnown, Flawed> {
    let scopes = match &config.metadata.scopes_supported {
        Some(texts) => published_scopes("metadata.scopes_supported", texts, problems),
        None => policy
            .map(|policy| policy.initial().clone())
            .map_err(|flawed| *flawed),
    };
    let first = config.issuers.first();
    let prefix = first.map_or("", |issuer| &issuer.scope_request_prefix);
    let authorization_servers = advertised(&config.issuers, problems);
    let publication = Publication {
        resource,
        legacy_target: authorization_servers
            .as_ref()
            .map(|urls| metadata_urls(urls.first()?).ok()?.into_iter().next())
            .map_err(|flawed| *flawed),
        authorization_servers,
        scopes_supported: scopes.map(|scopes| requested_list(&scopes, prefix)),
        schemes,
        certificates: !config.holder.certificate().is_off(),
    };
    WellKnown::new(&config.metadata, &publication, problems)
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
    config: &Settings,
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
        let fix = "where something is open without a token, any web page could call it from inside the \
                   network of its visitor: name the origins that may";
        return Err(problems.add(ConfigProblem::conflict("origins.allowed", fix)));
    }
    origins
}

/// The URLs by which the metadata document names the issuers.
fn advertised(issuers: &[Issuer], problems: &mut Problems) -> Result<Vec<String>, Flawed> {
    let mut urls = Ok(Vec::new());
    for (position, issuer) in issuers.iter().enumerate() {
        let url = match &issuer.advertise {
            Advertise::Not => continue,
            // An empty name is reported already.
            Advertise::AsItIs if issuer.issuer.is_empty() => continue,
            Advertise::AsItIs => &issuer.issuer,
            Advertise::As(url) => url,
        };
        let advertised = HttpUrl::parse(url).map_err(|fix| {
            let fix = format!(
                "clients cannot find an authorization server at this URL: {fix}, or write advertise = false"
            );
            ConfigProblem::not_allowed(format!("{}.advertise", issuer.field(position)), fix)
                .showing(url)
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
        let fix = "advertise at least one issuer, or clients cannot find out where to get a token";
        return Err(problems.add(ConfigProblem::missing("issuers", fix)));
    }
    urls
}
