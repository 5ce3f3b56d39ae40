//! Binds MCP session ids to the caller they were issued to.
//!
//! A session id is not a login (MCP, "Session Hijacking"), but most servers check nothing else. A caller with the id of
//! another could read their events, send messages in their name and close their session.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::call::Head;
use crate::refusal::{CheckFacts, Reason, Refusal};
use crate::resource_uri::ResourceUri;
use crate::seal::{Owner, Purpose, Seal, SealError, SealingKey};
use crate::token::Principal;

static SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// Seals and opens session ids.
#[derive(Debug, Clone)]
pub(crate) struct SessionIds {
    pub(crate) binding: SessionBinding,
    pub(crate) resumption: Resumption,
    pub(crate) seal: Arc<Seal>,
}

/// The configuration of sessions.
pub(crate) struct SessionsSpec {
    pub(crate) binding: SessionBinding,
    pub(crate) resumption: Resumption,
    /// The keys: the first makes new seals, and all of them open. If there is none, the gate makes a random key.
    pub(crate) keys: Vec<Arc<SealingKey>>,
}

/// The owner to which a session id is bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionBinding {
    #[default]
    Owner,
    Off,
}

/// Whether a stream of events may be resumed outside of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Resumption {
    #[default]
    InSession,
    WithoutSession,
}

/// A session of this caller: the id as the inner service issued it. `None` if the request names no session, or if
/// session ids are not bound.
#[derive(Debug)]
pub(crate) struct OpenedSession(Option<HeaderValue>);

/// A session id in a response that cannot be bound to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidSessionId;

impl SessionIds {
    pub(crate) fn new(
        spec: SessionsSpec,
        resource: &Arc<ResourceUri>,
        own_key: &Arc<SealingKey>,
    ) -> Self {
        let (first, older) = match spec.keys.split_first() {
            Some((first, older)) => (first, older.to_vec()),
            None => (own_key, Vec::new()),
        };
        Self {
            binding: spec.binding,
            resumption: spec.resumption,
            seal: Arc::new(Seal::new(resource.clone(), first.clone(), older)),
        }
    }

    /// Opens the session that a request names, only for its owner.
    pub(crate) fn open(
        &self,
        head: &Head<'_>,
        caller: Option<&Principal>,
    ) -> Result<OpenedSession, Refusal> {
        if self.binding == SessionBinding::Off {
            return Ok(OpenedSession(None));
        }
        let Some(sealed) = head.session_id()? else {
            return if head.resumes_stream() && self.resumption == Resumption::InSession {
                Err(Refusal::from(Reason::ResumedWithoutSession)
                    .expected("Last-Event-ID beside Mcp-Session-Id")
                    .got("Last-Event-ID alone"))
            } else {
                Ok(OpenedSession(None))
            };
        };
        let id = self
            .seal
            .open(Purpose::Session, owner_of(caller), sealed.as_bytes())
            .map_err(refused)?;
        let id = HeaderValue::from_bytes(id).map_err(|_| refused(SealError::NoSeal))?;
        Ok(OpenedSession(Some(id)))
    }

    /// The facts of the check, for an explanation. The id is left out: a reader could use the session with it.
    pub(crate) fn facts(&self, head: &Head<'_>) -> CheckFacts {
        let got = match head.session_id() {
            Ok(Some(_)) => "Mcp-Session-Id",
            Ok(None) => "no Mcp-Session-Id",
            Err(_) => "several Mcp-Session-Id lines",
        };
        CheckFacts::new(
            match self.binding {
                SessionBinding::Owner => "a session of the caller, or none",
                SessionBinding::Off => "",
            },
            got,
        )
    }

    /// Seals the session id in a response for this caller.
    pub(crate) fn seal(
        &self,
        headers: &mut HeaderMap,
        caller: Option<&Principal>,
    ) -> Result<(), InvalidSessionId> {
        if self.binding == SessionBinding::Off {
            return Ok(());
        }
        let mut lines = headers.get_all(&SESSION_ID).iter();
        let id = match (lines.next(), lines.next()) {
            (None, _) => return Ok(()),
            (Some(id), None) if is_session_id(id.as_bytes()) => id.as_bytes(),
            (Some(_), _) => return Err(InvalidSessionId),
        };
        let seal = self.seal.seal_on(Purpose::Session, owner_of(caller), id);
        let sealed =
            HeaderValue::try_from([id, seal.as_bytes()].concat()).map_err(|_| InvalidSessionId)?;
        headers.insert(&SESSION_ID, sealed);
        Ok(())
    }
}

fn owner_of(caller: Option<&Principal>) -> Owner<'_> {
    caller.map_or(Owner::NONE, Principal::owner)
}

impl OpenedSession {
    /// Replaces the sealed id by the inner service's own.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        if let Some(id) = self.0 {
            headers.insert(&SESSION_ID, id);
        }
    }
}

/// Whether the id has only the characters that MCP allows.
fn is_session_id(id: &[u8]) -> bool {
    !id.is_empty() && id.iter().all(u8::is_ascii_graphic)
}

/// Makes a refusal without the id: a reader of the log could use the session with it.
fn refused(why: SealError) -> Refusal {
    let (reason, got) = match why {
        SealError::NoSeal => (Reason::SessionUnknown, "Mcp-Session-Id: without a seal"),
        SealError::NotOwned => (
            Reason::SessionNotOwned,
            "Mcp-Session-Id: sealed for another caller, or by another key",
        ),
    };
    Refusal::from(reason).got(got)
}

impl fmt::Display for SessionIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.binding {
            SessionBinding::Owner => f.write_str("bound to their owners"),
            SessionBinding::Off => f.write_str("not bound"),
        }
    }
}
