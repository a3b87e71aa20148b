//! `REM`: off a list, or out of a group.

use super::super::account::Listed;
use super::super::ids::ConnId;
use super::super::world::World;
use crate::msn::command::{ErrorCode, ListKind, ServerCommand};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, GroupId, TrId};

/// Added this account, and was allowed or blocked: no longer waiting, which some clients say once more.
fn is_decided(listed: &Listed) -> bool {
    let lists = listed.lists;
    lists.has(ListKind::Reverse) && (lists.has(ListKind::Allow) || lists.has(ListKind::Block))
}

impl World {
    pub(super) fn remove(
        &mut self,
        conn: ConnId,
        trid: TrId,
        owner: &Email,
        list: ListKind,
        target: &str,
        group: Option<GroupId>,
    ) {
        if list == ListKind::Reverse {
            return self.close(conn);
        }
        let by_id = self.dialect(conn).has_guids() && list == ListKind::Forward;
        let Some(account) = self.account(owner) else { return };
        let found = account.listed.values().find(|listed| {
            if by_id { listed.id.0 == target } else { listed.email.as_str().eq_ignore_ascii_case(target) }
        });
        let is_there = |l: &&Listed| l.lists.has(list) || (list == ListKind::Pending && is_decided(l));
        let Some(contact) = found.filter(is_there).map(|l| l.email.clone()) else {
            return self.fail(conn, trid, ErrorCode::NOT_ON_LIST);
        };
        let mut stays = false;
        if let Some(given) = group.as_ref().filter(|_| list == ListKind::Forward) {
            let Some(number) = self.known_group(conn, trid, owner, given) else { return };
            match self.take_out(owner, &contact, number, self.dialect(conn)) {
                Some(left_over) => stays = left_over,
                None => return self.fail(conn, trid, ErrorCode::NOT_IN_GROUP),
            }
        }
        let version = self.bump(conn, owner);
        self.send(conn, ServerCommand::Rem { trid, list, version, target: target.to_owned(), group });
        if !stays {
            self.unlist(owner, list, &contact);
        }
    }

    /// Out of one group; `None` if they were not in it. True if they are a contact still: up to MSNP9 everybody is in a
    /// group, and clients of that time remove people by taking them out of their last one.
    fn take_out(&mut self, owner: &Email, contact: &Email, group: u32, dialect: Dialect) -> Option<bool> {
        let listed = self.account_mut(owner)?.listed.get_mut(&contact.to_key())?;
        let guids = dialect.has_guids();
        if !listed.is_in(group) || (guids && !listed.groups.contains(&group)) {
            return None;
        }
        let stays = guids || listed.groups.len() > 1;
        listed.leave(group);
        Some(stays)
    }

    /// Off a list, and what that means to the other side.
    pub(super) fn unlist(&mut self, owner: &Email, list: ListKind, contact: &Email) {
        let Some(account) = self.account_mut(owner) else { return };
        let allowed = account.allows(contact);
        let Some(listed) = account.listed.get_mut(&contact.to_key()) else { return };
        listed.lists.remove(list);
        if list == ListKind::Forward {
            listed.groups.clear();
        }
        if listed.lists.is_empty() {
            account.listed.remove(&contact.to_key());
        }
        let changed = account.allows(contact) != allowed;
        if list == ListKind::Forward {
            self.told_of_removal(owner, contact);
        } else if changed {
            self.tell_allowance(owner, contact);
        }
    }

    fn told_of_removal(&mut self, owner: &Email, contact: &Email) {
        let Some(other) = self.account_mut(contact) else { return };
        if let Some(listed) = other.listed.get_mut(&owner.to_key()) {
            listed.lists.remove(ListKind::Reverse);
            listed.lists.remove(ListKind::Pending);
            if listed.lists.is_empty() {
                other.listed.remove(&owner.to_key());
            }
        }
        let Some(conn) = other.session else { return };
        let version = self.bump(conn, contact);
        let target = owner.to_string();
        let list = ListKind::Reverse;
        self.send(conn, ServerCommand::Rem { trid: TrId(0), list, version, target, group: None });
    }
}
