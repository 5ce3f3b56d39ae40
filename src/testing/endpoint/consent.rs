use bytes::Bytes;
use http::{Response, StatusCode};

use super::authorize::{Callback, Wish};
use super::client::Client;
use super::reply;
use crate::testing::server::NOTICE;
use crate::testing::shared::Shared;
use crate::testing::traffic::Endpoint;

/// Asks the user. The form holds the whole request, so that nothing is kept until the answer.
pub(super) fn page(shared: &Shared, callback: &Callback, wish: &Wish) -> Response<Bytes> {
    let Callback {
        client,
        redirect_uri,
        state,
    } = callback;
    let mut content = Html::default();
    content.raw("<dl>");
    if let Some(document) = client.documented_by() {
        content.described("The client is described by", document.as_str());
    }
    match wish.resources.as_slice() {
        [] => content.described("Access to", "no resource in particular"),
        resources => resources
            .iter()
            .for_each(|resource| content.described("Access to", resource)),
    }
    content.described("Afterwards you return to", redirect_uri);
    content
        .raw("</dl>\n<form method=\"post\" action=\"")
        .text(&shared.path(Endpoint::Authorize))
        .raw("\">\n");
    content
        .hidden("response_type", "code")
        .hidden("client_id", &client.id)
        .hidden("redirect_uri", redirect_uri);
    content
        .hidden("code_challenge", &wish.challenge)
        .hidden("code_challenge_method", "S256");
    if let Some(dpop_key) = &wish.dpop_key {
        content.hidden("dpop_jkt", dpop_key);
    }
    if let Some(state) = state {
        content.hidden("state", state);
    }
    for resource in &wish.resources {
        content.hidden("resource", resource);
    }
    content.raw("<fieldset><legend>Log in as</legend>\n");
    for (place, user) in shared.settings.users.iter().enumerate() {
        content.choice("radio", "user", user, place == 0);
    }
    content.raw("</fieldset>\n");
    if !wish.scopes.is_empty() {
        content.raw("<fieldset><legend>Allow</legend>\n");
        for scope in &wish.scopes {
            content.choice("checkbox", "scope", scope, true);
        }
        content.raw("</fieldset>\n");
    }
    content.raw(BUTTONS);
    reply::html(
        StatusCode::OK,
        whole_page(&format!("{} wants access", shown_name(client)), &content),
    )
}

/// Says what is wrong with a request that names no one to redirect to.
pub(super) fn problem(description: &str) -> Response<Bytes> {
    let mut content = Html::default();
    content
        .raw("<p>")
        .text(description)
        .raw("</p>\n<p>Nothing was allowed. Go back to the client and start again.</p>");
    reply::html(
        StatusCode::BAD_REQUEST,
        whole_page("This request cannot be answered", &content),
    )
}

fn shown_name(client: &Client) -> String {
    let host = || client.documented_by()?.host_str().map(str::to_owned);
    client
        .name
        .clone()
        .or_else(host)
        .unwrap_or_else(|| "A client without a name".to_owned())
}

fn whole_page(title: &str, content: &Html) -> String {
    let mut rest = include_str!("page.html");
    let mut page = Html::default();
    // In one pass: a value that looks like a placeholder stays what it is.
    while let Some((before, (name, after))) = rest
        .split_once("{{")
        .and_then(|(before, after)| Some((before, after.split_once("}}")?)))
    {
        page.raw(before);
        match name {
            "title" => page.text(title),
            "notice" => page.text(NOTICE),
            "content" => page.raw(&content.0),
            other => unreachable!("page.html has no {other}"),
        };
        rest = after;
    }
    page.raw(rest);
    page.0
}

const BUTTONS: &str = "<div class=\"buttons\">\n\
    <button type=\"submit\" name=\"decision\" value=\"allow\">Allow</button>\n\
    <button type=\"submit\" name=\"decision\" value=\"deny\">Deny</button>\n\
    </div>\n</form>";

/// HTML in the making: what goes in as text comes out escaped.
#[derive(Default)]
struct Html(String);

impl Html {
    fn raw(&mut self, html: &str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
        self
    }

    fn described(&mut self, term: &str, description: &str) {
        self.raw("<dt>")
            .text(term)
            .raw("</dt><dd><code>")
            .text(description)
            .raw("</code></dd>\n");
    }

    fn hidden(&mut self, name: &str, value: &str) -> &mut Self {
        self.raw("<input type=\"hidden\" name=\"")
            .text(name)
            .raw("\" value=\"")
            .text(value)
            .raw("\">\n")
    }

    fn choice(&mut self, kind: &str, name: &str, value: &str, chosen: bool) {
        let checked = if chosen { " checked" } else { "" };
        self.raw("<label><input type=\"")
            .raw(kind)
            .raw("\" name=\"")
            .raw(name)
            .raw("\" value=\"")
            .text(value);
        self.raw("\"")
            .raw(checked)
            .raw("> <span>")
            .text(value)
            .raw("</span></label>\n");
    }
}
