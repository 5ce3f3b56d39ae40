//! The URI of a resource, as written and in the other spellings under which a server may read it.
//!
//! A server that parses `file:///public/../secret/plan` or `FILE:///%73ecret/plan` finds the file of
//! `file:///secret/plan`. So policy checks a name in every spelling, and all must pass: as written, in the normal
//! spelling, and as one path after its scheme. An additional spelling can only take access away and never give
//! any, so normalisation may go further than RFC 3986 §6.2 does. Looser readings (`aliases`) count only where a rule
//! names one: without such a rule they change nothing. A rule's URI must be in the normal spelling; `build()` checks it.
//!
//! The normal spelling has the scheme and the host in lower case; every visible character as itself and every other
//! byte as an upper-case escape, except that an escaped `%`, `?` or `#` stays escaped (so a double escape
//! loses nothing); `\`, `%5C` and `%2F` as `/`, and a run of slashes as one; no dot segments; no fragment.
//! URL parsers ignore more than that, and so does this: white space around a name and line breaks inside it,
//! missing or superfluous slashes, user and default port of a web address, host `localhost` and query of a file.
//!
//! Paths keep their case. On a file system that ignores case, the inner service has to compare them itself.

use std::borrow::Cow;

/// The URI of a resource that a call names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourceName<'a> {
    pub(crate) written: Cow<'a, str>,
    /// The normal spelling; `None` if it equals the written one.
    pub(crate) normalised: Option<String>,
}

/// The longest URI of a resource, in bytes.
const MAX_URI_BYTES: usize = 8 * 1024;

impl<'a> ResourceName<'a> {
    /// Normalises a URI. Fails if it is too long, since the work grows with its length.
    pub(crate) fn parse(written: Cow<'a, str>) -> Result<Self, UriTooLong> {
        if written.len() > MAX_URI_BYTES {
            Err(UriTooLong(written.len()))
        } else {
            Ok(Self::new(written))
        }
    }

    fn new(written: Cow<'a, str>) -> Self {
        let normalised = Some(normalised(&written)).filter(|normalised| *normalised != written);
        Self {
            written,
            normalised,
        }
    }

    /// The spellings that must all be allowed: as written, in the normal form, and as a server reads it that takes
    /// everything after the scheme for a path, including `?` and `#`.
    pub(crate) fn spellings(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let normal = self.normal();
        let as_path =
            Some(as_path(&self.written)).filter(|path| *path != normal && *path != self.written);
        let own = [Some(self.written.as_ref()), self.normalised.as_deref()]
            .into_iter()
            .flatten();
        own.map(Cow::Borrowed).chain(as_path.map(Cow::Owned))
    }

    /// Names under which some servers would read it, because they drop a part: the host of a file, the query, a
    /// trailing slash, leading slashes. A rule for one of them applies; without such a rule an alias changes nothing.
    pub(crate) fn aliases(&self) -> Vec<String> {
        let mut aliases = Vec::new();
        for spelling in self.spellings() {
            let without_query = spelling
                .split_once('?')
                .map_or(spelling.as_ref(), |(before, _)| before);
            for name in [spelling.as_ref(), without_query] {
                aliases.extend(looser_readings(name));
            }
        }
        aliases.sort_unstable();
        aliases.dedup();
        aliases
    }

    fn normal(&self) -> &str {
        self.normalised.as_deref().unwrap_or(&self.written)
    }
}

/// The error of a URI that is too long; it holds its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a URI has at most {MAX_URI_BYTES} bytes, and this one has {0}")]
pub(crate) struct UriTooLong(usize);

/// Reads everything after the scheme as one path from the root.
fn as_path(uri: &str) -> String {
    let Some((scheme, rest)) = split_scheme(uri) else {
        return without_dots(&respelled_bytes(uri, Slashes::OneKind));
    };
    let scheme = scheme.to_ascii_lowercase();
    let rest = respelled_bytes(rest, Slashes::OneKind);
    let has_dots = rest.split('/').any(|segment| matches!(segment, "." | ".."));
    match (has_dots, scheme.as_str()) {
        // Without dot segments this reading is the normal one, or differs in its host alone.
        (false, _) => normalised(uri),
        (true, "file") => format!("file://{}", rooted(&rest)),
        (true, _) => format!("{scheme}://{}", rooted(&rest).trim_start_matches('/')),
    }
}

