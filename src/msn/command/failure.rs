//! Error replies: `NNN T` (§1.6).
//!
//! Knows each number's name and a sentence for people. Refuses to know which request failed: the number of the request
//! says that. Source: the table of §1.6.

use std::fmt;

use super::{Decoded, ServerCommand};
use crate::msn::ids::TrId;
use crate::msn::wire::{Args, Encoder, Verb};

/// An error number and what the protocol means by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// A malformed command; the server may close after it.
    pub const SYNTAX: Self = Self(200);
    /// `CHG FLN`, `ADD` of what is no address, `XFR` of an unknown kind.
    pub const INVALID_PARAMETER: Self = Self(201);
    /// `ADD` up to MSNP9; from MSNP10 on [`ErrorCode::INVALID_ACCOUNT`].
    pub const NO_SUCH_ACCOUNT: Self = Self(205);
    /// A second `USR` after one that succeeded.
    pub const ALREADY_LOGGED_IN: Self = Self(207);
    /// `CAL` of a bad name, or `ADC` of an account that does not exist.
    pub const INVALID_ACCOUNT: Self = Self(208);
    /// `ADL` or `RML` with a domain that has nobody in it; the server closes.
    pub const EMPTY_DOMAIN: Self = Self(240);
    /// `ADL` or `RML` that cannot be read, or names lists that are not a client's; the server closes.
    pub const BAD_LISTING: Self = Self(241);
    /// `REA` or `PRP MFN`: words that are banned, a name that is too long, a passport that is not verified.
    pub const NAME_NOT_ALLOWED: Self = Self(209);
    /// `ADD` or `ADC` onto a list that takes no more.
    pub const LIST_FULL: Self = Self(210);
    /// `ADD` of somebody who is on the list, or `CAL` of somebody who is in the call.
    pub const ALREADY_THERE: Self = Self(215);
    /// `REM` of somebody who is not there, or `CAL` of somebody who blocks us.
    pub const NOT_ON_LIST: Self = Self(216);
    /// `CAL` of somebody who is offline or hidden: both look the same.
    pub const NOT_ONLINE: Self = Self(217);
    /// `GTC` or `BLP` with the value that holds already: nothing is wrong.
    pub const ALREADY_IN_MODE: Self = Self(218);
    /// Allow and block list exclude each other.
    pub const OPPOSITE_LIST: Self = Self(219);
    /// The contact's pager or telephone takes none (§5.7).
    pub const NO_PAGES: Self = Self(220);
    /// `ADG` beyond the server's limit.
    pub const TOO_MANY_GROUPS: Self = Self(223);
    /// `RMG`, `REG` or `ADD` with a group that does not exist.
    pub const INVALID_GROUP: Self = Self(224);
    /// `REM` out of a group that the contact is not in.
    pub const NOT_IN_GROUP: Self = Self(225);
    /// `ADG` or `REG` with a name that another group has.
    pub const GROUP_EXISTS: Self = Self(228);
    /// Longer than 61 bytes in percent coding (§3.3).
    pub const GROUP_NAME_TOO_LONG: Self = Self(229);
    /// The group 0 of MSNP9 and earlier cannot be removed.
    pub const GROUP_ZERO: Self = Self(230);
    /// A payload that cannot be read, in reply to `MSG` with `D` alone.
    pub const MALFORMED_MESSAGE: Self = Self(282);
    /// Such as the kind of acknowledgement of a `MSG`.
    pub const FIELD_MISSING: Self = Self(300);
    /// From MSNP10 on also `REM FL` by an account instead of a GUID.
    pub const ADDRESS_BOOK: Self = Self(403);
    /// A command that this dialect does not have any more, as `REA` from MSNP10 on.
    pub const COMMAND_DISABLED: Self = Self(502);
    /// `QRY` with a wrong digest (§4.6); the server closes.
    pub const WRONG_CHALLENGE: Self = Self(540);
    /// A command out of its place; in the sign-in the server closes after it.
    pub const NOT_EXPECTED: Self = Self(715);
    /// Changes of state or name, or `XFR`, faster than the server takes them.
    pub const TOO_RAPID: Self = Self(800);
    /// `USR` or `ANS` with a wrong ticket or cookie; the server closes.
    pub const AUTHENTICATION: Self = Self(911);
    /// No calls and no words while hidden, or before the first `CHG`.
    pub const HIDDEN: Self = Self(913);

    /// A sentence for somebody who does not know the protocol.
    pub fn meaning(self) -> &'static str {
        match self.0 {
            200 | 201 | 300 => "the server did not accept the request",
            203 | 204 => "this address is on a network that the server does not reach",
            205 | 208 => "there is no such account",
            206 => "the account needs a domain, as in name@example.com",
            207 => "this session is signed in already",
            209 => "the server does not allow this name",
            210 => "the list is full",
            212 => "the server is busy with another change of this name",
            213 => "the server does not accept this way of renaming",
            215 => "it is there already",
            216 => "it is not on the list, or they do not accept messages from you",
            217 => "they are not online",
            218 => "nothing to change",
            219 => "they are on the opposite list",
            220 => "they take no pages",
            223 => "there are too many groups",
            224 | 231 => "there is no such group",
            225 => "they are not in this group",
            227 => "the group is not empty",
            228 => "a group of this name exists",
            229 => "the name of the group is too long",
            230 => "the first group cannot be removed",
            232..=234 | 290 | 413..=419 | 550..=552 | 580 | 590..=598 => {
                "the server cannot reach this phone, or does not accept its number"
            }
            240 | 241 | 717 => "the server could not read the contact list that was sent",
            280 | 281 => "the conversation could not be opened",
            282 | 283 => "the message was malformed",
            285 => "the message is too long",
            301 => "too many people were found",
            302 => "the session is not signed in",
            402 | 403 => "the address book refused the change",
            420 => "the account may not sign in here",
            500 | 501 | 510 | 520 | 603 => "the server has an internal problem",
            502 => "the server has switched this off",
            504 | 602 => "another part of the MSN network is down",
            508 | 509 => "messages to other networks are not possible",
            511 => "the account is banned",
            540 => "the server did not accept the client's identity (product id and key)",
            600 | 910 | 912 | 918 | 919 | 921 | 922 => "the server is too busy",
            601 | 605 | 914..=916 => "the server is unavailable",
            604 => "the server is going down",
            606 => "pages cannot be sent now",
            700 | 707 => "the server could not open a connection",
            710 | 731 => {
                "the server does not accept what this client says it is (msn.client, msn.client_version)"
            }
            711 => "the server restricts this session",
            712 => "the server has more sessions than it can carry",
            713 | 800 => "too much in too short a time",
            714 | 734 => "the account is signed in from too many places",
            715 => "the server did not expect this now",
            718 | 719 | 726 => "the server restricts this account",
            733 => "the server ended the session",
            911 | 917 => "the password or the ticket was not accepted",
            913 => "this is not possible while you appear offline",
            920 => "the server takes no new sign-ins",
            923 => "a child's account needs a parent's consent first",
            924 => "the e-mail address of the account was never confirmed",
            925..=927 => "the account is suspended",
            928 | 931 => "the account belongs on another server",
            933 => "they are not in this circle",
            _ => "the server reported an error",
        }
    }

    /// Whether the server refuses for its own load or trouble, and may do otherwise in a while.
    pub fn is_load(self) -> bool {
        matches!(self.0, 500 | 501 | 504 | 510 | 520 | 600..=605 | 700 | 707 | 712 | 713 | 800 | 910 | 912 | 914..=916 | 918..=922)
    }

    /// Whether a session is over after this number, whether or not the server closes the connection.
    pub fn ends_session(self) -> bool {
        matches!(
            self.0,
            302 | 420 | 500 | 540 | 600 | 601 | 604 | 605 | 710 | 731 | 733 | 734 | 910..=912 | 914..=931
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (MSN error {})", self.meaning(), self.0)
    }
}

