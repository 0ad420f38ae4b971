//! Addresses that lie inside the network, where an issuer's keys are looked for only if they are
//! named (threat: outside-address): asking there could reach what only this machine may ask.
//!
//! This room must never take an address for an outside one because of how it is written: an IPv4
//! address inside IPv6 is judged as the IPv4 address.

use crate::network::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether keys may be fetched from this address.
pub(super) fn may_be_asked(address: IpAddr, named: &[Network]) -> bool {
    named.iter().any(|network| network.contains(address)) || is_outside(address)
}

fn is_outside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_outside_v4(address),
        IpAddr::V6(address) => is_outside_v6(address),
    }
}

/// The registry of special-purpose addresses (RFC 6890), without those that are global.
fn is_outside_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let inside = match a {
        // This network, private, loopback; 240/4 is reserved, 224/4 multicast.
        0 | 10 | 127 | 224..=255 => true,
        100 => (64..=127).contains(&b), // RFC 6598, carriers' NAT
        169 => b == 254,                // link-local, with the metadata services of clouds
        172 => (16..=31).contains(&b),
        192 => match b {
            168 => true,
            0 => c == 0 || c == 2,
            88 => c == 99,
            _ => false,
        },
        198 => b == 18 || b == 19 || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !inside
}

/// Only `2000::/3` is given out to anybody; within it, what carries an IPv4 address is judged by that.
fn is_outside_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let bits = address.to_bits();
    let low = Ipv4Addr::from_bits(u32::try_from(bits & u128::from(u32::MAX)).unwrap_or_default());
    match segments {
        // Mapped (RFC 4291 §2.5.5.2), translated by IVI (RFC 7915 §1) and by NAT64 (RFC 6052 §2.1).
        [0, 0, 0, 0, 0, 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_outside_v4(low),
        // 6to4 (RFC 3056): the IPv4 address follows the prefix.
        [0x2002, high, low, ..] => {
            is_outside_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        // Teredo, benchmarks, ORCHID and the like (RFC 2928), documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(address: &str, named: &[&str]) -> bool {
        let named: Vec<Network> = named.iter().map(|text| text.parse().unwrap()).collect();
        may_be_asked(address.parse().unwrap(), &named)
    }

    #[test]
    fn addresses_inside_the_network_are_refused_however_they_are_written() {
        for inside in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::7f00:1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "2001:10::1",
            "3fff::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "100::1",
            "5f00::1",
        ] {
            assert!(!asked(inside, &[]), "{inside}");
        }
    }

    #[test]
    fn addresses_of_the_internet_may_be_asked() {
        for outside in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001:80b::200e",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(asked(outside, &[]), "{outside}");
        }
    }

    #[test]
    fn an_address_that_is_named_may_be_asked_and_its_neighbour_not() {
        assert!(asked("10.1.2.3", &["10.1.2.0/24"]));
        assert!(asked("::ffff:10.1.2.3", &["10.1.2.0/24"]));
        assert!(!asked("10.1.3.3", &["10.1.2.0/24"]));
        assert!(asked("::1", &["::1"]));
        assert!(!asked("127.0.0.1", &["::1"]));
        assert!(asked("fd00::5", &["fd00::/64"]));
    }
}
