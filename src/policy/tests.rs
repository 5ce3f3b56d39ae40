//! The policy held against a model that knows nothing of how it is built: it tries everything.

use std::collections::BTreeSet;

use http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Policy, Rule, ScopeMap, all_of, any_of, base_only, deny, without_token};
use crate::call::{Calls, Head};
use crate::config_error::Problems;
use crate::grant::Grant;
use crate::refusal::RefusalKind;
use crate::scope::Scopes;

/// A scope map as plain data.
#[derive(Debug, Clone)]
struct Map {
    denies_unlisted: bool,
    wildcard_grants: bool,
    accumulates: bool,
    base: Vec<Need>,
    tools: Vec<(String, Need)>,
    resources: Vec<(String, Need)>,
    methods: Vec<(String, Need)>,
    implies: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
enum Need {
    Anonymous,
    Nothing,
    All(Vec<String>),
    Any(Vec<String>),
    Denied,
}

#[derive(Debug, Clone)]
enum Asked {
    Tool(String),
    Resource(String),
    List,
}

/// The outcome of a request. If scopes are missing, it has all that must be named.
#[derive(Debug, PartialEq)]
enum Outcome {
    Allowed,
    Missing(Vec<String>),
    Forbidden,
}

impl Map {
    fn scope_map(&self) -> ScopeMap {
        let mut map = if self.denies_unlisted {
            ScopeMap::deny_unlisted()
        } else {
            ScopeMap::allow_unlisted()
        };
        map = self
            .base
            .iter()
            .fold(map, |map, need| map.every_request(need.rule()));
        map = self
            .tools
            .iter()
            .fold(map, |map, (name, need)| map.tool(name, need.rule()));
        map = self
            .resources
            .iter()
            .fold(map, |map, (uri, need)| map.resource(uri, need.rule()));
        map = self
            .methods
            .iter()
            .fold(map, |map, (name, need)| map.method(name, need.rule()));
        map = self
            .implies
            .iter()
            .fold(map, |map, (broad, narrow)| map.implies(broad, [narrow]));
        map = if self.wildcard_grants {
            map.wildcard_grants()
        } else {
            map
        };
        if self.accumulates {
            map.accumulate_in_challenges()
        } else {
            map
        }
    }

    fn judge(&self, granted: &[String], asked: &[Asked]) -> Outcome {
        let mut needs: Vec<Need> = self.base.clone();
        for one in asked {
            let (method, name, rules) = match one {
                Asked::Tool(name) => ("tools/call", Some(name), &self.tools),
                Asked::Resource(uri) => ("resources/read", Some(uri), &self.resources),
                Asked::List => ("tools/list", None, &self.tools),
            };
            needs.extend(of_name(&self.methods, method));
            let Some(name) = name else { continue };
            match of_name(rules, name) {
                Some(need) => needs.push(need),
                None if self.denies_unlisted => return Outcome::Forbidden,
                None => {}
            }
        }
        if needs.iter().any(|need| matches!(need, Need::Denied)) {
            return Outcome::Forbidden;
        }
        let held = self.everything_held(granted);
        let has = |scope: &String| {
            held.contains(scope)
                || (self.wildcard_grants && held.iter().any(|held| covers(held, scope)))
        };
        let satisfied = needs.iter().all(|need| match need {
            Need::Anonymous | Need::Nothing => true,
            Need::All(scopes) => scopes.iter().all(has),
            Need::Any(scopes) => scopes.iter().any(has),
            Need::Denied => false,
        });
        if satisfied {
            return Outcome::Allowed;
        }
        let mut named = Vec::new();
        for need in &needs {
            named.extend(match need {
                Need::All(scopes) => scopes.clone(),
                Need::Any(scopes) => scopes[..1].to_vec(),
                Need::Anonymous | Need::Nothing | Need::Denied => Vec::new(),
            });
        }
        if self.accumulates {
            named.extend(granted.iter().cloned());
        }
        let mut seen = BTreeSet::new();
        named.retain(|scope| seen.insert(scope.clone()));
        Outcome::Missing(named)
    }

    /// Whether all of it is open to those without a token.
    fn opens(&self, asked: &[Asked]) -> bool {
        asked.iter().all(|one| {
            let (method, target) = match one {
                Asked::Tool(name) => ("tools/call", of_name(&self.tools, name)),
                Asked::Resource(uri) => ("resources/read", of_name(&self.resources, uri)),
                Asked::List => ("tools/list", Some(Need::Anonymous)),
            };
            let method = of_name(&self.methods, method);
            let of_method = method.or((!matches!(one, Asked::List)).then_some(Need::Anonymous));
            [of_method, target]
                .iter()
                .all(|need| matches!(need, Some(Need::Anonymous)))
        })
    }

