//! The settings of a gate: raw text, from code or from a file.

use serde::Deserialize;

use super::api_keys::ApiKeys;
use super::clients::ChallengesTable;
use super::holder::Holder;
use super::issuer::Issuer;
use super::issuers::listed_or_named;
use super::limits::Limits;
use super::origins::OriginsTable;
use super::peers::PeersTable;
use super::resource_table::{ResourceTable, Unmatched};
use super::sessions::Sessions;
use crate::answer::Metadata;
use crate::policy::ScopeMap;

/// Every setting that a file can hold. If a required setting is missing, `build()` reports it and not the reader of the
/// file, since a variable may still set it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "the table of a gate")]
pub(crate) struct Settings {
    #[serde(default)]
    pub(crate) resource: String,
    pub(crate) seen_at: Option<String>,
    #[serde(default)]
    pub(crate) also_at: Vec<String>,
    #[serde(default)]
    pub(super) resources: Vec<ResourceTable>,
    pub(super) unmatched: Option<Unmatched>,
    #[serde(default, deserialize_with = "listed_or_named")]
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) scopes: Option<ScopeMap>,
    pub(crate) api_keys: Option<ApiKeys>,
    #[serde(default)]
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) origins: OriginsTable,
    #[serde(default)]
    pub(crate) sessions: Sessions,
    #[serde(default)]
    pub(crate) clients: ChallengesTable,
    #[serde(default)]
    pub(crate) peers: PeersTable,
    #[serde(default)]
    pub(crate) holder: Holder,
    #[serde(default)]
    pub(crate) limits: Limits,
}

impl Settings {
    pub(crate) fn new(resource: impl Into<String>) -> Self {
        Self {
            resource: resource.into(),
            seen_at: None,
            also_at: Vec::new(),
            resources: Vec::new(),
            unmatched: None,
            issuers: Vec::new(),
            scopes: None,
            api_keys: None,
            metadata: Metadata::default(),
            origins: OriginsTable::default(),
            sessions: Sessions::default(),
            clients: ChallengesTable::default(),
            peers: PeersTable::default(),
            holder: Holder::default(),
            limits: Limits::default(),
        }
    }
}
