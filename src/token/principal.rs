//! Who is asking: the verified caller, as handlers see it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;

use super::token_hash::{TokenHash, is_shown_whole};
use crate::binding::Binding;
use crate::clock::Timestamp;
use crate::grant::Grant;
use crate::scope::Scopes;
use crate::seal::{Owner, OwnerKind, Purpose, Seal};

/// The caller behind a request, verified.
///
/// It sits in the extensions of every request that reaches the inner service, and nobody but the
/// gate can make one. The token itself is not in it: a server that passes its caller's token on to
/// another one lets that server act as the caller (the MCP specification forbids it).
///
/// ```
/// # use toolgate::Principal;
/// # #[derive(serde::Deserialize)] struct Tenant { tenant: String }
/// async fn greet(axum::Extension(principal): axum::Extension<Principal>) -> String {
///     let tenant = principal.claims::<Tenant>().map(|claims| claims.tenant);
///     format!("{} of {}", principal.subject().unwrap_or("a machine"), tenant.unwrap_or_default())
/// }
/// ```
#[derive(Clone)]
pub struct Principal(Arc<PrincipalParts>);

pub(crate) struct PrincipalParts {
    pub(crate) issuer: Arc<str>,
    pub(crate) request_prefix: Arc<str>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) binding: Binding,
    /// Of the token, where its claims do not name its owner, or have no id that the log can show.
    pub(crate) hash: Option<Box<TokenHash>>,
    pub(crate) subject: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) is_machine: bool,
    pub(crate) actor: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) scopes: Scopes,
    pub(crate) audience: Vec<String>,
    pub(crate) issued_at: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) claims: String,
}

/// What a scope costs besides its text: two counters, its place in a list that grows by doubling, and what
/// the allocator rounds up. Measured.
const SCOPE_OVERHEAD_BYTES: usize = 64;

impl Principal {
    pub(super) fn new(facts: PrincipalParts) -> Self {
        Self(Arc::new(facts))
    }

    /// Who this is, to compare and to store; nothing where the token names neither a subject nor a
    /// client, so that two such callers are never taken for one.
    pub fn identity(&self) -> Option<Identity> {
        let (kind, name) = self.name()?;
        Some(Identity {
            issuer: self.0.issuer.clone(),
            kind,
            name: name.into(),
        })
    }

    /// The issuer of the token, exactly as configured.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The `sub` claim. It means nothing without the [`issuer`](Self::issuer): two issuers may both
    /// have a `42`. To compare or store callers, take [`identity`](Self::identity).
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// The OAuth client that holds the token.
    pub fn client_id(&self) -> Option<&str> {
        self.0.client_id.as_deref()
    }

    /// Whether the token stands for the client itself and no user: its subject is the client, or it
    /// has no subject at all.
    pub fn is_machine(&self) -> bool {
        self.0.is_machine
    }

    /// Who acts on the subject's behalf (RFC 8693 `act`): the outermost actor, the only one that counts.
    pub fn actor(&self) -> Option<&str> {
        self.0.actor.as_deref()
    }

