//! Parses a scope map into the policy that decides, and finds every mistake in it.

use super::hierarchy::Hierarchy;
use super::judge::Policy;
use super::names::NamedRules;
use super::open;
use super::pattern::{Pattern, Syntax};
use super::requirement::{ParsedRule, Requirement};
use super::rule::{LoginRule, Need, Rule};
use super::scope_map::ScopeMap;
use super::shown::AlwaysListed;
use super::template::{Fillers, Template};
use crate::config_error::{ConfigProblem, Flawed, Problems, all};
use crate::login::RequiredLogin;
use crate::resource_name::ResourceName;
use crate::scope::{Scope, Scopes};

impl Policy {
    pub(crate) fn compile(map: &ScopeMap, problems: &mut Problems) -> Result<Self, Flawed> {
        let unlisted = problems.keep(map.unlisted.ok_or_else(|| {
            ConfigProblem::missing(
                "scopes.unlisted",
                "say what happens to tools, resources and prompts that no rule names: \"deny\" or \"allow\"",
            )
        }));
        let base = base(&map.every_request, problems);
        let initial = match &map.initial {
            Some(initial) => published_scopes("scopes.initial", initial, problems),
            None => base.as_ref().map_err(|flawed| *flawed).map(|base| {
                base.iter()
                    .flat_map(|rule| rule.scopes.rendered())
                    .cloned()
                    .collect()
            }),
        };
        let base_login = base.as_ref().ok().map(|base| login_of(base));
        let login = base_login.as_ref();
        let plain = |table: &str, named: &[(String, Rule)], problems: &mut Problems| {
            rules(table, named, Syntax::Plain, login, problems)
        };
        let tools = plain("scopes.tools", &map.tools, problems);
        let resources = rules(
            "scopes.resources",
            &map.resources,
            Syntax::UriTemplate,
            login,
            problems,
        );
        let normal = all(map
            .resources
            .iter()
            .map(|(uri, _)| problems.keep(in_normal_form(uri))));
        let prompts = plain("scopes.prompts", &map.prompts, problems);
        let methods = plain("scopes.methods", &map.methods, problems);
        let hierarchy = hierarchy(map, problems);
        let open = open::check(map, problems);
        let shown = AlwaysListed::compile(map, problems);
        let [(), ()] = [normal?, open?];
        Ok(Self {
            base: base?,
            base_login: base_login.unwrap_or_default(),
            initial: initial?,
            tools: tools?,
            resources: resources?,
            prompts: prompts?,
            methods: methods?,
            unlisted: unlisted?,
            hierarchy: hierarchy?,
            challenge: map.challenge,
            opens_anything: map.opens_anything(),
            shown: shown?,
        })
    }
}

fn base(every_request: &[Rule], problems: &mut Problems) -> Result<Vec<ParsedRule>, Flawed> {
    let field = "scopes.every_request";
    let parsed: Result<Vec<_>, _> = all(every_request.iter().map(|rule| {
        let scopes = requirement(field, rule, Fillers::None, problems);
        let login = LoginRule::compile("scopes.login", rule, None, problems);
        Ok(ParsedRule {
            scopes: scopes?,
            login: login?,
        })
    }));
    if every_request.iter().any(|rule| rule.need == Need::Denied) {
        let fix = "a gate that refuses every request is no gate: leave out `deny`";
        return Err(problems.add(ConfigProblem::not_allowed(field, fix)));
    }
    let parsed = parsed?;
    if login_of(&parsed).is_impossible() {
        let fix = "these rules for every request have no acr in common, so no login meets them all";
        return Err(problems.add(ConfigProblem::conflict("scopes.login.acr", fix)));
    }
    Ok(parsed)
}

/// The requirements of the login that these rules have together.
fn login_of(rules: &[ParsedRule]) -> RequiredLogin {
    let mut sum = RequiredLogin::default();
    for login in rules.iter().filter_map(|rule| rule.login.as_ref()) {
        sum.add(login);
    }
    sum
}

/// Checks that a URI is in its normal form, with which requests are compared.
fn in_normal_form(uri: &str) -> Result<(), ConfigProblem> {
    let field = || format!("scopes.resources.{uri}");
    let example = ResourceName::parse(example_of(uri).into())
        .map_err(|why| ConfigProblem::not_allowed(field(), why.to_string()).showing(uri))?;
    match example.normalised {
        Some(normal) => {
            let fix = format!(
                "write the URI in its normal form, {normal:?}, as requests are compared with it"
            );
            Err(ConfigProblem::not_allowed(field(), fix).showing(uri))
        }
        None => Ok(()),
    }
}

/// A URI that fits the rule of a resource, with its placeholders filled.
fn example_of(written: &str) -> String {
    let literal = written.strip_suffix('*').unwrap_or(written);
    let mut pieces = literal.split('{');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |example, piece| {
        example + "x" + piece.split_once('}').map_or("", |(_, then)| then)
    })
}

