//! One issuer's keys over time: fetched when needed, refreshed ahead, kept through an outage, and
//! never fetched as often as an attacker would like.
//!
//! No request holds the lock across I/O. A fetch runs in a task of its own, so that a caller who hangs
//! up cancels nobody, and whoever needs its outcome waits for the one that is under way.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::algorithm::Algorithms;
use super::discovery::{self, NotItsMetadata};
use super::fetch::{FetchFailure, Fetcher};
use super::jws::Header;
use super::keys::{KeySet, NoUsableKeys, NotSigned};
use crate::clock::{Clock, Timestamp};
use crate::refusal::{Reason, Refusal};

/// How long a request waits for a fetch under way before it is told to come back.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// After a failed fetch the next one waits this long, then twice as long, up to the cooldown.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// `iat` has whole seconds: a key may appear and sign within the second in which a fetch just missed it.
const ISSUED_AT_GRAIN: Duration = Duration::from_secs(1);

/// Where an issuer's keys are.
#[derive(Debug)]
pub(crate) enum KeyLocation {
    /// Named by one of these metadata documents.
    Discovered(Vec<String>),
    At(String),
    Fixed(Arc<KeySet>),
}

/// How long a key set lives.
#[derive(Debug, Clone)]
pub(crate) struct KeyLifetimes {
    pub(crate) min: Duration,
    pub(crate) default: Duration,
    pub(crate) max: Duration,
    /// How long the last good set serves on when no newer one can be had.
    pub(crate) stale: Duration,
    /// Between two fetches that unknown keys may cause.
    pub(crate) cooldown: Duration,
}

#[derive(Debug)]
pub(crate) struct KeySource {
    pub(crate) issuer: Arc<str>,
    pub(crate) location: KeyLocation,
    pub(crate) algorithms: Algorithms,
    pub(crate) lifetimes: KeyLifetimes,
    pub(crate) fetcher: Fetcher,
    pub(crate) clock: Clock,
    pub(crate) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    loaded: Option<Loaded>,
    last_attempt: Option<Timestamp>,
    /// Failed attempts since the last success.
    failures: u32,
    last_failure: Option<Arc<KeysUnavailable>>,
    /// Closed when the fetch has landed.
    flight: Option<watch::Receiver<()>>,
}

#[derive(Debug, Clone)]
struct Loaded {
    keys: Arc<KeySet>,
    /// When the fetch began: what the issuer published later is not in it.
    asked_at: Timestamp,
    lifetime: Duration,
}

impl KeySource {
    /// Proves that one of the issuer's keys signed, fetching the set when that is what it takes.
    pub(crate) async fn prove(
        self: &Arc<Self>,
        header: &Header,
        message: &[u8],
        signature: &[u8],
        issued_at: Option<Timestamp>,
    ) -> Result<(), Refusal> {
        let arrived = self.clock.now();
        if let KeyLocation::Fixed(keys) = &self.location {
            return keys
                .verify(header, message, signature)
                .map_err(|why| refused(why, header));
        }
        let mut loaded = self.current().await?;
        loop {
            match loaded.keys.verify(header, message, signature) {
                Ok(()) => return Ok(()),
                Err(NotSigned::UnknownKey) => {}
                Err(why) => return Err(refused(why, header)),
            }
            let would_have_it = |issued: Timestamp| loaded.asked_at >= issued.plus(ISSUED_AT_GRAIN);
            if loaded.asked_at >= arrived || issued_at.is_some_and(would_have_it) {
                return Err(refused(NotSigned::UnknownKey, header));
            }
            // Whether this key exists we cannot tell from a set older than the token. A 401 now would
            // make honest clients throw good tokens away whenever an attacker keeps the cooldown burnt.
            match self.newer().await {
                Some(newer) if newer.asked_at > loaded.asked_at => loaded = newer,
                _ => return Err(Refusal::from(Reason::KidUndecided).retry_after(self.next_attempt())),
            }
        }
    }

    /// The set to look in first.
    async fn current(self: &Arc<Self>) -> Result<Loaded, Refusal> {
        let now = self.clock.now();
        let (usable, flight) = {
            let mut state = self.state();
            if let Some(loaded) = &state.loaded
                && now < loaded.refresh_from()
            {
                return Ok(loaded.clone());
            }
            let flight = self.join_or_start(&mut state, now, Duration::ZERO);
            let usable = state
                .loaded
                .clone()
                .filter(|loaded| now < self.stale_from(loaded));
            // While an issuer is down nobody waits for it who can be served without it.
            let serve_now = |loaded: &Loaded| now < loaded.fresh_until() || state.failures > 0;
            match usable {
                Some(loaded) if serve_now(&loaded) => return Ok(loaded),
                usable => (usable, flight),
            }
        };
        if let Some(flight) = flight {
            landed(flight).await;
        }
        let newest = self
            .state()
            .loaded
            .clone()
            .filter(|loaded| now < self.stale_from(loaded));
        newest.or(usable).ok_or_else(|| self.unavailable())
    }

    /// A set fetched for the sake of an unknown key, unless the cooldown forbids asking again.
    async fn newer(self: &Arc<Self>) -> Option<Loaded> {
        let flight = {
            let now = self.clock.now();
            let mut state = self.state();
            self.join_or_start(&mut state, now, self.lifetimes.cooldown)?
        };
        landed(flight).await;
        self.state().loaded.clone()
    }

