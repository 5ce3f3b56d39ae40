//! Verifies signed introspection responses (RFC 9701): only the issuer can have made one, for this server, just now.
//!
//! The type in its header keeps it apart from every other JWT that the issuer signs: an access token is no response, and a
//! response is no access token (§8.1).

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::failure::IntrospectionFailure;
use super::fetch::Answered;
use super::keys::KeySource;
use super::not_verified::NotVerified;
use super::response::{IntrospectionResponse, check_status};
use crate::clock::Timestamp;
use crate::events::clean;
use crate::jose::{Algorithms, Header, Json, Jws, Object, is_type};
use crate::refusal::RefusalKind;
use crate::resource_uri::ResourceUri;

/// The media type of a signed response (§4).
pub(super) const SIGNED_RESPONSE: &str = "application/token-introspection+jwt";

/// Its `typ` (§5).
const TYPE: &str = "token-introspection+jwt";

/// Verifies the signed responses of one issuer.
pub(crate) struct ResponseVerifier {
    pub(crate) issuer: Arc<str>,
    pub(crate) keys: Arc<KeySource>,
    pub(crate) algorithms: Algorithms,
    /// The client that this server is at the issuer, if it has a name there.
    pub(crate) client_id: Option<String>,
    /// The names of this resource.
    pub(crate) names: Arc<[Arc<ResourceUri>]>,
    pub(crate) leeway: Duration,
}

impl ResponseVerifier {
    /// Verifies a response to a request that was sent at `asked_at`. Of its claims only those in `token_introspection` are
    /// about the token.
    pub(super) async fn read(
        &self,
        answered: &Answered,
        asked_at: Timestamp,
        arrived: Timestamp,
    ) -> Result<IntrospectionResponse, IntrospectionFailure> {
        check_status(answered)?;
        if !answered.is(SIGNED_RESPONSE) {
            let line = answered.content_type.as_ref();
            let got = line.map_or("missing".to_owned(), |line| {
                clean(&String::from_utf8_lossy(line.as_bytes()))
            });
            return Err(NotVerified::other("Content-Type", got, SIGNED_RESPONSE).into());
        }
        let payload = self.verified_payload(&answered.bytes).await?;
        let claims =
            Object::read(&payload).map_err(|why| NotVerified::Unreadable("payload", why))?;
        // The clock of a server may count whole seconds.
        let asked_at = Timestamp::from_seconds(asked_at.seconds().floor()).unwrap_or(asked_at);
        self.validate(&claims, asked_at..arrived)?;
        match claims.get("token_introspection") {
            Some(Json::Object(response)) => {
                let text = response.to_string();
                IntrospectionResponse::of(response.clone().into_owned(), text)
            }
            other => {
                let got = NotVerified::shown(other);
                Err(NotVerified::other("token_introspection", got, "an object").into())
            }
        }
    }

    async fn verified_payload(&self, response: &[u8]) -> Result<Vec<u8>, IntrospectionFailure> {
        let text = std::str::from_utf8(response.trim_ascii()).unwrap_or_default();
        let jws = Jws::cut(text).map_err(NotVerified::from)?;
        let jws = jws.ok_or(NotVerified::NotAJwt)?;
        let members = jws.header().map_err(NotVerified::from)?;
        let members = members.ok_or(NotVerified::NotAJwt)?;
        if !members.text_of("typ").is_some_and(|typ| is_type(typ, TYPE)) {
            let got = NotVerified::shown(members.get("typ"));
            return Err(NotVerified::other("typ", got, TYPE).into());
        }
        let header = Header::read(&members, &self.algorithms).map_err(NotVerified::from)?;
        let signature = jws.signature().map_err(NotVerified::from)?;
        let signed = jws.signed.as_bytes();
        // Its `iat` is now, so a key that is unknown may always be new.
        let proved = self.keys.prove(&header, signed, &signature, None).await;
        proved.map_err(|refusal| match refusal.kind() {
            RefusalKind::Unavailable => IntrospectionFailure::NoKeys(refusal),
            _ => NotVerified::by_key(&refusal).into(),
        })?;
        Ok(jws.payload().map_err(NotVerified::from)?)
    }

    /// Validates the claims about the response itself (§5). The time is that from the request to the response.
    fn validate(&self, claims: &Object<'_>, time: Range<Timestamp>) -> Result<(), NotVerified> {
        let other = |name, expected: String| {
            NotVerified::other(name, NotVerified::shown(claims.get(name)), expected)
        };
        if claims.text_of("iss") != Some(&self.issuer) {
            return Err(other("iss", self.issuer.to_string()));
        }
        let audience = match claims.get("aud") {
            Some(Json::List(list)) => list.as_slice(),
            one => one.map_or(&[][..], std::slice::from_ref),
        };
        if !audience.iter().any(|one| self.is_named_by(one)) {
            let got = match audience {
                [] => NotVerified::shown(None),
                [one, ..] => NotVerified::shown(Some(one)),
            };
            let named = self.client_id.as_deref().into_iter();
            let names: Vec<_> = named
                .chain(self.names.iter().map(|name| name.as_str()))
                .collect();
            return Err(NotVerified::other("aud", got, names.join(" or ")));
        }
        let at = |name| match claims.number(name) {
            Ok(seconds) => Ok(seconds.and_then(Timestamp::from_seconds)),
            Err(_) => Err(other(name, "a number".to_owned())),
        };
        let (issued_at, expires_at, not_before) = (at("iat")?, at("exp")?, at("nbf")?);
        // A response that was made for an earlier request may be out of date.
        let (earliest, latest) = (time.start.minus(self.leeway), time.end.plus(self.leeway));
        if !issued_at.is_some_and(|made| earliest <= made && made <= latest) {
            let got = issued_at.map_or("missing".to_owned(), |made| made.to_string());
            let expected = format!("about the time of the request, {}", time.start);
            return Err(NotVerified::other("iat", got, expected));
        }
        if expires_at.is_some_and(|end| time.end >= end.plus(self.leeway))
            || not_before.is_some_and(|start| start > latest)
        {
            return Err(NotVerified::NotValidNow);
        }
        Ok(())
    }

    /// Whether this value of `aud` is this server: its client id there, or a name of its resource.
    fn is_named_by(&self, audience: &Json<'_>) -> bool {
        matches!(audience, Json::Text(audience)
            if self.client_id.as_deref() == Some(audience)
                || self.names.iter().any(|name| name.is_named_by(audience)))
    }
}
