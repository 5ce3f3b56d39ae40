//! The verified caller, as handlers see it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;

use super::identity::{Identity, Kind};
use super::token_hash::{TokenHash, is_shown_whole};
use crate::binding::Binding;
use crate::clock::Timestamp;
use crate::grant::Grant;
use crate::login::Login;
use crate::scope::Scopes;
use crate::seal::{Owner, OwnerKind, Purpose, Seal};

/// The verified caller of a request.
///
/// The gate puts it into the extensions of every request with a token that reaches the inner service. A request that was let
/// in [without a token](crate::without_token) has none. Only a gate can make one.
///
/// It does not contain the token. A server that passes its caller's token on to another server lets that server act as the
/// caller, which the MCP specification forbids. `Debug` shows issuer, subject, client and scopes, and no other claim.
///
/// A clone is cheap.
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
    /// The hash of the token; only if its claims name no owner, or have no id that the log can show.
    pub(crate) hash: Option<Box<TokenHash>>,
    pub(crate) subject: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) is_machine: bool,
    pub(crate) actor: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) scopes: Scopes,
    /// `None` if the token says nothing of a login, as most do.
    pub(crate) login: Option<Box<Login>>,
    pub(crate) audience: Vec<String>,
    pub(crate) issued_at: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) claims: String,
}

/// The memory that a scope takes besides its text: two counters, its place in a list that grows by doubling, and rounding by
/// the allocator. Measured.
const SCOPE_OVERHEAD_BYTES: usize = 64;

impl Principal {
    pub(super) fn new(facts: PrincipalParts) -> Self {
        Self(Arc::new(facts))
    }

    /// The identity of the caller, for comparing and storing. It is the same for all tokens of one caller.
    ///
    /// `None` if the token names neither a subject nor a client: two such callers cannot be told apart, so they must not be
    /// taken for one.
    pub fn identity(&self) -> Option<Identity> {
        let (kind, name) = self.name()?;
        Some(Identity::new(self.0.issuer.clone(), kind, name))
    }

    /// The issuer of the token, exactly as configured.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The `sub` claim. It is unique only together with the [`issuer`](Self::issuer): two issuers may both have a user
    /// `42`. To compare or store callers, use [`identity`](Self::identity).
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// The OAuth client to which the token was issued. `None` if no claim names it.
    pub fn client_id(&self) -> Option<&str> {
        self.0.client_id.as_deref()
    }

    /// Whether the caller is a client without a user: the token names a client, and its subject is this client or is
    /// absent. With the preset `auth0`, the subject may also be the client id followed by `@clients`. `false` if the
    /// token names no client.
    pub fn is_machine(&self) -> bool {
        self.0.is_machine
    }

    /// The party that acts on behalf of the subject: the outermost actor in the `act` claim. RFC 8693 §4.1 allows only
    /// this one to be used for a decision. `None` without delegation.
    pub fn actor(&self) -> Option<&str> {
        self.0.actor.as_deref()
    }