pub(super) fn decode(verb: Verb, args: &mut Args<'_>) -> Decoded<ServerCommand> {
    let code = ErrorCode(verb.error_number()?);
    // Some servers send an error to nobody in particular without a number.
    let trid = if args.left() == 0 { Ok(TrId(0)) } else { args.trid() };
    Some(trid.map(|trid| ServerCommand::Failed { code, trid }))
}

pub(super) fn encode(command: &ServerCommand) -> Option<Vec<u8>> {
    let ServerCommand::Failed { code, trid } = command else { return None };
    Some(Encoder::new(&format!("{:03}", code.0)).arg(trid).line())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number of §1.6.
    const ALL: &str = "200 201 203 204 205 206 207 208 209 210 212 213 215 216 217 218 219 220 223 224 225 227 228 229 230 \
        231 232 233 234 240 241 280 281 282 283 285 290 300 301 302 402 403 413 419 420 500 501 502 504 508 509 510 511 520 \
        540 550 552 580 590 598 600 601 602 603 604 605 606 700 707 710 711 712 713 714 715 717 718 719 726 731 733 734 800 \
        910 911 912 913 914 915 916 917 918 919 920 921 922 923 924 927 928 931 933";
    /// Those after which the session is over.
    const FATAL: &str = "302 420 500 540 600 601 604 605 710 731 733 734 910 911 912 914 915 916 917 918 919 920 921 922 923 924 927 928 931";

    #[test]
    fn every_number_has_a_sentence_and_the_fatal_ones_end_the_session() {
        let numbers =
            |text: &str| text.split_whitespace().map(|n| n.parse::<u16>().unwrap()).collect::<Vec<_>>();
        let fatal = numbers(FATAL);
        for number in numbers(ALL) {
            let code = ErrorCode(number);
            assert_ne!(code.meaning(), ErrorCode(999).meaning(), "{number}");
            assert_eq!(code.ends_session(), fatal.contains(&number), "{number}");
        }
    }
}