/// Lists the name without a trailing slash, and with other readings of its authority.
fn looser_readings(name: &str) -> Vec<String> {
    let trimmed = name.trim_end_matches('/');
    let mut names = vec![name.to_owned(), trimmed.to_owned()];
    let Some((scheme, rest)) = split_scheme(trimmed) else {
        return names;
    };
    let bare = rest.trim_start_matches('/');
    let (authority, path) = split_authority(bare);
    if scheme == "file" {
        // A server that looks at the path alone ignores the host of `file://host/path`.
        if rest.starts_with("//") && !rest.starts_with("///") {
            names.push(format!("file://{path}"));
        }
    } else {
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let host = host.split_once(':').map_or(
            host,
            |(name, port)| if port.is_empty() { name } else { host },
        );
        names.push(format!("{scheme}://{bare}"));
        names.push(format!("{scheme}://{}{path}", host.trim_end_matches('.')));
    }
    names
}

/// Returns the normal spelling; a normal URI stays as it is.
pub(crate) fn normalised(uri: &str) -> String {
    // The WHATWG URL parser removes these characters first.
    let seen: String = uri
        .trim_matches(|character: char| character <= ' ')
        .chars()
        .filter(|character| !matches!(character, '\t' | '\n' | '\r'))
        .collect();
    let respelled = respell(&seen);
    // Once its escapes and dots are resolved, a name may turn out to have a scheme.
    match (split_scheme(&seen), split_scheme(&respelled)) {
        (None, Some(_)) => respell(&respelled),
        _ => respelled,
    }
}

fn respell(uri: &str) -> String {
    let uri = uri.split_once('#').map_or(uri, |(uri, _fragment)| uri);
    let Some((scheme, rest)) = split_scheme(uri) else {
        let (hierarchy, query) = split_query(uri);
        return without_dots(&respelled_bytes(hierarchy, Slashes::OneKind)) + &query;
    };
    let scheme = scheme.to_ascii_lowercase();
    let (hierarchy, query) = split_query(rest);
    let hierarchy = respelled_bytes(hierarchy, Slashes::OneKind);
    match scheme.as_str() {
        "file" => {
            let (host, path) = match hierarchy.strip_prefix("//") {
                Some(rest) if !rest.starts_with('/') => split_authority(rest),
                _ => ("", hierarchy.as_str()),
            };
            let host = Some(lower_case(host)).filter(|host| host != "localhost");
            format!("file://{}{}", host.unwrap_or_default(), rooted(path))
        }
        "http" | "https" | "ws" | "wss" | "ftp" => {
            let (authority, path) = split_authority(hierarchy.trim_start_matches('/'));
            let host = web_host(&scheme, &lower_case(authority)).to_owned();
            format!("{scheme}://{host}{}{query}", rooted(path))
        }
        _ => match hierarchy.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = split_authority(rest);
                let (user, host) = match authority.rsplit_once('@') {
                    Some((user, host)) => (format!("{user}@"), host),
                    None => (String::new(), authority),
                };
                format!(
                    "{scheme}://{user}{}{}{query}",
                    lower_case(host),
                    without_dots(path)
                )
            }
            None => format!("{scheme}:{}{query}", without_dots(&hierarchy)),
        },
    }
}

