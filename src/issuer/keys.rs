//! The keys of one issuer: fetching them, and finding the one that signed a token.

use std::sync::Arc;
use std::time::Duration;

use super::at_url::AtUrl;
use super::discovery::{Location, discover};
use super::fetch::Fetcher;
use super::source::{Fetch, Source};
use super::state::{Fetched, Refresh};
use super::unavailable::Unavailable;
use crate::clock::Timestamp;
use crate::jose::{Algorithms, Header, Key, KeySet, NotSigned};
use crate::refusal::{Reason, Refusal};

/// How long after its `iat` a token may have been signed: clocks differ, seconds are whole, and some issuers backdate
/// tokens.
const ISSUED_AT_DOUBT: Duration = Duration::from_secs(60);

pub(crate) type KeySource = Source<KeyFetch>;

/// Everything that a fetch of keys needs.
#[derive(Debug)]
pub(crate) struct KeyFetch {
    pub(crate) issuer: Arc<str>,
    pub(crate) location: Location,
    pub(crate) algorithms: Algorithms,
    pub(crate) fetcher: Fetcher,
}

impl Fetch for KeyFetch {
    type Item = KeySet;
    const WHAT: &str = "keys";
    const MISSING: Reason = Reason::JwksUnavailable;

    fn issuer(&self) -> &str {
        &self.issuer
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.issuer, &self.location, &self.algorithms)
            == (&other.issuer, &other.location, &other.algorithms)
    }

    /// Fetches the metadata first, each time: an issuer may move its keys.
    async fn fetch(&self, now: Timestamp) -> Result<Fetched<KeySet>, Unavailable> {
        let discovered;
        let uri = match &self.location {
            Location::At(uri) => uri,
            Location::Discovered(urls) => {
                discovered = discover(urls, &self.issuer, "jwks_uri", &self.fetcher, now).await?;
                &discovered.item
            }
        };
        let document = self.fetcher.get(uri, now).await?;
        let keys = KeySet::read(&document.bytes, &self.algorithms);
        let item = keys.map_err(|why| Unavailable::Unusable(Arc::new(AtUrl::new(uri, why))))?;
        Ok(Fetched {
            item,
            lifetime: document.lifetime,
            age: document.age,
        })
    }
}

impl Refresh for KeySet {
    fn replace(&mut self, older: &Self) {
        self.replace(older);
    }
}

impl KeySource {
    /// Returns the key of the issuer that signed the message. Fetches the key set again if a newer one may contain the key.
    pub(crate) async fn prove(
        self: &Arc<Self>,
        header: &Header<'_>,
        message: &[u8],
        signature: &[u8],
        issued_at: Option<Timestamp>,
    ) -> Result<Arc<Key>, Refusal> {
        let arrived = self.clock.now();
        let mut loaded = self.current().await?;
        loop {
            let why = match loaded.item.verify(header, message, signature) {
                Ok(key) => return Ok(key),
                Err(why) => why,
            };
            // Without a `kid`, the signature of a new key looks like a bad signature of an old one.
            let may_be_new = why == NotSigned::UnknownKey
                || (why == NotSigned::BadSignature && header.kid.is_none());
            let would_have_it = |issued: Timestamp| loaded.known_at >= issued.plus(ISSUED_AT_DOUBT);
            if !may_be_new || loaded.known_at >= arrived || issued_at.is_some_and(would_have_it) {
                return Err(refused(why, header, self.issuer()));
            }
            // A set older than the token does not tell whether this key exists. With a 401, an attacker who keeps the
            // cooldown running would make honest clients throw valid tokens away.
            match self.newer().await {
                Some(newer) if newer.asked_at > loaded.asked_at => loaded = newer,
                _ => {
                    return Err(with_kid(Reason::KidUndecided, header, self.issuer())
                        .retry_after(self.cooldown_left()));
                }
            }
        }
    }
}

fn refused(why: NotSigned, header: &Header<'_>, issuer: &str) -> Refusal {
    let reason = match why {
        NotSigned::UnknownKey => Reason::KidUnknown,
        NotSigned::Ambiguous => Reason::NoKidAmbiguous,
        NotSigned::UnfitKey => Reason::KeyUnusable,
        NotSigned::BadSignature => Reason::BadSignature,
    };
    with_kid(reason, header, issuer)
}

/// A refusal that names the missing key and its issuer.
fn with_kid(reason: Reason, header: &Header<'_>, issuer: &str) -> Refusal {
    let algorithm = header.algorithm.name();
    Refusal::from(reason)
        .expected(format!("an {algorithm} key of {issuer}"))
        .got(match header.kid {
            Some(kid) => format!("kid: {kid}"),
            None => "no kid".to_owned(),
        })
}