fn rules(
    table: &str,
    rules: &[(String, Rule)],
    syntax: Syntax,
    base_login: Option<&RequiredLogin>,
    problems: &mut Problems,
) -> Result<NamedRules<ParsedRule>, Flawed> {
    let mut names = NamedRules::new(syntax);
    let mut sound = Ok(());
    for (name, rule) in rules {
        let field = format!("{table}.{name}");
        let pattern = Pattern::read(name, syntax)
            .map_err(|fix| ConfigProblem::not_allowed(&field, fix).showing(name));
        // Without a readable pattern, no placeholder in the rule can be called wrong.
        let inserted = problems.keep(pattern).and_then(|pattern| {
            let fillers = match syntax {
                Syntax::Plain => Fillers::Name,
                Syntax::UriTemplate => Fillers::Placeholders(pattern.as_ref()),
            };
            let scopes = requirement(&field, rule, fillers, problems);
            let login = LoginRule::compile(&field, rule, base_login, problems);
            let parsed = ParsedRule {
                scopes: scopes?,
                login: login?,
            };
            problems.keep(names.insert(&field, name, parsed))
        });
        sound = sound.and(inserted);
    }
    sound.map(|()| names)
}

fn requirement(
    field: &str,
    rule: &Rule,
    fillers: Fillers<'_>,
    problems: &mut Problems,
) -> Result<Requirement, Flawed> {
    Ok(match &rule.need {
        Need::Anonymous => Requirement::Anonymous,
        Need::Nothing => Requirement::Nothing,
        Need::Denied => Requirement::Denied,
        Need::All(texts) | Need::Any(texts) if texts.is_empty() => {
            let fix = "name at least one scope, or write {} for the base scopes only";
            return Err(problems.add(ConfigProblem::missing(field, fix)));
        }
        Need::All(texts) | Need::Any(texts) if texts.iter().any(|text| Template::is_one(text)) => {
            let any = matches!(&rule.need, Need::Any(_));
            let template = Template::read(any, texts, fillers)
                .map_err(|fix| ConfigProblem::not_allowed(field, fix).showing(texts.join(" ")));
            Requirement::Templated(problems.keep(template)?)
        }
        Need::All(texts) => Requirement::All(scopes(field, texts, problems)?),
        Need::Any(texts) => Requirement::Any(scopes(field, texts, problems)?),
    })
}

fn hierarchy(map: &ScopeMap, problems: &mut Problems) -> Result<Hierarchy, Flawed> {
    let lines: Vec<_> = all(map.implies.iter().map(|(broad, narrow)| {
        let field = format!("scopes.implies.{broad}");
        let (broad, narrow) = (
            problems.keep(scope(&field, broad)),
            scopes(&field, narrow, problems),
        );
        Ok((broad?, narrow?.as_slice().to_vec()))
    }))?;
    problems.keep(
        Hierarchy::new(&lines, map.wildcard_grants).map_err(|scope| {
            let field = format!("scopes.implies.{}", scope.as_str());
            let fix = "it implies itself through other scopes: break the circle";
            ConfigProblem::conflict(field, fix).showing(scope.as_str())
        }),
    )
}

fn scopes(field: &str, texts: &[String], problems: &mut Problems) -> Result<Scopes, Flawed> {
    let scopes: Vec<Scope> = all(texts.iter().map(|text| problems.keep(scope(field, text))))?;
    Ok(scopes.into_iter().collect())
}

fn scope(field: &str, text: &str) -> Result<Scope, ConfigProblem> {
    let not_allowed = |fix: &str| ConfigProblem::not_allowed(field, fix).showing(text);
    if Template::is_one(text) {
        return Err(not_allowed(
            "no name fills a placeholder here: braces belong in the rules of tools, resources, \
             prompts and methods",
        ));
    }
    let scope = Scope::parse(text).map_err(|why| match text.contains(' ') {
        true => not_allowed(r#"a scope has no spaces: write several as a list, such as ["one", "two"] or, in a rule, { all = ["one", "two"] }"#),
        false => not_allowed(&why.to_string()),
    })?;
    if text == "offline_access" {
        return Err(not_allowed(
            "leave it out: it asks the authorization server for a refresh token and opens nothing here (SEP-2207)",
        ));
    }
    Ok(scope)
}

/// Parses scopes that are advertised. Each must be a single scope, since clients request them as they are.
pub(crate) fn published_scopes(
    field: &str,
    texts: &[String],
    problems: &mut Problems,
) -> Result<Scopes, Flawed> {
    let scopes = scopes(field, texts, problems);
    let mut sound = Ok(());
    for wildcard in texts
        .iter()
        .filter(|scope| *scope == "*" || scope.ends_with(":*"))
    {
        let fix = "name single scopes: clients request all that is advertised";
        sound = Err(problems.add(ConfigProblem::not_allowed(field, fix).showing(wildcard)));
    }
    sound.and(scopes)
}
