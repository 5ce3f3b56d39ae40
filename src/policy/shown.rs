//! The rules whose targets a filtered list always shows.

use std::fmt;

use super::names::{Match, NamedRules};
use super::pattern::Syntax;
use super::rule::{Need, Rule, Visibility};
use super::scope_map::{Listing, ScopeMap};
use crate::call::Target;
use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::resource_name::ResourceName;

/// Rules whose targets are listed even to callers that may not use them yet.
#[derive(Debug)]
pub(crate) struct AlwaysListed {
    pub(super) tools: NamedRules<Visibility>,
    pub(super) resources: NamedRules<Visibility>,
    pub(super) prompts: NamedRules<Visibility>,
}

impl AlwaysListed {
    /// Compiles the visibility of rules; `None` if lists are not filtered. Mistakes are found in both cases.
    pub(super) fn compile(map: &ScopeMap, problems: &mut Problems) -> Result<Option<Self>, Flawed> {
        let base = map
            .every_request
            .iter()
            .map(|rule| ("scopes.every_request".to_owned(), rule));
        let methods = map
            .methods
            .iter()
            .map(|(name, rule)| (format!("scopes.methods.{name}"), rule));
        let mut sound = Ok(());
        for (field, _) in base
            .chain(methods)
            .filter(|(_, rule)| rule.visibility == Visibility::Always)
        {
            let fix = "only a tool, a prompt or a resource is in a list: leave out `listed` here";
            sound = Err(problems.add(ConfigProblem::not_allowed(field, fix)));
        }
        let tools = visibilities("scopes.tools", &map.tools, Syntax::Plain, problems);
        let resources = visibilities(
            "scopes.resources",
            &map.resources,
            Syntax::UriTemplate,
            problems,
        );
        let prompts = visibilities("scopes.prompts", &map.prompts, Syntax::Plain, problems);
        let shown = Self {
            tools: tools?,
            resources: resources?,
            prompts: prompts?,
        };
        sound.map(|()| (map.listing == Listing::Callable).then_some(shown))
    }

    pub(super) fn always(&self, target: &Target<'_>) -> bool {
        let is_always = |found: Option<Match<'_, Visibility>>| {
            found.is_some_and(|found| *found.rule == Visibility::Always)
        };
        match target {
            Target::None => false,
            Target::Tool(name) => is_always(self.tools.get(name)),
            Target::Prompt(name) => is_always(self.prompts.get(name)),
            Target::Resources(names) => names
                .iter()
                .flat_map(ResourceName::spellings)
                .all(|uri| is_always(self.resources.get(&uri))),
        }
    }
}

fn visibilities(
    table: &str,
    rules: &[(String, Rule)],
    syntax: Syntax,
    problems: &mut Problems,
) -> Result<NamedRules<Visibility>, Flawed> {
    let mut names = NamedRules::new(syntax);
    let mut sound = Ok(());
    for (
        name,
        Rule {
            need, visibility, ..
        },
    ) in rules
    {
        let field = format!("{table}.{name}");
        if *need == Need::Denied && *visibility == Visibility::Always {
            let fix = "a denied name is never listed: leave out `listed`, or name the scopes that open it";
            sound = Err(problems.add(ConfigProblem::conflict(&field, fix)));
        }
        if let Err(problem) = names.insert(&field, name, *visibility) {
            sound = Err(problems.add(problem));
        }
    }
    sound.map(|()| names)
}

/// Formats the targets for the start-up event.
impl fmt::Display for AlwaysListed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("; lists show what is callable")?;
        for (kind, names) in [
            ("tool", &self.tools),
            ("resource", &self.resources),
            ("prompt", &self.prompts),
        ] {
            let always = names
                .iter()
                .filter(|(_, visibility)| **visibility == Visibility::Always);
            let mut always: Vec<&str> = always.map(|(name, _)| name).collect();
            always.sort_unstable();
            always
                .iter()
                .try_for_each(|name| write!(f, "; {kind} {name} is listed anyway"))?;
        }
        Ok(())
    }
}
