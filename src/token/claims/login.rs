//! Reads how and when the user logged in.

use super::read::{Claims, texts};
use crate::jose::Json;
use crate::login::Login;
use crate::token::profile::TrustedIssuer;

impl Claims<'_> {
    /// Returns the login behind the token (RFC 9068 §2.2.1, RFC 9470 §6). `None` if no claim is about it.
    ///
    /// A claim of another type counts as missing, since some issuers write one so and most gates never use it. It meets no
    /// rule.
    pub(super) fn login(&self, issuer: &TrustedIssuer) -> Option<Box<Login>> {
        let text = |name| self.text(name).ok().flatten().map(str::to_owned);
        let login = Login {
            acr: text("acr"),
            amr: self.amr().unwrap_or_default(),
            auth_time: self.time("auth_time").ok().flatten(),
            sid: text("sid"),
            leeway: issuer.rules.leeway,
        };
        let says_nothing = login.acr.is_none()
            && login.amr.is_empty()
            && login.auth_time.is_none()
            && login.sid.is_none();
        (!says_nothing).then(|| Box::new(login))
    }

    /// The authentication methods (RFC 8176).
    fn amr(&self) -> Option<Vec<String>> {
        match self.object.get("amr")? {
            Json::List(list) => Some(texts(list)?.into_iter().map(str::to_owned).collect()),
            _ => None,
        }
    }
}
