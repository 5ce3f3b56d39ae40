//! The tables of a file with several resources.

use serde::Deserialize;

use super::api_keys::ApiKeys;
use super::clients::ChallengesTable;
use super::sessions::Sessions;
use crate::answer::Metadata;
use crate::policy::ScopeMap;

/// One of `[[resources]]`: what differs between the resources of a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceTable {
    #[serde(default)]
    pub(super) resource: String,
    pub(super) seen_at: Option<String>,
    #[serde(default)]
    pub(super) also_at: Vec<String>,
    pub(super) scopes: Option<ScopeMap>,
    pub(super) api_keys: Option<ApiKeys>,
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) sessions: Sessions,
    /// `None` for those of the top level.
    pub(super) clients: Option<ChallengesTable>,
}

/// The treatment of requests for no resource.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unmatched {
    Refuse,
    Pass,
}
