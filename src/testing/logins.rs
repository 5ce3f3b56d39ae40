use std::collections::HashMap;

/// The last login of a user in each browser.
#[derive(Default)]
pub(super) struct Logins(HashMap<String, Login>);

/// A login of a user, as the tokens that follow from it describe it.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) auth_time: i64,
    /// `None` if the server has no acr values.
    pub(super) acr: Option<String>,
    pub(super) amr: &'static [&'static str],
    /// Stays the same if the same user logs in again in the same browser.
    pub(super) sid: String,
}

impl Logins {
    pub(super) fn of(&self, browser: &str) -> Option<&Login> {
        self.0.get(browser)
    }

    pub(super) fn set(&mut self, browser: &str, login: Login) {
        self.0.insert(browser.to_owned(), login);
    }
}
