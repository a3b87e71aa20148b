//! `ADD` and `ADC`: onto a list.

use super::super::account::Listed;
use super::super::ids::ConnId;
use super::super::world::World;
use crate::msn::command::{ErrorCode, ListKind, ListMask, ServerCommand};
use crate::msn::ids::{ContactId, Email, GroupId, TrId};
use crate::msn::wire::UrlText;

/// Most entries of a list (§1.5).
const MAX_FORWARD: usize = 1000;
const MAX_OTHER: usize = 1500;

/// What somebody is added with.
pub(super) struct Addition {
    pub(super) list: ListKind,
    pub(super) contact: Option<Email>,
    pub(super) name: Option<UrlText>,
    pub(super) id: Option<ContactId>,
    pub(super) group: Option<GroupId>,
}

impl World {
    pub(super) fn add(&mut self, conn: ConnId, trid: TrId, owner: &Email, addition: Addition) {
        let Addition { list, contact, name, id, group } = addition;
        let guids = self.dialect(conn).has_guids();
        let by_id = |id: &ContactId| self.account(owner)?.listed.values().find(|l| l.id == *id);
        let contact = contact.or_else(|| id.as_ref().and_then(by_id).map(|listed| listed.email.clone()));
        let Some(contact) = contact else { return self.fail(conn, trid, ErrorCode::NOT_ON_LIST) };
        let into = match group.as_ref().filter(|_| list == ListKind::Forward) {
            Some(given) => match self.known_group(conn, trid, owner, given) {
                Some(number) => Some(number),
                None => return,
            },
            None => None,
        };
        // Somebody who is a contact can still be put into one more group.
        let listed_already = self.account(owner).is_some_and(|a| a.lists(&contact).has(list));
        let regroups =
            listed_already && into.is_some_and(|number| self.can_join(owner, &contact, number, guids));
        if !regroups && let Err(code) = self.may_add(owner, list, &contact, guids) {
            return self.fail(conn, trid, code);
        }
        let fresh = self.fresh_contact(&contact, name.clone());
        let Some(account) = self.account_mut(owner) else { return };
        let listed = account.listed.entry(contact.to_key()).or_insert(fresh);
        listed.lists.insert(list);
        // Who was allowed, blocked or confirmed has been decided about.
        if matches!(list, ListKind::Reverse | ListKind::Allow | ListKind::Block) {
            listed.lists.remove(ListKind::Pending);
        }
        if let Some(number) = into {
            listed.join(number, !guids && listed_already);
        }
        let id = (list == ListKind::Forward).then(|| listed.id.clone());
        let version = self.bump(conn, owner).unwrap_or_default();
        let reply = match (guids, regroups) {
            (true, true) => {
                ServerCommand::Adc { trid, list, email: None, name: None, contact: id, group: group.clone() }
            }
            (true, false) => ServerCommand::Adc {
                trid,
                list,
                email: Some(contact.clone()),
                name,
                contact: id,
                group: group.clone(),
            },
            (false, _) => {
                ServerCommand::Add { trid, list, version, email: contact.clone(), name, group: group.clone() }
            }
        };
        self.send(conn, reply);
        if !regroups {
            self.added(conn, trid, owner, list, &contact);
        }
    }

    fn can_join(&self, owner: &Email, contact: &Email, group: u32, guids: bool) -> bool {
        let listed = self.account(owner).and_then(|account| account.listed.get(&contact.to_key()));
        listed.is_some_and(|listed| !(listed.is_in(group) || guids && group == 0))
    }

