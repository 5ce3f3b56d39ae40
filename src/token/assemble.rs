//! Makes the verifier from its specs.

use std::sync::Arc;
use std::time::Duration;

use super::api_keys::{ApiKeyJudge, ApiKeysSpec};
use super::cache::{RecentlyGood, RejectedCache, VerifiedCache};
use super::fingerprint::FingerprintKey;
use super::lookup::{LookupSpec, Lookups, When};
use super::memory::TokenCaches;
use super::own_verification::OwnVerification;
use super::profile::{TokenRules, TrustedIssuer};
use super::revocations::Revocations;
use super::verify::Verifier;
use super::verify_token::TokenVerifier;
use crate::clock::Clock;
use crate::issuer::{
    Client, Endpoint, EndpointFetch, Fetch, Fetcher, Introspector, KeyFetch, Lifetimes, Location,
    ResponseVerifier, SharedSources, Source,
};
use crate::jose::KeySet;
use crate::resource_uri::ResourceUri;
use crate::seal::Seal;

/// The part of a configuration that is about tokens and their issuers.
pub(crate) struct VerifierSpec {
    /// The names of the resource.
    pub(crate) names: Arc<[Arc<ResourceUri>]>,
    pub(crate) issuers: Vec<IssuerSpec>,
    pub(crate) api_keys: Option<ApiKeysSpec>,
    pub(crate) own_verifiers: Vec<OwnVerifierSpec>,
    /// How long documents of issuers live.
    pub(crate) lifetimes: Lifetimes,
    /// How much memory the cache of valid tokens may take, and how long it keeps one.
    pub(crate) verified_bytes: u64,
    pub(crate) verified_for: Duration,
    /// How long the cache keeps an introspection response: with an active token, and with an inactive one.
    pub(crate) active_for: Duration,
    pub(crate) inactive_for: Duration,
}

/// The part of a configuration that is about one issuer.
pub(crate) struct IssuerSpec {
    pub(crate) name: Arc<str>,
    pub(crate) rules: TokenRules,
    pub(crate) keys: KeysSpec,
    pub(crate) introspection: Option<IntrospectionSpec>,
}

/// A fixed key set, or the place to fetch it from.
pub(crate) enum KeysSpec {
    Fixed(KeySet),
    Fetched(Location),
}

/// The part of a configuration that is about introspection at one issuer.
pub(crate) struct IntrospectionSpec {
    pub(crate) token_prefix: Option<String>,
    pub(crate) when: When,
    pub(crate) endpoint: Location,
    pub(crate) client: Client,
    /// Whether responses must be signed (RFC 9701).
    pub(crate) signed: bool,
}

/// The part of a configuration that is about an operator's own verifier.
pub(crate) struct OwnVerifierSpec {
    /// The issuer of its callers.
    pub(crate) issuer: Arc<str>,
    pub(crate) rules: TokenRules,
    pub(crate) token_prefix: Option<String>,
    pub(crate) verifier: Arc<dyn TokenVerifier>,
}

/// State that outlives a configuration. Gates of the same issuers can have it in common: it has what was fetched and what
/// was revoked, and no verdict about a token.
#[derive(Clone)]
pub(crate) struct VerifierState {
    fetcher: Fetcher,
    pub(crate) clock: Clock,
    revocations: Arc<Revocations>,
    recently_good: Arc<RecentlyGood>,
    keys: Arc<SharedSources<KeyFetch>>,
    endpoints: Arc<SharedSources<EndpointFetch>>,
}

impl VerifierState {
    pub(crate) fn new(fetcher: Fetcher, clock: Clock) -> Self {
        Self {
            fetcher,
            clock,
            revocations: Arc::default(),
            recently_good: Arc::default(),
            keys: Arc::default(),
            endpoints: Arc::default(),
        }
    }
}

