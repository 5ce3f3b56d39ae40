use bytes::Bytes;
use http::{Response, StatusCode};

use super::reply;
use crate::html::{escaped, filled};
use crate::testing::server::NOTICE;

/// A page for people, with this title and this content.
pub(super) fn whole(status: StatusCode, title: &str, content: Html) -> Response<Bytes> {
    let (title, notice) = (escaped(title), escaped(NOTICE));
    let page = filled(include_str!("page.html"), |name| match name {
        "title" => Some(&title),
        "notice" => Some(&notice),
        "content" => Some(&content.0),
        other => unreachable!("page.html has no {other}"),
    });
    reply::html(status, page)
}

/// HTML in the making. Text is escaped.
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    pub(super) fn raw(&mut self, html: &str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.raw(&escaped(text))
    }

    pub(super) fn paragraph(&mut self, text: &str) -> &mut Self {
        self.raw("<p>").text(text).raw("</p>\n")
    }

    /// A term of a list, and the value it has here.
    pub(super) fn described(&mut self, term: &str, value: &str) -> &mut Self {
        self.raw("<dt>")
            .text(term)
            .raw("</dt><dd><code>")
            .text(value)
            .raw("</code></dd>\n")
    }

    /// Like [`described`](Self::described), with a link to open the value.
    pub(super) fn linked(&mut self, term: &str, url: &str) -> &mut Self {
        self.raw("<dt>")
            .text(term)
            .raw("</dt><dd><a href=\"")
            .text(url)
            .raw("\"><code>")
            .text(url)
            .raw("</code></a></dd>\n")
    }

    pub(super) fn hidden(&mut self, name: &str, value: &str) -> &mut Self {
        self.raw("<input type=\"hidden\" name=\"")
            .text(name)
            .raw("\" value=\"")
            .text(value)
            .raw("\">\n")
    }

    /// A radio button or a check box, with its label.
    pub(super) fn choice(&mut self, choice: Choice<'_>) -> &mut Self {
        self.raw("<label><input type=\"")
            .raw(choice.kind)
            .raw("\" name=\"")
            .raw(choice.name)
            .raw("\" value=\"")
            .text(choice.value);
        self.raw(if choice.is_chosen { "\" checked" } else { "\"" })
            .raw("> <span>")
            .text(choice.value);
        if let Some(mark) = &choice.mark {
            self.raw(" <strong>").text(mark).raw("</strong>");
        }
        if let Some(says) = choice.says {
            self.raw(" <small>").text(says).raw("</small>");
        }
        self.raw("</span></label>\n")
    }
}

/// One choice in a form.
pub(super) struct Choice<'a> {
    /// `radio` or `checkbox`.
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    pub(super) value: &'a str,
    pub(super) is_chosen: bool,
    /// A few words that are set off.
    pub(super) mark: Option<String>,
    /// A line that explains it.
    pub(super) says: Option<&'a str>,
}
