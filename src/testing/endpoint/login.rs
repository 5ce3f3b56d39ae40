use bytes::Bytes;
use http::header::{COOKIE, HeaderValue, SET_COOKIE};
use http::{HeaderMap, Response};

use super::form;
use crate::testing::shared::Shared;
use crate::testing::traffic::Endpoint;

/// Cookies are for a host, whatever the port: another server on this machine may read it, and write another name into it.
const COOKIE_NAME: &str = "toolgate_development_user";

/// The user that the consent page suggests. The choice is still theirs.
pub(super) struct Login<'a> {
    /// `None` where the server has no users.
    pub(super) user: Option<&'a String>,
    /// Whether it is the one who allowed something before, in this browser.
    pub(super) is_remembered: bool,
}

impl<'a> Login<'a> {
    /// The user whom the browser remembers, if this server has that one, or else the first.
    pub(super) fn of(shared: &'a Shared, headers: &HeaderMap) -> Self {
        let users = &shared.settings.users;
        let name = headers.get_all(COOKIE).iter().find_map(remembered);
        let known = name.and_then(|name| users.iter().find(|user| **user == name));
        Self {
            user: known.or(users.first()),
            is_remembered: known.is_some(),
        }
    }
}

fn remembered(cookies: &HeaderValue) -> Option<String> {
    let mut pairs = cookies.to_str().ok()?.split("; ");
    let value = pairs.find_map(|pair| pair.strip_prefix(COOKIE_NAME)?.strip_prefix('='))?;
    Some(form::decoded(value))
}

/// Has the browser remember the user until it is closed. `Lax`, since it is the page of a client that sends it here.
pub(super) fn remember(
    shared: &Shared,
    user: &str,
    mut response: Response<Bytes>,
) -> Response<Bytes> {
    let user: String = form_urlencoded::byte_serialize(user.as_bytes()).collect();
    let path = shared.path(Endpoint::Authorize);
    let cookie = format!("{COOKIE_NAME}={user}; Path={path}; HttpOnly; SameSite=Lax");
    let cookie = HeaderValue::try_from(cookie).expect("what is encoded is a header value");
    response.headers_mut().insert(SET_COOKIE, cookie);
    response
}
