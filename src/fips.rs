//! The feature `fips`: whether the process does its cryptography in a FIPS module.

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;

use crate::config_error::ConfigProblem;

const FIELD: &str = "(the feature `fips`)";

/// Checks AWS-LC, and what TLS to authorization servers will use. A feature of Cargo can say only what was compiled: another
/// library may have been linked, and the process may have installed another provider for TLS.
pub(crate) fn check() -> Result<(), ConfigProblem> {
    if aws_lc_rs::try_fips_mode().is_err() {
        let fix = "the AWS-LC that is linked is not a FIPS module: link one that is";
        return Err(ConfigProblem::not_allowed(FIELD, fix));
    }
    // reqwest chooses in the same way.
    let is_fips =
        CryptoProvider::get_default().map_or_else(|| default_provider().fips(), |own| own.fips());
    if !is_fips {
        let fix = "the process has a CryptoProvider of rustls that is not in FIPS mode: install \
                   `rustls::crypto::default_fips_provider()`, or none";
        return Err(ConfigProblem::not_allowed(FIELD, fix));
    }
    Ok(())
}
