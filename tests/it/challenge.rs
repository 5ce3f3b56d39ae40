//! A strict reader of `WWW-Authenticate`, written from RFC 9110 §11.6.1, RFC 6750 §3 and RFC 9449 §7.1 alone: it shares
//! nothing with the code that writes the header.

use http::HeaderMap;

/// One challenge, read back.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The first challenge of an answer, or `None` without one: `Bearer`, unless DPoP is required.
    /// Panics with a sentence when the header breaks a rule.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        Self::all_of(headers).into_iter().next()
    }

    /// The challenge of this scheme, if there is one.
    pub fn of_scheme(scheme: &str, headers: &HeaderMap) -> Option<Self> {
        let mut all = Self::all_of(headers).into_iter();
        all.find(|challenge| challenge.scheme == scheme)
    }

    /// Every challenge of an answer, each on a line of its own.
    pub fn all_of(headers: &HeaderMap) -> Vec<Self> {
        let lines = headers.get_all("www-authenticate").iter();
        let lines = lines.map(|line| line.to_str().expect("a challenge is visible ASCII"));
        let all: Vec<_> = lines.map(Self::parse).collect();
        let schemes: Vec<_> = all.iter().map(|one| one.scheme.as_str()).collect();
        assert!(
            matches!(schemes[..], [] | ["Bearer"] | ["Bearer", "DPoP"] | ["DPoP"]),
            "schemes {schemes:?}"
        );
        // Clients take the first match in all lines, so they must not disagree.
        for name in ["resource_metadata", "scope"] {
            let values: Vec<_> = all.iter().map(|one| one.get(name)).collect();
            assert!(
                values.windows(2).all(|two| two[0] == two[1]),
                "{name} differs: {values:?}"
            );
        }
        for one in all.iter().filter(|one| one.scheme == "DPoP") {
            assert!(
                one.get("algs").is_some(),
                "a DPoP challenge names algorithms"
            );
        }
        all
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(held, _)| held == name)
            .map(|(_, value)| value.as_str())
    }

    /// The scopes asked for, in order.
    pub fn scopes(&self) -> Vec<&str> {
        self.get("scope")
            .map(|scopes| scopes.split(' ').collect())
            .unwrap_or_default()
    }

    fn parse(line: &str) -> Self {
        let (scheme, mut rest) = line
            .split_once(' ')
            .unwrap_or_else(|| panic!("no scheme: {line}"));
        let mut parameters: Vec<(String, String)> = Vec::new();
        loop {
            let (name, after) = rest
                .split_once("=\"")
                .unwrap_or_else(|| panic!("no name=\" in {rest:?}"));
            assert!(
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "name {name:?}"
            );
            assert!(
                parameters.iter().all(|(held, _)| held != name),
                "{name} is given twice in {line}"
            );
            let (value, after) = after
                .split_once('"')
                .unwrap_or_else(|| panic!("unclosed quote in {after:?}"));
            assert_value(name, value);
            parameters.push((name.to_owned(), value.to_owned()));
            if after.is_empty() {
                break;
            }
            rest = after
                .strip_prefix(", ")
                .unwrap_or_else(|| panic!("not separated by comma and space: {after:?}"));
        }
        assert_order(&parameters, line);
        Self {
            scheme: scheme.to_owned(),
            parameters,
        }
    }
}

/// RFC 6750 §3: which characters a parameter may hold.
fn assert_value(name: &str, value: &str) {
    assert!(!value.is_empty(), "{name} is empty");
    let allowed = |byte: u8| match name {
        "scope" => byte == b' ' || matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e),
        "resource_metadata" => byte.is_ascii_graphic() && byte != b'\\',
        _ => matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e),
    };
    assert!(
        value.bytes().all(allowed),
        "{name} holds a forbidden character: {value:?}"
    );
    if name == "scope" {
        assert!(
            value.split(' ').all(|scope| !scope.is_empty()),
            "scope has an empty member: {value:?}"
        );
    }
    if name == "error_description" {
        assert!(
            !value.contains('='),
            "a client would take this for a parameter: {value:?}"
        );
    }
}

/// Clients search with unanchored patterns, so what they look for comes before what may contain it: a caller's text may
/// be in scopes.
fn assert_order(parameters: &[(String, String)], line: &str) {
    let rank = |name: &str| match name {
        "error" => 0,
        "resource_metadata" => 1,
        "scope" => 2,
        "error_description" => 9,
        _ => 5,
    };
    assert!(
        parameters.is_sorted_by_key(|(name, _)| rank(name)),
        "out of order: {line}"
    );
    let metadata = parameters
        .iter()
        .find(|(name, _)| name == "resource_metadata");
    let url = &metadata
        .unwrap_or_else(|| panic!("no resource_metadata in {line}"))
        .1;
    assert!(
        url.starts_with("https://") || url.starts_with("http://"),
        "not absolute: {url}"
    );
}
