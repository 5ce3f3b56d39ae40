//! Why a request without a token gets a 401 although some operations are open. For the log only.

use crate::call::{Call, Target};
use crate::refusal::{Reason, Refusal};

#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpen {
    /// A call that is not open: its method and the first name in it.
    #[error("not open without a token: {0}")]
    Call(String),
    #[error("not open without a token: a response to the server")]
    Response,
    #[error("not open without a token: a request that is no call")]
    NoCall,
    #[error("not open without a token: the decision asks for scopes")]
    ScopesDecided,
}

impl NotOpen {
    pub(super) fn of(call: &Call<'_>) -> Self {
        let name = match &call.target {
            Target::None => None,
            Target::Tool(name) | Target::Prompt(name) => Some(name.as_ref()),
            Target::Resources(names) => names.first().map(|name| name.written.as_ref()),
        };
        Self::Call(match name {
            Some(name) => format!("{} {name}", call.method),
            None => call.method.to_string(),
        })
    }
}

impl From<NotOpen> for Refusal {
    fn from(why: NotOpen) -> Self {
        Self::from(Reason::NoToken).because(why)
    }
}
