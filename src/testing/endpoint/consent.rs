use bytes::Bytes;
use http::{Response, StatusCode};

use super::authorize::{Callback, Wish};
use super::client::Client;
use super::login::{self, Browser};
use super::page::{self, Choice, Html};
use crate::testing::shared::Shared;
use crate::testing::traffic::Endpoint;

/// Asks the user. The form holds the whole request, so that nothing is kept until the answer.
pub(super) fn page(
    shared: &Shared,
    callback: &Callback,
    wish: &Wish,
    browser: &Browser,
) -> Response<Bytes> {
    let Callback {
        client,
        redirect_uri,
        state,
    } = callback;
    let client_name = shown_name(client);
    let users = &shared.settings.users;
    let last = browser.login.as_ref().map(|login| &login.user);
    let is_logged_in = browser.sufficient(shared, &wish.login).is_some();
    let suggested = last.or(users.first());
    // The scopes that this client was allowed before, for the same resources.
    let before =
        suggested.and_then(|user| shared.grants().allowed(&client.id, user, &wish.resources));
    let mut content = Html::default();
    if let (Some(user), Some(_)) = (suggested, &before) {
        content.paragraph(&format!(
            "{user} has allowed this client something before. What it asks for in addition is marked."
        ));
    }
    if last.is_some() && !is_logged_in {
        content.paragraph("This client asks you to log in again, or in another way.");
    }
    content.raw("<dl>");
    if let Some(document) = client.documented_by() {
        content.described("The client is described by", document.as_str());
    }
    if wish.resources.is_empty() {
        content.described("Access to", "no resource in particular");
    }
    for resource in &wish.resources {
        content.described("Access to", resource);
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
    wish.login.put_into(&mut content);
    content.raw("<fieldset><legend>Log in as</legend>\n");
    for user in users {
        let is_chosen = suggested == Some(user);
        content.choice(Choice {
            kind: "radio",
            name: "user",
            value: user,
            is_chosen,
            mark: (last == Some(user)).then(|| {
                let mark = if is_logged_in {
                    "logged in"
                } else {
                    "log in again"
                };
                mark.to_owned()
            }),
            says: None,
        });
    }
    content.raw("</fieldset>\n");
    let choices = wish.login.choices(shared);
    if wish.login.is_any() && !is_logged_in && !choices.is_empty() {
        content.raw("<fieldset><legend>Log in by</legend>\n");
        for (position, acr) in choices.into_iter().enumerate() {
            content.choice(Choice {
                kind: "radio",
                name: "acr",
                value: acr,
                is_chosen: position == 0,
                mark: None,
                says: Some(login::method(shared, Some(acr)).says),
            });
        }
        content.raw("</fieldset>\n");
    }
    if !wish.scopes.is_empty() {
        content.raw("<fieldset><legend>Allow</legend>\n");
        for scope in &wish.scopes {
            let is_new = before
                .as_ref()
                .is_some_and(|before| !before.contains(scope));
            content.choice(Choice {
                kind: "checkbox",
                name: "scope",
                value: scope,
                is_chosen: true,
                mark: suggested
                    .filter(|_| is_new)
                    .map(|user| format!("new for {user}")),
                says: shared.scope_text(scope),
            });
        }
        content.raw("</fieldset>\n");
    }
    content.raw(BUTTONS);
    page::whole(
        StatusCode::OK,
        &format!("{client_name} wants access"),
        content,
    )
}

/// Says what is wrong with a request that names no one to redirect to.
pub(super) fn problem(description: &str) -> Response<Bytes> {
    let mut content = Html::default();
    content
        .paragraph(description)
        .paragraph("Nothing was allowed. Go back to the client and start again.");
    page::whole(
        StatusCode::BAD_REQUEST,
        "This request cannot be answered",
        content,
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

const BUTTONS: &str = "<div class=\"buttons\">\n\
    <button type=\"submit\" name=\"decision\" value=\"allow\">Allow</button>\n\
    <button type=\"submit\" name=\"decision\" value=\"deny\">Deny</button>\n\
    </div>\n</form>";
