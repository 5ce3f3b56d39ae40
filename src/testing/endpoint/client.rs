use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::client_document;
use super::redirect_uri;
use crate::digest::sha256;
use crate::testing::random::random_text;
use crate::testing::shared::Shared;

/// A party that asks for tokens.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) name: Option<String>,
    redirect_uris: Vec<String>,
    secret_hash: Option<String>,
    /// Whether it registered to prove a key in each of its token requests.
    pub(super) dpop_bound: bool,
    /// Whether the builder was given the client: then it may introspect, and get tokens of its own.
    pub(super) trusted: bool,
}

/// The registration, which the client's id contains. So the server need not store it, and a client that kept its id need
/// not register again after a restart. Forging one gains nothing, since anyone may register.
#[derive(Serialize, Deserialize)]
struct Registration {
    redirect_uris: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    secret_hash: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    dpop_bound: bool,
    /// Makes two registrations two clients, even with equal metadata.
    nonce: String,
}

const REGISTERED_PREFIX: &str = "registered.";

impl Client {
    /// The client with this id, from its registration, the builder or its document.
    pub(super) async fn find(shared: &Shared, id: &str) -> Result<Self, String> {
        if let Some(client) = Self::known(shared, id) {
            return Ok(client);
        }
        let Some(address) = client_document::address(id) else {
            return Err(
                "The client_id is unknown here: neither registered nor the https URL of a document.".into()
            );
        };
        let document = client_document::fetch(address, id).await?;
        Ok(Self {
            name: document.client_name,
            redirect_uris: document.redirect_uris,
            dpop_bound: document.dpop_bound_access_tokens,
            ..Self::unregistered(id)
        })
    }

    /// The client with this id, if no request is needed to know it.
    pub(super) fn known(shared: &Shared, id: &str) -> Option<Self> {
        let confidential = &shared.settings.confidential_clients;
        if let Some((_, secret)) = confidential.iter().find(|(known, _)| known == id) {
            return Some(Self {
                secret_hash: Some(hash(secret)),
                trusted: true,
                ..Self::unregistered(id)
            });
        }
        let registration = URL_SAFE_NO_PAD
            .decode(id.strip_prefix(REGISTERED_PREFIX)?)
            .ok()?;
        let Registration {
            redirect_uris,
            name,
            secret_hash,
            dpop_bound,
            ..
        } = serde_json::from_slice(&registration).ok()?;
        Some(Self {
            name,
            redirect_uris,
            secret_hash,
            dpop_bound,
            ..Self::unregistered(id)
        })
    }

    /// The client for the token endpoint, which needs no redirect URI and so fetches no document.
    pub(super) fn known_or_documented(shared: &Shared, id: &str) -> Option<Self> {
        Self::known(shared, id)
            .or_else(|| client_document::address(id).map(|_| Self::unregistered(id)))
    }

    /// Registers a client: returns its id, and its secret if it is confidential.
    pub(super) fn register(
        redirect_uris: Vec<String>,
        name: Option<String>,
        confidential: bool,
        dpop_bound: bool,
    ) -> (String, Option<String>) {
        let secret = confidential.then(random_text::<24>);
        let registration = Registration {
            redirect_uris,
            name,
            secret_hash: secret.as_deref().map(hash),
            dpop_bound,
            nonce: random_text::<6>(),
        };
        let text = serde_json::to_vec(&registration).expect("a registration is JSON");
        (
            format!("{REGISTERED_PREFIX}{}", URL_SAFE_NO_PAD.encode(text)),
            secret,
        )
    }

    /// The redirect URI of a request: the one that it names, if the client registered it, or else the only registered one.
    pub(super) fn redirect_uri(&self, asked: Option<&str>) -> Result<String, String> {
        match (asked, self.redirect_uris.as_slice()) {
            (Some(asked), registered) => {
                let fits = registered
                    .iter()
                    .any(|registered| redirect_uri::fits(registered, asked));
                if fits && redirect_uri::defect(asked).is_none() {
                    return Ok(asked.to_owned());
                }
                Err(format!(
                    "The redirect_uri {asked} is not one of the client's: {}.",
                    registered.join(", ")
                ))
            }
            (None, [only]) if redirect_uri::defect(only).is_none() => Ok(only.clone()),
            (None, _) => Err("The redirect_uri is missing.".into()),
        }
    }

    /// Whether this is the secret of the client; `None` for a public client.
    pub(super) fn is_proved_by(&self, secret: Option<&str>) -> bool {
        self.secret_hash == secret.map(hash)
    }

    /// Whether it has no secret.
    pub(super) fn is_public(&self) -> bool {
        self.secret_hash.is_none()
    }

    /// The URL of the document that describes the client, if there is one.
    pub(super) fn documented_by(&self) -> Option<Url> {
        client_document::address(&self.id)
    }

    fn unregistered(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: None,
            redirect_uris: Vec::new(),
            secret_hash: None,
            dpop_bound: false,
            trusted: false,
        }
    }
}

fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(secret.as_bytes()))
}
