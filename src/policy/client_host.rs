//! The host in a client id that is the URL of a metadata document, read for rules that deny.
//!
//! An issuer may put the id into a token as its client wrote it, and URLs of one host have many spellings. An id
//! that URL parsers read differently, or that is no proper URL (RFC 3986) but might be taken for one, is
//! [unreadable](ClientHost::Unreadable): a rule about URLs denies it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::resource_name::normalised;

/// The host that a client id contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientHost<'a> {
    /// The id is not a URL.
    None,
    Host(NormalHost<'a>),
    Unreadable,
}

/// A host in its normal form: without port, user part and final dot, and without case.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NormalHost<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl<'a> ClientHost<'a> {
    pub(super) fn of(client_id: &'a str) -> Self {
        if !may_be_url(client_id) {
            return Self::None;
        }
        authority(client_id)
            .and_then(without_user_and_port)
            .and_then(NormalHost::parse)
            .map_or(Self::Unreadable, Self::Host)
    }
}

impl<'a> NormalHost<'a> {
    /// Reads a host without a port. `None` if there are several readings: escapes, letters outside of ASCII (which
    /// would be mapped to ASCII), and numbers that are not a plain IPv4 address.
    pub(crate) fn parse(host: &'a str) -> Option<Self> {
        if let Some(address) = host.strip_prefix('[') {
            let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.to_canonical()));
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !host.bytes().all(is_name) || host.split('.').any(str::is_empty) {
            return None;
        }
        // The URL Standard takes every host that ends in a number as an IPv4 address.
        let last = host.rsplit('.').next().unwrap_or_default();
        if last.starts_with(|first: char| first.is_ascii_digit()) {
            return host
                .parse::<Ipv4Addr>()
                .ok()
                .map(|address| Self::Address(address.into()));
        }
        Some(Self::Name(host))
    }
}

impl PartialEq for NormalHost<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(other)) => one.eq_ignore_ascii_case(other),
            (Self::Address(one), Self::Address(other)) => one == other,
            (Self::Name(_), Self::Address(_)) | (Self::Address(_), Self::Name(_)) => false,
        }
    }
}

impl Eq for NormalHost<'_> {}

/// Whether two ids of one host name the same document. Case, scheme and port are ignored.
pub(super) fn same_document(one: &str, other: &str) -> bool {
    let (one, other) = (normalised(one), normalised(other));
    path_and_query(&one).eq_ignore_ascii_case(path_and_query(&other))
}

fn path_and_query(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    rest.get(rest.find(['/', '?']).unwrap_or(rest.len())..)
        .unwrap_or_default()
}

/// Whether some reader could take the id as a URL with a host: one that ignores white space, takes `\` for `/`, adds
/// the slashes that `https:` lacks, or skips the text before the scheme.
fn may_be_url(id: &str) -> bool {
    let seen = || {
        id.bytes()
            .filter(|byte| *byte > b' ')
            .map(|byte| if byte == b'\\' { b'/' } else { byte })
    };
    let begins = |scheme: &str| {
        seen()
            .take(scheme.len())
            .map(|byte| byte.to_ascii_lowercase())
            .eq(scheme.bytes())
    };
    begins("http:")
        || begins("https:")
        || seen().zip(seen().skip(1)).any(|pair| pair == (b'/', b'/'))
}

/// Finds the authority of a URL (RFC 3986 §3.2).
fn authority(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if is_scheme {
        rest.split(['/', '?', '#']).next()
    } else {
        None
    }
}

