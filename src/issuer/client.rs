//! The client that this resource server is at the introspection endpoint, and its authentication there (RFC 7662 §2.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::{Serializer, byte_serialize};
use http::HeaderValue;
use serde_json::json;

use super::failure::IntrospectionFailure;
use super::fetch::Form;
use crate::clock::Timestamp;
use crate::jose::{SigningKey, unique_id};
use crate::secret_source::SecretSource;

/// A client, with one of the authentication methods of RFC 6749 §2.3, RFC 6750 and RFC 7523.
pub(crate) enum Client {
    Basic {
        id: String,
        secret: SecretSource<String>,
    },
    Post {
        id: String,
        secret: SecretSource<String>,
    },
    Bearer {
        secret: SecretSource<String>,
    },
    PrivateKeyJwt(AssertionSigner),
    Unauthenticated {
        id: String,
    },
}

/// Signs client assertions for `private_key_jwt`.
pub(crate) struct AssertionSigner {
    pub(crate) client_id: String,
    pub(crate) audience: String,
    pub(crate) key: SecretSource<SigningKey>,
}

/// The lifetime of an assertion: it is used at once, but clocks differ.
const ASSERTION_SECONDS: i64 = 60;

impl AssertionSigner {
    /// Makes a new assertion (RFC 7523 §3). `None` only if the cryptography fails.
    async fn assertion(&self, now: Timestamp) -> Option<String> {
        let now = now.seconds() as i64;
        self.key.current().await.jwt(&json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "jti": unique_id()?,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }))
    }
}

/// The value of `client_assertion_type` (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Client {
    /// The client id; `None` if the client has only a secret.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Basic { id, .. } | Self::Post { id, .. } | Self::Unauthenticated { id } => {
                Some(id)
            }
            Self::PrivateKeyJwt(signer) => Some(&signer.client_id),
            Self::Bearer { .. } => None,
        }
    }

    /// Makes an introspection request for a token, with the authentication of this client.
    pub(super) async fn form(
        &self,
        token: &str,
        accept: &'static str,
        now: Timestamp,
    ) -> Result<Form, IntrospectionFailure> {
        let mut authorization = None;
        let proof = match self {
            Self::Basic { id, secret } => {
                authorization = Some(basic(id, &secret.current().await)?);
                Vec::new()
            }
            Self::Bearer { secret } => {
                authorization = Some(sensitive(format!("Bearer {}", secret.current().await))?);
                Vec::new()
            }
            Self::Post { id, secret } => {
                vec![
                    ("client_id", id.clone()),
                    ("client_secret", secret.current().await.to_string()),
                ]
            }
            Self::PrivateKeyJwt(signer) => {
                let assertion = signer.assertion(now).await;
                vec![
                    ("client_id", signer.client_id.clone()),
                    ("client_assertion_type", ASSERTION_TYPE.to_owned()),
                    (
                        "client_assertion",
                        assertion.ok_or(IntrospectionFailure::Unsigned)?,
                    ),
                ]
            }
            Self::Unauthenticated { id } => vec![("client_id", id.clone())],
        };
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .extend_pairs(proof);
        Ok(Form {
            accept,
            body: form.finish(),
            authorization,
        })
    }
}

/// Makes Basic credentials. Id and secret are form-encoded before they are joined (RFC 6749 §2.3.1), so that a colon or an
/// umlaut survives.
fn basic(id: &str, secret: &str) -> Result<HeaderValue, IntrospectionFailure> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    sensitive(format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)))
    ))
}

fn sensitive(text: String) -> Result<HeaderValue, IntrospectionFailure> {
    let mut value = HeaderValue::try_from(text).map_err(|_| IntrospectionFailure::Unsigned)?;
    value.set_sensitive(true);
    Ok(value)
}