    /// The scopes that the token grants, as its issuer wrote them. Scopes that
    /// [`ScopeMap::implies`](crate::ScopeMap::implies) adds are not among them.
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// The token's audiences. Empty only if the operator allows tokens without one.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        self.0.audience.iter().map(String::as_str)
    }

    /// When the token expires, without leeway. `None` only for an introspected opaque token whose issuer does not say
    /// when it expires.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at.map(Timestamp::to_system_time)
    }

    /// The `jti` claim: the id of the token, which not every issuer sets.
    pub fn token_id(&self) -> Option<&str> {
        self.0.token_id.as_deref()
    }

    /// The `acr` claim: the authentication context class that the login of the user satisfied. Each issuer has values of
    /// its own. See [`docs::step_up`](crate::docs::step_up).
    pub fn acr(&self) -> Option<&str> {
        self.login()?.acr.as_deref()
    }

    /// The `amr` claim: the methods by which the user logged in (RFC 8176). Empty if the issuer does not name them.
    pub fn amr(&self) -> impl Iterator<Item = &str> {
        let methods = self.login().map(|login| login.amr.as_slice());
        methods.unwrap_or_default().iter().map(String::as_str)
    }

    /// The `auth_time` claim: when the user logged in. `None` if the issuer does not say.
    pub fn auth_time(&self) -> Option<SystemTime> {
        self.login()?.auth_time.map(Timestamp::to_system_time)
    }

    /// The `sid` claim: the id of the session at the issuer. It is unique only together with the
    /// [`issuer`](Self::issuer).
    pub fn sid(&self) -> Option<&str> {
        self.login()?.sid.as_deref()
    }

    /// Deserialises the claims of the JWT, of the introspection response, or of both. If both have a claim, the value
    /// in the response is used. Claims that the type does not name are ignored. Each call parses the claims anew.
    ///
    /// # Errors
    /// If the claims do not fit the type: a required one is absent, or one is of another type.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, ClaimsError> {
        serde_json::from_str(&self.0.claims).map_err(ClaimsError)
    }

    /// Seals a value that a client keeps and sends back, such as a task id, a `requestState` or a subscription id, so
    /// that only this caller can use it. [`open`](Self::open) returns the payload to the same caller, also with another
    /// token. If the token names neither a subject nor a client, it returns the payload only with the same token.
    ///
    /// A value that was sealed for one purpose does not open for another, nor at the gate of another resource. The
    /// payload is authenticated and not encrypted: the client can read the payload but cannot change it. A sealed value
    /// does not expire: put a time into the payload if it should. It can be opened as long as the key is in use: see
    /// [`Sessions::key`](crate::Sessions::key).
    ///
    /// ```
    /// # use toolgate::Principal;
    /// fn start(principal: &Principal, task: u64) -> String {
    ///     principal.seal("task", &task.to_be_bytes())
    /// }
    ///
    /// /// The number of a task of this caller; `None` for any other id.
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

    /// Returns the payload that was [sealed](Self::seal) for this caller and purpose.
    ///
    /// `None` for any other value: if it was sealed for another caller, purpose or resource, or with a key that is no
    /// longer in use, or if it was not sealed at all. The result deliberately does not say which.
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        let text = self
            .0
            .seal
            .open(Purpose::Inner(purpose), self.owner(), sealed.as_bytes())
            .ok()?;
        URL_SAFE_NO_PAD.decode(text).ok()
    }

    pub(crate) fn grant(&self, now: Timestamp) -> Grant<'_> {
        Grant {
            scopes: self.scopes(),
            login: self.login(),
            is_machine: self.is_machine(),
            now,
        }
    }

    fn login(&self) -> Option<&Login> {
        self.0.login.as_deref()
    }

    /// The token's id in the log: its `jti`, or else the beginning of its hash.
    pub(crate) fn logged_token_id(&self) -> String {
        let jti = self.token_id().filter(|jti| is_shown_whole(jti));
        match (jti, &self.0.hash) {
            (Some(jti), _) => jti.to_owned(),
            (None, hash) => hash.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// The owner of values that are sealed for this caller.
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

    pub(crate) fn binding(&self) -> &Binding {
        &self.0.binding
    }

    pub(crate) fn expiry(&self) -> Option<Timestamp> {
        self.0.expires_at
    }

    pub(crate) fn issued_at(&self) -> Option<Timestamp> {
        self.0.issued_at
    }

    /// The approximate memory that the principal takes, in bytes.
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
        let login = facts.login.as_ref().map_or(0, |login| {
            let texts = [&login.acr, &login.sid].into_iter().flatten();
            let methods = login
                .amr
                .iter()
                .map(|text| text.len() + size_of::<String>());
            size_of::<Login>() + texts.map(String::len).sum::<usize>() + methods.sum::<usize>()
        });
        size_of::<PrincipalParts>() + facts.claims.len() + texts + audience + scopes + login
    }

    pub(crate) fn request_prefix(&self) -> &str {
        &self.0.request_prefix
    }
}

/// Shows the caller and no other claim: claims are personal data, and do not belong in logs.
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

/// The error of [`Principal::claims`]: the claims do not fit the requested type.
///
/// Its [`source`](std::error::Error::source) says which claim does not fit, and may quote its value.
#[derive(Debug, thiserror::Error)]
#[error("the claims do not fit the requested type")]
pub struct ClaimsError(#[source] pub(super) serde_json::Error);
