//! Describes in lists of tools what each tool needs. A text that cannot be read stays as it is.

use super::edit::{Edit, edited};
use super::error::FilterError;
use super::filter::ListFilter;
use super::json::{self, Span};
use crate::mcp::List;

/// The member of a tool that describes what it needs, and of its `_meta`, where older clients look for it.
const SECURITY_SCHEMES: &str = "securitySchemes";

impl ListFilter {
    /// The text with descriptions of its tools; `None` if there are none, or if the text cannot be read.
    pub(super) fn described(&self, text: &str) -> Option<String> {
        if !self.describes() {
            return None;
        }
        let mut edits = Vec::new();
        let mut message = |at: usize| {
            let end = json::end(text, at)?;
            self.describe_message(text, at, &mut edits)?;
            Ok::<_, FilterError>(end)
        };
        let end = match json::first(text, 0).ok()? {
            (b'[', batch) => json::elements(text, batch, message).ok()?,
            (_, at) => message(at).ok()?,
        };
        json::nothing(text, end).ok()?;
        (!edits.is_empty()).then(|| edited(text, edits))
    }

    fn describe_message(
        &self,
        text: &str,
        message: usize,
        edits: &mut Vec<Edit>,
    ) -> Result<(), FilterError> {
        let Some([Some(result)]) = json::object(text, message, ["result"])? else {
            return Ok(());
        };
        let tools = json::object(text, result.start, [List::Tools.member()])?;
        let Some([Some(tools)]) = tools else {
            return Ok(());
        };
        if json::first(text, tools.start)?.0 != b'[' {
            return Ok(());
        }
        json::elements(text, tools.start, |tool| {
            self.describe_tool(text, tool, edits)?;
            json::end(text, tool)
        })?;
        Ok(())
    }

    fn describe_tool(
        &self,
        text: &str,
        tool: usize,
        edits: &mut Vec<Edit>,
    ) -> Result<(), FilterError> {
        let keys = ["name", SECURITY_SCHEMES, "_meta"];
        let Some([Some(name), schemes, meta]) = json::object(text, tool, keys)? else {
            return Ok(());
        };
        let Some(written) = json::string(text, &name).and_then(|name| self.security_of(&name))
        else {
            return Ok(());
        };
        match &meta {
            None => edits.push(insertion(
                tool,
                format!(r#""_meta":{{"{SECURITY_SCHEMES}":{written}}},"#),
            )),
            Some(meta) => {
                if let Some([mirrored]) = json::object(text, meta.start, [SECURITY_SCHEMES])? {
                    let is_empty = json::first(text, meta.start + 1)?.0 == b'}';
                    edits.push(member(meta.start, mirrored, &written, is_empty));
                }
            }
        }
        edits.push(member(tool, schemes, &written, false));
        Ok(())
    }
}

/// Sets the member of the object that begins here: in its place if it is there, and as the first one otherwise.
fn member(object: usize, present: Option<Span>, value: &str, is_empty: bool) -> Edit {
    match present {
        Some(at) => Edit {
            at,
            text: value.to_owned(),
        },
        None => {
            let comma = if is_empty { "" } else { "," };
            insertion(object, format!(r#""{SECURITY_SCHEMES}":{value}{comma}"#))
        }
    }
}

/// Inserts text behind the brace of the object that begins here.
fn insertion(object: usize, text: String) -> Edit {
    let inside = object + 1;
    Edit {
        at: inside..inside,
        text,
    }
}
