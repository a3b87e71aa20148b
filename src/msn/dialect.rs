//! The dialects, MSNP8 to MSNP18, and one predicate for each thing in which they differ.
//!
//! This is the only place that compares version numbers; encoders, decoders and login states ask it by name.
//! Source: §3, §4, §18 and §32, checked against the recorded dialogues.

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
    Msnp13,
    Msnp14,
    Msnp15,
    Msnp16,
    Msnp17,
    Msnp18,
}

/// How an account proves who it is (§2.4, §18.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    /// `USR TWN` with a ticket of the login page.
    Passport,
    /// `USR TWN` with a ticket of the token service.
    Ticket,
    /// `USR SSO` with a ticket of the token service and a proof.
    Proof,
}

/// How an account stands in lines of presence (§23).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountForm {
    Bare,
    /// The number of its network stands behind it.
    NetworkAfter,
    /// The number of its network stands in front of it, with a colon.
    NetworkPrefix,
}

impl Dialect {
    /// Every dialect, newest first: the order in which a client offers them.
    pub const ALL: [Self; 11] = [
        Self::Msnp18,
        Self::Msnp17,
        Self::Msnp16,
        Self::Msnp15,
        Self::Msnp14,
        Self::Msnp13,
        Self::Msnp12,
        Self::Msnp11,
        Self::Msnp10,
        Self::Msnp9,
        Self::Msnp8,
    ];

    /// Those of which everything is built, newest first: they can be configured, and the service speaks them.
    pub const COMPLETE: [Self; 5] = [Self::Msnp12, Self::Msnp11, Self::Msnp10, Self::Msnp9, Self::Msnp8];

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

    /// The server sends its policies, `GCF` with the number 0 and no file name, before it answers `USR`.
    pub fn pushes_policies(self) -> bool {
        self >= Self::Msnp13
    }

    /// An error whose third parameter is a number has a payload of that length.
    pub fn errors_have_payload(self) -> bool {
        self >= Self::Msnp13
    }

    /// Contact list and groups are read and changed over SOAP, and told by `ADL` and `RML`; `SYN` and its lines are gone.
    pub fn has_soap_roster(self) -> bool {
        self >= Self::Msnp13
    }

    /// The contact list is asked for by `ABFindContactsPaged`.
    pub fn roster_is_paged(self) -> bool {
        self >= Self::Msnp18
    }

    /// How an account stands in lines of presence.
    pub fn account_form(self) -> AccountForm {
        match self {
            Self::Msnp8 | Self::Msnp9 | Self::Msnp10 | Self::Msnp11 | Self::Msnp12 | Self::Msnp13 => {
                AccountForm::Bare
            }
            Self::Msnp14 | Self::Msnp15 | Self::Msnp16 | Self::Msnp17 => AccountForm::NetworkAfter,
            Self::Msnp18 => AccountForm::NetworkPrefix,
        }
    }

    /// Capabilities are two numbers with a colon between them.
    pub fn capabilities_are_pair(self) -> bool {
        self >= Self::Msnp16
    }

    /// Who is there already is told by `NLN`, without the number of the `CHG`.
    pub fn initial_presence_is_nln(self) -> bool {
        self >= Self::Msnp18
    }

    /// `XFR` and `RNG` end in a host of the network, from MSNP14 on with a number behind it.
    pub fn tail_has_unified_host(self) -> bool {
        self >= Self::Msnp13
    }

    /// An account can be in several places at once, each known by a machine id.
    pub fn has_endpoints(self) -> bool {
        self >= Self::Msnp16
    }

    /// How an account proves who it is.
    pub fn sign_in(self) -> SignIn {
        match self {
            Self::Msnp8 | Self::Msnp9 | Self::Msnp10 | Self::Msnp11 | Self::Msnp12 => SignIn::Passport,
            Self::Msnp13 | Self::Msnp14 => SignIn::Ticket,
            Self::Msnp15 | Self::Msnp16 | Self::Msnp17 | Self::Msnp18 => SignIn::Proof,
        }
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
        found.ok_or_else(|| InvalidToken::new("dialect (MSNP8 to MSNP18)", token))
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
        assert!("MSNP19".parse::<Dialect>().is_err());
    }

    #[test]
    fn what_is_complete_signs_in_by_the_login_page_and_stays_as_it_was() {
        for dialect in Dialect::ALL {
            let is_old = dialect.sign_in() == SignIn::Passport;
            assert_eq!(Dialect::COMPLETE.contains(&dialect), is_old, "{dialect}");
            let new = [dialect.pushes_policies(), dialect.errors_have_payload()];
            assert_eq!(new, [!is_old; 2], "{dialect}");
            assert_eq!(dialect.has_endpoints(), dialect.to_string().as_str() >= "MSNP16" && !is_old);
        }
    }
}
