//! MCP's own methods, of all revisions: those a client may call.

/// Under `deny_unlisted` any other method is denied unless a rule names it. What these name (tools,
/// resources, prompts) is judged besides.
const CLIENT_METHODS: &[&str] = &[
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/progress",
    "notifications/roots/list_changed",
    "notifications/tasks/status",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/call",
    "tools/list",
];

/// Whether the method is about what it names and nothing else.
pub(crate) fn is_for_its_target(method: &str) -> bool {
    matches!(method, "tools/call" | "prompts/get" | "resources/read")
}

pub(crate) fn is_mcps_own(method: &str) -> bool {
    CLIENT_METHODS.contains(&method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whole_and_case_counts() {
        assert!(is_mcps_own("tools/call") && is_mcps_own("completion/complete"));
        assert!(!is_mcps_own("tools/Call") && !is_mcps_own("x/y") && !is_mcps_own(""));
    }
}
