//! Reads how and when the user logged in, and checks the form of the authorization details.

use super::read::{Claims, bad_claim, texts};
use crate::jose::Json;
use crate::login::Login;
use crate::refusal::Refusal;
use crate::token::profile::TrustedIssuer;

impl Claims<'_> {
    /// Returns the login behind the token (RFC 9068 §2.2.1, RFC 9470 §6). `None` if no claim is about it.
    pub(super) fn login(&self, issuer: &TrustedIssuer) -> Result<Option<Box<Login>>, Refusal> {
        self.check_authorization_details()?;
        let login = Login {
            acr: self.text("acr")?.map(str::to_owned),
            amr: self.amr()?,
            auth_time: self.time("auth_time")?,
            sid: self.text("sid")?.map(str::to_owned),
            leeway: issuer.rules.leeway,
        };
        let names = ["acr", "amr", "auth_time", "sid"];
        let is_there = names.iter().any(|name| self.object.has(name));
        Ok(is_there.then(|| Box::new(login)))
    }

    /// The authentication methods (RFC 8176).
    fn amr(&self) -> Result<Vec<String>, Refusal> {
        let bad = || bad_claim("amr", "a list of texts");
        match self.object.get("amr") {
            None => Ok(Vec::new()),
            Some(Json::List(list)) => {
                let methods = texts(list).ok_or_else(bad)?;
                Ok(methods.into_iter().map(str::to_owned).collect())
            }
            Some(_) => Err(bad()),
        }
    }

    /// Requires a list of objects that each have a `type` (RFC 9396 §2). They are deserialized where they are used.
    fn check_authorization_details(&self) -> Result<(), Refusal> {
        let has_type = |detail: &Json<'_>| match detail {
            Json::Object(members) => matches!(members.text("type"), Ok(Some(_))),
            _ => false,
        };
        match self.object.get("authorization_details") {
            None => Ok(()),
            Some(Json::List(details)) if details.iter().all(has_type) => Ok(()),
            Some(_) => Err(bad_claim(
                "authorization_details",
                "a list of objects with a `type`",
            )),
        }
    }
}
