//! Discovery: the URLs at which an issuer may publish its metadata, and the checks of the document.

use std::sync::Arc;

use super::at_url::AtUrl;
use super::fetch::Fetcher;
use super::state::Fetched;
use super::unavailable::{MetadataError, NoMetadata, Unavailable};
use crate::clock::Timestamp;
use crate::jose::Object;
use crate::resource_uri::HttpUrl;

/// The place of a key set or an endpoint of an issuer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// Named in the issuer's metadata, which is at the first of these URLs that serves it.
    Discovered(Vec<String>),
    /// At this URL.
    At(String),
}

/// Lists the well-known URLs of an issuer's metadata, in the order in which MCP clients try them: RFC 8414 with the path of the
/// issuer after the well-known part, OpenID Connect likewise, and OpenID Connect with the well-known part after the path.
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

/// Fetches the issuer's metadata and returns the URL in one of its members. After any failure it tries the next URL of the
/// metadata; the error contains all failures.
pub(crate) async fn discover(
    urls: &[String],
    issuer: &str,
    member: &'static str,
    fetcher: &Fetcher,
    now: Timestamp,
) -> Result<Fetched<String>, Unavailable> {
    let mut failures = Vec::new();
    for url in urls {
        let read = async {
            let document = fetcher.get(url, now).await?;
            Ok(Fetched {
                item: endpoint(&document.bytes, issuer, member)?,
                lifetime: document.lifetime,
                age: document.age,
            })
        };
        match read.await {
            Ok(fetched) => return Ok(fetched),
            Err(why) => failures.push(AtUrl::new(url, why)),
        }
    }
    Err(Unavailable::NoMetadata(Arc::new(NoMetadata(failures))))
}

/// Parses the metadata of `issuer` and returns the URL in the member.
fn endpoint(document: &[u8], issuer: &str, member: &'static str) -> Result<String, MetadataError> {
    let document = Object::read(document)?;
    // RFC 8414 §3.3: it must be identical, or the keys of another issuer would verify tokens of this one.
    match document.text_of("issuer") {
        Some(named) if named == issuer => {}
        Some(named) => return Err(MetadataError::OtherIssuer(on_one_line(named))),
        None => return Err(MetadataError::OtherIssuer("it names none".to_owned())),
    }
    let url = document
        .text_of(member)
        .ok_or(MetadataError::Lacks(member))?;
    let parsed = HttpUrl::parse(url).map_err(|why| MetadataError::Unfit(member, why))?;
    // Another program on this machine may listen there, and would receive tokens and our secret.
    if !parsed.is_https() && HttpUrl::parse(issuer).map_or(true, |issuer| issuer.is_https()) {
        return Err(MetadataError::Unfit(
            member,
            "the metadata of an https issuer names https URLs only",
        ));
    }
    Ok(url.to_owned())
}

/// Escapes and truncates text from the network.
fn on_one_line(text: &str) -> String {
    const LONGEST: usize = 200;
    text.chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect()
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
        let jwks_uri = |document: &[u8], issuer| endpoint(document, issuer, "jwks_uri");
        let document = br#"{"issuer":"https://as.example","jwks_uri":"https://keys.example/jwks"}"#;
        assert_eq!(
            jwks_uri(document, "https://as.example").unwrap(),
            "https://keys.example/jwks"
        );
        for other in [
            "https://as.example/",
            "https://AS.example",
            "https://as.example:443",
        ] {
            assert!(
                matches!(
                    jwks_uri(document, other),
                    Err(MetadataError::OtherIssuer(_))
                ),
                "{other}"
            );
        }
        assert!(matches!(
            jwks_uri(b"<html>", "https://as.example"),
            Err(MetadataError::Unreadable(_))
        ));
        assert!(matches!(
            jwks_uri(br#"{"issuer":"x"}"#, "x"),
            Err(MetadataError::Lacks("jwks_uri"))
        ));
        let plain = br#"{"issuer":"x","jwks_uri":"http://keys.example/jwks"}"#;
        assert!(matches!(
            jwks_uri(plain, "x"),
            Err(MetadataError::Unfit("jwks_uri", _))
        ));
    }

    #[test]
    fn an_https_issuer_names_https_urls_only() {
        let names = |issuer: &str, url: &str| {
            ["jwks_uri", "introspection_endpoint"].map(|member| {
                let document = serde_json::json!({ "issuer": issuer, member: url }).to_string();
                endpoint(document.as_bytes(), issuer, member).is_ok()
            })
        };
        for plain in [
            "http://127.0.0.1:8080/x",
            "http://localhost/x",
            "http://[::1]/x",
        ] {
            assert_eq!(names("https://as.example", plain), [false; 2], "{plain}");
            assert_eq!(
                names("https://127.0.0.1:8443", plain),
                [false; 2],
                "{plain}"
            );
            assert_eq!(names("http://127.0.0.1:4000", plain), [true; 2], "{plain}");
        }
        assert_eq!(
            names("https://as.example", "https://127.0.0.1/x"),
            [true; 2]
        );
        assert_eq!(
            names("http://127.0.0.1:4000", "https://as.example/x"),
            [true; 2]
        );
    }
}
