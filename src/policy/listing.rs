//! May it be listed? Decides what a filtered list shows of tools, prompts and resources.

use std::borrow::Cow;

use super::judge::Policy;
use super::requirement::{Needed, ParsedRule, Requirement};
use super::rule::Visibility;
use super::scope_map::Unlisted;
use super::shown::AlwaysListed;
use crate::call::{Call, Target};
use crate::grant::Grant;
use crate::login::RequiredLogin;
use crate::mcp::List;
use crate::resource_name::ResourceName;

impl Policy {
    pub(crate) fn filters_lists(&self) -> bool {
        self.shown.is_some()
    }

    /// Whether a list may show this name to a caller with this grant, who meets the base rule, or to one without a token.
    /// The call rule decides: a listed name may be called, perhaps after another login, unless only
    /// [`Rule::listed`](super::rule::Rule::listed) lists it.
    pub(crate) fn may_be_listed(&self, grant: Option<Grant<'_>>, list: List, name: &str) -> bool {
        let Some(shown) = &self.shown else {
            return true;
        };
        let name = Cow::Borrowed(name);
        let target = match list {
            List::Tools => Target::tool(name),
            List::Prompts => Target::prompt(name),
            List::Resources => Target::resource(name),
            List::ResourceTemplates => return self.template_may_be_listed(grant, shown, &name),
        };
        // The name is too long, or cannot be read: no request could call it.
        let Ok(target) = target else { return false };
        let call = Call::naming(list.entry_method(), target);
        let (mut callable, mut login) = (true, self.base_login.clone());
        let open = self.requirements(&call, &mut |needed| {
            callable = callable && self.lets_in(needed, grant);
            needed.login.into_iter().for_each(|one| login.add(one));
        });
        callable = callable && !login.is_impossible();
        open.is_ok() && (callable || shown.always(&call.target))
    }

    /// Whether a list may show this template. Of its expansions only the text before the first expression is known. So
    /// it is shown if the rule for that text, or any rule further below, lets the caller in. That may show too much,
    /// but opens nothing: each expansion is authorized when it is called.
    fn template_may_be_listed(
        &self,
        grant: Option<Grant<'_>>,
        shown: &AlwaysListed,
        template: &str,
    ) -> bool {
        let Some((beginning, _)) = template.split_once('{') else {
            return self.may_be_listed(grant, List::Resources, template);
        };
        let (mut method_held, mut login) = (true, self.base_login.clone());
        let read = Call::naming(List::ResourceTemplates.entry_method(), Target::None);
        let open = self.requirements(&read, &mut |needed| {
            method_held = method_held && self.lets_in(needed, grant);
            needed.login.into_iter().for_each(|one| login.add(one));
        });
        let may_hold = |rule: &ParsedRule| {
            let mut login = login.clone();
            rule.login.iter().for_each(|one| login.add(one));
            let scopes = match &rule.scopes {
                // The caller may hold the scopes of some expansion.
                Requirement::Templated(_) if grant.is_some() => &Requirement::Nothing,
                scopes => scopes,
            };
            let needed = Needed {
                scopes,
                ..rule.needed()
            };
            !login.is_impossible() && self.lets_in(needed, grant)
        };
        let shows = |name: &str, rule: &ParsedRule| {
            rule.scopes != Requirement::Denied
                && (shown.resources.of(name) == Some(&Visibility::Always)
                    || (method_held && may_hold(rule)))
        };
        let some_expansion = |beginning: &str| {
            let patterns = self.resources.iter().filter_map(|(name, rule)| {
                let prefix = literal_beginning(name)?;
                beginning
                    .starts_with(prefix)
                    .then_some((prefix, name, rule))
            });
            match patterns.max_by_key(|(prefix, ..)| prefix.len()) {
                Some((_, name, rule)) if shows(name, rule) => return true,
                None if self.unlisted == Unlisted::Allow && method_held && grant.is_some() => {
                    return true;
                }
                Some(_) | None => {}
            }
            self.resources.iter().any(|(name, rule)| {
                literal_beginning(name)
                    .unwrap_or(name)
                    .starts_with(beginning)
                    && shows(name, rule)
            })
        };
        let Ok(beginning) = ResourceName::parse(beginning.into()) else {
            return false;
        };
        open.is_ok()
            && beginning
                .spellings()
                .all(|spelling| some_expansion(&spelling))
    }

