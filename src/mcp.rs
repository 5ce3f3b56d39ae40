//! The vocabulary of MCP. One table describes its methods in all revisions; no other file spells a method's name.

use http::HeaderName;

use Presence::{Never, Optional, Required};
use Subject::{Nothing, Prompt, Reference, Resource, Subscriptions, Task, Tool};

/// The method that opens a session. It negotiates the revision.
pub(crate) const INITIALIZE: &str = "initialize";

/// The one method whose response is a stream of notifications.
pub(crate) const LISTEN: &str = "subscriptions/listen";

/// The method that calls a tool.
pub(crate) const CALL_TOOL: &str = "tools/call";

const GET_PROMPT: &str = "prompts/get";
const READ_RESOURCE: &str = "resources/read";
const LIST_TOOLS: &str = "tools/list";
const LIST_PROMPTS: &str = "prompts/list";
const LIST_RESOURCES: &str = "resources/list";
const LIST_TEMPLATES: &str = "resources/templates/list";

/// The types of reference that `completion/complete` takes.
pub(crate) const PROMPT_REFERENCE: &str = "ref/prompt";
pub(crate) const RESOURCE_REFERENCE: &str = "ref/resource";

/// The methods that a client may call, the most frequent ones first.
const METHODS: &[(&str, Method)] = &[
    //                             is about       named in params  in `Mcp-Name`
    (CALL_TOOL, Method::own(Tool, Required, Required)),
    (READ_RESOURCE, Method::own(Resource, Required, Required)),
    (GET_PROMPT, Method::own(Prompt, Required, Required)),
    (LIST_TOOLS, Method::own(Nothing, Never, Never)),
    (LIST_PROMPTS, Method::own(Nothing, Never, Never)),
    (LIST_RESOURCES, Method::own(Nothing, Never, Never)),
    (LIST_TEMPLATES, Method::own(Nothing, Never, Never)),
    (INITIALIZE, Method::own(Nothing, Never, Never)),
    ("ping", Method::own(Nothing, Never, Never)),
    ("server/discover", Method::own(Nothing, Never, Never)),
    ("logging/setLevel", Method::own(Nothing, Never, Never)),
    (
        "completion/complete",
        Method::own(Reference, Required, Never),
    ),
    (
        "resources/subscribe",
        Method::own(Resource, Optional, Optional),
    ),
    (
        "resources/unsubscribe",
        Method::own(Resource, Optional, Optional),
    ),
    (LISTEN, Method::own(Subscriptions, Optional, Never)),
    // SEP-2663 demands the header of these three.
    ("tasks/get", Method::own(Task, Optional, Required)),
    ("tasks/update", Method::own(Task, Optional, Required)),
    ("tasks/cancel", Method::own(Task, Optional, Required)),
    ("tasks/list", Method::own(Task, Optional, Optional)),
    ("tasks/result", Method::own(Task, Optional, Optional)),
    (
        "notifications/cancelled",
        Method::own(Nothing, Never, Never),
    ),
    (
        "notifications/initialized",
        Method::own(Nothing, Never, Never),
    ),
    ("notifications/progress", Method::own(Nothing, Never, Never)),
    (
        "notifications/roots/list_changed",
        Method::own(Nothing, Never, Never),
    ),
    (
        "notifications/tasks/status",
        Method::own(Nothing, Never, Never),
    ),
];

/// Methods that MCP does not define, by the prefix of their names. If such a method names a subject, the rules for that
/// subject apply: `resources/directory/read` of a `uri` is no way around the rules for that resource.
const FAMILIES: &[(&str, Method)] = &[
    ("tools/", Method::foreign(Tool, Optional, Never)),
    ("prompts/", Method::foreign(Prompt, Optional, Never)),
    ("resources/", Method::foreign(Resource, Optional, Optional)),
    ("completion/", Method::foreign(Reference, Optional, Never)),
    (
        "subscriptions/",
        Method::foreign(Subscriptions, Optional, Never),
    ),
    ("tasks/", Method::foreign(Task, Optional, Optional)),
];

const UNKNOWN: &Method = &Method::foreign(Nothing, Never, Never);

/// The properties of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Method {
    pub(crate) subject: Subject,
    /// Whether the params name the subject.
    pub(crate) in_params: Presence,
    /// Whether `Mcp-Name` repeats the name, from [`is_modern`] revisions on.
    pub(crate) in_header: Presence,
    /// Whether MCP defines the method, in any revision.
    pub(crate) is_mcps_own: bool,
}

/// The kind of thing that a request is about. Each variant says which member of the params names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Nothing,
    /// A tool: `name`.
    Tool,
    /// A prompt: `name`.
    Prompt,
    /// A resource: `uri`.
    Resource,
    /// A prompt or a resource: `ref`, and in it `name` or `uri`.
    Reference,
    /// Resources: `notifications`, and in it `resourceSubscriptions`.
    Subscriptions,
    /// A task: `taskId`. No rule can name one.
    Task,
}

/// Whether the params, or a header, contain the name of a request's subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Never,
    Optional,
    Required,
}

