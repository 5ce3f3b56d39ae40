//! The field `certificate` of the `[holder]` table: where client certificates come from.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::proxy_header::proxy_header;
use crate::config_error::{ConfigProblem, Flawed, Problems};
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
        let name = problems.keep(proxy_header(
            "holder.certificate.header",
            header.as_deref(),
            "client certificates",
        ));
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
