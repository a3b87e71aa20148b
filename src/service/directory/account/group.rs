//! Groups of contacts, numbered up to MSNP9 and named by GUID from MSNP10 on (§3.3).
//!
//! Knows one account's groups and their limits. Refuses to know the lines that are written about them.

use super::Account;
use super::listed::Listed;
use crate::msn::command::{ErrorCode, ListKind};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, GroupId};
use crate::msn::wire::UrlText;

/// Most groups besides the first one, and the longest name in its encoded form (§1.5).
const MAX_GROUPS: usize = 30;
/// Longest name of a group, percent-encoded, in bytes (§1.5).
const MAX_NAME: usize = 61;

/// A group, by both of its names.
#[derive(Debug, Clone)]
pub(in crate::service) struct Group {
    /// From 1 to 30; the lowest that was free. 0 is the first group, which is none of these.
    number: u32,
    guid: String,
    /// At most 61 bytes, percent-encoded.
    pub(in crate::service) name: UrlText,
}

impl Group {
    /// Its id, as a dialect writes it.
    pub(in crate::service) fn id(&self, dialect: Dialect) -> GroupId {
        GroupId(if dialect.has_guids() { self.guid.clone() } else { self.number.to_string() })
    }
}

impl Account {
    /// The number of the group that a client means; `0` is the one that everybody has up to MSNP9.
    ///
    /// # Errors
    /// 224 for a group that is not there.
    pub(in crate::service) fn group(&self, given: &GroupId, dialect: Dialect) -> Result<u32, ErrorCode> {
        let found = if dialect.has_guids() { self.group_by_guid(given) } else { self.group_by_number(given) };
        found.ok_or(ErrorCode::INVALID_GROUP)
    }

    fn group_by_number(&self, given: &GroupId) -> Option<u32> {
        let number: u32 = given.0.parse().ok()?;
        (number == 0 || self.groups.iter().any(|group| group.number == number)).then_some(number)
    }

    fn group_by_guid(&self, given: &GroupId) -> Option<u32> {
        if let Some(group) = self.groups.iter().find(|group| group.guid.eq_ignore_ascii_case(&given.0)) {
            return Some(group.number);
        }
        // MSN 7.0 sometimes names the group in place of its id.
        let mut named = self.groups.iter().filter(|group| group.name.as_wire() == given.0);
        let first = named.next()?;
        named.next().is_none().then_some(first.number)
    }

    /// Makes a group, under the lowest number that is free.
    ///
    /// # Errors
    /// 223 for one too many, 228 for a name that another has, 229 for one of more than 61 bytes.
    pub(in crate::service) fn create_group(
        &mut self,
        name: UrlText,
        guid: String,
    ) -> Result<&Group, ErrorCode> {
        self.may_name_group(&name, None)?;
        if self.groups.len() >= MAX_GROUPS {
            return Err(ErrorCode::TOO_MANY_GROUPS);
        }
        let is_free = |number: &u32| self.groups.iter().all(|group| group.number != *number);
        let number = (1..).find(is_free).unwrap_or(1);
        Ok(self.groups.push_mut(Group { number, guid, name }))
    }

    /// Gives a group, or the first one, another name.
    ///
    /// # Errors
    /// 228 for a name that another has, 229 for one of more than 61 bytes.
    pub(in crate::service) fn rename_group(&mut self, number: u32, name: UrlText) -> Result<(), ErrorCode> {
        self.may_name_group(&name, Some(number))?;
        match self.groups.iter_mut().find(|group| group.number == number) {
            Some(group) => group.name = name,
            None => self.first_group = name,
        }
        Ok(())
    }

    /// Removes a group, and gives the contacts who were in no other: they go with it, which is left to do.
    ///
    /// # Errors
    /// 230 for the first group, which cannot be removed.
    pub(in crate::service) fn remove_group(&mut self, number: u32) -> Result<Vec<Email>, ErrorCode> {
        if number == 0 {
            return Err(ErrorCode::GROUP_ZERO);
        }
        self.groups.retain(|group| group.number != number);
        let only_here = |l: &&Listed| l.lists.has(ListKind::Forward) && l.groups == [number];
        let gone = self.listed.values().filter(only_here).map(|l| l.email.clone()).collect();
        self.listed.values_mut().for_each(|listed| listed.leave(number));
        Ok(gone)
    }

    fn may_name_group(&self, name: &UrlText, own: Option<u32>) -> Result<(), ErrorCode> {
        if name.wire_len() > MAX_NAME {
            return Err(ErrorCode::GROUP_NAME_TOO_LONG);
        }
        let mut others = self.groups.iter().filter(|group| Some(group.number) != own);
        if others.any(|group| group.name == *name) { Err(ErrorCode::GROUP_EXISTS) } else { Ok(()) }
    }

    /// The ids of the groups somebody is in, as a dialect writes them.
    pub(in crate::service) fn group_ids(&self, listed: &Listed, dialect: Dialect) -> Vec<GroupId> {
        let known = self.groups.iter().filter(|group| listed.groups.contains(&group.number));
        let ids = known.map(|group| group.id(dialect));
        // Up to MSNP9 everybody is in a group.
        let first = (!dialect.has_guids() && listed.is_in(0)).then(|| GroupId("0".into()));
        first.into_iter().chain(ids).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::account;
    use super::*;

    fn name(text: &str) -> UrlText {
        UrlText::from_wire(text)
    }

    #[test]
    fn a_group_has_the_lowest_free_number_and_is_found_by_it_by_guid_and_by_a_name_of_its_own() {
        let mut alice = account("alice");
        for (text, guid) in [("A", "1-a"), ("B", "1-b"), ("C", "1-c")] {
            alice.create_group(name(text), guid.into()).unwrap();
        }
        let of = |alice: &Account, given: &str, dialect| alice.group(&GroupId(given.into()), dialect);
        assert_eq!(of(&alice, "2", Dialect::Msnp9), Ok(2));
        assert_eq!(of(&alice, "1-B", Dialect::Msnp11), Ok(2));
        assert_eq!(of(&alice, "B", Dialect::Msnp11), Ok(2));
        assert_eq!(of(&alice, "0", Dialect::Msnp9), Ok(0));
        assert_eq!(of(&alice, "0", Dialect::Msnp11), Err(ErrorCode::INVALID_GROUP));
        assert_eq!(alice.remove_group(2), Ok(Vec::new()));
        let again = alice.create_group(name("D"), "1-d".into()).unwrap();
        assert_eq!(again.id(Dialect::Msnp9), GroupId("2".into()));
    }

    #[test]
    fn names_are_unique_and_bounded_and_there_are_thirty_groups_at_most() {
        let mut alice = account("alice");
        let make = |alice: &mut Account, text: &str| alice.create_group(name(text), "g".into()).map(|_| ());
        assert_eq!(make(&mut alice, &"x".repeat(62)), Err(ErrorCode::GROUP_NAME_TOO_LONG));
        assert_eq!(make(&mut alice, &"x".repeat(61)), Ok(()));
        assert_eq!(make(&mut alice, &"x".repeat(61)), Err(ErrorCode::GROUP_EXISTS));
        assert_eq!(alice.rename_group(1, name(&"x".repeat(61))), Ok(()), "its own name");
        for n in 2..=30 {
            assert_eq!(make(&mut alice, &format!("g{n}")), Ok(()));
        }
        assert_eq!(make(&mut alice, "more"), Err(ErrorCode::TOO_MANY_GROUPS));
        assert_eq!(alice.remove_group(0), Err(ErrorCode::GROUP_ZERO));
    }
}
