//! From an introspection table as written to questions that can be asked.

use std::sync::Arc;
use std::time::Duration;

use super::Introspection;
use super::introspection::{Authentication, IntrospectionTable, WhenName};
use super::issuer::Issuer;
use super::secret::{secret_of, without_newline};
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::issuer::{
    AssertionSigner, Client, Endpoint, EndpointFetch, Fetcher, Introspector, Kept, Lifetimes, SecretSource,
    metadata_urls,
};
use crate::jose::{Algorithm, SigningKey};
use crate::resource_uri::HttpUrl;
use crate::token::{LookupSpec, Lookups, TokenCaches, TrustedIssuer, When};

/// What all questions share.
pub(super) struct Questions<'a> {
    pub(super) fetcher: Fetcher,
    pub(super) lifetimes: Lifetimes,
    pub(super) active_for: Duration,
    pub(super) memory: &'a Arc<TokenCaches>,
    pub(super) clock: &'a Clock,
    /// Of the configuration that this one replaces.
    pub(super) earlier: &'a [Arc<Lookups>],
}

impl Questions<'_> {
    /// For each issuer that is asked, of those that are trusted; both lists have the same order.
    pub(super) fn lookups(
        &self,
        issuers: &[Issuer],
        trusted: &[Arc<TrustedIssuer>],
    ) -> Result<Vec<Arc<Lookups>>, ConfigError> {
        check_prefixes(issuers)?;
        let mut lookups = Vec::new();
        for (position, (issuer, trusted)) in issuers.iter().zip(trusted).enumerate() {
            if let Some(Introspection(table)) = &issuer.introspection {
                lookups.push(self.lookups_at(position, table, trusted)?);
            }
        }
        Ok(lookups)
    }

    fn lookups_at(
        &self,
        position: usize,
        table: &IntrospectionTable,
        issuer: &Arc<TrustedIssuer>,
    ) -> Result<Arc<Lookups>, ConfigError> {
        let field = |name: &str| format!("issuers[{position}].introspection.{name}");
        if table.token_prefix.as_deref() == Some("") {
            let mend = "every token begins with nothing: leave it out, or write how the tokens begin";
            return Err(ConfigError::new(field("token_prefix"), "", mend));
        }
        let endpoint = match &table.endpoint {
            Some(url) => {
                HttpUrl::parse(url).map_err(|mend| ConfigError::new(field("endpoint"), url, mend))?;
                Arc::new(Kept::fixed(Endpoint(url.clone()), self.lifetimes.clone(), self.clock.clone()))
            }
            None => {
                let metadata_urls = metadata_urls(&issuer.name).map_err(|mend| {
                    let mend = format!("it cannot be discovered ({mend}): say where to ask");
                    ConfigError::about(field("endpoint"), mend)
                })?;
                let (issuer, fetcher) = (issuer.name.clone(), self.fetcher.clone());
                let fetch = EndpointFetch { issuer, metadata_urls, fetcher };
                let mut earlier = self.earlier.iter();
                earlier
                    .find_map(|earlier| earlier.introspector().endpoint().kept_for(&fetch, &self.lifetimes))
                    .unwrap_or_else(|| {
                        Arc::new(Kept::fetched(fetch, self.lifetimes.clone(), self.clock.clone()))
                    })
            }
        };
        let when = match table.when {
            WhenName::Opaque => When::Opaque,
            WhenName::Always => When::Always,
        };
        let client = client(&field, table, &issuer.name)?;
        let introspector = Introspector::new(endpoint, client, self.fetcher.clone(), self.clock.clone());
        Ok(Arc::new(Lookups::new(LookupSpec {
            issuer: issuer.clone(),
            token_prefix: table.token_prefix.clone(),
            when,
            active_for: self.active_for,
            introspector,
            memory: self.memory.clone(),
            clock: self.clock.clone(),
        })))
    }
}