    /// The fetch under way, or a new one if the last attempt lies far enough back.
    fn join_or_start(
        self: &Arc<Self>,
        state: &mut State,
        now: Timestamp,
        pause: Duration,
    ) -> Option<watch::Receiver<()>> {
        // A closed channel is a flight that ended without landing: its task panicked or was dropped.
        if let Some(flight) = state
            .flight
            .as_ref()
            .filter(|flight| flight.has_changed().is_ok())
        {
            return Some(flight.clone());
        }
        if !self.wait_left(state, now, pause).is_zero() {
            return None;
        }
        state.last_attempt = Some(now);
        let (done, flight) = watch::channel(());
        state.flight = Some(flight.clone());
        let source = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = source.fetch(now).await;
            source.land(outcome, now);
            drop(done);
        });
        Some(flight)
    }

    async fn fetch(&self, now: Timestamp) -> Result<Loaded, KeysUnavailable> {
        let uri = match &self.location {
            KeyLocation::At(uri) => uri.clone(),
            KeyLocation::Discovered(urls) => self.discover(urls, now).await?,
            KeyLocation::Fixed(keys) => {
                return Ok(Loaded {
                    keys: keys.clone(),
                    asked_at: now,
                    lifetime: self.lifetimes.max,
                });
            }
        };
        let document = self.fetcher.get(&uri, now).await?;
        let keys = Arc::new(KeySet::read(&document.bytes, &self.algorithms)?);
        let lifetime = document.lifetime.unwrap_or(self.lifetimes.default);
        Ok(Loaded {
            keys,
            asked_at: now,
            lifetime: lifetime.clamp(self.lifetimes.min, self.lifetimes.max),
        })
    }

    /// The `jwks_uri` of the first document that is this issuer's; any failure moves on to the next form.
    async fn discover(&self, urls: &[String], now: Timestamp) -> Result<String, KeysUnavailable> {
        let mut mismatch = None;
        for url in urls {
            let Ok(document) = self.fetcher.get(url, now).await else {
                continue;
            };
            match discovery::jwks_uri(&document.bytes, &self.issuer) {
                Ok(uri) => return Ok(uri),
                Err(why @ NotItsMetadata::OtherIssuer(_)) => mismatch = Some(why),
                Err(_) => {}
            }
        }
        Err(mismatch.map_or(KeysUnavailable::Undiscovered, KeysUnavailable::OtherIssuer))
    }

    fn land(&self, outcome: Result<Loaded, KeysUnavailable>, asked_at: Timestamp) {
        let mut state = self.state();
        state.flight = None;
        match outcome {
            Ok(loaded) => {
                tracing::debug!(target: "toolgate", issuer = %self.issuer, asked_at = asked_at.seconds(), "keys fetched");
                state.failures = 0;
                state.last_failure = None;
                state.loaded = Some(loaded);
            }
            Err(why) => {
                let source = why.source().map(ToString::to_string).unwrap_or_default();
                tracing::error!(
                    target: "toolgate", issuer = %self.issuer, reason = why.reason().code(), error = %why, %source,
                    "keys not fetched",
                );
                state.failures = state.failures.saturating_add(1);
                state.last_failure = Some(Arc::new(why));
            }
        }
    }

    fn unavailable(&self) -> Refusal {
        let refusal = match self.state().last_failure.clone() {
            Some(why) => Refusal::from(why.reason()).because(why),
            None => Reason::JwksUnavailable.into(),
        };
        refusal.retry_after(self.next_attempt()).got(self.issuer.as_ref())
    }

    fn next_attempt(&self) -> Duration {
        self.wait_left(&self.state(), self.clock.now(), self.lifetimes.cooldown)
    }

    /// How long until another attempt is due. A clock that was set back must not hold it up.
    fn wait_left(&self, state: &State, now: Timestamp, pause: Duration) -> Duration {
        let Some(last) = state.last_attempt.filter(|last| *last <= now) else {
            return Duration::ZERO;
        };
        let pause = match state.failures {
            0 => pause,
            failures => {
                let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
                doubled.min(self.lifetimes.cooldown)
            }
        };
        last.plus(pause).since(now)
    }

    fn stale_from(&self, loaded: &Loaded) -> Timestamp {
        loaded.asked_at.plus(self.lifetimes.stale.max(loaded.lifetime))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loaded {
    /// At 80 % of its life a set is refreshed in the background.
    fn refresh_from(&self) -> Timestamp {
        self.asked_at.plus(self.lifetime.mul_f64(0.8))
    }

    fn fresh_until(&self) -> Timestamp {
        self.asked_at.plus(self.lifetime)
    }
}

async fn landed(mut flight: watch::Receiver<()>) {
    // Nothing is ever sent: the channel closes when the fetch has landed. Whoever waited in vain finds no set.
    let _ = tokio::time::timeout(MAX_WAIT, flight.changed()).await;
}

fn refused(why: NotSigned, header: &Header) -> Refusal {
    let reason = match why {
        NotSigned::UnknownKey => Reason::KidUnknown,
        NotSigned::Ambiguous => Reason::NoKidAmbiguous,
        NotSigned::UnfitKey => Reason::KeyUnusable,
        NotSigned::BadSignature => Reason::BadSignature,
    };
    Refusal::from(reason).got(header.kid.as_deref().unwrap_or("no kid"))
}

/// Why an issuer's keys could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysUnavailable {
    #[error("no metadata document of the issuer was found at its well-known URLs")]
    Undiscovered,
    #[error("the metadata at its well-known URLs is not the issuer's")]
    OtherIssuer(#[source] NotItsMetadata),
    #[error("its key set could not be fetched")]
    Unfetched(#[from] FetchFailure),
    #[error("its key set cannot be used")]
    Unusable(#[from] NoUsableKeys),
}

impl KeysUnavailable {
    fn reason(&self) -> Reason {
        match self {
            Self::Undiscovered => Reason::DiscoveryFailed,
            Self::OtherIssuer(_) => Reason::DiscoveryIssuerMismatch,
            Self::Unfetched(_) => Reason::JwksUnavailable,
            Self::Unusable(_) => Reason::JwksUnusable,
        }
    }
}
