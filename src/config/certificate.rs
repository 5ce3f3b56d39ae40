//! The field `certificate` of the `[holder]` table: where client certificates come from.

use std::fmt;

use http::HeaderName;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::config_error::{ConfigProblem, Flawed, Problems};
use crate::header_name::is_reserved;
use crate::holder::{CertificateFormat, CertificateHeader, CertificateSource};
use crate::network::Network;

/// A word, or the header of a proxy.
#[derive(Debug, Clone)]
pub(super) enum CertificateSetting {
    Word(String),
    Header(HeaderTable),
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderTable {
    header: Option<String>,
    format: Option<CertificateFormat>,
}

const OFF: &str = "off";
const TLS: &str = "tls";
const EXPECTED: &str = r#""off", "tls" or { header = "client-cert", format = "rfc9440" }"#;

impl CertificateSetting {
    pub(super) fn tls() -> Self {
        Self::Word(TLS.to_owned())
    }

    pub(super) fn header(name: String, format: CertificateFormat) -> Self {
        Self::Header(HeaderTable {
            header: Some(name),
            format: Some(format),
        })
    }

    pub(super) fn is_off(&self) -> bool {
        matches!(self, Self::Word(word) if word == OFF)
    }

    /// Checks the setting. `peers` are those that are listed.
    pub(super) fn source(
        &self,
        peers: Result<Vec<Network>, Flawed>,
        problems: &mut Problems,
    ) -> Result<CertificateSource, Flawed> {
        let HeaderTable { header, format } = match self {
            Self::Word(word) => {
                peers?;
                return match word.as_str() {
                    OFF => Ok(CertificateSource::Off),
                    TLS => Ok(CertificateSource::Tls),
                    word => {
                        let fix = format!("write {EXPECTED}");
                        let problem = ConfigProblem::not_allowed("holder.certificate", fix);
                        Err(problems.add(problem.showing(word)))
                    }
                };
            }
            Self::Header(table) => table,
        };
        let name = problems.keep(name_of(header.as_deref()));
        let format = problems.keep(format.ok_or_else(|| {
            let fix = "write the format of the header: rfc9440, xfcc or nginx_escaped_pem";
            ConfigProblem::missing("holder.certificate.format", fix)
        }));
        let peers = peers.and_then(|peers| match peers.is_empty() {
            false => Ok(peers),
            true => {
                let fix = "list the proxies that write the header of holder.certificate: of any other peer it could be \
                           forged";
                Err(problems.add(ConfigProblem::missing("peers.listed", fix)))
            }
        });
        Ok(CertificateSource::Header(CertificateHeader {
            name: name?,
            format: format?,
            peers: peers?,
        }))
    }
}

impl Default for CertificateSetting {
    fn default() -> Self {
        Self::Word(OFF.to_owned())
    }
}

/// Reads the name of a header of a proxy's own.
fn name_of(text: Option<&str>) -> Result<HeaderName, ConfigProblem> {
    const FIELD: &str = "holder.certificate.header";
    let Some(text) = text else {
        let fix = "write the name of the header in which your proxy forwards client certificates";
        return Err(ConfigProblem::missing(FIELD, fix));
    };
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let not_allowed = |fix| Err(ConfigProblem::not_allowed(FIELD, fix).showing(text));
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) if is_reserved(name.as_str()) => {
            not_allowed("this name has another meaning: write a name such as client-cert")
        }
        // Proxies drop other names, or change them.
        Ok(name) if text.bytes().all(is_of_name) => Ok(name),
        _ => not_allowed("write a name of letters, digits and hyphens, such as client-cert"),
    }
}

impl<'de> Deserialize<'de> for CertificateSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CertificateVisitor;

        impl<'de> Visitor<'de> for CertificateVisitor {
            type Value = CertificateSetting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            // A text may stand in for a variable, so the word is checked later.
            fn visit_str<E>(self, word: &str) -> Result<CertificateSetting, E> {
                Ok(CertificateSetting::Word(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CertificateSetting, A::Error> {
                HeaderTable::deserialize(MapAccessDeserializer::new(map))
                    .map(CertificateSetting::Header)
            }
        }

        deserializer.deserialize_any(CertificateVisitor)
    }
}
