//! One JSON text: a message, or a batch of them, without what may not be shown.

use super::ListFilter;
use super::json::{self, Span};
use crate::list::List;

/// Why an answer cannot be filtered with certainty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclear {
    ContentType,
    ContentEncoding,
    Incomplete,
    TooLong,
    NotUtf8,
    NotJson,
    NoMessage,
    NoList,
    NoName,
    DuplicateKey,
}

/// What is kept back, and the id of the request that it would have answered, where that is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) why: Unclear,
    pub(super) id: Option<String>,
}

impl ListFilter {
    /// The text without what may not be shown; `None` where it may all be.
    pub(super) fn filtered(&self, text: &str) -> Result<Option<String>, Kept> {
        let mut edits = Vec::new();
        let end = match json::first(text, 0)? {
            (b'[', batch) => json::elements(text, batch, |message| self.message(text, message, &mut edits))?,
            (_, message) => self.message(text, message, &mut edits)?,
        };
        json::nothing(text, end)?;
        Ok((!edits.is_empty()).then(|| edited(text, edits)))
    }

    /// Returns where the message ends that begins here.
    fn message(&self, text: &str, message: usize, edits: &mut Vec<Edit>) -> Result<usize, Kept> {
        if json::first(text, message)?.0 != b'{' {
            json::end(text, message)?;
            return Err(Unclear::NoMessage.into());
        }
        let ([id, result], end) = json::members(text, message, ["id", "result"])?;
        let Some(result) = result else { return Ok(end) };
        let id = id.and_then(|id| written(text, &id));
        let asked: Vec<_> = self.asked.iter().filter(|(asked, _)| Some(asked) == id.as_ref()).collect();
        let expected = |wanted: List| asked.iter().any(|(_, list)| *list == Some(wanted));
        // What answers none of these requests is judged by what is in it: who reads an id more loosely than
        // we do might take it for the list.
        if !asked.is_empty() && !List::ALL.into_iter().any(expected) {
            return Ok(end);
        }
        self.result(text, result.start, expected, edits).map_err(|why| Kept { why, id })?;
        Ok(end)
    }

    fn result(
        &self,
        text: &str,
        result: usize,
        expected: impl Fn(List) -> bool,
        edits: &mut Vec<Edit>,
    ) -> Result<(), Unclear> {
        let expects_one = List::ALL.into_iter().any(&expected);
        if json::first(text, result)?.0 != b'{' {
            return if expects_one { Err(Unclear::NoList) } else { Ok(()) };
        }
        let [tools, prompts, resources, templates] = List::ALL.map(member);
        let keys = [tools, prompts, resources, templates, "cacheScope", "ttlMs", "resultType"];
        let ([tools, prompts, resources, templates, scope, lifetime, kind], _) =
            json::members(text, result, keys)?;
        let lists = [tools, prompts, resources, templates];
        if lists.iter().all(Option::is_none) && !expects_one {
            return Ok(());
        }
        let interim = kind.and_then(|kind| json::string(text, &kind));
        let is_there =
            |list: List| List::ALL.iter().zip(&lists).any(|(each, at)| *each == list && at.is_some());
        if expects_one
            && interim.as_deref() != Some("input_required")
            && !List::ALL.into_iter().any(|list| expected(list) && is_there(list))
        {
            return Err(Unclear::NoList);
        }
        for (list, elements) in List::ALL.into_iter().zip(lists) {
            if let Some(elements) = elements {
                edits.extend(self.cut(text, list, elements.start)?);
            }
        }
        edits.extend(for_one_caller(text, result, scope, lifetime));
        Ok(())
    }

    /// What is left of a list, unless it is all of it.
    fn cut(&self, text: &str, list: List, array: usize) -> Result<Option<Edit>, Unclear> {
        if json::first(text, array)?.0 != b'[' {
            return Err(Unclear::NoList);
        }
        let (mut kept, mut all) = (Vec::new(), 0);
        let inside = array + 1;
        let mut from = inside;
        let end = json::elements(text, array, |element| -> Result<usize, Unclear> {
            let (shown, end) = self.shows(text, list, element)?;
            // Each with the white space around it, from comma to comma.
            let (_, next) = json::first(text, end)?;
            if shown {
                kept.push(text.get(from..next).ok_or(Unclear::NotJson)?);
            }
            (all, from) = (all + 1, next + 1);
            Ok(end)
        })?;
        let left = || Edit { at: inside..end - 1, text: kept.join(",") };
        Ok((kept.len() < all).then(left))
    }

    /// Whether the element that begins here is shown, and where it ends.
    fn shows(&self, text: &str, list: List, element: usize) -> Result<(bool, usize), Unclear> {
        if json::first(text, element)?.0 != b'{' {
            return Err(Unclear::NoName);
        }
        let ([name], end) = json::members(text, element, [naming(list)])?;
        let name = name.and_then(|name| json::string(text, &name)).ok_or(Unclear::NoName)?;
        Ok(((self.shown)(list, &name), end))
    }
}

impl Unclear {
    /// The stable code that the event carries as `reason`.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::ContentType => "list_content_type",
            Self::ContentEncoding => "list_encoded",
            Self::Incomplete => "list_incomplete",
            Self::TooLong => "list_too_long",
            Self::NotUtf8 => "list_not_utf8",
            Self::NotJson => "list_not_json",
            Self::NoMessage => "list_no_message",
            Self::NoList => "list_missing",
            Self::NoName => "list_nameless",
            Self::DuplicateKey => "list_duplicate_key",
        }
    }
}

impl From<Unclear> for Kept {
    fn from(why: Unclear) -> Self {
        Self { why, id: None }
    }
}

/// Where in a result the list stands.
fn member(list: List) -> &'static str {
    match list {
        List::Tools => "tools",
        List::Prompts => "prompts",
        List::Resources => "resources",
        List::ResourceTemplates => "resourceTemplates",
    }
}

/// What an element is called by.
fn naming(list: List) -> &'static str {
    match list {
        List::Tools | List::Prompts => "name",
        List::Resources => "uri",
        List::ResourceTemplates => "uriTemplate",
    }
}

/// The id as requests' ids are written.
fn written(text: &str, id: &Span) -> Option<String> {
    match json::string(text, id) {
        Some(id) => Some(serde_json::Value::from(id).to_string()),
        None => text.get(id.clone())?.parse::<i128>().ok().map(|id| id.to_string()),
    }
}

/// Takes the list out of caches that serve several callers. Where a lifetime comes without a scope, readers
/// may take it for public.
fn for_one_caller(text: &str, result: usize, scope: Option<Span>, lifetime: Option<Span>) -> Option<Edit> {
    match (scope, lifetime) {
        (Some(scope), _) if json::string(text, &scope).as_deref() == Some("private") => None,
        (Some(scope), _) => Some(Edit { at: scope, text: r#""private""#.to_owned() }),
        (None, Some(_)) => {
            let start = result + 1;
            Some(Edit { at: start..start, text: r#""cacheScope":"private","#.to_owned() })
        }
        (None, None) => None,
    }
}

/// What stands at one place from now on.
struct Edit {
    at: Span,
    text: String,
}

fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.at.start);
    let mut whole = String::with_capacity(text.len());
    let mut from = 0;
    for edit in &edits {
        whole.push_str(text.get(from..edit.at.start).unwrap_or_default());
        whole.push_str(&edit.text);
        from = edit.at.end;
    }
    whole.push_str(text.get(from..).unwrap_or_default());
    whole
}
