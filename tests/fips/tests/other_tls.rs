//! A process that has chosen another TLS than that of the FIPS module.

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, default_provider};
use toolgate::ConfigProblemKind;
use toolgate_fips::gate;

#[test]
fn no_gate_is_built_if_tls_to_authorization_servers_is_not_in_fips_mode() {
    let with_chacha = CryptoProvider {
        cipher_suites: ALL_CIPHER_SUITES.to_vec(),
        ..default_provider()
    };
    with_chacha.install_default().unwrap();
    let error = gate("https://auth.example.com").build().unwrap_err();
    let [problem] = error.problems() else {
        panic!("{error}");
    };
    assert_eq!(problem.field(), "(the feature `fips`)");
    assert_eq!(problem.kind(), ConfigProblemKind::NotAllowed);
    assert!(problem.fix().contains("default_fips_provider"), "{error}");
}
