//! Several resources in one file, each in a table of its own.

use super::document::Node;
use super::inherited::Inherited;
use super::resource_table::{ResourceTable, Unmatched};
use super::settings::Settings;
use crate::config_error::{ConfigProblem, Problems};
use crate::routing::Elsewhere;

/// The fields that each of `[[resources]]` has, in place of the top level of the file.
const OWN_FIELDS: &[&str] = &[
    "resource", "seen_at", "also_at", "scopes", "api_keys", "metadata", "sessions",
];

/// The same, for a resource that has its own `clients` as well. Others take those of the top level.
const OWN_FIELDS_AND_CLIENTS: &[&str] = &[
    "resource", "seen_at", "also_at", "scopes", "api_keys", "metadata", "sessions", "clients",
];

/// The settings of one resource, and how errors name its fields.
pub(crate) struct ResourceSettings {
    pub(crate) settings: Settings,
    /// The path of its table, and the fields that are in it; `None` for the resource of the top level.
    table: Option<(String, &'static [&'static str])>,
}

impl ResourceSettings {
    /// Checks that these are the settings of one gate, which is built by itself.
    pub(crate) fn check_alone(&self, problems: &mut Problems) {
        if !self.settings.resources.is_empty() || self.settings.unmatched.is_some() {
            let fix = "this file is for several gates: build them by Config::into_gates";
            problems.add(ConfigProblem::conflict("resources", fix));
        }
    }

    pub(crate) fn resource(&self) -> &str {
        &self.settings.resource
    }

    /// The settings for other gates with the same issuers.
    pub(crate) fn inherited(&self) -> Inherited {
        Inherited::of(&self.settings)
    }

    /// Checks these settings by `check`, and has its problems name the table in which the fields are.
    pub(crate) fn check<T>(
        &self,
        problems: &mut Problems,
        check: impl FnOnce(&Settings, &mut Problems) -> T,
    ) -> T {
        match &self.table {
            Some((table, fields)) => problems.within(table.clone(), fields, |problems| {
                check(&self.settings, problems)
            }),
            None => check(&self.settings, problems),
        }
    }
}

impl From<Settings> for ResourceSettings {
    fn from(settings: Settings) -> Self {
        Self {
            settings,
            table: None,
        }
    }
}

impl Settings {
    /// The settings of each resource.
    pub(crate) fn by_resource(self, problems: &mut Problems) -> Vec<ResourceSettings> {
        if self.resources.is_empty() {
            if self.unmatched.is_some() {
                let fix = "leave it out: a gate of one resource takes all requests";
                problems.add(ConfigProblem::conflict("unmatched", fix));
            }
            return vec![self.into()];
        }
        if self.unmatched.is_none() {
            let fix =
                "say what happens to requests for none of the resources: \"refuse\" or \"pass\"";
            problems.add(ConfigProblem::missing("unmatched", fix));
        }
        let tables = self.resources.iter().enumerate();
        let settings = tables.map(|(position, table)| {
            let fields = match &table.clients {
                Some(_) => OWN_FIELDS_AND_CLIENTS,
                None => OWN_FIELDS,
            };
            ResourceSettings {
                settings: self.of(table),
                table: Some((format!("resources[{position}]"), fields)),
            }
        });
        settings.collect()
    }

    pub(crate) fn elsewhere(&self) -> Elsewhere {
        match self.unmatched {
            _ if self.resources.is_empty() => Elsewhere::First,
            Some(Unmatched::Pass) => Elsewhere::Ungated,
            Some(Unmatched::Refuse) | None => Elsewhere::NotFound,
        }
    }

    /// Whether the configuration has several resources, and treats requests for none of them in another way.
    pub(crate) fn unmatched_is_other_than(&self, kept: Elsewhere) -> bool {
        !self.resources.is_empty() && self.elsewhere() != kept
    }

    /// Finds fields of one resource beside the tables of several.
    pub(super) fn check_top_level(&self, written: &Node, problems: &mut Problems) {
        if self.resources.is_empty() {
            return;
        }
        let is_given = |field: &&&str| written.get(field).is_some();
        for field in OWN_FIELDS.iter().filter(is_given) {
            let fix = "move it into one of [[resources]]: beside them it belongs to none";
            problems.add(ConfigProblem::conflict(*field, fix));
        }
    }

    fn of(&self, table: &ResourceTable) -> Self {
        Self {
            resource: table.resource.clone(),
            seen_at: table.seen_at.clone(),
            also_at: table.also_at.clone(),
            scopes: table.scopes.clone(),
            api_keys: table.api_keys.clone(),
            metadata: table.metadata.clone(),
            sessions: table.sessions.clone(),
            clients: table.clients.as_ref().unwrap_or(&self.clients).clone(),
            resources: Vec::new(),
            unmatched: None,
            ..self.clone()
        }
    }
}
