//! Checks an introspection table, and makes from it where and how tokens are introspected.

use super::Introspection;
use super::introspection::{Authentication, IntrospectionTable, WhenName};
use super::issuer::Issuer;
use super::secret::{secret_of, without_newline};
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::issuer::{AssertionSigner, Client, Location, metadata_urls};
use crate::jose::{Algorithm, SigningKey};
use crate::resource_uri::HttpUrl;
use crate::secret_source::SecretSource;
use crate::token::{IntrospectionSpec, When};

/// The introspection of an issuer; `None` if it has none. Every field is checked, even if others are wrong.
pub(super) fn introspection_spec(
    at: &str,
    issuer: &Issuer,
    problems: &mut Problems,
) -> Result<Option<IntrospectionSpec>, Flawed> {
    let Some(Introspection(table)) = &issuer.introspection else {
        return Ok(None);
    };
    let issuer = issuer.issuer.as_str();
    let field = |name: &str| format!("{at}.introspection.{name}");
    let mut sound = Ok(());
    if table.token_prefix.as_deref() == Some("") {
        let fix = "an empty prefix fits every token: leave it out, or write how the tokens begin";
        sound =
            Err(problems.add(ConfigProblem::not_allowed(field("token_prefix"), fix).showing("")));
    }
    let endpoint = match problems.stands_in(issuer) {
        Some(flawed) if table.endpoint.is_none() => Err(flawed),
        _ => problems.keep(endpoint(field("endpoint"), issuer, table)),
    };
    let client = client(&field, table, issuer, problems);
    sound?;
    Ok(Some(IntrospectionSpec {
        token_prefix: table.token_prefix.clone(),
        when: match table.when {
            WhenName::Opaque => When::Opaque,
            WhenName::Always => When::Always,
        },
        endpoint: endpoint?,
        client: client?,
        signed: table.signed,
    }))
}

fn endpoint(
    field: String,
    issuer: &str,
    table: &IntrospectionTable,
) -> Result<Location, ConfigProblem> {
    if let Some(url) = &table.endpoint {
        HttpUrl::parse(url).map_err(|fix| ConfigProblem::not_allowed(field, fix).showing(url))?;
        return Ok(Location::At(url.clone()));
    }
    metadata_urls(issuer)
        .map(Location::Discovered)
        .map_err(|why| {
            ConfigProblem::missing(
                field,
                format!("it cannot be discovered ({why}): write the URL"),
            )
        })
}

/// Checks that prefixes tell the tokens of the issuers apart: a token must never be shown to a server that did not
/// issue it.
pub(super) fn check_prefixes(issuers: &[Issuer], problems: &mut Problems) -> Result<(), Flawed> {
    let tables = issuers
        .iter()
        .enumerate()
        .filter_map(|(at, issuer)| Some((issuer.field(at), &issuer.introspection.as_ref()?.0)));
    let tables: Vec<_> = tables.collect();
    let mut sound = Ok(());
    for (index, (at, table)) in tables.iter().enumerate() {
        let field = format!("{at}.introspection.token_prefix");
        let Some(prefix) = table.token_prefix.as_deref() else {
            if tables.len() > 1 {
                let fix = "several issuers introspect opaque tokens: write the prefix of each, so that \
                           no token is shown to a server that did not issue it";
                sound = Err(problems.add(ConfigProblem::missing(field, fix)));
            }
            continue;
        };
        let mut earlier = tables
            .iter()
            .take(index)
            .filter_map(|(_, table)| table.token_prefix.as_deref());
        if let Some(other) = earlier.find(|other| begins_alike(prefix, other)) {
            let fix = format!(
                "a token with this prefix may also have the prefix {other:?}: they must differ"
            );
            sound = Err(problems.add(ConfigProblem::conflict(field, fix).showing(prefix)));
        }
    }
    sound
}

