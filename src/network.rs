//! Noun: a network of IP addresses, such as `10.0.0.0/8` (RFC 4632).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    /// The first address: all bits after the prefix are 0.
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads an address, or the first address of a network and the length of its prefix. The error is a way to fix it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        const FORMS: &str = "write an IP address or a network, such as 10.0.0.7 or 10.0.0.0/8";
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => (address, Some(prefix)),
        };
        let address: IpAddr = address.parse().map_err(|_| FORMS.to_owned())?;
        let bits = bits_of(address);
        let prefix = match prefix {
            None => bits,
            Some(digits) => {
                let prefix = digits.parse().ok().filter(|prefix| *prefix <= bits);
                // No sign and no zero in front.
                let prefix = prefix.filter(|prefix: &u8| prefix.to_string() == digits);
                prefix.ok_or_else(|| format!("write a length from 0 to {bits} after the slash"))?
            }
        };
        let first = first_address(address, prefix);
        let network = Self { first, prefix };
        match first.to_canonical() {
            _ if first != address => Err(format!("write {network}, or the bits that differ")),
            // Peers have IPv4 addresses then.
            canonical if canonical != first => Err(match prefix.checked_sub(96) {
                Some(prefix) => format!("write {canonical}/{prefix}, as IPv4"),
                None => FORMS.to_owned(),
            }),
            _ => Ok(network),
        }
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        first_address(address, self.prefix) == self.first
    }

    /// Whether every address of its family is in the network.
    pub(crate) fn is_everything(&self) -> bool {
        self.prefix == 0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, prefix } = self;
        if *prefix == bits_of(*first) {
            return write!(f, "{first}");
        }
        write!(f, "{first}/{prefix}")
    }
}

/// Whether an address is one of the public Internet (RFC 6890). A name that another party chose may resolve to any other, such as
/// that of a cloud's metadata service.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let octets = address.octets();
    let is_of_networks = matches!(
        octets,
        // "This network", shared address space (RFC 6598), protocol assignments, benchmarks (RFC 2544), and the reserved rest.
        [0 | 240.., ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18 | 19, ..]
    );
    !(is_of_networks
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let bits = (u32::from(high) << 16) | u32::from(low);
        is_public_v4(Ipv4Addr::from(bits))
    };
    match address.segments() {
        // NAT64 (RFC 6052) and 6to4 (RFC 3056) lead to an IPv4 address.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Local NAT64 (RFC 8215), Teredo (RFC 4380), and all that is not global unicast.
        [0x64, 0xff9b, ..] | [0x2001, 0, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

fn bits_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Sets all bits after the prefix to 0.
fn first_address(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = !u32::MAX.checked_shr(prefix).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = !u128::MAX.checked_shr(prefix).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        let network = Network::parse(network).unwrap();
        network.contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_as_it_does_and_no_others() {
        for (network, inside, outside) in [
            (
                "10.0.0.0/8",
                ["10.0.0.0", "10.255.255.255"],
                ["9.255.255.255", "11.0.0.0"],
            ),
            (
                "10.0.0.7",
                ["10.0.0.7", "10.0.0.7"],
                ["10.0.0.6", "10.0.0.8"],
            ),
            (
                "192.0.2.128/25",
                ["192.0.2.128", "192.0.2.255"],
                ["192.0.2.127", "192.0.3.128"],
            ),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1"]),
            ("::1", ["::1", "::1"], ["::", "0.0.0.1"]),
            ("fd00::/8", ["fd00::", "fdff::1"], ["fc00::", "fe00::"]),
            ("::/0", ["::", "ffff::"], ["0.0.0.0", "10.0.0.1"]),
            (
                "2001:db8::/33",
                ["2001:db8::", "2001:db8:7fff::"],
                ["2001:db8:8000::", "2001:db7::"],
            ),
        ] {
            assert!(
                inside.iter().all(|address| contains(network, address)),
                "{network}"
            );
            assert!(
                !outside.iter().any(|address| contains(network, address)),
                "{network}"
            );
        }
    }

    #[test]
    fn every_prefix_of_either_family_is_read_and_shown_as_it_is_written() {
        for (address, bits) in [("0.0.0.0", 32), ("::", 128)] {
            for prefix in 0..bits {
                let text = format!("{address}/{prefix}");
                assert_eq!(Network::parse(&text).unwrap().to_string(), text);
            }
            let whole = Network::parse(&format!("{address}/{bits}")).unwrap();
            assert_eq!(whole.to_string(), address);
            assert_eq!(whole, Network::parse(address).unwrap());
        }
    }

    #[test]
    fn a_text_that_is_no_network_says_how_to_write_it() {
        for (text, fix) in [
            ("10.1.2.3/8", "write 10.0.0.0/8,"),
            ("fd00::1/8", "write fd00::/8,"),
            ("10.0.0.1/31", "write 10.0.0.0/31,"),
            ("10.0.0.0/33", "a length from 0 to 32"),
            ("::/129", "a length from 0 to 128"),
            ("10.0.0.0/+8", "a length"),
            ("10.0.0.0/08", "a length"),
            ("10.0.0.0/", "a length"),
            ("10.0.0.0/8/8", "a length"),
            ("::ffff:10.0.0.0/104", "write 10.0.0.0/8, as IPv4"),
            ("::ffff:10.0.0.7", "write 10.0.0.7/32, as IPv4"),
            ("10.0.0", "an IP address or a network"),
            ("010.0.0.1", "an IP address or a network"),
            ("10.0.0.1:80", "an IP address or a network"),
            ("fe80::1%eth0", "an IP address or a network"),
            ("proxy.internal", "an IP address or a network"),
            (" 10.0.0.1", "an IP address or a network"),
            ("", "an IP address or a network"),
        ] {
            let why = Network::parse(text).unwrap_err();
            assert!(why.contains(fix), "{text}: {why}");
        }
    }

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::808:808",
            "2001:0:1::1",
            "2002:a00:1::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2606:4700::1111",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
