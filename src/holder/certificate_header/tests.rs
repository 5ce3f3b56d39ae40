use proptest::prelude::*;

use super::*;

const DER: &[u8] = b"a certificate in DER, whose base64 has + and / in it: \xff\xfe\xfb\xef";
const OTHER: &[u8] = b"another certificate";

const FORMATS: [CertificateFormat; 3] = [
    CertificateFormat::Rfc9440,
    CertificateFormat::Xfcc,
    CertificateFormat::NginxEscapedPem,
];

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem += std::str::from_utf8(line).unwrap();
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// Encodes as nginx does: all but the unreserved characters of RFC 3986.
fn escaped(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            _ if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                encoded.push(char::from(byte));
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

fn hex(der: &[u8]) -> String {
    sha256(der)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn written(format: CertificateFormat, der: &[u8]) -> String {
    match format {
        CertificateFormat::Rfc9440 => format!(":{}:", STANDARD.encode(der)),
        CertificateFormat::Xfcc => {
            let (hash, cert) = (hex(der), escaped(&pem(der)));
            format!("By=spiffe://a;Hash={hash};Cert=\"{cert}\";Subject=\"CN=a, b;\";URI=spiffe://b")
        }
        CertificateFormat::NginxEscapedPem => escaped(&pem(der)),
    }
}

#[track_caller]
fn assert_read(format: CertificateFormat, lines: &[String]) {
    for line in lines {
        assert_eq!(
            format.read(line.as_bytes()),
            Ok(Some(sha256(DER))),
            "{line}"
        );
    }
}

#[track_caller]
fn assert_unreadable(format: CertificateFormat, lines: &[String]) {
    for line in lines {
        let read = format.read(line.as_bytes());
        assert!(matches!(read, Err(Unreadable(_))), "{line}: {read:?}");
    }
}

#[test]
fn a_certificate_is_read_in_each_format() {
    for format in FORMATS {
        let line = written(format, DER);
        assert_read(format, &[line.clone(), format!(" {line}\t")]);
    }
}

#[test]
fn a_line_without_a_certificate_is_not_a_bad_one() {
    for format in FORMATS {
        assert_eq!(format.read(b""), Ok(None));
        assert_eq!(format.read(b" "), Ok(None));
    }
    assert_eq!(CertificateFormat::Rfc9440.read(b"::"), Ok(None));
}

#[test]
fn several_certificates_in_one_line_are_none() {
    let formats = FORMATS.into_iter();
    let joined = formats.flat_map(|format| {
        let (one, other) = (written(format, DER), written(format, OTHER));
        [
            (format, format!("{one},{other}")),
            (format, format!("{one}, {one}")),
            (format, format!("{one},")),
            (format, format!(",{one}")),
        ]
    });
    let two_blocks = escaped(&(pem(DER) + &pem(OTHER)));
    let more = [
        (CertificateFormat::NginxEscapedPem, two_blocks.clone()),
        (
            CertificateFormat::Xfcc,
            format!("Hash={};Cert=\"{two_blocks}\"", hex(DER)),
        ),
    ];
    for (format, line) in joined.chain(more) {
        assert_eq!(format.read(line.as_bytes()), Err(Several), "{line}");
    }
}

#[test]
fn a_byte_sequence_is_base64_with_its_padding_between_colons_and_nothing_more() {
    let base64 = STANDARD.encode(DER);
    let bare = base64.trim_end_matches('=');
    assert!(bare.len() < base64.len() && base64.contains(['+', '/']));
    let url_safe = base64.replace('+', "-").replace('/', "_");
    assert_unreadable(
        CertificateFormat::Rfc9440,
        &[
            base64.clone(),
            format!(":{base64}"),
            format!("{base64}:"),
            format!(":{bare}:"),
            format!(":{base64}=:"),
            format!(":{url_safe}:"),
            format!(": {base64}:"),
            format!(":{base64}:;a=1"),
            format!(":{base64}::"),
            format!("\"{base64}\""),
            ":".to_owned(),
            ":=:".to_owned(),
        ],
    );
}

#[test]
fn an_escaped_pem_is_one_block_and_nothing_around_it() {
    let format = CertificateFormat::NginxEscapedPem;
    let pem = pem(DER);
    // Some write `+`, `/` and `=` as they are, lower-case digits, and Windows lines.
    let plainer = escaped(&pem).replace("%2B", "+").replace("%2F", "/");
    assert_read(
        format,
        &[
            plainer.replace("%3D", "="),
            escaped(&pem).replace("%2F", "%2f"),
            escaped(&pem.replace('\n', "\r\n")),
            escaped(pem.trim_end()),
        ],
    );
    assert_unreadable(
        format,
        &[
            // `$ssl_client_cert` and `$ssl_client_raw_cert`, on one line.
            pem.replace('\n', " "),
            pem.replace('\n', "\t"),
            escaped(&pem).replace("%0A", "%0"),
            escaped(&pem).replace("%0A", "%0G"),
            format!("{}%", escaped(&pem)),
            escaped(&format!("subject=a\n{pem}")),
            escaped(&format!("{pem}a")),
            escaped(&pem.replace(" CERTIFICATE", " TRUSTED CERTIFICATE")),
            escaped(&pem.replace("-----END CERTIFICATE-----", "")),
            escaped(&pem.replacen('\n', "\nProc-Type: 4\n\n", 1)),
            escaped("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"),
            escaped("-----BEGIN CERTIFICATE-----"),
            STANDARD.encode(DER),
        ],
    );
}

#[test]
fn of_an_element_of_envoy_the_only_hash_counts() {
    let format = CertificateFormat::Xfcc;
    let (hash, cert, other) = (hex(DER), escaped(&pem(DER)), hex(OTHER));
    assert_read(
        format,
        &[
            format!("Hash={hash}"),
            format!("hash={}", hash.to_uppercase()),
            format!("HASH=\"{hash}\""),
            format!("Hash={hash};Cert={cert}"),
            format!("Subject=\"\";Hash={hash};URI=;DNS=a;DNS=b;Chain=\"{cert}\";New=1"),
            format!("Hash={hash};Subject=\"CN=a;Hash={other},Hash={other}\""),
            format!(r#"Hash={hash};Subject="CN=\";Hash={other};A=\"""#),
            format!(r#"Hash={hash};Subject="CN=\\\";Hash={other};A=""#),
            format!(r#"Hash={hash};Subject="CN=a\, b""#),
            format!("By=http://a?b=c;Hash={hash}"),
            format!("By=a; Hash = {hash} ; URI=b"),
        ],
    );
    let short: String = hash.chars().skip(1).collect();
    assert_unreadable(
        format,
        &[
            // A client that chooses its certificate can put this into a value without quotes.
            format!("Hash={other};URI=a;Hash={hash}"),
            format!("Hash={hash};URI=a;Hash={hash}"),
            format!("Hash={other};URI=a; hash={hash}"),
            // Another reader may see the end of the quote here.
            format!(r#"Hash={other};Subject="CN=a\\";Hash={hash};A=\\"""#),
            format!("Hash={hash};Cert=\"{}\"", escaped(&pem(OTHER))),
            format!("Hash={hash};Cert=\"{cert}\";Cert=\"{cert}\""),
            format!("Hash={hash};Cert=\"\""),
            format!("Hash={hash};Cert=\"{}\"", pem(DER).replace('\n', " ")),
            format!("Cert=\"{cert}\""),
            "By=a;URI=b".to_owned(),
            "Hash=".to_owned(),
            format!("Hash={short}"),
            format!("Hash={hash}0"),
            format!("Hash={hash}00"),
            format!("Hash=+{short}"),
            format!("Hash=g{short}"),
            format!("Hash={hash};"),
            format!(";Hash={hash}"),
            format!("Hash={hash};URI"),
            format!("Hash={hash};=a"),
            format!("Hash={hash};\"a\"=b"),
            format!("Hash={hash};Subject=\"a"),
            format!("Hash={hash};Subject=a\"b\""),
            format!("Hash={hash};Subject=\"a\"b"),
            format!("Hash={hash};Subject=\"a\"\"b\""),
            hash,
        ],
    );
}

#[test]
fn a_line_of_the_greatest_length_is_read_and_no_longer_one() {
    let rest = format!("Hash={};URI=", hex(DER));
    let line = format!(
        "{rest}{}",
        "a".repeat(MAX_CERTIFICATE_LINE_BYTES - rest.len())
    );
    assert_read(CertificateFormat::Xfcc, std::slice::from_ref(&line));
    assert_unreadable(CertificateFormat::Xfcc, &[line + "a"]);
}

proptest! {
    #[test]
    fn each_certificate_comes_back_from_each_format(
        der in prop::collection::vec(any::<u8>(), 1..2000),
    ) {
        for format in FORMATS {
            let line = written(format, &der);
            prop_assert_eq!(format.read(line.as_bytes()), Ok(Some(sha256(&der))));
        }
    }

    #[test]
    fn no_line_causes_a_panic_or_is_taken_for_a_certificate_that_is_not_in_it(
        pieces in prop::collection::vec(
            prop_oneof![
                "\\PC{0,6}",
                "[;,=\"\\\\%: ]{1,3}",
                Just("Hash=".to_owned()),
                Just("Cert=\"".to_owned()),
                Just("-----BEGIN%20CERTIFICATE-----".to_owned()),
                Just("-----END%20CERTIFICATE-----".to_owned()),
                Just(hex(OTHER)),
                Just(STANDARD.encode(OTHER)),
            ],
            0..12,
        ),
    ) {
        let line = pieces.concat();
        for format in FORMATS {
            let read = format.read(line.as_bytes());
            prop_assert_ne!(read, Ok(Some(sha256(DER))));
        }
    }

    /// Envoy writes the true `Hash` first, then what the client has in its certificate.
    #[test]
    fn a_client_that_chooses_its_names_never_passes_for_another(
        subject in "([a-zA-Z]|Hash=|;|,|=|\"|\\\\| |\u{e9}){0,12}",
        uri in "([a-z:/]|Hash=|;|,|=|\"|\\\\| ){0,12}",
        subject_forges in any::<bool>(),
        uri_forges in any::<bool>(),
        escapes in any::<bool>(),
    ) {
        let forged = format!(";Hash={};A=", hex(DER));
        let with = |text: String, forges| if forges { text.clone() + &forged + &text } else { text };
        let subject = with(subject, subject_forges);
        let subject = if escapes { subject.replace('"', "\\\"") } else { subject };
        let uri = with(uri, uri_forges);
        let line = format!("By=a;Hash={};Subject=\"{subject}\";URI={uri}", hex(OTHER));
        let read = CertificateFormat::Xfcc.read(line.as_bytes());
        prop_assert!(read.is_err() || read == Ok(Some(sha256(OTHER))), "{}", line);
    }
}