/// Splits a URI into the scheme (RFC 3986 §3.1) and the rest.
fn split_scheme(uri: &str) -> Option<(&str, &str)> {
    uri.split_once(':').filter(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

fn split_query(rest: &str) -> (&str, String) {
    match rest.split_once('?') {
        Some((hierarchy, query)) => (
            hierarchy,
            format!("?{}", respelled_bytes(query, Slashes::BothKinds)),
        ),
        None => (rest, String::new()),
    }
}

fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}

/// Removes the user and the default port from an authority, unless no host would be left.
fn web_host<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let host = match authority.rsplit_once('@') {
        Some((_, host)) if !host.is_empty() => host,
        _ => authority,
    };
    let default_port = match scheme {
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        _ => 21,
    };
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port))
            if !name.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) =>
        {
            (name, port)
        }
        _ => return host,
    };
    let is_default = port.is_empty() || port.parse() == Ok::<u16, _>(default_port);
    // A colon inside an address without brackets does not begin a port.
    if is_default && (name.ends_with(']') || !name.contains(':')) {
        name
    } else {
        host
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Slashes {
    /// `\` becomes `/`: in a path, Windows and web servers take both for separators.
    OneKind,
    BothKinds,
}

fn respelled_bytes(text: &str, slashes: Slashes) -> String {
    let mut respelled = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&written, mut after)) = rest.split_first() {
        let mut byte = written;
        if let (b'%', [high, low, behind @ ..]) = (written, after)
            && let Some(escaped) = hex_pair(*high, *low)
        {
            byte = escaped;
            after = behind;
        }
        let was_escaped = after.len() + 1 != rest.len();
        match byte {
            b'\\' if slashes == Slashes::OneKind => respelled.push('/'),
            b'%' => respelled.push_str("%25"),
            b'?' | b'#' if was_escaped => push_escaped(&mut respelled, byte),
            b'!'..=b'~' => respelled.push(char::from(byte)),
            _ => push_escaped(&mut respelled, byte),
        }
        rest = after;
    }
    respelled
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn push_escaped(text: &mut String, byte: u8) {
    let digit =
        |value: u8| char::from_digit(value.into(), 16).map(|digit| digit.to_ascii_uppercase());
    text.push('%');
    text.extend([byte >> 4, byte & 0xf].into_iter().filter_map(digit));
}

/// Converts to lower case, except for the digits of escapes.
fn lower_case(host: &str) -> String {
    let mut digits_left = 0_u8;
    host.chars()
        .map(|character| {
            if digits_left > 0 {
                digits_left -= 1;
                return character;
            }
            if character == '%' {
                digits_left = 2;
            }
            character.to_ascii_lowercase()
        })
        .collect()
}

fn rooted(path: &str) -> String {
    without_dots(&format!("/{path}"))
}

