//! Parses a scope map into the policy that judges; every mistake in it is found here.

use super::hierarchy::Hierarchy;
use super::judge::Policy;
use super::names::Names;
use super::open;
use super::pattern::{Braces, Pattern};
use super::requirement::Requirement;
use super::rule::{Need, Rule};
use super::scope_map::ScopeMap;
use super::shown::Shown;
use super::template::{Fillers, Template};
use crate::config_error::ConfigError;
use crate::resource_name::ResourceName;
use crate::scope::{Scope, Scopes};

impl Policy {
    pub(crate) fn compile(map: &ScopeMap) -> Result<Self, ConfigError> {
        let unlisted = map.unlisted.ok_or_else(|| {
            ConfigError::about(
                "scopes.unlisted",
                "say what happens to tools, resources and prompts that no rule names: \"deny\" or \"allow\"",
            )
        })?;
        let base = base(&map.every_request)?;
        let initial = match &map.initial {
            Some(initial) => published_scopes("scopes.initial", initial)?,
            None => base.iter().flat_map(Requirement::rendered).cloned().collect(),
        };
        let resources = rules("scopes.resources", &map.resources, Braces::ArePlaceholders)?;
        for (uri, _) in &map.resources {
            let example = ResourceName::parse(example_of(uri).into())
                .map_err(|why| ConfigError::new(format!("scopes.resources.{uri}"), uri, why.to_string()))?;
            if let Some(normal) = example.normalised {
                let mend =
                    format!("write the URI in its normal form, {normal:?}, as requests are compared with it");
                return Err(ConfigError::new(format!("scopes.resources.{uri}"), uri, mend));
            }
        }
        Ok(Self {
            base,
            initial,
            tools: rules("scopes.tools", &map.tools, Braces::AreLiteral)?,
            resources,
            prompts: rules("scopes.prompts", &map.prompts, Braces::AreLiteral)?,
            methods: rules("scopes.methods", &map.methods, Braces::AreLiteral)?,
            unlisted,
            hierarchy: hierarchy(map)?,
            challenge: map.challenge,
            opens_anything: open::check(map)?,
            shown: Shown::compile(map)?,
        })
    }
}

fn base(every_request: &[Rule]) -> Result<Vec<Requirement>, ConfigError> {
    let field = "scopes.every_request";
    let parsed = every_request
        .iter()
        .map(|rule| requirement(field, rule, Fillers::None))
        .collect::<Result<Vec<_>, _>>()?;
    if parsed.contains(&Requirement::Denied) {
        return Err(ConfigError::about(
            field,
            "a gate that refuses every request is no gate: leave out `deny`",
        ));
    }
    Ok(parsed)
}

/// A URI that a resource's rule may be for.
fn example_of(written: &str) -> String {
    let literal = written.strip_suffix('*').unwrap_or(written);
    let mut pieces = literal.split('{');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |example, piece| example + "x" + piece.split_once('}').map_or("", |(_, then)| then))
}

fn rules(table: &str, rules: &[(String, Rule)], braces: Braces) -> Result<Names<Requirement>, ConfigError> {
    let mut names = Names::new(braces);
    for (name, rule) in rules {
        let field = format!("{table}.{name}");
        let pattern = Pattern::read(name, braces).map_err(|mend| ConfigError::new(&field, name, mend))?;
        let fillers = match braces {
            Braces::AreLiteral => Fillers::Name,
            Braces::ArePlaceholders => Fillers::Of(pattern.as_ref()),
        };
        let requirement = requirement(&field, rule, fillers)?;
        names.insert(name, requirement).map_err(|mend| ConfigError::new(field, name, mend))?;
    }
    Ok(names)
}

fn requirement(field: &str, rule: &Rule, fillers: Fillers<'_>) -> Result<Requirement, ConfigError> {
    Ok(match &rule.0 {
        Need::Anonymous => Requirement::Anonymous,
        Need::Nothing => Requirement::Nothing,
        Need::Denied => Requirement::Denied,
        Need::All(texts) | Need::Any(texts) if texts.is_empty() => {
            return Err(ConfigError::about(
                field,
                "name at least one scope, or write {} for the base scopes only",
            ));
        }
        Need::All(texts) | Need::Any(texts) if texts.iter().any(|text| Template::is_one(text)) => {
            let any = matches!(&rule.0, Need::Any(_));
            let template = Template::read(any, texts, fillers);
            Requirement::Templated(template.map_err(|mend| ConfigError::new(field, texts.join(" "), mend))?)
        }
        Need::All(texts) => Requirement::All(scopes(field, texts)?),
        Need::Any(texts) => Requirement::Any(scopes(field, texts)?),
    })
}

fn hierarchy(map: &ScopeMap) -> Result<Hierarchy, ConfigError> {
    let mut lines = Vec::new();
    for (broad, narrow) in &map.implies {
        let field = format!("scopes.implies.{broad}");
        let broad = scope(&field, broad)?;
        lines.push((broad, scopes(&field, narrow)?.as_slice().to_vec()));
    }
    Hierarchy::new(&lines, map.wildcard_grants).map_err(|scope| {
        let field = format!("scopes.implies.{}", scope.as_str());
        ConfigError::new(field, scope.as_str(), "it implies itself in the end: break the circle")
    })
}

fn scopes(field: &str, texts: &[String]) -> Result<Scopes, ConfigError> {
    texts.iter().map(|text| scope(field, text)).collect()
}

fn scope(field: &str, text: &str) -> Result<Scope, ConfigError> {
    if Template::is_one(text) {
        let mend = "there is no name here to fill a placeholder with: braces belong into the rules of tools, resources, \
                    prompts and methods";
        return Err(ConfigError::new(field, text, mend));
    }
    let scope = Scope::parse(text).map_err(|why| {
        let mend = if text.contains(' ') {
            "a scope has no spaces: write several as a list of several".to_owned()
        } else {
            why.to_string()
        };
        ConfigError::new(field, text, mend)
    })?;
    if text == "offline_access" {
        let mend = "leave it out: it asks the authorization server for a refresh token and opens nothing here (SEP-2207)";
        return Err(ConfigError::new(field, text, mend));
    }
    Ok(scope)
}

/// Scopes that are advertised: single ones, since clients ask for all of them as they stand.
pub(crate) fn published_scopes(field: &str, texts: &[String]) -> Result<Scopes, ConfigError> {
    let scopes = scopes(field, texts)?;
    if let Some(wildcard) = scopes.iter().find(|scope| *scope == "*" || scope.ends_with(":*")) {
        let mend = "name single scopes: clients ask for all that is advertised";
        return Err(ConfigError::new(field, wildcard, mend));
    }
    Ok(scopes)
}
