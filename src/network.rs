//! A range of addresses, as `trusted_proxies` names them: for the configuration, and for an
//! application that carries the guard itself.
//!
//! This room must never take an address for a member because of how it is spelled: an IPv4
//! address inside IPv6 (`::ffff:10.0.0.1`) is the IPv4 address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use thiserror::Error;

/// One address, or a network in CIDR form (RFC 4632 §3.1) such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// The text is no address and no network, or has bits beside its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no address and no network such as 10.0.0.0/8")]
pub struct NotANetwork;

impl Network {
    /// Whether `address` belongs to this network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(other)) => same_prefix(
                u32::from(first).into(),
                u32::from(other).into(),
                32,
                self.prefix,
            ),
            (IpAddr::V6(first), IpAddr::V6(other)) => {
                same_prefix(first.into(), other.into(), 128, self.prefix)
            }
            _ => false,
        }
    }

    /// Whether every address of its kind belongs to it.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.prefix == 0
    }
}

fn same_prefix(a: u128, b: u128, bits: u8, prefix: u8) -> bool {
    let host_bits = u32::from(bits.saturating_sub(prefix));
    // A shift by all 128 bits overflows: then nothing is left to differ.
    (a ^ b).checked_shr(host_bits).unwrap_or(0) == 0
}

impl FromStr for Network {
    type Err = NotANetwork;

    /// Strict: the bits after the prefix must be zero, for `10.1.2.3/8` is likely a slip.
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let bits: u8 = if first.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| NotANetwork)?
            }
            Some(_) => return Err(NotANetwork),
        };
        let value = match first {
            IpAddr::V4(first) => u128::from(u32::from(first)),
            IpAddr::V6(first) if first.to_ipv4_mapped().is_some() => return Err(NotANetwork),
            IpAddr::V6(first) => first.into(),
        };
        let host_bits = u32::from(bits.checked_sub(prefix).ok_or(NotANetwork)?);
        if value.trailing_zeros() < host_bits {
            return Err(NotANetwork);
        }
        Ok(Self { first, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// A peer whose word about the client's address is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// Those with an address of this network.
    Network(Network),
    /// Those of a socket file, which have no address.
    Unix,
}

impl FromStr for Proxy {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        match text {
            "unix" => Ok(Self::Unix),
            network => network.parse().map(Self::Network),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_its_own_addresses_and_no_others() {
        let ten = network("10.0.0.0/8");
        assert!(ten.contains(address("10.255.0.1")));
        assert!(!ten.contains(address("11.0.0.1")));
        assert!(!ten.contains(address("::a00:1")));
        assert!(network("0.0.0.0/0").is_everybody() && network("::/0").is_everybody());
        assert!(!ten.is_everybody());
        assert!(network("192.0.2.7").contains(address("192.0.2.7")));
        assert!(!network("192.0.2.7").contains(address("192.0.2.8")));
        assert!(network("2001:db8::/32").contains(address("2001:db8:1::1")));
        assert!(!network("2001:db8::/32").contains(address("2001:db9::1")));
    }

    #[test]
    fn a_network_of_no_bits_holds_its_whole_family() {
        assert!(network("0.0.0.0/0").contains(address("203.0.113.9")));
        assert!(network("::/0").contains(address("2001:db8::1")));
        assert!(!network("::/0").contains(address("203.0.113.9")));
    }

    #[test]
    fn an_ipv4_address_inside_ipv6_is_the_ipv4_address() {
        assert!(network("10.0.0.0/8").contains(address("::ffff:10.1.2.3")));
        assert!(!network("::/0").contains(address("::ffff:10.1.2.3")));
    }

    #[test]
    fn slips_are_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.1.2.3/8",
            "ten",
            "::/129",
            "::ffff:10.0.0.0/104",
            "10.0.0.0/8/8",
            "10.0.0.0 /8",
            "10.0.0.0/256",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_network_prints_in_a_form_that_it_reads() {
        for text in ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::1/128"] {
            assert_eq!(network(text).to_string(), text);
        }
    }
}
