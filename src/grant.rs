//! The rights of a caller, as policy sees them, and the rights that it lacks.

use crate::clock::Timestamp;
use crate::login::{Login, RequiredLogin};
use crate::refusal::{Reason, Refusal};
use crate::scope::Scopes;

/// The rights that a verified token grants, and the login behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grant<'p> {
    pub(crate) scopes: &'p Scopes,
    /// `None` if the token says nothing of a login.
    pub(crate) login: Option<&'p Login>,
    /// Whether the caller is a client without a user, which cannot log in.
    pub(crate) is_machine: bool,
    /// When the rights are judged. A login grows older.
    pub(crate) now: Timestamp,
}

#[cfg(test)]
impl<'p> Grant<'p> {
    /// The grant of a user whose token says nothing of a login.
    pub(crate) fn of(scopes: &'p Scopes) -> Self {
        Self {
            scopes,
            login: None,
            is_machine: false,
            now: Timestamp::EPOCH,
        }
    }
}

/// The answer of policy to a caller that could get the rights it lacks.
#[derive(Debug)]
pub(crate) struct Shortfall {
    /// All scopes that the operation needs, held or not; empty if none is missing.
    pub(crate) scopes: Scopes,
    pub(crate) login: Option<LoginShortfall>,
}

/// A login that does not meet the rules, though another would.
#[derive(Debug)]
pub(crate) struct LoginShortfall {
    pub(crate) reason: Reason,
    /// All that the rules require of the login, met or not.
    pub(crate) required: RequiredLogin,
    /// The login, for the log.
    pub(crate) got: String,
}

impl From<Shortfall> for Refusal {
    fn from(Shortfall { scopes, login }: Shortfall) -> Self {
        match login {
            None => Refusal::from(Reason::InsufficientScope).requiring(scopes),
            Some(login) => Refusal::from(login.reason)
                .expected(login.required.to_string())
                .got(login.got)
                .requiring(scopes)
                .requiring_login(login.required),
        }
    }
}