    fn may_add(&self, owner: &Email, list: ListKind, contact: &Email, guids: bool) -> Result<(), ErrorCode> {
        let account = self.account(owner).ok_or(ErrorCode::NO_SUCH_ACCOUNT)?;
        let lists = account.lists(contact);
        if !contact.is_address() {
            return Err(ErrorCode::INVALID_PARAMETER);
        }
        if self.account(contact).is_none() {
            return Err(if guids { ErrorCode::INVALID_ACCOUNT } else { ErrorCode::NO_SUCH_ACCOUNT });
        }
        // Whoever added this account is confirmed as often as the client likes: some do it after they have allowed them.
        if list == ListKind::Reverse && (lists.has(list) || lists.has(ListKind::Pending)) {
            return Ok(());
        }
        if lists.has(list) {
            return Err(ErrorCode::ALREADY_THERE);
        }
        match list {
            // The other way round is taken: a block outweighs, and there are clients that block before they disallow.
            ListKind::Allow if lists.has(ListKind::Block) => Err(ErrorCode::OPPOSITE_LIST),
            ListKind::Pending => Err(ErrorCode::INVALID_PARAMETER),
            // Only somebody who added this account can be confirmed.
            ListKind::Reverse => Err(ErrorCode::INVALID_PARAMETER),
            ListKind::Forward if account.count(list) >= MAX_FORWARD => Err(ErrorCode::LIST_FULL),
            _ if account.count(list) >= MAX_OTHER => Err(ErrorCode::LIST_FULL),
            _ => Ok(()),
        }
    }

    fn fresh_contact(&mut self, contact: &Email, name: Option<UrlText>) -> Listed {
        let known = self.account(contact).map(|account| (account.email.clone(), account.name.clone()));
        let (email, own_name) = known.unwrap_or_else(|| (contact.clone(), UrlText::encode(contact.as_str())));
        let id = ContactId(self.random_guid());
        let (name, lists) = (name.unwrap_or(own_name), ListMask::default());
        Listed { email, name, id, lists, groups: Vec::new() }
    }

    /// As if both had added and allowed each other long ago.
    pub(in super::super) fn list_mutually(&mut self, owner: &Email, contact: &Email) {
        let fresh = self.fresh_contact(contact, None);
        let Some(account) = self.account_mut(owner) else { return };
        let listed = account.listed.entry(contact.to_key()).or_insert(fresh);
        for list in [ListKind::Forward, ListKind::Allow, ListKind::Reverse] {
            listed.lists.insert(list);
        }
    }

    /// What an addition does beyond the list: the other side learns of it, presence begins or ends.
    fn added(&mut self, conn: ConnId, trid: TrId, owner: &Email, list: ListKind, contact: &Email) {
        match list {
            ListKind::Forward => {
                self.told_of_addition(owner, contact);
                self.send_phones(conn, contact, owner);
                if let Some(presence) = self.presence_of(contact, owner) {
                    self.send(conn, ServerCommand::Iln { trid, presence });
                    self.send_personal(conn, contact);
                }
            }
            ListKind::Allow | ListKind::Block => {
                self.tell_allowance(owner, contact);
            }
            _ => {}
        }
    }

    /// The other side's reverse list, and a line if they are signed in (§3.4).
    fn told_of_addition(&mut self, owner: &Email, contact: &Email) {
        let name = self.account(owner).map(|account| account.name.clone());
        let fresh = self.fresh_contact(owner, None);
        let Some(other) = self.account_mut(contact) else { return };
        let listed = other.listed.entry(owner.to_key()).or_insert(fresh);
        let decided = listed.lists.has(ListKind::Allow) || listed.lists.has(ListKind::Block);
        listed.lists.insert(ListKind::Reverse);
        if !decided {
            listed.lists.insert(ListKind::Pending);
        }
        let Some(conn) = other.session else { return };
        let version = self.bump(conn, contact).unwrap_or_default();
        let (trid, list, owner) = (TrId(0), ListKind::Reverse, owner.clone());
        let line = if self.dialect(conn).has_guids() {
            ServerCommand::Adc { trid, list, email: Some(owner), name, contact: None, group: None }
        } else {
            ServerCommand::Add { trid, list, version, email: owner, name, group: None }
        };
        self.send(conn, line);
    }
}
