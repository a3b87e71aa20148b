//! `ADG REG RMG`: groups, numbered up to MSNP9 and named by GUID from MSNP10 on (§3.3).

use super::super::account::{Group, Listed};
use super::super::ids::ConnId;
use super::super::world::World;
use crate::msn::command::{ErrorCode, ListKind, ServerCommand};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, GroupId, TrId};
use crate::msn::wire::{UrlText, Verb};

/// Most groups besides the first one, and the longest name in its encoded form (§1.5).
const MAX_GROUPS: usize = 30;
const MAX_NAME: usize = 61;

impl Group {
    fn id(&self, dialect: Dialect) -> String {
        if dialect.has_guids() { self.guid.clone() } else { self.number.to_string() }
    }
}

impl World {
    /// The group that a client means; `0` is the one that everybody has up to MSNP9.
    fn group(&self, owner: &Email, given: &GroupId, dialect: Dialect) -> Option<u32> {
        let groups = self.account(owner).map(|account| account.groups.as_slice()).unwrap_or_default();
        if !dialect.has_guids() {
            let number: u32 = given.0.parse().ok()?;
            return (number == 0 || groups.iter().any(|group| group.number == number)).then_some(number);
        }
        if let Some(group) = groups.iter().find(|group| group.guid.eq_ignore_ascii_case(&given.0)) {
            return Some(group.number);
        }
        // MSN 7.0 sometimes names the group in place of its id.
        let mut named = groups.iter().filter(|group| group.name.as_wire() == given.0);
        let first = named.next()?;
        named.next().is_none().then_some(first.number)
    }

    /// The same, having answered where there is none.
    pub(in super::super) fn known_group(
        &mut self,
        conn: ConnId,
        trid: TrId,
        owner: &Email,
        given: &GroupId,
    ) -> Option<u32> {
        let number = self.group(owner, given, self.dialect(conn));
        if number.is_none() {
            self.fail(conn, trid, ErrorCode::INVALID_GROUP);
        }
        number
    }

    pub(super) fn create_group(&mut self, conn: ConnId, trid: TrId, owner: &Email, name: UrlText) {
        if let Err(code) = self.may_name_group(owner, &name, None) {
            return self.fail(conn, trid, code);
        }
        let guid = self.random_guid();
        let dialect = self.dialect(conn);
        let Some(account) = self.account_mut(owner) else { return };
        if account.groups.len() >= MAX_GROUPS {
            return self.fail(conn, trid, ErrorCode::TOO_MANY_GROUPS);
        }
        let is_free = |number: &u32| account.groups.iter().all(|group| group.number != *number);
        let number = (1..).find(is_free).unwrap_or(1);
        let group = Group { number, guid, name: name.clone() };
        let id = group.id(dialect);
        account.groups.push(group);
        self.reply(conn, trid, owner, "ADG", [name.to_string(), id]);
    }

    pub(super) fn rename_group(
        &mut self,
        conn: ConnId,
        trid: TrId,
        owner: &Email,
        given: &GroupId,
        name: UrlText,
    ) {
        let Some(number) = self.known_group(conn, trid, owner, given) else { return };
        if let Err(code) = self.may_name_group(owner, &name, Some(number)) {
            return self.fail(conn, trid, code);
        }
        let Some(account) = self.account_mut(owner) else { return };
        match account.groups.iter_mut().find(|group| group.number == number) {
            Some(group) => group.name = name.clone(),
            None => account.first_group = name.clone(),
        }
        let parameters = match self.dialect(conn).has_guids() {
            true => [name.to_string(), given.0.clone()],
            false => [given.0.clone(), name.to_string()],
        };
        self.reply(conn, trid, owner, "REG", parameters);
    }

    pub(super) fn remove_group(&mut self, conn: ConnId, trid: TrId, owner: &Email, given: &GroupId) {
        let Some(number) = self.known_group(conn, trid, owner, given) else { return };
        if number == 0 {
            return self.fail(conn, trid, ErrorCode::GROUP_ZERO);
        }
        let Some(account) = self.account_mut(owner) else { return };
        account.groups.retain(|group| group.number != number);
        // Whoever is in no other group goes with it.
        let only_here = |l: &&Listed| l.lists.has(ListKind::Forward) && l.groups == [number];
        let gone: Vec<Email> = account.listed.values().filter(only_here).map(|l| l.email.clone()).collect();
        account.listed.values_mut().for_each(|listed| listed.leave(number));
        self.reply(conn, trid, owner, "RMG", [given.0.clone()]);
        for contact in gone {
            self.unlist(owner, ListKind::Forward, &contact);
        }
    }

    fn may_name_group(&self, owner: &Email, name: &UrlText, own: Option<u32>) -> Result<(), ErrorCode> {
        if name.wire_len() > MAX_NAME {
            return Err(ErrorCode::GROUP_NAME_TOO_LONG);
        }
        let mut others =
            self.account(owner).into_iter().flat_map(|a| &a.groups).filter(|g| Some(g.number) != own);
        if others.any(|group| group.name == *name) { Err(ErrorCode::GROUP_EXISTS) } else { Ok(()) }
    }

    /// A reply of the group commands: the list version in front and, but for a removal, a zero behind. From MSNP10 on the
    /// version stands at 1 and the name before the GUID: the form that the servers of today have, and their clients read.
    fn reply<const N: usize>(
        &mut self,
        conn: ConnId,
        trid: TrId,
        owner: &Email,
        verb: &str,
        parameters: [String; N],
    ) {
        let version = self.bump(conn, owner).unwrap_or(1).to_string();
        let tail = (verb != "RMG").then(|| "0".to_owned());
        let rest = std::iter::once(version).chain(parameters).chain(tail).collect();
        if let Some(verb) = Verb::parse(verb) {
            self.send(conn, ServerCommand::Group { verb, trid, rest });
        }
    }

    /// The ids of the groups somebody is in, as a dialect writes them.
    pub(super) fn group_ids(
        account: &super::super::account::Account,
        listed: &Listed,
        dialect: Dialect,
    ) -> Vec<GroupId> {
        let known = account.groups.iter().filter(|group| listed.groups.contains(&group.number));
        let ids = known.map(|group| GroupId(group.id(dialect)));
        // Up to MSNP9 everybody is in a group.
        let first = (!dialect.has_guids() && listed.is_in(0)).then(|| GroupId("0".into()));
        first.into_iter().chain(ids).collect()
    }
}
