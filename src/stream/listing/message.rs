//! Filters one JSON text: a message, or a batch of them.

use super::edit::{Edit, edited};
use super::error::{FilterError, Withheld};
use super::filter::ListFilter;
use super::json::{self, Span};
use crate::mcp::List;

/// The outcome of filtering a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lists {
    /// There is no list in the text.
    Absent,
    /// All lists in the text may be shown as they are.
    Whole,
    /// The text without the elements that may not be shown, and with descriptions of its tools.
    Cut(String),
}

impl ListFilter {
    /// Filters a text by what is in it, and describes the tools that are left.
    pub(super) fn filtered(&self, text: &str) -> Result<Lists, Withheld> {
        // A text without an object contains no list.
        if !text.contains('{') {
            return Ok(Lists::Absent);
        }
        self.observe(text);
        let lists = if self.withholds() {
            self.without_hidden(text)?
        } else {
            Lists::Absent
        };
        let described = match &lists {
            Lists::Cut(text) => self.described(text),
            Lists::Whole | Lists::Absent => self.described(text),
        };
        Ok(described.map_or(lists, Lists::Cut))
    }

    /// Leaves out the elements of lists that may not be shown.
    fn without_hidden(&self, text: &str) -> Result<Lists, Withheld> {
        let mut found = FoundLists {
            any: false,
            edits: Vec::new(),
        };
        let end = match json::first(text, 0)? {
            (b'[', batch) => json::elements(text, batch, |message| {
                self.message(text, message, &mut found)
            })?,
            (_, message) => self.message(text, message, &mut found)?,
        };
        json::nothing(text, end)?;
        Ok(match found {
            FoundLists { any: false, .. } => Lists::Absent,
            FoundLists { edits, .. } if edits.is_empty() => Lists::Whole,
            FoundLists { edits, .. } => Lists::Cut(edited(text, edits)),
        })
    }

    /// Filters the message that begins here, and returns its end.
    fn message(
        &self,
        text: &str,
        message: usize,
        found: &mut FoundLists,
    ) -> Result<usize, Withheld> {
        match json::first(text, message)?.0 {
            b'{' => {}
            // A batch inside a batch is not valid, but some reader could look for messages in it.
            b'[' => {
                json::end(text, message)?;
                return Err(FilterError::NoMessage.into());
            }
            _ => return Ok(json::end(text, message)?),
        }
        let ([id, result], end) = json::members(text, message, ["id", "result"])?;
        if let Some(result) = result
            && let Err((why, list)) = self.result(text, result.start, found)
        {
            return Err(Withheld {
                why,
                list,
                id: id.and_then(|id| written(text, &id)),
            });
        }
        Ok(end)
    }

    fn result(
        &self,
        text: &str,
        result: usize,
        found: &mut FoundLists,
    ) -> Result<(), (FilterError, Option<List>)> {
        let in_none = |why| (why, None);
        if json::first(text, result).map_err(in_none)?.0 != b'{' {
            return Ok(());
        }
        let [tools, prompts, resources, templates] = List::ALL.map(List::member);
        let keys = [tools, prompts, resources, templates, "cacheScope", "ttlMs"];
        let ([tools, prompts, resources, templates, scope, lifetime], _) =
            json::members(text, result, keys).map_err(in_none)?;
        let mut any = false;
        for (list, elements) in List::ALL
            .into_iter()
            .zip([tools, prompts, resources, templates])
        {
            if let Some(elements) = elements {
                any = true;
                found.edits.extend(
                    self.cut(text, list, elements.start)
                        .map_err(|why| (why, Some(list)))?,
                );
            }
        }
        if any {
            found.any = true;
            found
                .edits
                .extend(for_one_caller(text, result, scope, lifetime));
        }
        Ok(())
    }

    /// Filters a list; `None` if all of it stays.
    fn cut(&self, text: &str, list: List, array: usize) -> Result<Option<Edit>, FilterError> {
        if json::first(text, array)?.0 != b'[' {
            return Err(FilterError::NoList);
        }
        let (mut kept, mut all) = (Vec::new(), 0);
        let inside = array + 1;
        let mut from = inside;
        let end = json::elements(text, array, |element| -> Result<usize, FilterError> {
            let (shown, end) = self.shows(text, list, element)?;
            // Each element is taken with the white space around it, from comma to comma.
            let (_, next) = json::first(text, end)?;
            if shown {
                kept.push(text.get(from..next).ok_or(FilterError::NotJson)?);
            }
            (all, from) = (all + 1, next + 1);
            Ok(end)
        })?;
        let left = || Edit {
            at: inside..end - 1,
            text: kept.join(","),
        };
        Ok((kept.len() < all).then(left))
    }

    /// Whether the element that begins here is shown, and its end.
    fn shows(&self, text: &str, list: List, element: usize) -> Result<(bool, usize), FilterError> {
        if json::first(text, element)?.0 != b'{' {
            return Err(FilterError::NoName);
        }
        let ([name], end) = json::members(text, element, [naming(list)])?;
        let name = name
            .and_then(|name| json::string(text, &name))
            .ok_or(FilterError::NoName)?;
        Ok((self.is_shown(list, &name), end))
    }
}

/// The member that names an element of the list.
fn naming(list: List) -> &'static str {
    match list {
        List::Tools | List::Prompts => "name",
        List::Resources => "uri",
        List::ResourceTemplates => "uriTemplate",
    }
}

/// An id, written as the ids of requests are written.
fn written(text: &str, id: &Span) -> Option<String> {
    match json::string(text, id) {
        Some(id) => Some(serde_json::Value::from(id).to_string()),
        None => text
            .get(id.clone())?
            .parse::<i128>()
            .ok()
            .map(|id| id.to_string()),
    }
}

/// Keeps a filtered list out of caches for several callers. If there is a lifetime and no scope, readers may take the
/// list for public.
fn for_one_caller(
    text: &str,
    result: usize,
    scope: Option<Span>,
    lifetime: Option<Span>,
) -> Option<Edit> {
    match (scope, lifetime) {
        (Some(scope), _) if json::string(text, &scope).as_deref() == Some("private") => None,
        (Some(scope), _) => Some(Edit {
            at: scope,
            text: r#""private""#.to_owned(),
        }),
        (None, Some(_)) => {
            let start = result + 1;
            Some(Edit {
                at: start..start,
                text: r#""cacheScope":"private","#.to_owned(),
            })
        }
        (None, None) => None,
    }
}

/// The lists and edits that were found in a text so far.
struct FoundLists {
    any: bool,
    edits: Vec<Edit>,
}
