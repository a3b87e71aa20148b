//! `REM`: off a list.

use super::super::world::{ConnId, World};
use crate::msn::command::{ErrorCode, ListKind, ServerCommand};
use crate::msn::ids::{Email, TrId};

impl World {
    pub(super) fn remove(&mut self, conn: ConnId, trid: TrId, owner: &Email, list: ListKind, target: &str) {
        if list == ListKind::Reverse {
            return self.close(conn);
        }
        let by_id = self.dialect(conn).has_guids() && list == ListKind::Forward;
        let Some(account) = self.account_mut(owner) else { return };
        let found = account.listed.values_mut().find(|listed| {
            if by_id { listed.id.0 == target } else { listed.email.as_str().eq_ignore_ascii_case(target) }
        });
        let Some(listed) = found.filter(|listed| listed.lists.has(list)) else {
            return self.fail(conn, trid, ErrorCode::NOT_ON_LIST);
        };
        listed.lists.remove(list);
        let contact = listed.email.clone();
        let gone = listed.lists.is_empty();
        if gone {
            account.listed.remove(&contact.to_key());
        }
        let version = self.bump(conn, owner);
        self.send(conn, ServerCommand::Rem { trid, list, version, target: target.to_owned(), group: None });
        self.removed(owner, list, &contact);
    }

    fn removed(&mut self, owner: &Email, list: ListKind, contact: &Email) {
        match list {
            ListKind::Forward => self.told_of_removal(owner, contact),
            ListKind::Allow | ListKind::Block => {
                if let Some(watcher) = self.watcher(contact, owner) {
                    self.tell_one(watcher, owner, contact);
                }
            }
            _ => {}
        }
    }

    fn told_of_removal(&mut self, owner: &Email, contact: &Email) {
        let Some(other) = self.account_mut(contact) else { return };
        if let Some(listed) = other.listed.get_mut(&owner.to_key()) {
            listed.lists.remove(ListKind::Reverse);
            listed.lists.remove(ListKind::Pending);
        }
        let Some(conn) = other.session else { return };
        let version = self.bump(conn, contact);
        let target = owner.to_string();
        let list = ListKind::Reverse;
        self.send(conn, ServerCommand::Rem { trid: TrId(0), list, version, target, group: None });
    }
}