impl Verifier {
    /// Makes a verifier. It takes over the documents that were fetched for an earlier configuration or for another gate, if
    /// their issuer is configured alike. `None` only if the system has no randomness to give.
    pub(crate) fn assemble(
        spec: VerifierSpec,
        state: &VerifierState,
        seal: &Arc<Seal>,
    ) -> Option<Self> {
        let assembly = Assembly {
            memory: Arc::new(TokenCaches {
                verified: VerifiedCache::new(spec.verified_bytes, spec.verified_for),
                rejected: RejectedCache::new(spec.inactive_for),
                recently_good: state.recently_good.clone(),
                revocations: state.revocations.clone(),
            }),
            names: spec.names,
            lifetimes: spec.lifetimes,
            active_for: spec.active_for,
            state,
            seal,
        };
        // A caller with a key is told to ask the first issuer, as one who is not known yet.
        let first = spec.issuers.first();
        let request_prefix = first.map(|issuer| issuer.rules.request_prefix.clone());
        let request_prefix = request_prefix.unwrap_or_default();
        let api_keys = spec
            .api_keys
            .map(|keys| ApiKeyJudge::new(keys, request_prefix, seal.clone()));
        let (mut issuers, mut lookups) = (Vec::new(), Vec::new());
        for spec in spec.issuers {
            let (issuer, introspection) = assembly.issuer(spec);
            let asked = introspection.map(|spec| assembly.lookups(issuer.clone(), spec));
            lookups.extend(asked);
            issuers.push(issuer);
        }
        let own_verifiers = spec.own_verifiers.into_iter();
        Some(Self {
            own_verifiers: own_verifiers.map(|spec| assembly.own(spec)).collect(),
            issuers,
            lookups,
            api_keys,
            memory: assembly.memory,
            fingerprints: FingerprintKey::random()?,
            clock: state.clock.clone(),
        })
    }
}

/// The parts that all issuers share.
struct Assembly<'a> {
    names: Arc<[Arc<ResourceUri>]>,
    lifetimes: Lifetimes,
    active_for: Duration,
    memory: Arc<TokenCaches>,
    state: &'a VerifierState,
    seal: &'a Arc<Seal>,
}

impl Assembly<'_> {
    fn issuer(&self, spec: IssuerSpec) -> (Arc<TrustedIssuer>, Option<IntrospectionSpec>) {
        let keys = match spec.keys {
            KeysSpec::Fixed(keys) => self.given(keys),
            KeysSpec::Fetched(location) => {
                let fetch = KeyFetch {
                    issuer: spec.name.clone(),
                    location,
                    algorithms: spec.rules.algorithms.clone(),
                    fetcher: self.state.fetcher.clone(),
                };
                let VerifierState { keys, clock, .. } = self.state;
                keys.source(fetch, &self.lifetimes, clock)
            }
        };
        let issuer = TrustedIssuer {
            name: spec.name,
            names: self.names.clone(),
            rules: spec.rules,
            keys,
            seal: self.seal.clone(),
        };
        (Arc::new(issuer), spec.introspection)
    }

    fn lookups(&self, issuer: Arc<TrustedIssuer>, spec: IntrospectionSpec) -> Arc<Lookups> {
        let VerifierState { fetcher, clock, .. } = self.state;
        let endpoint = match spec.endpoint {
            Location::At(url) => self.given(Endpoint(url)),
            Location::Discovered(metadata_urls) => {
                let fetch = EndpointFetch {
                    issuer: issuer.name.clone(),
                    metadata_urls,
                    fetcher: fetcher.clone(),
                };
                self.state.endpoints.source(fetch, &self.lifetimes, clock)
            }
        };
        let verifier = spec.signed.then(|| ResponseVerifier {
            issuer: issuer.name.clone(),
            keys: issuer.keys.clone(),
            algorithms: issuer.rules.algorithms.clone(),
            client_id: spec.client.id().map(str::to_owned),
            names: issuer.names.clone(),
            leeway: issuer.rules.leeway,
        });
        let introspector = Introspector::new(
            endpoint,
            spec.client,
            verifier,
            fetcher.clone(),
            clock.clone(),
        );
        Arc::new(Lookups::new(LookupSpec {
            issuer,
            token_prefix: spec.token_prefix,
            when: spec.when,
            active_for: self.active_for,
            authority: introspector,
            memory: self.memory.clone(),
            clock: clock.clone(),
        }))
    }

    fn own(&self, spec: OwnVerifierSpec) -> Arc<Lookups<OwnVerification>> {
        let clock = &self.state.clock;
        let issuer = TrustedIssuer {
            name: spec.issuer,
            names: self.names.clone(),
            rules: spec.rules,
            // It signs no tokens.
            keys: self.given(KeySet::default()),
            seal: self.seal.clone(),
        };
        Arc::new(Lookups::new(LookupSpec {
            issuer: Arc::new(issuer),
            token_prefix: spec.token_prefix,
            when: When::Opaque,
            active_for: self.active_for,
            authority: OwnVerification::new(spec.verifier, clock.clone()),
            memory: self.memory.clone(),
            clock: clock.clone(),
        }))
    }

    fn given<F: Fetch>(&self, item: F::Item) -> Arc<Source<F>> {
        let clock = self.state.clock.clone();
        Arc::new(Source::fixed(item, self.lifetimes.clone(), clock))
    }
}
