//! `SYN LST LSG BPR ADD ADC REM REA PRP SBP ADG REG RMG GTC BLP`: contact lists and groups (§3).
//!
//! Knows lists, groups and the fields of a contact, in the forms before and from MSNP10 on. Refuses to keep any of
//! them: a line is read or written, and forgotten.

mod client;
mod listing;
mod server;

use std::fmt;
use std::str::FromStr;

use crate::msn::ids::{ContactId, Email, GroupId, InvalidToken};
use crate::msn::wire::UrlText;

pub(super) use client::{decode_client, encode_client};
pub(super) use server::{decode_server, encode_server};

/// The five lists of an account (§3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// My visible contacts.
    Forward = 1,
    /// May see me.
    Allow = 2,
    /// May not see me.
    Block = 4,
    /// Have me on their forward list; the server's to change.
    Reverse = 8,
    /// Added me and wait for an answer.
    Pending = 16,
}

impl ListKind {
    pub const ALL: [Self; 5] = [Self::Forward, Self::Allow, Self::Block, Self::Reverse, Self::Pending];

    fn code(self) -> &'static str {
        match self {
            Self::Forward => "FL",
            Self::Allow => "AL",
            Self::Block => "BL",
            Self::Reverse => "RL",
            Self::Pending => "PL",
        }
    }
}

impl fmt::Display for ListKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for ListKind {
    type Err = InvalidToken;
    fn from_str(token: &str) -> Result<Self, InvalidToken> {
        let found = Self::ALL.into_iter().find(|kind| kind.code() == token);
        found.ok_or_else(|| InvalidToken::new("list", token))
    }
}

/// A set of lists, the decimal sum of their bits. Bits that no list has are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListMask(pub u32);

impl ListMask {
    pub fn has(self, kind: ListKind) -> bool {
        self.0 & kind as u32 != 0
    }

    pub fn insert(&mut self, kind: ListKind) {
        self.0 |= kind as u32;
    }

    pub fn remove(&mut self, kind: ListKind) {
        self.0 &= !(kind as u32);
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// How far a client's copy of the lists goes: one number up to MSNP9, two opaque stamps from MSNP10 (§3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncStamp {
    Version(u32),
    Stamps(String, String),
}

/// One `LST` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactEntry {
    pub email: Email,
    pub name: Option<UrlText>,
    pub contact: Option<ContactId>,
    pub lists: ListMask,
    pub groups: Vec<GroupId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conf_039_list_masks_decode_bit_by_bit() {
        let lists =
            |mask: u32| ListKind::ALL.into_iter().filter(|k| ListMask(mask).has(*k)).collect::<Vec<_>>();
        use ListKind::{Allow, Block, Forward, Pending, Reverse};
        for (mask, expected) in [
            (1, vec![Forward]),
            (2, vec![Allow]),
            (4, vec![Block]),
            (8, vec![Reverse]),
            (16, vec![Pending]),
            (3, vec![Forward, Allow]),
            (11, vec![Forward, Allow, Reverse]),
            (13, vec![Forward, Block, Reverse]),
            (19, vec![Forward, Allow, Pending]),
            (24, vec![Reverse, Pending]),
        ] {
            assert_eq!(lists(mask), expected, "{mask}");
        }
        assert!("XL".parse::<ListKind>().is_err());
        let mut mask = ListMask(3);
        mask.remove(Allow);
        mask.insert(Block);
        assert_eq!(mask, ListMask(5));
    }
}