/// Removes user and port (RFC 3986 §3.2.1 and §3.2.3). `None` if some reader would end the user or begin the port
/// elsewhere.
fn without_user_and_port(authority: &str) -> Option<&str> {
    let (user, host_and_port) = authority.split_once('@').unwrap_or(("", authority));
    let is_user = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:%".contains(&byte);
    if !user.bytes().all(is_user) {
        return None;
    }
    let after_bracket = host_and_port.find(']').map_or(0, |bracket| bracket + 1);
    let colon = host_and_port
        .get(after_bracket..)?
        .find(':')
        .map(|colon| after_bracket + colon);
    let (host, port) = host_and_port.split_at_checked(colon.unwrap_or(host_and_port.len()))?;
    port.bytes()
        .skip(1)
        .all(|byte| byte.is_ascii_digit())
        .then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOST: &str = "rogue-1.example.com";

    fn any_case(text: &'static str) -> impl Strategy<Value = String> {
        prop::collection::vec(any::<bool>(), text.len()).prop_map(move |upper| {
            let cased = |(letter, upper): (char, bool)| {
                if upper {
                    letter.to_ascii_uppercase()
                } else {
                    letter
                }
            };
            text.chars().zip(upper).map(cased).collect()
        })
    }

    /// Writes some bytes as escapes, which RFC 3986 §2.3 makes equivalent.
    fn escaped(text: String) -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec![0, 0, 0, 1, 2]), text.len()).prop_map(
            move |how| {
                let spelled = |(byte, how): (u8, u8)| match how {
                    0 => char::from(byte).to_string(),
                    1 => format!("%{byte:02x}"),
                    _ => format!("%{byte:02X}"),
                };
                text.bytes().zip(how).map(spelled).collect()
            },
        )
    }

    prop_compose! {
        /// A URL on the host, in any of the spellings that RFC 3986 §6.2 makes equivalent.
        fn equivalent()(
            scheme in any_case("https"),
            user in "([a-zA-Z0-9._~!$&'()*+,;=:-]|%[0-9a-f]{2}){0,5}@|",
            host in any_case(HOST).prop_flat_map(|host| prop_oneof![Just(host.clone()), escaped(host)]),
            dot in "\\.?",
            port in "(:|:443|:0443|:8443)?",
            rest in "([/?#][a-zA-Z0-9/?#:@.%é\\\\ -]{0,12})?",
        ) -> String {
            format!("{scheme}://{user}{host}{dot}{port}{rest}")
        }
    }

    proptest! {
        #[test]
        fn every_spelling_of_a_url_is_of_its_host_or_unreadable(url in equivalent()) {
            let host = ClientHost::of(&url);
            let expected = if authority(&url).is_some_and(|authority| {
                authority.split('@').next_back().is_some_and(|host| host.contains('%'))
            }) {
                ClientHost::Unreadable
            } else {
                ClientHost::Host(NormalHost::Name(HOST))
            };
            prop_assert_eq!(host, expected);
        }

        #[test]
        fn nothing_put_between_the_parts_of_a_url_makes_it_no_url(
            url in equivalent(),
            put in prop::sample::select(vec!["\t", "\n", " ", "\\", "/", "@", "\u{0}", "é", "%", "["]),
            at in any::<prop::sample::Index>(),
        ) {
            let places: Vec<usize> = url.char_indices().map(|(at, _)| at).collect();
            let at = *at.get(&places);
            let (before, after) = url.split_at(at);
            let spoilt = format!("{before}{put}{after}");
            prop_assert_ne!(ClientHost::of(&spoilt), ClientHost::None, "{}", spoilt);
        }

        #[test]
        fn an_address_is_itself_in_every_notation(address: [u8; 4], port in "(:[0-9]{0,5})?") {
            let plain = Ipv4Addr::from(address);
            let [a, b, c, d] = address;
            let whole = u32::from(plain);
            for odd in [
                format!("{whole}"), format!("0x{whole:x}"), format!("0{whole:o}"), format!("0{a:o}.{b}.{c}.0{d:o}"),
                format!("0x{a:x}.{b}.{c}.0x{d:x}"), format!("{a}.{b}.{}", u32::from(c) * 256 + u32::from(d)),
                format!("{a}.{}", whole & 0xff_ffff), format!("{a}.{b}.{c}.{d}.."),
            ] {
                let url = format!("https://{odd}{port}/x");
                prop_assert_eq!(ClientHost::of(&url), ClientHost::Unreadable, "{}", url);
            }
            let mapped = format!("[::ffff:{:x}:{:x}]", whole >> 16, whole & 0xffff);
            for good in [plain.to_string(), format!("{plain}."), mapped, format!("[::FFFF:{plain}]")] {
                let url = format!("https://{good}{port}/x");
                prop_assert_eq!(ClientHost::of(&url), ClientHost::Host(NormalHost::Address(plain.into())), "{}", url);
            }
        }
    }
}