/// Removes dot segments (RFC 3986 §5.2.4), and reduces a run of slashes to one.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut names_a_directory = false;
    for segment in path.split('/') {
        names_a_directory = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let mut shortened = String::with_capacity(path.len());
    if path.starts_with('/') {
        shortened.push('/');
    }
    shortened.push_str(&kept.join("/"));
    if names_a_directory && !kept.is_empty() {
        shortened.push('/');
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_way_to_write_a_secret_file_comes_out_as_one() {
        for disguise in [
            "file:///secret/plan",
            "FILE:///secret/plan",
            "file:///public/../secret/plan",
            "file:///%73ecret/plan",
            "file:///%73%65%63%72%65%74/plan",
            "file:\\\\\\secret\\plan",
            "file:/\\\\secret/plan",
            "file:///public/%2e%2e/secret/plan",
            "file:///public/%2E./secret/plan",
            "file:///public/..%2fsecret/plan",
            "file:///public/..%5Csecret/plan",
            "file:///secret%2Fplan",
            "file:///%2fsecret/plan",
            "file:////secret/plan",
            "file:///secret//plan",
            "file:/secret/plan",
            "file:secret/plan",
            "file://localhost/secret/plan",
            "file://LOCALHOST/secret/plan",
            "file:///secret/./plan",
            "file:///secret/plan#page=2",
            "file:///secret/plan?",
            "file:///secret/plan?x=1",
            "  file:///secret/plan\n",
            "\u{1}file:///secret/plan",
            "fi\tle:///sec\r\nret/plan",
            "%66ile:///secret/plan",
            "./file:///secret/plan",
            "file:///../../secret/plan",
        ] {
            assert_eq!(normalised(disguise), "file:///secret/plan", "{disguise:?}");
        }
    }

    #[test]
    fn other_schemes_have_their_own_disguises() {
        for (written, normal) in [
            ("HTTPS://Example.COM:443/a", "https://example.com/a"),
            ("https:example.com/a", "https://example.com/a"),
            ("https:\\\\example.com\\a", "https://example.com/a"),
            ("https:////example.com//a", "https://example.com/a"),
            (
                "https://user:password@example.com/a",
                "https://example.com/a",
            ),
            ("https://example.com", "https://example.com/"),
            (
                "https://example.com:8443/?q=%41",
                "https://example.com:8443/?q=A",
            ),
            ("http://[::1]:80/a", "http://[::1]/a"),
            ("https://user@:443/a", "https://:443/a"),
            ("https://a:443:443/a", "https://a:443:443/a"),
            ("https://user@/a", "https://user@/a"),
            ("https:///a", "https://a/"),
            ("DOCS://Notes/Readme%2Emd", "docs://notes/Readme.md"),
            ("docs://secret%2Fplan", "docs://secret/plan"),
            ("docs://B%c3%afB@%c3%AFX/", "docs://B%C3%AFB@%C3%AFx/"),
            ("docs://a/b/../c?x=/../y", "docs://a/c?x=/../y"),
            ("urn:isbn:1", "urn:isbn:1"),
            ("note:a%20b", "note:a%20b"),
            ("note:a b", "note:a%20b"),
            ("note:ä", "note:%C3%A4"),
            ("note:%c3%a4", "note:%C3%A4"),
            ("note:%28a%29", "note:(a)"),
            ("secret/../plan", "plan"),
            ("\\\\secret\\plan", "/secret/plan"),
            ("", ""),
        ] {
            assert_eq!(normalised(written), normal, "{written:?}");
            assert_eq!(normalised(normal), normal, "{written:?}");
        }
    }

    #[test]
    fn an_escape_is_taken_off_once_and_what_is_no_escape_is_a_percent_sign() {
        for (written, normal) in [
            ("file:///%2573ecret", "file:///%2573ecret"),
            ("file:///%252e%252e/secret", "file:///%252e%252e/secret"),
            ("file:///100%", "file:///100%25"),
            ("file:///%zz", "file:///%25zz"),
            ("file:///%%37%33ecret", "file:///%2573ecret"),
            ("file:///a%3Fb%23c", "file:///a%3Fb%23c"),
            ("file:///%00", "file:///%00"),
        ] {
            assert_eq!(normalised(written), normal, "{written:?}");
        }
    }

    #[test]
    fn a_name_that_is_normal_has_one_spelling_and_another_has_two() {
        let plain = ResourceName::new("file:///a".into());
        assert_eq!(plain.spellings().collect::<Vec<_>>(), ["file:///a"]);
        assert_eq!(plain.aliases(), ["file:///a"]);
        let odd = ResourceName::new("FILE:///a".into());
        assert_eq!(
            odd.spellings().collect::<Vec<_>>(),
            ["FILE:///a", "file:///a"]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn normalising_twice_is_normalising_once(uri in hostile_uri()) {
            let once = normalised(&uri);
            prop_assert_eq!(normalised(&once), once.clone());
            prop_assert!(once.bytes().all(|byte| byte.is_ascii_graphic()), "{}", once);
        }

        #[test]
        fn no_dot_segment_survives_in_a_path(uri in hostile_uri()) {
            let once = normalised(&uri);
            let path = once.split('?').next().unwrap();
            let path = split_scheme(path).map_or(path, |(_, rest)| rest);
            let path = path.strip_prefix("//").map_or(path, |rest| split_authority(rest).1);
            prop_assert!(!path.split('/').any(|segment| segment == "." || segment == ".."), "{}", once);
        }
    }

    fn hostile_uri() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("file"),
            Just("FILE"),
            Just("https"),
            Just("docs"),
            Just("localhost"),
            Just("a"),
            Just("B"),
            Just(":"),
            Just(":443"),
            Just("/"),
            Just("//"),
            Just("\\"),
            Just("."),
            Just(".."),
            Just("@"),
            Just("["),
            Just("]"),
            Just("?"),
            Just("#"),
            Just("%"),
            Just("%2"),
            Just("%25"),
            Just("%2e"),
            Just("%2F"),
            Just("%5c"),
            Just("%3a"),
            Just("%41"),
            Just("%00"),
            Just("%C3"),
            Just(" "),
            Just("\t"),
            Just("\n"),
            Just("\u{0}"),
            Just("ä"),
            Just("7"),
        ];
        prop_oneof![
            proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat()),
            any::<String>(),
        ]
    }
}