impl Method {
    const fn own(subject: Subject, in_params: Presence, in_header: Presence) -> Self {
        Self {
            subject,
            in_params,
            in_header,
            is_mcps_own: true,
        }
    }

    const fn foreign(subject: Subject, in_params: Presence, in_header: Presence) -> Self {
        Self {
            subject,
            in_params,
            in_header,
            is_mcps_own: false,
        }
    }

    /// Finds a method by its exact, case-sensitive name. A method that MCP does not define gets the properties of its family.
    pub(crate) fn named(name: &str) -> &'static Self {
        let own = METHODS.iter().find(|(own, _)| *own == name);
        let family = || FAMILIES.iter().find(|(start, _)| name.starts_with(start));
        own.or_else(family).map_or(UNKNOWN, |(_, method)| method)
    }

    /// Whether the method concerns the one tool, prompt or resource that its params name, and nothing else.
    pub(crate) fn is_for_its_subject(&self) -> bool {
        self.in_params == Required && matches!(self.subject, Tool | Prompt | Resource)
    }
}

/// The lists in which a server offers its tools, prompts and resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Tools,
    Prompts,
    Resources,
    ResourceTemplates,
}

impl List {
    pub(crate) const ALL: [Self; 4] = [
        Self::Tools,
        Self::Prompts,
        Self::Resources,
        Self::ResourceTemplates,
    ];

    /// The method that requests the list.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Tools => LIST_TOOLS,
            Self::Prompts => LIST_PROMPTS,
            Self::Resources => LIST_RESOURCES,
            Self::ResourceTemplates => LIST_TEMPLATES,
        }
    }

    /// The method that uses an entry of the list.
    pub(crate) fn entry_method(self) -> &'static str {
        match self {
            Self::Tools => CALL_TOOL,
            Self::Prompts => GET_PROMPT,
            Self::Resources | Self::ResourceTemplates => READ_RESOURCE,
        }
    }

    /// The member of a result that holds the list.
    pub(crate) fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
        }
    }
}

/// The headers that repeat parts of the body (SEP-2243).
pub(crate) static VERSION_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(crate) static METHOD_HEADER: HeaderName = HeaderName::from_static("mcp-method");
pub(crate) static NAME_HEADER: HeaderName = HeaderName::from_static("mcp-name");

/// The name of one of these headers as MCP writes it.
pub(crate) fn written(name: &HeaderName) -> &'static str {
    if *name == VERSION_HEADER {
        "MCP-Protocol-Version"
    } else if *name == METHOD_HEADER {
        "Mcp-Method"
    } else {
        "Mcp-Name"
    }
}

/// The revision from which requests must carry the mirrored headers.
const FIRST_MODERN_REVISION: &[u8] = b"2026-07-28";

/// The only revision with batches. A request without a version header is read as one of this revision.
const REVISION_WITH_BATCHES: &[u8] = b"2025-03-26";

/// Whether requests of this revision must carry the mirrored headers. Dates compare as text. Text that is not a date is
/// `false` here, and left to the inner service to refuse.
pub(crate) fn is_modern(revision: &[u8]) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = revision else {
        return false;
    };
    let is_date = [y1, y2, y3, y4, m1, m2, d1, d2]
        .into_iter()
        .all(u8::is_ascii_digit);
    is_date && revision >= FIRST_MODERN_REVISION
}

/// Whether the revision in the version header allows a body to be a batch.
pub(crate) fn has_batches(revision: Option<&[u8]>) -> bool {
    revision.is_none_or(|revision| revision == REVISION_WITH_BATCHES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whole_and_case_counts() {
        let is_own = |name| Method::named(name).is_mcps_own;
        assert!(is_own("tools/call") && is_own("completion/complete") && is_own("ping"));
        assert!(!is_own("tools/Call") && !is_own("x/y") && !is_own("") && !is_own("tools"));
    }

    #[test]
    fn a_method_that_mcp_does_not_define_is_about_what_its_family_is() {
        for (name, subject) in [
            ("tools/Call", Tool),
            ("tools/", Tool),
            ("resources/directory/read", Resource),
            ("subscriptions/x", Subscriptions),
            ("tools", Nothing),
            ("toolsets/call", Nothing),
            ("", Nothing),
        ] {
            let method = Method::named(name);
            assert_eq!(
                (method.subject, method.is_for_its_subject()),
                (subject, false),
                "{name}"
            );
        }
    }

    #[test]
    fn every_method_is_in_the_table_once_and_like_its_family_where_it_names_something() {
        for (at, (name, method)) in METHODS.iter().enumerate() {
            assert!(
                !METHODS[at + 1..].iter().any(|(other, _)| other == name),
                "{name}"
            );
            if let Some((_, family)) = FAMILIES.iter().find(|(start, _)| name.starts_with(start)) {
                assert!(
                    [family.subject, Nothing].contains(&method.subject),
                    "{name}"
                );
            }
            assert_eq!(
                method.subject == Nothing,
                method.in_params == Never,
                "{name}"
            );
        }
        for list in List::ALL {
            assert_eq!(Method::named(list.method()).subject, Nothing, "{list:?}");
            assert!(
                Method::named(list.entry_method()).is_for_its_subject(),
                "{list:?}"
            );
        }
    }
}
