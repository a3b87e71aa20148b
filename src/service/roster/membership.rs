//! `ADD`, `ADC` and `REM`, `ADL` and `RML`: onto a list and off it, into a group and out of it, and what the other side is told (§3.3, §3.4).
//!
//! Knows the answers of each dialect. Whether somebody may be added or is there to be removed, the account knows.

use super::RosterHandler;
use super::listing::{self, told_by};
use crate::msn::command::{ErrorCode, ListKind, ServerCommand};
use crate::msn::ids::{ContactId, Email, GroupId, TrId};
use crate::msn::wire::UrlText;
use crate::service::refusal::Refusal;

/// What somebody is added with. The address or the id says whom, the address first.
pub(super) struct Addition {
    pub(super) list: ListKind,
    pub(super) contact: Option<Email>,
    /// What they are to be called; their own name if this is `None`.
    pub(super) name: Option<UrlText>,
    pub(super) id: Option<ContactId>,
    /// Means something on the forward list alone.
    pub(super) group: Option<GroupId>,
}

impl RosterHandler<'_> {
    /// Puts somebody on a list; a contact who is there already can still be put into one more group.
    ///
    /// # Errors
    /// 216 for an id on no list, 224 for a group that is not there, and whatever [`Account::may_add`](crate::service::directory::Account::may_add) refuses.
    pub(super) fn add(&mut self, addition: Addition) -> Result<(), ErrorCode> {
        let (list, dialect) = (addition.list, self.dialect);
        let account = self.account()?;
        let by_id = |id: &ContactId| account.with_id(id).map(|listed| listed.email.clone());
        let contact = addition.contact.clone().or_else(|| addition.id.as_ref().and_then(by_id));
        let contact = contact.ok_or(ErrorCode::NOT_ON_LIST)?;
        let group = addition.group.as_ref().filter(|_| list == ListKind::Forward);
        let into = group.map(|given| account.group(given, dialect)).transpose()?;
        let was_there = account.lists(&contact).has(list);
        let regroups = was_there && into.is_some_and(|group| account.can_join(&contact, group, dialect));
        if !regroups {
            let known = self.directory.get(&contact).is_some();
            self.account()?.may_add(list, &contact, known, dialect)?;
        }
        let fresh = self.directory.newly_listed(&contact, addition.name.clone(), self.random);
        let id = self.account()?.put(fresh, list, into, dialect).id.clone();
        let version = self.bump()?.unwrap_or_default();
        self.answer_addition(&contact, id, addition, version, regroups);
        if !regroups {
            self.added(list, &contact);
        }
        Ok(())
    }

    /// The line that came, with the list version up to MSNP9 and the contact id after; less of it for one more group.
    fn answer_addition(
        &mut self,
        contact: &Email,
        id: ContactId,
        addition: Addition,
        version: u32,
        regroups: bool,
    ) {
        let (trid, email) = (self.trid, contact.clone());
        let Addition { list, name, group, .. } = addition;
        let id = (list == ListKind::Forward).then_some(id);
        self.send(match (self.dialect.has_guids(), regroups) {
            (true, true) => ServerCommand::Adc { trid, list, email: None, name: None, contact: id, group },
            (true, false) => ServerCommand::Adc { trid, list, email: Some(email), name, contact: id, group },
            (false, _) => ServerCommand::Add { trid, list, version, email, name, group },
        });
    }

    /// What an addition does beyond the list: the other side learns of it, presence begins or ends.
    fn added(&mut self, list: ListKind, contact: &Email) {
        let (conn, trid, owner) = (self.conn, self.trid, self.owner.clone());
        match list {
            ListKind::Forward => {
                self.told_of_addition(contact);
                self.notifier().show_contact(conn, trid, contact, &owner);
            }
            ListKind::Allow | ListKind::Block => self.notifier().tell_allowance(&owner, contact),
            _ => {}
        }
    }

    /// The other side's reverse list, and a line if they are signed in (§3.4).
    fn told_of_addition(&mut self, contact: &Email) {
        let name = self.directory.get(&self.owner).map(|account| account.name.clone());
        let fresh = self.directory.newly_listed(&self.owner, None, self.random);
        let Some(other) = self.directory.get_mut(contact) else { return };
        other.added_by(fresh);
        let Some((conn, version)) = self.bump_other(contact) else { return };
        let (trid, list, email) = (TrId(0), ListKind::Reverse, self.owner.clone());
        let line = match version {
            None if self.connections.dialect(conn).has_soap_roster() => told_by(&email, name.as_ref(), true),
            None => ServerCommand::Adc { trid, list, email: Some(email), name, contact: None, group: None },
            Some(version) => ServerCommand::Add { trid, list, version, email, name, group: None },
        };
        self.connections.send(conn, line);
    }

    /// Takes somebody off a list, or out of a group.
    ///
    /// # Errors
    /// 216 for somebody who is not on the list, 224 for a group that is not there, 225 for one they are not in.
    pub(super) fn remove(
        &mut self,
        list: ListKind,
        target: String,
        group: Option<GroupId>,
    ) -> Result<(), ErrorCode> {
        let (trid, dialect) = (self.trid, self.dialect);
        let account = self.account()?;
        let contact = account.find_on(list, &target, dialect)?.email.clone();
        let stays = match group.as_ref().filter(|_| list == ListKind::Forward) {
            Some(given) => {
                let number = account.group(given, dialect)?;
                account.take_out(&contact, number, dialect)?
            }
            None => false,
        };
        let version = self.bump()?;
        self.send(ServerCommand::Rem { trid, list, version, target, group });
        if stays { Ok(()) } else { self.unlist(list, &contact) }
    }

    /// Off a list, and what that means to the other side.
    ///
    /// # Errors
    /// None but for an account that is not there, which a session's is.
    pub(super) fn unlist(&mut self, list: ListKind, contact: &Email) -> Result<(), ErrorCode> {
        let Some(changed) = self.account()?.take_off(list, contact) else { return Ok(()) };
        let owner = self.owner.clone();
        if list == ListKind::Forward {
            self.told_of_removal(contact);
        } else if changed {
            self.notifier().tell_allowance(&owner, contact);
        }
        Ok(())
    }

    /// The other side's reverse list, and a line if they are signed in (§3.4).
    fn told_of_removal(&mut self, contact: &Email) {
        let Some(other) = self.directory.get_mut(contact) else { return };
        other.removed_by(&self.owner);
        let Some((conn, version)) = self.bump_other(contact) else { return };
        let (list, target) = (ListKind::Reverse, self.owner.to_string());
        let line = match self.connections.dialect(conn).has_soap_roster() {
            true => told_by(&self.owner, None, false),
            false => ServerCommand::Rem { trid: TrId(0), list, version, target, group: None },
        };
        self.connections.send(conn, line);
    }

    /// `ADL`: the initial lists are taken as they are told, which is how they are kept; later ones put people onto lists.
    ///
    /// # Errors
    /// 240 or 241 and the end for what cannot be read or names lists that are not a client's, 208 for an account that there is
    /// not.
    pub(super) fn told_of_lists(&mut self, data: &[u8]) -> Result<(), Refusal> {
        let trid = self.trid;
        let (is_initial, listed) = listing::read(data).map_err(|code| Refusal::Fatal(trid, code))?;
        let is_known = |email: &Email| self.directory.get(email).is_some();
        if !is_initial && !listed.iter().all(|listing| is_known(&listing.email)) {
            return Err(Refusal::Error(trid, ErrorCode::INVALID_ACCOUNT));
        }
        let named = listing::named(&listed).filter(|_| !is_initial);
        for (list, email) in named {
            self.enlist(list, &email).map_err(|code| Refusal::Error(trid, code))?;
        }
        self.send(ServerCommand::Adl { trid, data: None });
        Ok(())
    }

    /// `RML`: off these lists; who is not there is off them already.
    ///
    /// # Errors
    /// 240 or 241 and the end for what cannot be read or names lists that are not a client's.
    pub(super) fn told_of_removals(&mut self, data: &[u8]) -> Result<(), Refusal> {
        let trid = self.trid;
        let (_, listed) = listing::read(data).map_err(|code| Refusal::Fatal(trid, code))?;
        for (list, email) in listing::named(&listed) {
            self.unlist(list, &email).map_err(|code| Refusal::Error(trid, code))?;
        }
        self.send(ServerCommand::Rml { trid, data: None });
        Ok(())
    }

    /// Puts somebody onto a list, without an answer; who is there already stays.
    fn enlist(&mut self, list: ListKind, contact: &Email) -> Result<(), ErrorCode> {
        let dialect = self.dialect;
        let account = self.account()?;
        if account.lists(contact).has(list) {
            return Ok(());
        }
        account.may_add(list, contact, true, dialect)?;
        let fresh = self.directory.newly_listed(contact, None, self.random);
        self.account()?.put(fresh, list, None, dialect);
        self.bump()?;
        self.added(list, contact);
        Ok(())
    }
}
