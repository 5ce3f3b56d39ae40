//! Whose session is it? The id of an MCP session is bound to whom it is given, and opened for nobody else.
//!
//! A session id is no login (MCP, "Session Hijacking"), but most servers look at it alone: whoever holds somebody
//! else's could listen to their events, send in their name and close what they opened.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::principal::Principal;
use crate::refusal::{Reason, Refusal};
use crate::seal::{Owner, Purpose, Seal, Unopened};

static SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What becomes of session ids.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) binding: Binding,
    pub(crate) resumption: Resumption,
    pub(crate) seal: Arc<Seal>,
}

/// To whom a session id is bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Binding {
    #[default]
    Owner,
    Off,
}

/// Where a stream of events may be taken up again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Resumption {
    #[default]
    InSession,
    WithoutSession,
}

/// An answer's session id that cannot be bound to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unbindable;

impl Sessions {
    /// Puts the service's own id in the place of the one it was sealed as; for its owner alone.
    pub(crate) fn open(&self, headers: &mut HeaderMap, caller: Option<&Principal>) -> Result<(), Refusal> {
        // Most requests have neither, and looking at their few names is cheaper than looking up two.
        let concerns = |name: &HeaderName| *name == SESSION_ID || *name == LAST_EVENT_ID;
        if self.binding == Binding::Off || !headers.keys().any(concerns) {
            return Ok(());
        }
        let mut lines = headers.get_all(&SESSION_ID).iter();
        let sealed = match (lines.next(), lines.next()) {
            (Some(sealed), None) => sealed,
            (Some(_), Some(_)) => return Err(Refusal::from(Reason::DuplicateHeader).got(SESSION_ID.as_str())),
            (None, _) if self.resumption == Resumption::InSession && headers.contains_key(&LAST_EVENT_ID) => {
                return Err(Reason::ResumedWithoutSession.into());
            }
            (None, _) => return Ok(()),
        };
        let id = self.seal.open(Purpose::Session, owner_of(caller), sealed.as_bytes()).map_err(reason)?;
        let id = HeaderValue::from_bytes(id).map_err(|_| Reason::SessionUnknown)?;
        headers.insert(&SESSION_ID, id);
        Ok(())
    }

    /// Seals the id that the service gives its caller.
    pub(crate) fn seal(&self, headers: &mut HeaderMap, caller: Option<&Principal>) -> Result<(), Unbindable> {
        if self.binding == Binding::Off {
            return Ok(());
        }
        let mut lines = headers.get_all(&SESSION_ID).iter();
        let id = match (lines.next(), lines.next()) {
            (None, _) => return Ok(()),
            (Some(id), None) if is_session_id(id.as_bytes()) => id.as_bytes(),
            (Some(_), _) => return Err(Unbindable),
        };
        let seal = self.seal.seal_on(Purpose::Session, owner_of(caller), id);
        let sealed = HeaderValue::try_from([id, seal.as_bytes()].concat()).map_err(|_| Unbindable)?;
        headers.insert(&SESSION_ID, sealed);
        Ok(())
    }
}

fn owner_of(caller: Option<&Principal>) -> Owner<'_> {
    caller.map_or(Owner::NONE, Principal::owner)
}

/// The characters that MCP allows.
fn is_session_id(id: &[u8]) -> bool {
    !id.is_empty() && id.iter().all(u8::is_ascii_graphic)
}

fn reason(why: Unopened) -> Reason {
    match why {
        Unopened::Unsealed => Reason::SessionUnknown,
        Unopened::NotOwned => Reason::SessionNotOwned,
    }
}

impl fmt::Display for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.binding {
            Binding::Owner => f.write_str("bound to their owners"),
            Binding::Off => f.write_str("bound to nobody"),
        }
    }
}
