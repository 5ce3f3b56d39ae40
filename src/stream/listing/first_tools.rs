//! Looks for a list of tools in a response, before the response is filtered, if it is filtered at all.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::FilterError;
use super::json;
use crate::mcp::List;

/// The most bytes of a JSON response, or of an event, in which a list of tools is looked for.
pub(super) const MAX_OBSERVED_BYTES: usize = 1024 * 1024;

/// Looks at the messages of one response, until it has seen a list of tools.
pub(crate) struct ToolsObserver {
    has_seen: AtomicBool,
    tell: Box<TellTools>,
}

type TellTools = dyn Fn(SeenTools) + Send + Sync;

/// The outcome of looking for a list of tools.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SeenTools {
    /// The names in a list, of which there is at least one.
    Listed {
        names: Vec<String>,
        /// Whether there is no later page.
        is_whole: bool,
    },
    /// A text was longer than [`MAX_OBSERVED_BYTES`].
    TooLong,
}

impl ToolsObserver {
    /// `tell` is called at most once for a response.
    pub(crate) fn new(tell: impl Fn(SeenTools) + Send + Sync + 'static) -> Self {
        Self {
            has_seen: AtomicBool::new(false),
            tell: Box::new(tell),
        }
    }

    /// Looks at one JSON text: a message, or a batch of them.
    pub(super) fn look(&self, text: &[u8]) {
        if self.has_seen() {
            return;
        }
        if text.len() > MAX_OBSERVED_BYTES {
            return self.give_up();
        }
        let seen = std::str::from_utf8(text).ok().and_then(tools_in);
        if let Some(seen) = seen {
            self.tell(seen);
        }
    }

    pub(super) fn give_up(&self) {
        self.tell(SeenTools::TooLong);
    }

    pub(super) fn has_seen(&self) -> bool {
        self.has_seen.load(Ordering::Relaxed)
    }

    fn tell(&self, seen: SeenTools) {
        if !self.has_seen.swap(true, Ordering::Relaxed) {
            (self.tell)(seen);
        }
    }
}

impl fmt::Debug for ToolsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolsObserver").finish_non_exhaustive()
    }
}

/// The first list in a text that contains a tool; `None` if there is none, or if the text cannot be read.
fn tools_in(text: &str) -> Option<SeenTools> {
    let mut found = None;
    let mut message = |at: usize| {
        let end = json::end(text, at)?;
        if found.is_none() {
            found = tools_of(text, at)?;
        }
        Ok::<_, FilterError>(end)
    };
    match json::first(text, 0).ok()? {
        (b'[', batch) => json::elements(text, batch, message).ok()?,
        (_, at) => message(at).ok()?,
    };
    found
}

fn tools_of(text: &str, message: usize) -> Result<Option<SeenTools>, FilterError> {
    let Some([result]) = json::object(text, message, ["result"])? else {
        return Ok(None);
    };
    let Some(result) = result else {
        return Ok(None);
    };
    let keys = [List::Tools.member(), "nextCursor"];
    let Some([Some(tools), cursor]) = json::object(text, result.start, keys)? else {
        return Ok(None);
    };
    if json::first(text, tools.start)?.0 != b'[' {
        return Ok(None);
    }
    let mut names = Vec::new();
    json::elements(text, tools.start, |tool| {
        let ([name], end) = json::members(text, tool, ["name"])?;
        names.extend(
            name.and_then(|name| json::string(text, &name))
                .map(String::from),
        );
        Ok::<_, FilterError>(end)
    })?;
    let is_whole = cursor.is_none_or(|cursor| text.get(cursor) == Some("null"));
    Ok((!names.is_empty()).then_some(SeenTools::Listed { names, is_whole }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_of_the_first_list_are_seen_and_whether_it_is_whole() {
        let listed = |names: &[&str], is_whole| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            Some(SeenTools::Listed { names, is_whole })
        };
        for (text, seen) in [
            (
                r#"{"result":{"tools":[{"name":"a"},{"x":[{}],"name":"\u0062"}]}}"#,
                listed(&["a", "b"], true),
            ),
            (
                r#" {"id":1,"result":{"nextCursor":null,"tools":[{"name":"a"}]}} "#,
                listed(&["a"], true),
            ),
            (
                r#"{"result":{"nextCursor":"n","tools":[{"name":"a"}]}}"#,
                listed(&["a"], false),
            ),
            (
                r#"[{"result":{}},{"result":{"tools":[{"name":"a"}]}},{"result":{"tools":[{"name":"b"}]}}]"#,
                listed(&["a"], true),
            ),
            (r#"{"result":{"tools":[{"title":"no name"}]}}"#, None),
            (r#"{"result":{"tools":[]}}"#, None),
            (r#"{"result":{"tools":{"name":"a"}}}"#, None),
            (r#"{"result":[{"tools":[{"name":"a"}]}]}"#, None),
            (r#"{"params":{"tools":[{"name":"a"}]}}"#, None),
            (r#"{"result":{"tools":[{"name":"a"}]"#, None),
            (r#"{"result":{"tools":[{"name":"a"},"b"]}}"#, None),
            ("", None),
            ("1", None),
        ] {
            assert_eq!(tools_in(text), seen, "{text}");
        }
    }
}
