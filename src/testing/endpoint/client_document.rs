use std::time::Duration;

use reqwest::{Client, StatusCode, Url, redirect};
use serde::Deserialize;

use super::host;
use super::redirect_uri;

/// The time that the fetch of a client's document may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The size that a client's document may have.
const MAX_BYTES: usize = 64 * 1024;

/// The metadata of a client, at the URL that is its id (OAuth Client ID Metadata Document).
#[derive(Debug, Deserialize)]
pub(super) struct ClientDocument {
    client_id: String,
    #[serde(default)]
    pub(super) client_name: Option<String>,
    pub(super) redirect_uris: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    pub(super) dpop_bound_access_tokens: bool,
}

/// The address of the document, for a client id that is one: https, or http on a loopback host, with a path.
pub(super) fn address(client_id: &str) -> Option<Url> {
    let url = Url::parse(client_id).ok()?;
    let encrypted = url.scheme() == "https" || (url.scheme() == "http" && host::is_loopback(&url));
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    // A text that the parser changes (dot segments, a missing path) is not a valid client id.
    (encrypted && bare && url.path() != "/" && url.as_str() == client_id).then_some(url)
}

pub(super) async fn fetch(address: Url, client_id: &str) -> Result<ClientDocument, String> {
    let bytes = read(address).await.map_err(|problem| {
        format!("The client's document at {client_id} cannot be fetched: {problem}.")
    })?;
    parse(&bytes, client_id).map_err(|problem| {
        format!("The client's document at {client_id} cannot be used: {problem}.")
    })
}

async fn read(address: Url) -> Result<Vec<u8>, String> {
    let mut client = Client::builder()
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::none());
    if host::is_loopback(&address) {
        client = client.no_proxy();
    }
    let text = |error: reqwest::Error| error.to_string();
    let request = client
        .build()
        .map_err(text)?
        .get(address)
        .header("accept", "application/json");
    let mut response = request.send().await.map_err(text)?;
    if response.status() != StatusCode::OK {
        return Err(format!("the answer is {}", response.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(text)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BYTES {
            return Err(format!("it is longer than {MAX_BYTES} bytes"));
        }
    }
    Ok(bytes)
}

fn parse(bytes: &[u8], client_id: &str) -> Result<ClientDocument, String> {
    let document: ClientDocument =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if document.client_id != client_id {
        return Err(format!(
            "its client_id is {}, not its own URL",
            document.client_id
        ));
    }
    if document
        .token_endpoint_auth_method
        .as_deref()
        .is_some_and(|method| method != "none")
    {
        return Err(
            "its token_endpoint_auth_method is not none, the only method for such a client here"
                .into(),
        );
    }
    if let Some((uri, defect)) = document
        .redirect_uris
        .iter()
        .find_map(|uri| Some((uri, redirect_uri::defect(uri)?)))
    {
        return Err(format!("its redirect URI {uri} {defect}"));
    }
    Ok(document)
}
