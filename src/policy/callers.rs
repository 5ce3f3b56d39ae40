//! Rules about the client and about claims: who is admitted at all. No scope meets them, so a refusal names none.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::client_host::{ClientHost, NormalHost, same_document};
use crate::refusal::{Reason, Refusal};
use crate::resource_uri::HttpUrl;
use crate::token::Principal;

/// The rules of each issuer that has any: client ids and claims mean nothing without their issuer.
#[derive(Debug, Default)]
pub(crate) struct Callers(HashMap<Arc<str>, CallerRules>);

/// The rules for the callers of one issuer.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallerRules {
    /// The only clients that are admitted; empty if all are.
    pub(crate) allowed: Clients,
    pub(crate) denied: Clients,
    pub(crate) claims: Vec<ClaimRule>,
}

/// Clients by their ids, or by the host in ids that are URLs of metadata documents.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients {
    pub(crate) ids: Vec<String>,
    pub(crate) hosts: Vec<String>,
}

/// A claim that a caller must have, with one of some values.
#[derive(Debug, Clone)]
pub(crate) struct ClaimRule {
    /// The name of a member, or a JSON pointer (RFC 6901), which begins with a slash.
    pub(crate) claim: String,
    /// Whether the claim must be a list that contains the value, rather than the value itself.
    pub(crate) in_list: bool,
    /// The values of which one is enough.
    pub(crate) values: Vec<Value>,
}

impl Callers {
    pub(crate) fn insert(&mut self, issuer: Arc<str>, rules: CallerRules) {
        if !rules.is_empty() {
            self.0.insert(issuer, rules);
        }
    }

    pub(crate) fn check(&self, principal: &Principal) -> Result<(), Refusal> {
        // Most gates have no such rules.
        if self.0.is_empty() {
            return Ok(());
        }
        self.0
            .get(principal.issuer())
            .map_or(Ok(()), |rules| rules.check(principal))
    }
}

impl CallerRules {
    fn is_empty(&self) -> bool {
        self.allowed.is_empty() && self.denied.is_empty() && self.claims.is_empty()
    }

    fn check(&self, principal: &Principal) -> Result<(), Refusal> {
        let client = principal.client_id();
        let got = client.unwrap_or("no client");
        if client.is_some_and(|client| self.denied.deny(client)) {
            return Err(Refusal::from(Reason::ClientDenied).got(got));
        }
        if !self.allowed.is_empty() && !client.is_some_and(|client| self.allowed.allow(client)) {
            return Err(Refusal::from(Reason::ClientNotAllowed).got(got));
        }
        if self.claims.is_empty() {
            return Ok(());
        }
        let claims = principal
            .claims::<Map<String, Value>>()
            .map(Value::from)
            .unwrap_or_default();
        match self.claims.iter().find(|rule| !rule.is_met_by(&claims)) {
            Some(rule) => Err(Refusal::from(Reason::ClaimNotMet)
                .expected(rule.to_string())
                .got(match rule.value_in(&claims) {
                    Some(_) => "another value",
                    None => "no such claim",
                })),
            None => Ok(()),
        }
    }
}

impl Clients {
    fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.hosts.is_empty()
    }

    /// Compares byte for byte, so that no other spelling is admitted.
    fn allow(&self, client: &str) -> bool {
        let origin = || HttpUrl::parse(client).ok()?.origin.strip_prefix("https://");
        self.ids.iter().any(|id| id == client)
            || (!self.hosts.is_empty()
                && origin().is_some_and(|host| self.hosts.iter().any(|own| own == host)))
    }

    /// Compares in a normal form, on every port, so that no other spelling gets in. An unreadable URL is denied by
    /// every rule about URLs.
    fn deny(&self, client: &str) -> bool {
        if self.ids.iter().any(|id| id.eq_ignore_ascii_case(client)) {
            return true;
        }
        match ClientHost::of(client) {
            ClientHost::None => false,
            ClientHost::Unreadable => {
                !self.hosts.is_empty()
                    || self
                        .ids
                        .iter()
                        .any(|id| ClientHost::of(id) != ClientHost::None)
            }
            ClientHost::Host(host) => {
                let is_there = |id: &str| ClientHost::of(id) == ClientHost::Host(host);
                self.hosts
                    .iter()
                    .any(|own| NormalHost::parse(own) == Some(host))
                    || self
                        .ids
                        .iter()
                        .any(|id| is_there(id) && same_document(id, client))
            }
        }
    }
}

impl ClaimRule {
    fn is_met_by(&self, claims: &Value) -> bool {
        match (self.value_in(claims), self.in_list) {
            (Some(Value::Array(list)), true) => list.iter().any(|item| self.values.contains(item)),
            (Some(value), false) => self.values.contains(value),
            (Some(_), true) | (None, _) => false,
        }
    }

    fn value_in<'c>(&self, claims: &'c Value) -> Option<&'c Value> {
        if self.claim.starts_with('/') {
            claims.pointer(&self.claim)
        } else {
            claims.get(&self.claim)
        }
    }
}

impl fmt::Display for ClaimRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.in_list { "has" } else { "is" };
        write!(
            f,
            "{} {verb} {}",
            self.claim,
            Value::from(self.values.clone())
        )
    }
}

/// Formats the rules for the start-up event.
impl fmt::Display for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no rules");
        }
        let mut issuers: Vec<_> = self.0.iter().collect();
        issuers.sort_by_key(|(issuer, _)| *issuer);
        for (
            issuer,
            CallerRules {
                allowed,
                denied,
                claims,
            },
        ) in issuers
        {
            write!(f, "{issuer}:")?;
            for (verb, clients) in [("only", allowed), ("not", denied)] {
                let all = clients.ids.iter().chain(&clients.hosts);
                all.into_iter()
                    .try_for_each(|client| write!(f, " {verb} {client}"))?;
            }
            claims.iter().try_for_each(|rule| write!(f, " {rule}"))?;
            f.write_str("; ")?;
        }
        Ok(())
    }
}