    /// Whether the caller has the scopes, and a login that is good enough or can be replaced by one.
    fn lets_in(&self, needed: Needed<'_>, grant: Option<Grant<'_>>) -> bool {
        let Some(grant) = grant else {
            return needed.scopes.is_open();
        };
        let may_log_in = |login: &RequiredLogin| !grant.is_machine || login.is_met_by(grant);
        self.has_scopes(needed.scopes, grant.scopes) && needed.login.is_none_or(may_log_in)
    }
}

/// The text of a pattern before its first wildcard; `None` for an exact name.
fn literal_beginning(pattern: &str) -> Option<&str> {
    pattern.find(['*', '{']).and_then(|end| pattern.get(..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::config_error::Problems;
    use crate::policy::{Rule, ScopeMap, all_of, any_of, base_only, deny};
    use crate::scope::Scopes;

    fn listed(map: ScopeMap, granted: &str, list: List, name: &str) -> bool {
        Policy::compile(&map.list_callable(), &mut Problems::default())
            .unwrap()
            .may_be_listed(Some(Grant::of(&Scopes::from_claim(granted))), list, name)
    }

    #[test]
    fn what_no_request_may_name_is_not_listed() {
        let map = || ScopeMap::allow_unlisted().tool("*", Rule::from("teased").listed());
        for (list, before, longest) in [
            (List::Tools, "", 256),
            (List::Prompts, "", 256),
            (List::Resources, "docs://", 8192),
            (List::ResourceTemplates, "docs://", 8192),
        ] {
            let named = |length: usize| format!("{before}{}", "x".repeat(length - before.len()));
            let end = if list == List::ResourceTemplates {
                "{id}"
            } else {
                ""
            };
            assert!(listed(map(), "", list, &(named(longest) + end)), "{list:?}");
            assert!(
                !listed(map(), "", list, &(named(longest + 1) + end)),
                "{list:?}"
            );
        }
    }

    #[test]
    fn what_may_be_called_is_listed_and_nothing_else() {
        let map = || {
            ScopeMap::deny_unlisted()
                .tool("free", base_only())
                .tool("write", "files:write")
                .tool("read", "files:read")
                .tool("both", all_of(["a", "b"]))
                .tool("one", any_of(["a", "b"]))
                .tool("gone", deny())
                .tool("teaser", Rule::from("premium").listed())
                .tool("z_*", "z")
                .tool("z_top", "top")
                .prompt("greet", "prompts")
                .implies("files:write", ["files:read"])
        };
        for (granted, name, is_listed) in [
            ("", "free", true),
            ("", "write", false),
            ("files:write", "write", true),
            ("files:write", "read", true),
            ("files:read", "write", false),
            ("a", "both", false),
            ("a b", "both", true),
            ("b", "one", true),
            ("a b files:write premium", "gone", false),
            ("", "teaser", true),
            ("premium", "teaser", true),
            ("a b files:write premium", "unknown", false),
            ("z", "z_a", true),
            ("z", "z_top", false),
            ("", "Free", false),
        ] {
            assert_eq!(
                listed(map(), granted, List::Tools, name),
                is_listed,
                "{name} with {granted:?}"
            );
        }
        assert!(!listed(map(), "", List::Prompts, "greet"));
        assert!(listed(map(), "prompts", List::Prompts, "greet"));
        assert!(!listed(map(), "prompts", List::Prompts, "free"));
        assert!(listed(ScopeMap::allow_unlisted(), "", List::Tools, "any"));
    }

    #[test]
    fn where_scopes_follow_the_name_so_does_what_is_listed() {
        let map = || {
            ScopeMap::deny_unlisted()
                .tool("*", "tool:{name}")
                .resource("db://{table}/rows/*", "db:{table}")
        };
        assert!(listed(map(), "tool:add", List::Tools, "add"));
        assert!(!listed(map(), "tool:add", List::Tools, "sub"));
        assert!(
            !listed(map(), "tool:a", List::Tools, "a b"),
            "no scope can be made of it"
        );
        assert!(listed(
            map(),
            "db:users",
            List::Resources,
            "db://users/rows/7"
        ));
        assert!(!listed(
            map(),
            "db:users",
            List::Resources,
            "db://orders/rows/7"
        ));
        // The caller may hold the scope for the rows of some table.
        assert!(listed(
            map(),
            "db:users",
            List::ResourceTemplates,
            "db://{table}/rows/{row}"
        ));
        assert!(!listed(
            map(),
            "db:users",
            List::ResourceTemplates,
            "file:///{path}"
        ));
    }

    #[test]
    fn the_rule_of_the_method_that_calls_counts_and_one_that_lists_anyway_overrides_it() {
        let map = || {
            ScopeMap::allow_unlisted()
                .method("tools/call", "caller")
                .method("prompts/get", deny())
                .method("resources/read", "reader")
                .tool("teaser", Rule::from("premium").listed())
                .prompt("teaser", Rule::from("premium").listed())
        };
        assert!(!listed(map(), "", List::Tools, "x"));
        assert!(listed(map(), "caller", List::Tools, "x"));
        assert!(listed(map(), "", List::Tools, "teaser"));
        assert!(
            !listed(map(), "premium", List::Prompts, "teaser"),
            "no scope opens the method"
        );
        for list in [List::Resources, List::ResourceTemplates] {
            assert!(!listed(map(), "", list, "file:///a/{x}"));
            assert!(listed(map(), "reader", list, "file:///a/{x}"));
        }
    }

    #[test]
    fn a_resource_is_listed_when_every_spelling_of_it_may_be_read() {
        let map = || {
            ScopeMap::deny_unlisted()
                .resource("file:///public/*", base_only())
                .resource("file:///secret/*", "secret")
                .resource("docs://teaser/*", Rule::from("premium").listed())
        };
        for (granted, uri, is_listed) in [
            ("", "file:///public/a", true),
            ("", "file:///secret/a", false),
            ("secret", "file:///secret/a", true),
            ("", "file:///public/../secret/a", false),
            ("secret", "file:///public/../secret/a", true),
            ("", "docs://teaser/a", true),
            ("", "docs://other/a", false),
        ] {
            assert_eq!(
                listed(map(), granted, List::Resources, uri),
                is_listed,
                "{uri} with {granted:?}"
            );
        }
    }

    #[test]
    fn a_template_is_listed_when_a_rule_at_or_below_its_beginning_lets_the_caller_in() {
        let map = || {
            ScopeMap::deny_unlisted()
                .resource("file:///*", "all")
                .resource("file:///secret/*", "secret")
                .resource("file:///secret/menu", base_only())
                .resource("file:///gone/*", deny())
                .resource("docs://*", Rule::from("premium").listed())
        };
        for (granted, template, is_listed) in [
            ("", "file:///{path}", true),
            ("", "file:///secret/{name}", true),
            ("", "file:///secret/x{name}", false),
            ("secret", "file:///secret/x{name}", true),
            ("all", "file:///secret/x{name}", false),
            ("all", "file:///open/{name}", true),
            ("secret", "file:///open/{name}", false),
            ("FILE", "FILE:///secret/x{name}", false),
            ("all secret", "file:///gone/{name}", false),
            ("", "docs://{name}", true),
            ("all secret", "other://{name}", false),
            ("", "file:///secret/menu", true),
            ("", "file:///secret/other", false),
            ("", "{anything}", true),
        ] {
            let shown = listed(map(), granted, List::ResourceTemplates, template);
            assert_eq!(shown, is_listed, "{template} with {granted:?}");
        }
        assert!(listed(
            ScopeMap::allow_unlisted(),
            "",
            List::ResourceTemplates,
            "x://{y}"
        ));
    }

    #[test]
    fn a_rule_that_lists_what_is_in_no_list_or_denied_is_refused() {
        let error = |map: ScopeMap| {
            let mut problems = Problems::default();
            let compiled = Policy::compile(&map, &mut problems);
            problems.finish(compiled).unwrap_err().to_string()
        };
        let map = ScopeMap::allow_unlisted;
        assert!(error(map().tool("t", deny().listed())).contains("scopes.tools.t"));
        assert!(
            error(map().every_request(Rule::from("a").listed())).contains("scopes.every_request")
        );
        assert!(error(map().method("x", Rule::from("a").listed())).contains("scopes.methods.x"));
        let shown = map().tool("t", Rule::from("a").listed());
        assert!(Policy::compile(&shown, &mut Problems::default()).is_ok());
    }
}
