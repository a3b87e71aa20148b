//! The addresses that puppets come from, one each, out of a prefix that the host has.
//!
//! Knows how a person's address follows from a hash. Refuses to route anything: `ip -6 route add local PREFIX dev lo` and the
//! network's routers do.

use std::net::Ipv6Addr;

/// Bits of a prefix.
const LENGTHS: std::ops::RangeInclusive<u32> = 16..=120;

/// A range of IPv6 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    network: u128,
    length: u32,
}

impl Prefix {
    /// Reads `2001:db8:1:2::/64`; `None` for another form, bits behind the prefix, or a length that is not from 16 to 120.
    pub fn parse(text: &str) -> Option<Self> {
        let (network, length) = text.split_once('/')?;
        let network = u128::from(network.parse::<Ipv6Addr>().ok()?);
        let length = length.parse().ok().filter(|length| LENGTHS.contains(length))?;
        let prefix = Self { network, length };
        (network & prefix.rest() == 0).then_some(prefix)
    }

    /// The bits that tell addresses apart.
    fn rest(self) -> u128 {
        u128::MAX >> self.length
    }

    /// The address of the person with these letters: always the same one, and never that of the network itself.
    pub(super) fn address(self, letters: &str) -> Ipv6Addr {
        let number = letters.bytes().fold(0u128, |number, letter| {
            number.wrapping_mul(26).wrapping_add(u128::from(letter.wrapping_sub(b'a')))
        });
        Ipv6Addr::from(self.network | (number & self.rest()).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_whole_and_long_enough() {
        for text in ["2001:db8:1:2::/64", "fd00::/16", "2001:db8::ff00/120"] {
            assert!(Prefix::parse(text).is_some(), "{text}");
        }
        for text in ["", "2001:db8::", "2001:db8::1/64", "2001:db8::/128", "10.0.0.0/24", "::/0", "x/64"] {
            assert!(Prefix::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn everybody_has_an_address_of_their_own_within_the_prefix() {
        let prefix = Prefix::parse("2001:db8:1:2::/64").unwrap();
        let mut all = std::collections::BTreeSet::new();
        for n in 0..1_000u32 {
            let letter = |n: u32| char::from(b'a' + u8::try_from(n % 26).unwrap());
            let letters: String =
                std::iter::repeat_n([n, n / 26, n / 676].map(letter), 8).flatten().collect();
            let address = prefix.address(&letters);
            assert_eq!(address.segments()[..4], [0x2001, 0xdb8, 1, 2]);
            assert_eq!(address, prefix.address(&letters));
            all.insert(address);
        }
        assert_eq!(all.len(), 1_000);
        assert_ne!(prefix.address("aaaa"), "2001:db8:1:2::".parse::<Ipv6Addr>().unwrap());
    }
}
