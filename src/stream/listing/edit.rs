//! Changes parts of a text, and keeps the bytes of all others.

use super::json::Span;

/// A text that replaces the one at this place.
pub(super) struct Edit {
    pub(super) at: Span,
    pub(super) text: String,
}

pub(super) fn edited(text: &str, mut edits: Vec<Edit>) -> String {
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
