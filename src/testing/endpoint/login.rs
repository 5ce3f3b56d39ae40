//! The login that an authorization request asks for (OpenID Connect Core §3.1.2.1, RFC 9470 §5), and the one of the browser.

use bytes::Bytes;
use http::header::{COOKIE, HeaderValue, SET_COOKIE};
use http::{HeaderMap, Response};

use super::error::OAuthError;
use super::form::Form;
use super::page::Html;
use crate::testing::logins::Login;
use crate::testing::random::random_text;
use crate::testing::shared::Shared;
use crate::testing::traffic::Endpoint;

/// Cookies are for a host, whatever the port: another server on this machine may read it, and write another name into it.
const COOKIE_NAME: &str = "toolgate_development_login";

/// The one browser of all programs that are answered at once. No cookie can name it.
const NO_BROWSER: &str = "";

/// A browser, which remembers its name until it is closed, and the login in it.
pub(super) struct Browser {
    name: String,
    /// `None` if no user has logged in with it.
    pub(super) login: Option<Login>,
}

impl Browser {
    pub(super) fn of(shared: &Shared, headers: &HeaderMap) -> Self {
        let logins = shared.logins();
        let mut names = headers.get_all(COOKIE).iter().filter_map(named);
        let known = names.find_map(|name| Some((name, logins.of(name)?)));
        match known {
            Some((name, login)) => Self {
                name: name.to_owned(),
                login: Some(login.clone()),
            },
            None => Self {
                name: random_text::<18>(),
                login: None,
            },
        }
    }

    pub(super) fn of_programs(shared: &Shared) -> Self {
        Self {
            name: NO_BROWSER.to_owned(),
            login: shared.logins().of(NO_BROWSER).cloned(),
        }
    }

    /// The login that this browser has already, if it will do.
    pub(super) fn sufficient(&self, shared: &Shared, demand: &LoginDemand) -> Option<&Login> {
        let login = self.login.as_ref();
        login.filter(|login| demand.is_met_by(shared, login))
    }

    /// Logs a user in, unless the login that the browser has will do. `chosen` is the acr value that the user chose; `None`
    /// if they had no choice. Fails if the request does not allow it.
    pub(super) fn log_in(
        &self,
        shared: &Shared,
        demand: &LoginDemand,
        user: &str,
        chosen: Option<&str>,
    ) -> Option<Login> {
        let earlier = self.login.as_ref().filter(|login| login.user == user);
        if chosen.is_none()
            && let Some(login) = earlier.filter(|login| demand.is_met_by(shared, login))
        {
            return Some(login.clone());
        }
        let choices = demand.choices(shared);
        let acr = match chosen {
            Some(chosen) => Some(choices.into_iter().find(|choice| *choice == chosen)?),
            None => choices.first().copied(),
        };
        let login = Login {
            user: user.to_owned(),
            auth_time: shared.settings.clock.unix_seconds(),
            acr: acr.cloned(),
            amr: method(shared, acr).amr,
            sid: earlier.map_or_else(random_text::<12>, |login| login.sid.clone()),
        };
        shared.logins().set(&self.name, login.clone());
        Some(login)
    }

    /// Has the browser remember its name. `Lax`, since it is the page of a client that sends it here.
    pub(super) fn remember(
        &self,
        shared: &Shared,
        mut response: Response<Bytes>,
    ) -> Response<Bytes> {
        let (name, path) = (&self.name, shared.path(Endpoint::Authorize));
        let cookie = format!("{COOKIE_NAME}={name}; Path={path}; HttpOnly; SameSite=Lax");
        let cookie = HeaderValue::try_from(cookie).expect("a name is base64url");
        response.headers_mut().insert(SET_COOKIE, cookie);
        response
    }
}

/// The requirements of an authorization request for the login.
#[derive(Default)]
pub(super) struct LoginDemand {
    /// In order of preference; empty if it names none.
    acr_values: Vec<String>,
    max_age: Option<u32>,
    /// Whether it has `prompt=login`.
    prompts: bool,
}

impl LoginDemand {
    pub(super) fn read(shared: &Shared, form: &Form) -> Result<Self, OAuthError> {
        if shared.settings.ignores_login_demands {
            return Ok(Self::default());
        }
        let words = |name| -> Result<Vec<String>, OAuthError> {
            let text = form.optional(name)?.unwrap_or_default();
            Ok(text.split_ascii_whitespace().map(str::to_owned).collect())
        };
        let max_age = form.optional("max_age")?.map(str::parse).transpose();
        Ok(Self {
            acr_values: words("acr_values")?,
            max_age: max_age
                .map_err(|_| OAuthError::invalid_request("max_age is not a number of seconds"))?,
            prompts: words("prompt")?.iter().any(|prompt| prompt == "login"),
        })
    }

    /// Whether there is any requirement.
    pub(super) fn is_any(&self) -> bool {
        !self.acr_values.is_empty() || self.max_age.is_some() || self.prompts
    }

    /// The acr values that a new login may have, the preferred one first. If none of those in the request is known, the
    /// strongest one has to do: the parameter is a wish.
    pub(super) fn choices<'s>(&self, shared: &'s Shared) -> Vec<&'s String> {
        let known = &shared.settings.acr_values;
        if self.acr_values.is_empty() {
            return known.iter().collect();
        }
        let asked = self.acr_values.iter();
        let choices: Vec<_> = asked
            .filter_map(|asked| known.iter().find(|known| *known == asked))
            .collect();
        if choices.is_empty() {
            known.last().into_iter().collect()
        } else {
            choices
        }
    }

    fn is_met_by(&self, shared: &Shared, login: &Login) -> bool {
        let age = shared.settings.clock.unix_seconds() - login.auth_time;
        let is_recent = self
            .max_age
            .is_none_or(|max_age| max_age > 0 && age <= i64::from(max_age));
        let choices = self.choices(shared);
        let is_strong =
            choices.is_empty() || login.acr.as_ref().is_some_and(|acr| choices.contains(&acr));
        is_recent && is_strong && !self.prompts
    }

    /// Adds the requirements to a form.
    pub(super) fn put_into(&self, form: &mut Html) {
        if !self.acr_values.is_empty() {
            form.hidden("acr_values", &self.acr_values.join(" "));
        }
        if let Some(max_age) = self.max_age {
            form.hidden("max_age", &max_age.to_string());
        }
        if self.prompts {
            form.hidden("prompt", "login");
        }
    }
}

/// A way to log in.
pub(super) struct Method {
    pub(super) says: &'static str,
    /// Values of RFC 8176.
    amr: &'static [&'static str],
}

/// The way to log in that an acr value stands for.
pub(super) fn method(shared: &Shared, acr: Option<&String>) -> Method {
    let is_strong = acr.is_some() && acr != shared.settings.acr_values.first();
    if is_strong {
        Method {
            says: "With a password and a security key",
            amr: &["pwd", "hwk", "mfa"],
        }
    } else {
        Method {
            says: "With a password",
            amr: &["pwd"],
        }
    }
}

fn named(cookies: &HeaderValue) -> Option<&str> {
    let mut pairs = cookies.to_str().ok()?.split("; ");
    let name = pairs.find_map(|pair| pair.strip_prefix(COOKIE_NAME)?.strip_prefix('='))?;
    (name != NO_BROWSER).then_some(name)
}
