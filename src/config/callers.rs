//! `[issuers.clients]` and `[issuers.claims]`: which clients of an issuer are admitted, and with which claims.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::policy::{CallerRules, ClaimRule, Clients, NormalHost};
use crate::resource_uri::HttpUrl;

/// The `[issuers.clients]` table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ClientsTable {
    pub(super) allowed: Vec<String>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) denied: Vec<String>,
    pub(super) denied_hosts: Vec<String>,
}

/// The `[issuers.claims]` table: the value that each claim must have or contain.
pub(super) type ClaimsTable = BTreeMap<String, Vec<RequiredClaim>>;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct RequiredClaim {
    pub(super) in_list: bool,
    pub(super) values: Vec<Value>,
}

pub(super) fn caller_rules(
    issuer: &str,
    table: &ClientsTable,
    claims_table: &ClaimsTable,
    problems: &mut Problems,
) -> Result<CallerRules, Flawed> {
    let mut sound = Ok(());
    let mut wrong = |problem| sound = Err(problems.add(problem));
    let field = |name: &str| format!("{issuer}.clients.{name}");
    for (name, ids) in [("allowed", &table.allowed), ("denied", &table.denied)] {
        if ids.iter().any(String::is_empty) {
            let fix = "no client has an empty id: leave it out";
            wrong(ConfigProblem::not_allowed(field(name), fix).showing(""));
        }
    }
    for (name, hosts) in [
        ("allowed_hosts", &table.allowed_hosts),
        ("denied_hosts", &table.denied_hosts),
    ] {
        for host in hosts {
            let url = format!("https://{host}");
            let is_host = HttpUrl::parse(&url).is_ok_and(|parsed| parsed.origin == url);
            let fix = if !is_host || host.bytes().any(|byte| byte.is_ascii_uppercase()) {
                "write the host alone, in lower case: client.example.com"
            } else if name == "denied_hosts" && NormalHost::parse(host).is_none() {
                "write the host alone, as URLs have it: a denied host is denied on every port"
            } else {
                continue;
            };
            wrong(ConfigProblem::not_allowed(field(name), fix).showing(host));
        }
    }
    let mut claims = Vec::new();
    for (claim, required) in claims_table {
        for RequiredClaim { in_list, values } in required {
            let field = || format!("{issuer}.claims.{claim}");
            if values.is_empty() {
                wrong(ConfigProblem::missing(
                    field(),
                    "no token could meet an empty list: name at least one value",
                ));
            } else if values.iter().any(Value::is_null) {
                let fix = "a claim cannot be required to be null: name another value";
                wrong(ConfigProblem::not_allowed(field(), fix));
            }
            claims.push(ClaimRule {
                claim: claim.clone(),
                in_list: *in_list,
                values: values.clone(),
            });
        }
    }
    sound?;
    Ok(CallerRules {
        allowed: Clients {
            ids: table.allowed.clone(),
            hosts: table.allowed_hosts.clone(),
        },
        denied: Clients {
            ids: table.denied.clone(),
            hosts: table.denied_hosts.clone(),
        },
        claims,
    })
}

/// Reads a value, a list of values of which the claim must have one, or `{ contains = … }` with either.
pub(super) fn required_claims<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<ClaimsTable, D::Error> {
    let table = BTreeMap::<String, RequiredClaim>::deserialize(deserializer)?;
    Ok(table
        .into_iter()
        .map(|(claim, required)| (claim, vec![required]))
        .collect())
}

impl<'de> Deserialize<'de> for RequiredClaim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RequiredVisitor;

        impl<'de> Visitor<'de> for RequiredVisitor {
            type Value = RequiredClaim;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a value, a list of values, or { contains = a value or a list of values }",
                )
            }

            fn visit_str<E>(self, text: &str) -> Result<RequiredClaim, E> {
                Ok(is(vec![text.into()]))
            }

            fn visit_bool<E>(self, value: bool) -> Result<RequiredClaim, E> {
                Ok(is(vec![value.into()]))
            }

            fn visit_i64<E>(self, number: i64) -> Result<RequiredClaim, E> {
                Ok(is(vec![number.into()]))
            }

            fn visit_u64<E>(self, number: u64) -> Result<RequiredClaim, E> {
                Ok(is(vec![number.into()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut values: A,
            ) -> Result<RequiredClaim, A::Error> {
                let mut all = Vec::new();
                while let Some(value) = values.next_element::<Value>()? {
                    all.push(value);
                }
                Ok(is(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RequiredClaim, A::Error> {
                let required = match map.next_key::<String>()?.as_deref() {
                    Some("contains") => map.next_value::<RequiredClaim>()?,
                    Some(other) => return Err(A::Error::unknown_field(other, &["contains"])),
                    None => return Err(A::Error::custom("`contains` is missing")),
                };
                if required.in_list || map.next_key::<String>()?.is_some() {
                    return Err(A::Error::custom("write `contains` once, and nothing else"));
                }
                Ok(RequiredClaim {
                    in_list: true,
                    ..required
                })
            }
        }

        fn is(values: Vec<Value>) -> RequiredClaim {
            RequiredClaim {
                in_list: false,
                values,
            }
        }

        deserializer.deserialize_any(RequiredVisitor)
    }
}
