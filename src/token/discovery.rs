//! Where an issuer publishes its metadata, and what of the document we believe.

use serde_json::Value;

use crate::resource_uri::HttpUrl;

/// The three forms, in the order MCP clients try them: RFC 8414 with the path behind the well-known
/// part, OpenID Connect likewise, OpenID Connect with the well-known part behind the path.
pub(crate) fn metadata_urls(issuer: &str) -> Result<Vec<String>, &'static str> {
    let url = HttpUrl::parse(issuer)?;
    if url.query.is_some() || url.fragment.is_some() {
        return Err("an issuer has no query and no fragment (RFC 8414 §2)");
    }
    let (origin, path) = (url.origin, url.path.strip_suffix('/').unwrap_or(url.path));
    let mut urls = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
        format!("{origin}{path}/.well-known/openid-configuration"),
    ];
    urls.dedup();
    Ok(urls)
}

/// Reads the document of `issuer` and takes its `jwks_uri`.
pub(crate) fn jwks_uri(document: &[u8], issuer: &str) -> Result<String, NotItsMetadata> {
    let document: Value = serde_json::from_slice(document).map_err(|_| NotItsMetadata::NotJson)?;
    let text = |name| document.get(name).and_then(Value::as_str);
    // RFC 8414 §3.3: identical, or someone else's keys would verify this issuer's tokens.
    match text("issuer") {
        Some(named) if named == issuer => {}
        Some(named) => return Err(NotItsMetadata::OtherIssuer(named.chars().take(200).collect())),
        None => return Err(NotItsMetadata::OtherIssuer("nobody".to_owned())),
    }
    let uri = text("jwks_uri").ok_or(NotItsMetadata::NoKeys)?;
    HttpUrl::parse(uri).map_err(NotItsMetadata::UnfitKeys)?;
    Ok(uri.to_owned())
}

/// Why a document found at a well-known URL says nothing about the issuer's keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotItsMetadata {
    #[error("the metadata is not JSON")]
    NotJson,
    #[error("the metadata is of another issuer: {0}")]
    OtherIssuer(String),
    #[error("the metadata has no jwks_uri")]
    NoKeys,
    #[error("the jwks_uri is unfit: {0}")]
    UnfitKeys(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_part_goes_before_the_path_twice_and_behind_it_once() {
        assert_eq!(
            metadata_urls("https://as.example/tenant/").unwrap(),
            [
                "https://as.example/.well-known/oauth-authorization-server/tenant",
                "https://as.example/.well-known/openid-configuration/tenant",
                "https://as.example/tenant/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            metadata_urls("https://as.example").unwrap(),
            [
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration",
            ]
        );
        assert!(metadata_urls("acme.com").is_err());
    }

    #[test]
    fn a_document_of_another_issuer_is_not_believed() {
        let document = br#"{"issuer":"https://as.example","jwks_uri":"https://keys.example/jwks"}"#;
        assert_eq!(jwks_uri(document, "https://as.example").as_deref(), Ok("https://keys.example/jwks"));
        for other in ["https://as.example/", "https://AS.example", "https://as.example:443"] {
            assert!(matches!(jwks_uri(document, other), Err(NotItsMetadata::OtherIssuer(_))), "{other}");
        }
        assert_eq!(jwks_uri(b"<html>", "https://as.example"), Err(NotItsMetadata::NotJson));
        assert_eq!(jwks_uri(br#"{"issuer":"x"}"#, "x"), Err(NotItsMetadata::NoKeys));
        let plain = br#"{"issuer":"x","jwks_uri":"http://keys.example/jwks"}"#;
        assert!(matches!(jwks_uri(plain, "x"), Err(NotItsMetadata::UnfitKeys(_))));
    }
}