    /// What the token grants, as its issuer wrote it.
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// Whom the token is for: never empty, but where the operator allowed tokens without audience.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        self.0.audience.iter().map(String::as_str)
    }

    /// When the token expires. A JWT always says; an issuer that is asked about an opaque token need not.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at.map(Timestamp::to_system_time)
    }

    /// The `jti` claim.
    pub fn token_id(&self) -> Option<&str> {
        self.0.token_id.as_deref()
    }

    /// All claims, read as a type of yours: those of the JWT, or what the issuer said when it was asked. Members your type does not name are passed over.
    ///
    /// # Errors
    /// When the claims do not fit the type.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, ClaimsError> {
        serde_json::from_str(&self.0.claims).map_err(ClaimsError)
    }

    /// Binds what a client is given to keep, and brings back, to this caller: a task's id, a `requestState`, a
    /// subscription's id. [`open`](Self::open) takes it from the same caller alone, whichever of their tokens they
    /// come with; of one whose token names neither a subject nor a client, with that token alone.
    ///
    /// What is sealed for one purpose does not open for another. The payload is not encrypted: whoever is given it can
    /// read it, and nobody can change it. It does not expire: write into it what is to hold of it, such as a time.
    /// It is as good as the key: see [`Sessions::key`](crate::Sessions::key).
    ///
    /// ```
    /// # use toolgate::Principal;
    /// fn start(principal: &Principal, task: u64) -> String {
    ///     principal.seal("task", &task.to_be_bytes())
    /// }
    ///
    /// /// The task's number; nothing where it is not theirs.
    /// fn find(principal: &Principal, id: &str) -> Option<u64> {
    ///     principal.open("task", id)?.try_into().ok().map(u64::from_be_bytes)
    /// }
    /// ```
    pub fn seal(&self, purpose: &str, payload: &[u8]) -> String {
        let mut sealed = URL_SAFE_NO_PAD.encode(payload);
        let seal = self
            .0
            .seal
            .seal_on(Purpose::Inner(purpose), self.owner(), sealed.as_bytes());
        sealed.push_str(&seal);
        sealed
    }

    /// What was [sealed](Self::seal) for this caller and purpose. Nothing, where it is anything else: why is
    /// nobody's business.
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        let text = self
            .0
            .seal
            .open(Purpose::Inner(purpose), self.owner(), sealed.as_bytes())
            .ok()?;
        URL_SAFE_NO_PAD.decode(text).ok()
    }

    pub(crate) fn grant(&self) -> Grant<'_> {
        Grant {
            scopes: self.scopes(),
        }
    }

    /// What the log calls the token: its `jti`, or else the beginning of its hash.
    pub(crate) fn logged_token_id(&self) -> String {
        let jti = self.token_id().filter(|jti| is_shown_whole(jti));
        match (jti, &self.0.hash) {
            (Some(jti), _) => jti.to_owned(),
            (None, hash) => hash.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// For whom something of theirs is sealed.
    pub(crate) fn owner(&self) -> Owner<'_> {
        let (kind, name) = match self.name() {
            Some((Kind::User, name)) => (OwnerKind::User, name.as_bytes()),
            Some((Kind::Machine, name)) => (OwnerKind::Machine, name.as_bytes()),
            None => (
                OwnerKind::Token,
                self.0.hash.as_deref().map_or(&[][..], TokenHash::as_bytes),
            ),
        };
        Owner {
            kind,
            issuer: self.issuer(),
            name,
        }
    }

    fn name(&self) -> Option<(Kind, &str)> {
        match (self.is_machine(), self.subject(), self.client_id()) {
            (true, _, client) => Some((Kind::Machine, client?)),
            (false, subject, _) => Some((Kind::User, subject?)),
        }
    }

    pub(crate) fn binding(&self) -> Binding {
        self.0.binding
    }

    pub(crate) fn expiry(&self) -> Option<Timestamp> {
        self.0.expires_at
    }

    pub(super) fn issued_at(&self) -> Option<Timestamp> {
        self.0.issued_at
    }

    /// Roughly how many bytes it holds on to.
    pub(crate) fn weight(&self) -> usize {
        let facts = &*self.0;
        let texts = [
            &facts.subject,
            &facts.client_id,
            &facts.actor,
            &facts.token_id,
        ];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        let audience = facts
            .audience
            .iter()
            .map(|text| text.len() + size_of::<String>())
            .sum::<usize>();
        let scopes = facts
            .scopes
            .iter()
            .map(|scope| scope.len() + SCOPE_OVERHEAD_BYTES)
            .sum::<usize>();
        size_of::<PrincipalParts>() + facts.claims.len() + texts + audience + scopes
    }

    pub(crate) fn request_prefix(&self) -> &str {
        &self.0.request_prefix
    }
}

/// Names who it is, and shows no claim: claims are personal data, and logs are not the place for them.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .field("client_id", &self.client_id())
            .field("scopes", self.scopes())
            .finish_non_exhaustive()
    }
}

/// Who a caller is, across tokens: (issuer, subject) for a user, (issuer, client) for a machine.
///
/// Two issuers' subjects never collide, nor does a user with the client that happens to have its name.
/// A refreshed token of the same caller has the same identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    issuer: Arc<str>,
    kind: Kind,
    name: Arc<str>,
}

impl Identity {
    /// The issuer whose word it is.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether it is a client on its own, and no user.
    pub fn is_machine(&self) -> bool {
        self.kind == Kind::Machine
    }

    /// The subject, or for a machine the client id. To store an identity, store all three.
    pub fn name(&self) -> &str {
        &self.name
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    User,
    Machine,
}

/// The claims do not fit the type they were asked for as.
#[derive(Debug, thiserror::Error)]
#[error("the claims do not have the shape asked for")]
pub struct ClaimsError(#[source] serde_json::Error);