/// Whether a token may begin with both.
pub(super) fn begins_alike(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn client(
    field: &dyn Fn(&str) -> String,
    table: &IntrospectionTable,
    issuer: &str,
    problems: &mut Problems,
) -> Result<Client, Flawed> {
    // The variable that names the method could not be read: which of the other fields it needs is not known.
    if let Some(flawed) = problems.of(&field("auth")) {
        return Err(flawed);
    }
    let sound = check_no_surplus(field, table, problems);
    let id = match table.auth {
        Authentication::Bearer => Ok(String::new()),
        _ => problems.keep(client_id(field, table)),
    };
    let client = match table.auth {
        Authentication::Basic => {
            let secret = problems.keep(client_secret(field, table));
            id.and_then(|id| {
                Ok(Client::Basic {
                    id,
                    secret: secret?,
                })
            })
        }
        Authentication::Post => {
            let secret = problems.keep(client_secret(field, table));
            id.and_then(|id| {
                Ok(Client::Post {
                    id,
                    secret: secret?,
                })
            })
        }
        Authentication::Bearer => problems
            .keep(client_secret(field, table))
            .map(|secret| Client::Bearer { secret }),
        Authentication::None => id.map(|id| Client::Unauthenticated { id }),
        Authentication::PrivateKeyJwt => {
            let key = problems.keep(private_key(field, table));
            let audience = table
                .assertion_audience
                .as_deref()
                .unwrap_or(issuer)
                .to_owned();
            id.and_then(|client_id| {
                Ok(Client::PrivateKeyJwt(AssertionSigner {
                    client_id,
                    audience,
                    key: key?,
                }))
            })
        }
    };
    sound.and(client)
}

fn client_id(
    field: &dyn Fn(&str) -> String,
    table: &IntrospectionTable,
) -> Result<String, ConfigProblem> {
    let id = table.client_id.clone().filter(|id| !id.is_empty());
    id.ok_or_else(|| {
        ConfigProblem::missing(field("client_id"), "write the client id of this server")
    })
}

fn client_secret(
    field: &dyn Fn(&str) -> String,
    table: &IntrospectionTable,
) -> Result<SecretSource<String>, ConfigProblem> {
    let Some(secret) = &table.client_secret else {
        return Err(ConfigProblem::missing(
            field("client_secret"),
            "it is needed to authenticate at the issuer",
        ));
    };
    let is_header = table.auth == Authentication::Bearer;
    secret_of(
        &field("client_secret"),
        secret,
        move |text| match without_newline(text) {
            "" => Err("it is empty: an empty secret proves nothing"),
            secret if is_header && !secret.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err("a bearer secret has printable ASCII characters only")
            }
            secret => Ok(secret.to_owned()),
        },
    )
}

fn private_key(
    field: &dyn Fn(&str) -> String,
    table: &IntrospectionTable,
) -> Result<SecretSource<SigningKey>, ConfigProblem> {
    let Some(key) = &table.private_key else {
        return Err(ConfigProblem::missing(
            field("private_key"),
            "it is needed to sign assertions",
        ));
    };
    let algorithm = match &table.algorithm {
        None => None,
        Some(name) => Some(Algorithm::named(name).ok_or_else(|| {
            let known = Algorithm::ALL.map(Algorithm::name).join(", ");
            ConfigProblem::not_allowed(field("algorithm"), format!("use one of {known}"))
                .showing(name)
        })?),
    };
    let key_id = table.key_id.clone();
    let read = move |text: &str| SigningKey::read(text, algorithm, key_id.as_deref());
    secret_of(&field("private_key"), key, read)
}

/// Refuses fields that are set and not used: an operator may think that they protect something.
fn check_no_surplus(
    field: &dyn Fn(&str) -> String,
    table: &IntrospectionTable,
    problems: &mut Problems,
) -> Result<(), Flawed> {
    let has_secret = matches!(
        table.auth,
        Authentication::Basic | Authentication::Post | Authentication::Bearer
    );
    let has_key = table.auth == Authentication::PrivateKeyJwt;
    let signs = "only auth = \"private_key_jwt\" signs";
    let has_name = table.auth != Authentication::Bearer;
    let surplus = [
        (
            "client_id",
            table.client_id.is_some() && !has_name,
            "auth = \"bearer\" sends no client id",
        ),
        (
            "client_secret",
            table.client_secret.is_some() && !has_secret,
            "this auth sends no secret",
        ),
        (
            "private_key",
            table.private_key.is_some() && !has_key,
            signs,
        ),
        ("key_id", table.key_id.is_some() && !has_key, signs),
        ("algorithm", table.algorithm.is_some() && !has_key, signs),
        (
            "assertion_audience",
            table.assertion_audience.is_some() && !has_key,
            signs,
        ),
    ];
    let mut sound = Ok(());
    for (name, _, why) in surplus.into_iter().filter(|(_, is_surplus, _)| *is_surplus) {
        sound = Err(problems.add(ConfigProblem::conflict(
            field(name),
            format!("{why}: leave it out"),
        )));
    }
    sound
}