    /// Adds what is implied, until nothing is new. A wildcard that is held stands for the broad side too.
    fn everything_held(&self, granted: &[String]) -> BTreeSet<String> {
        let mut held: BTreeSet<String> = granted.iter().cloned().collect();
        loop {
            let new: Vec<String> = self
                .implies
                .iter()
                .filter(|(broad, narrow)| {
                    let has_broad = held.contains(broad)
                        || (self.wildcard_grants
                            && granted.iter().any(|granted| covers(granted, broad)));
                    has_broad && !held.contains(narrow)
                })
                .map(|(_, narrow)| narrow.clone())
                .collect();
            if new.is_empty() {
                return held;
            }
            held.extend(new);
        }
    }
}

impl Need {
    fn rule(&self) -> Rule {
        match self {
            Self::Anonymous => without_token(),
            Self::Nothing => base_only(),
            Self::All(scopes) => all_of(scopes.clone()),
            Self::Any(scopes) => any_of(scopes.clone()),
            Self::Denied => deny(),
        }
    }
}

/// Tries every rule, and keeps the one that says most.
fn of_name(rules: &[(String, Need)], name: &str) -> Option<Need> {
    let mut best: Option<(usize, &Need)> = None;
    for (written, need) in rules {
        let weight = match written.strip_suffix('*') {
            None if written == name => usize::MAX,
            Some(prefix) if name.starts_with(prefix) => prefix.len(),
            _ => continue,
        };
        if best.is_none_or(|(heaviest, _)| weight > heaviest) {
            best = Some((weight, need));
        }
    }
    best.map(|(_, need)| need.clone())
}

fn covers(held: &str, scope: &str) -> bool {
    held.strip_suffix(":*").is_some_and(|start| {
        let below = scope
            .strip_prefix(start)
            .and_then(|rest| rest.strip_prefix(':'));
        !start.is_empty() && below.is_some_and(|below| !below.is_empty())
    })
}

const SCOPES: [&str; 6] = ["a", "a:b", "a:b:c", "b", "c:d", "e"];
const GRANTS: [&str; 9] = ["a", "a:b", "a:b:c", "b", "c:d", "e", "a:*", "a:b:*", "c:*"];
const TOOLS: [&str; 6] = ["t", "tt", "ta", "tab", "b", "Tt"];
const TOOL_RULES: [&str; 8] = ["t", "tt", "tab", "t*", "ta*", "tab*", "*", "b"];
const URIS: [&str; 4] = ["file:///a", "file:///a/b", "file:///b", "file:///a/b/c"];
const URI_RULES: [&str; 6] = [
    "file:///a",
    "file:///a/*",
    "file:///a/b*",
    "file:///*",
    "*",
    "file:///b",
];
const METHOD_RULES: [&str; 4] = ["tools/call", "tools/*", "resources/read", "*"];

fn scopes() -> impl Strategy<Value = Vec<String>> {
    proptest::sample::subsequence(SCOPES.to_vec(), 1..4)
        .prop_shuffle()
        .prop_map(|scopes| scopes.into_iter().map(str::to_owned).collect())
}

fn need() -> impl Strategy<Value = Need> {
    prop_oneof![
        3 => Just(Need::Anonymous),
        1 => Just(Need::Nothing),
        4 => scopes().prop_map(Need::All),
        4 => scopes().prop_map(Need::Any),
        1 => Just(Need::Denied),
    ]
}

fn rules(names: &'static [&'static str]) -> impl Strategy<Value = Vec<(String, Need)>> {
    let names = proptest::sample::subsequence(names.to_vec(), 0..=names.len());
    names.prop_flat_map(|names| {
        let needs = proptest::collection::vec(need(), names.len());
        let meant = |(name, need)| match (name, need) {
            // A rule cannot open everything.
            ("*", Need::Anonymous) => ("*".to_owned(), Need::Nothing),
            (name, need) => (name.to_owned(), need),
        };
        needs.prop_map(move |needs| names.iter().copied().zip(needs).map(meant).collect())
    })
}

