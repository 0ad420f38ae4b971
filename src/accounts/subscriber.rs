//! Whom an address on the network stands for, where something is counted or shared out.
//!
//! This room must never take two addresses of one subscriber for two.

use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or the /64 of an IPv6 address: what one subscriber has all of (RFC 6177).
///
/// All whose address isn't known are one: a connection that is reset before it is looked at has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subscriber(Option<IpAddr>);

impl Subscriber {
    /// The bytes of the address, of which no two subscribers have the same; none where it isn't known.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        match self.0 {
            Some(IpAddr::V4(address)) => address.octets().to_vec(),
            Some(IpAddr::V6(address)) => address.octets().to_vec(),
            None => Vec::new(),
        }
    }
}

impl From<Option<IpAddr>> for Subscriber {
    fn from(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address.to_canonical() {
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
            }
            address @ IpAddr::V4(_) => address,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Subscriber {
        Some(text.parse::<IpAddr>().unwrap()).into()
    }

    #[test]
    fn an_ipv6_address_is_its_64_and_a_mapped_one_is_ipv4() {
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("0.0.0.0"), None.into());
    }
}
