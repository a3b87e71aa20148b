//! The five dialects, MSNP8 to MSNP12, and one predicate for each thing in which they differ.
//!
//! This is the only place that compares version numbers; encoders, decoders and login states ask it by name.
//! Source: §3 and §4, checked against the recorded dialogues.

use std::fmt;
use std::str::FromStr;

use super::ids::InvalidToken;

/// An agreed protocol version (`VER`, §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    Msnp8 = 8,
    Msnp9,
    Msnp10,
    Msnp11,
    Msnp12,
}

impl Dialect {
    /// Every dialect, newest first: the order in which a client offers them.
    pub const ALL: [Self; 5] = [Self::Msnp12, Self::Msnp11, Self::Msnp10, Self::Msnp9, Self::Msnp8];

    /// MSNObjects stand behind the capability number, and `QNG` names the next interval.
    pub fn has_msn_objects(self) -> bool {
        self >= Self::Msnp9
    }

    /// `QNG` carries the seconds until the next `PNG` is expected.
    pub fn qng_has_interval(self) -> bool {
        self >= Self::Msnp9
    }

    /// `ADC` and GUIDs in place of `ADD` and numbers; `LST N= F= C=`; `SYN` with two stamps; the own name as `PRP MFN`.
    pub fn has_guids(self) -> bool {
        self >= Self::Msnp10
    }

    /// Somebody waiting for an answer stands on a list of their own (PL, 16).
    pub fn has_pending_list(self) -> bool {
        self >= Self::Msnp10
    }

    /// A client confirms that it has seen who added its account (`ADC RL`).
    pub fn confirms_additions(self) -> bool {
        self >= Self::Msnp11
    }

    /// `UUX`/`UBX`, `GCF`, `SBS` after sign-in.
    pub fn has_personal_message(self) -> bool {
        self >= Self::Msnp11
    }

    /// The challenge is answered by the arithmetic of §4.6 instead of a plain MD5.
    pub fn has_long_challenge(self) -> bool {
        self >= Self::Msnp11
    }

    /// `LST` has the network type behind the list mask.
    pub fn lst_has_type(self) -> bool {
        self >= Self::Msnp12
    }

    /// `IRO` and `JOI` end in the capability number.
    pub fn roster_has_capabilities(self) -> bool {
        self >= Self::Msnp12
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MSNP{}", *self as u8)
    }
}

impl FromStr for Dialect {
    type Err = InvalidToken;
    fn from_str(token: &str) -> Result<Self, InvalidToken> {
        let found = Self::ALL.into_iter().find(|d| d.to_string() == token);
        found.ok_or_else(|| InvalidToken::new("dialect (MSNP8 to MSNP12)", token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_are_case_sensitive() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
        }
        assert!("msnp8".parse::<Dialect>().is_err());
        assert!("MSNP13".parse::<Dialect>().is_err());
    }
}