fn map() -> impl Strategy<Value = Map> {
    let base = proptest::collection::vec(
        prop_oneof![scopes().prop_map(Need::All), scopes().prop_map(Need::Any)],
        0..2,
    );
    // From earlier to later ones only: a circle is refused.
    let implies =
        proptest::collection::vec((0..SCOPES.len() - 1, 1..SCOPES.len()), 0..4).prop_map(|pairs| {
            let forward = pairs.into_iter().filter(|(broad, narrow)| broad < narrow);
            forward
                .map(|(broad, narrow)| (SCOPES[broad].to_owned(), SCOPES[narrow].to_owned()))
                .collect()
        });
    let switches = (any::<bool>(), any::<bool>(), any::<bool>());
    (
        switches,
        base,
        rules(&TOOL_RULES),
        rules(&URI_RULES),
        rules(&METHOD_RULES),
        implies,
    )
        .prop_map(
            |(
                (denies_unlisted, wildcard_grants, accumulates),
                base,
                tools,
                resources,
                methods,
                implies,
            )| Map {
                denies_unlisted,
                wildcard_grants,
                accumulates,
                base,
                tools,
                resources,
                methods,
                implies,
            },
        )
}

fn asked() -> impl Strategy<Value = Vec<Asked>> {
    let one = prop_oneof![
        4 => proptest::sample::select(TOOLS.to_vec()).prop_map(|name| Asked::Tool(name.to_owned())),
        3 => proptest::sample::select(URIS.to_vec()).prop_map(|uri| Asked::Resource(uri.to_owned())),
        1 => Just(Asked::List),
    ];
    proptest::collection::vec(one, 1..4)
}

fn granted() -> impl Strategy<Value = Vec<String>> {
    proptest::sample::subsequence(GRANTS.to_vec(), 0..4)
        .prop_map(|scopes| scopes.into_iter().map(str::to_owned).collect())
}

fn message(asked: &Asked) -> Value {
    let (method, params) = match asked {
        Asked::Tool(name) => ("tools/call", json!({ "name": name })),
        Asked::Resource(uri) => ("resources/read", json!({ "uri": uri })),
        Asked::List => ("tools/list", json!({})),
    };
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// A batch of these.
fn body(asked: &[Asked]) -> String {
    Value::from(asked.iter().map(message).collect::<Vec<_>>()).to_string()
}

fn calls(body: &str) -> Calls<'_> {
    let request = Request::post("/mcp").header("content-type", "application/json");
    let (parts, ()) = request
        .header("mcp-protocol-version", "2025-03-26")
        .body(())
        .unwrap()
        .into_parts();
    Calls::read(&Head::read(&parts.headers), body.as_bytes()).unwrap()
}

/// The policy's outcome for a batch of these. The calls do not count until the base rule is met.
fn outcome(policy: &Policy, granted: &[String], asked: &[Asked]) -> Outcome {
    let scopes = Scopes::from_claim(&granted.join(" "));
    let grant = Grant::of(&scopes);
    let authorized = policy.admit(grant).and_then(|admitted| {
        let body = body(asked);
        policy
            .authorize(Some(admitted.grant(grant)), &calls(&body))
            .map(drop)
    });
    match authorized {
        Ok(()) => Outcome::Allowed,
        Err(refusal) if refusal.kind() == RefusalKind::Forbidden => Outcome::Forbidden,
        Err(refusal) => {
            assert_eq!(refusal.kind(), RefusalKind::InsufficientScope);
            Outcome::Missing(
                refusal
                    .required()
                    .unwrap()
                    .iter()
                    .map(str::to_owned)
                    .collect(),
            )
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn decision_and_challenge_are_those_of_a_model_and_what_a_challenge_names_opens(
        map in map(), granted in granted(), asked in asked(),
    ) {
        let policy = Policy::compile(&map.scope_map(), &mut Problems::default()).unwrap();
        let scopes = Scopes::from_claim(&granted.join(" "));
        let is_admitted = policy.admit(Grant::of(&scopes)).is_ok();
        let judged = outcome(&policy, &granted, &asked);
        prop_assert_eq!(&judged, &map.judge(&granted, if is_admitted { &asked } else { &[] }));
        if let (Outcome::Missing(named), true) = (judged, is_admitted) {
            // Clients add what they are told to what they have, older ones put it in its place.
            let both = [granted.clone(), named.clone()].concat();
            prop_assert_eq!(outcome(&policy, &both, &asked), Outcome::Allowed);
            prop_assert_eq!(outcome(&policy, &named, &asked), Outcome::Allowed);
        }
    }

    #[test]
    fn what_is_open_without_a_token_is_what_a_model_opens(map in map(), asked in asked()) {
        let policy = Policy::compile(&map.scope_map(), &mut Problems::default()).unwrap();
        let opens = policy.authorize(None, &calls(&body(&asked))).is_ok();
        prop_assert_eq!(opens, map.opens(&asked));
        prop_assert!(!opens || policy.opens_anything());
    }
}
