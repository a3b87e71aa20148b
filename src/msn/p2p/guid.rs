//! GUIDs as signalling writes them, and as a direct connection's handshake does (§9.11).
//!
//! Knows that the first three groups are little endian there. Refuses to make one: randomness is handed in.

use std::fmt;
use std::str::FromStr;

use sha1::{Digest, Sha1};

use crate::msn::ids::InvalidToken;

/// A GUID, in the order in which it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Guid(pub u128);

impl Guid {
    /// The bytes in memory order: the first three groups little endian, the others as written.
    pub fn to_wire(self) -> [u8; 16] {
        swap(self.0.to_be_bytes())
    }

    pub fn from_wire(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(swap(bytes)))
    }

    /// What is announced of a nonce that is kept private until the handshake: a digest of its wire form.
    pub fn hashed(self) -> Self {
        let digest = Sha1::digest(self.to_wire());
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        Self::from_wire(first)
    }
}

fn swap(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032X}", self.0);
        let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
        write!(f, "{{{a}-{b}-{c}-{d}-{e}}}")
    }
}

impl FromStr for Guid {
    type Err = InvalidToken;

    /// With or without braces, in letters of any case.
    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let bare = text.trim().trim_start_matches('{').trim_end_matches('}');
        let digits: String = bare.chars().filter(|c| *c != '-').collect();
        let fits = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let value = fits.then(|| u128::from_str_radix(&digits, 16).ok()).flatten();
        value.map(Self).ok_or_else(|| InvalidToken::new("GUID", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conf_099_a_hashed_nonce_is_the_digest_of_its_wire_form() {
        let private: Guid = "{70531C96-FA19-4BA8-9E58-DC14531B7BB5}".parse().unwrap();
        let wire =
            [0x96, 0x1c, 0x53, 0x70, 0x19, 0xfa, 0xa8, 0x4b, 0x9e, 0x58, 0xdc, 0x14, 0x53, 0x1b, 0x7b, 0xb5];
        assert_eq!(private.to_wire(), wire);
        assert_eq!(Guid::from_wire(wire), private);
        assert_eq!(private.hashed().to_string(), "{770C15CB-1CA3-DF01-E760-42D9FA15F961}");
        // Another nonce is announced otherwise.
        assert_ne!(Guid(private.0 + 1).hashed(), private.hashed());
        assert!("{70531C96-FA19-4BA8-9E58-DC14531B7BB}".parse::<Guid>().is_err());
    }
}
