//! Checks the names of a resource: the URLs at which clients find it.

use std::sync::Arc;

use super::settings::Settings;
use crate::config_error::{ConfigProblem, Flawed, Problems, all};
use crate::holder::SeenAt;
use crate::resource_uri::ResourceUri;
use crate::routing::{Directory, Elsewhere, Entry};

/// The names of a resource: its identifier, and its other names.
pub(super) struct ResourceNames {
    pub(super) main: Arc<ResourceUri>,
    pub(super) aliases: Vec<Arc<ResourceUri>>,
    pub(super) seen_at: SeenAt,
}

impl ResourceNames {
    /// `kept` has the names of a gate whose configuration this one replaces, the identifier first.
    pub(super) fn read(
        config: &Settings,
        kept: Option<&[Arc<ResourceUri>]>,
        problems: &mut Problems,
    ) -> Result<Self, Flawed> {
        let kept_main = kept.and_then(<[_]>::first);
        let main = problems.keep(resource(config, kept_main.map(|kept| &**kept)));
        let aliases: Result<Vec<_>, _> =
            all(config.also_at.iter().enumerate().map(|(position, url)| {
                let read = ResourceUri::parse(url).map_err(|fix| {
                    ConfigProblem::not_allowed(alias_field(position), fix).showing(url)
                });
                problems.keep(read).map(Arc::new)
            }));
        let seen_at = problems.keep(seen_at(config.seen_at.as_deref()));
        let names = Self {
            main: Arc::new(main?),
            aliases: aliases?,
            seen_at: seen_at?,
        };
        names.check_apart(problems)?;
        names.check_kept(kept, problems)?;
        Ok(names)
    }

    pub(super) fn all(&self) -> Arc<[Arc<ResourceUri>]> {
        std::iter::once(&self.main)
            .chain(&self.aliases)
            .cloned()
            .collect()
    }

    /// Checks that a request can be told apart from one to another name.
    fn check_apart(&self, problems: &mut Problems) -> Result<(), Flawed> {
        let names = self.all();
        let entries = names.iter().map(|resource| Entry {
            resource,
            // Where all names are seen at one path, their hosts tell them apart.
            seen_at: match &self.seen_at {
                SeenAt::SamePath => resource.origin_and_path().1,
                SeenAt::Path(path) => path,
            },
            item: (),
        });
        // The identifier of the resource was checked by itself, and may have a path that no request is picked by.
        let (_, overlaps) = Directory::new(entries.collect(), Elsewhere::First);
        let overlaps = overlaps.into_iter().filter(|overlap| overlap.position > 0);
        all(overlaps.map(|overlap| {
            let position = overlap.position - 1;
            let problem = ConfigProblem::duplicate(alias_field(position), overlap.why);
            let shown = self
                .aliases
                .get(position)
                .map_or("", |alias| alias.as_str());
            Err::<(), _>(problems.add(problem.showing(shown)))
        }))
    }

    fn check_kept(
        &self,
        kept: Option<&[Arc<ResourceUri>]>,
        problems: &mut Problems,
    ) -> Result<(), Flawed> {
        let Some((_, kept)) = kept.and_then(<[_]>::split_first) else {
            return Ok(());
        };
        if *kept == self.aliases {
            return Ok(());
        }
        let fix = "a gate keeps its names while it runs: restart the server to change them";
        Err(problems.add(ConfigProblem::conflict("also_at", fix)))
    }
}

fn alias_field(position: usize) -> String {
    format!("also_at[{position}]")
}

fn resource(config: &Settings, kept: Option<&ResourceUri>) -> Result<ResourceUri, ConfigProblem> {
    if config.resource.is_empty() {
        let fix = "write the URL that clients are given";
        return Err(ConfigProblem::missing("resource", fix));
    }
    let resource = ResourceUri::parse(&config.resource)
        .map_err(|fix| ConfigProblem::not_allowed("resource", fix).showing(&config.resource))?;
    match kept.map(ResourceUri::as_str) {
        Some(kept) if kept != resource.as_str() => {
            let fix = format!(
                "a gate keeps its resource, {kept:?}: tokens are issued for it, and clients know it; build another gate",
            );
            Err(ConfigProblem::conflict("resource", fix).showing(resource.as_str()))
        }
        _ => Ok(resource),
    }
}

/// The path at which the gate sees the resource behind a proxy that changes the path.
pub(super) fn seen_at(path: Option<&str>) -> Result<SeenAt, ConfigProblem> {
    let Some(path) = path else {
        return Ok(SeenAt::SamePath);
    };
    let dots = |segment: &str| matches!(segment, "." | "..");
    let is_path = path.starts_with('/')
        && path.bytes().all(|byte| byte.is_ascii_graphic())
        && !path.contains(['?', '#', '%', '\\'])
        && !path.split('/').any(dots);
    if is_path {
        Ok(SeenAt::Path(path.trim_end_matches('/').to_owned()))
    } else {
        let fix =
            "write the path that this server sees, such as /mcp, without escapes and dot segments";
        Err(ConfigProblem::not_allowed("seen_at", fix).showing(path))
    }
}
