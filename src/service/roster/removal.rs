//! `REM`: off a list, or out of a group.

use super::super::world::{ConnId, World};
use crate::msn::command::{ErrorCode, ListKind, ServerCommand};
use crate::msn::ids::{Email, GroupId, TrId};

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
        let Some(contact) = found.filter(|l| l.lists.has(list)).map(|l| l.email.clone()) else {
            return self.fail(conn, trid, ErrorCode::NOT_ON_LIST);
        };
        if let Some(given) = group.as_ref().filter(|_| list == ListKind::Forward) {
            let Some(number) = self.known_group(conn, trid, owner, given) else { return };
            if !self.take_out(owner, &contact, number) {
                return self.fail(conn, trid, ErrorCode::NOT_IN_GROUP);
            }
        }
        let version = self.bump(conn, owner);
        let only_group = group.is_some();
        self.send(conn, ServerCommand::Rem { trid, list, version, target: target.to_owned(), group });
        if !only_group {
            self.unlist(owner, list, &contact);
        }
    }

    /// Out of one group; true if they were in it. Being in none, up to MSNP9, is being in the first.
    fn take_out(&mut self, owner: &Email, contact: &Email, group: u32) -> bool {
        let account = self.account_mut(owner);
        let Some(listed) = account.and_then(|a| a.listed.get_mut(&contact.to_key())) else { return false };
        let before = listed.groups.len();
        listed.groups.retain(|number| *number != group);
        listed.groups.len() < before || group == 0
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