/// A token must never be shown to a server that did not issue it: how it begins says which one did.
pub(super) fn check_prefixes(issuers: &[Issuer]) -> Result<(), ConfigError> {
    let tables =
        issuers.iter().enumerate().filter_map(|(at, issuer)| Some((at, &issuer.introspection.as_ref()?.0)));
    let tables: Vec<_> = tables.collect();
    for (index, (position, table)) in tables.iter().enumerate() {
        let field = format!("issuers[{position}].introspection.token_prefix");
        let prefix = table.token_prefix.as_deref();
        if tables.len() > 1 && prefix.is_none() {
            let mend = "several issuers are asked about opaque tokens: say how those of each begin, so that \
                        none is shown to a server that did not issue it";
            return Err(ConfigError::about(field, mend));
        }
        let prefix = prefix.unwrap_or_default();
        let earlier = tables.iter().take(index).filter_map(|(_, table)| table.token_prefix.as_deref());
        if let Some(other) = earlier.into_iter().find(|other| begins_alike(prefix, other)) {
            let mend = format!("a token that begins so may also begin with {other:?}: they must differ");
            return Err(ConfigError::new(field, prefix, mend));
        }
    }
    Ok(())
}

fn begins_alike(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn client(
    field: &dyn Fn(&str) -> String,
    table: &IntrospectionTable,
    issuer: &str,
) -> Result<Client, ConfigError> {
    check_no_surplus(field, table)?;
    let id = || match table.client_id.as_deref() {
        Some(id) if !id.is_empty() => Ok(id.to_owned()),
        _ => Err(ConfigError::about(field("client_id"), "say as which client to ask")),
    };
    let secret = || match &table.client_secret {
        Some(secret) => {
            let is_header = table.auth == Authentication::Bearer;
            secret_of(&field("client_secret"), secret, move |text| match without_newline(text) {
                "" => Err("it is empty: an empty secret proves nothing"),
                secret if is_header && !secret.bytes().all(|byte| byte.is_ascii_graphic()) => {
                    Err("a bearer secret has printable ASCII characters only")
                }
                secret => Ok(secret.to_owned()),
            })
        }
        None => Err(ConfigError::about(field("client_secret"), "it is needed to prove who asks")),
    };
    Ok(match table.auth {
        Authentication::Basic => Client::Basic { id: id()?, secret: secret()? },
        Authentication::Post => Client::Post { id: id()?, secret: secret()? },
        Authentication::Bearer => Client::Bearer { secret: secret()? },
        Authentication::None => Client::Unauthenticated { id: id()? },
        Authentication::PrivateKeyJwt => {
            let audience = table.assertion_audience.as_deref().unwrap_or(issuer).to_owned();
            Client::PrivateKeyJwt(AssertionSigner { client_id: id()?, audience, key: key(field, table)? })
        }
    })
}

fn key(
    field: &dyn Fn(&str) -> String,
    table: &IntrospectionTable,
) -> Result<SecretSource<SigningKey>, ConfigError> {
    let Some(key) = &table.private_key else {
        return Err(ConfigError::about(field("private_key"), "it is needed to sign who asks"));
    };
    let algorithm = match &table.algorithm {
        None => None,
        Some(name) => Some(Algorithm::named(name).ok_or_else(|| {
            let known = Algorithm::ALL.map(Algorithm::name).join(", ");
            ConfigError::new(field("algorithm"), name, format!("use one of {known}"))
        })?),
    };
    let key_id = table.key_id.clone();
    let read = move |text: &str| SigningKey::read(text, algorithm, key_id.as_deref());
    secret_of(&field("private_key"), key, read)
}

/// What is there but not used is a slip: somebody thinks that it protects something.
fn check_no_surplus(field: &dyn Fn(&str) -> String, table: &IntrospectionTable) -> Result<(), ConfigError> {
    let has_secret =
        matches!(table.auth, Authentication::Basic | Authentication::Post | Authentication::Bearer);
    let has_key = table.auth == Authentication::PrivateKeyJwt;
    let surplus = [
        (
            "client_id",
            table.client_id.is_some() && table.auth == Authentication::Bearer,
            "auth = \"bearer\" sends no name",
        ),
        ("client_secret", table.client_secret.is_some() && !has_secret, "auth says that no secret is sent"),
        ("private_key", table.private_key.is_some() && !has_key, "only auth = \"private_key_jwt\" signs"),
        ("key_id", table.key_id.is_some() && !has_key, "only auth = \"private_key_jwt\" signs"),
        ("algorithm", table.algorithm.is_some() && !has_key, "only auth = \"private_key_jwt\" signs"),
        (
            "assertion_audience",
            table.assertion_audience.is_some() && !has_key,
            "only auth = \"private_key_jwt\" signs",
        ),
    ];
    match surplus.into_iter().find(|(_, is_surplus, _)| *is_surplus) {
        Some((name, _, why)) => Err(ConfigError::about(field(name), format!("{why}: leave it out"))),
        None => Ok(()),
    }
}
