//! Who is told of a change, and in which lines: presence, personal messages and phones go to those who may see them (§4).
//!
//! Knows the rules of being seen, and reads the directory and presence. Changes neither: who calls it has done that.

use super::connections::{Connections, Stage};
use super::directory::{Directory, is_public};
use super::ids::ConnId;
use super::presence::PresenceTable;
use crate::msn::command::{ListKind, Presence, ServerCommand};
use crate::msn::ids::{Email, TrId};
use crate::msn::wire::UrlText;

/// The parts from which a notice comes and through which it goes.
pub(super) struct Notifier<'w> {
    pub(super) directory: &'w Directory,
    pub(super) presence: &'w PresenceTable,
    pub(super) connections: &'w mut Connections,
}

impl Notifier<'_> {
    /// What `viewer` may see of `email`; `None` for offline.
    pub(super) fn seen(&self, email: &Email, viewer: &Email) -> Option<Presence> {
        self.presence.seen(self.directory.get(email)?, viewer)
    }

    /// One `ILN` for each contact that is online and allows it, then their personal messages (§4.2).
    pub(super) fn initial_presence(&mut self, conn: ConnId, trid: TrId, email: &Email) {
        let listed = self.directory.get(email).into_iter().flat_map(|account| account.everybody());
        let contacts = listed.filter(|listed| listed.lists.has(ListKind::Forward));
        let seen: Vec<Presence> = contacts.filter_map(|contact| self.seen(&contact.email, email)).collect();
        for presence in &seen {
            self.connections.send(conn, ServerCommand::Iln { trid, presence: presence.clone() });
        }
        for presence in &seen {
            self.send_personal(conn, &presence.email);
        }
    }

    /// A new contact: the phones that may be known, and presence with the number of the request (§3.3).
    pub(super) fn show_contact(&mut self, conn: ConnId, trid: TrId, contact: &Email, viewer: &Email) {
        self.send_phones(conn, contact, viewer);
        if let Some(presence) = self.seen(contact, viewer) {
            self.connections.send(conn, ServerCommand::Iln { trid, presence });
            self.send_personal(conn, contact);
        }
    }

    /// Tells everybody who watches `email` what they may see now.
    pub(super) fn tell_contacts(&mut self, email: &Email) {
        for (conn, viewer) in self.presence.watchers(self.directory, email) {
            self.tell_one(conn, email, &viewer);
        }
    }

    /// `NLN` for what is seen, `FLN` for somebody who is not.
    fn tell_one(&mut self, conn: ConnId, email: &Email, viewer: &Email) {
        let line = match self.seen(email, viewer) {
            Some(presence) => ServerCommand::Nln { presence },
            None => ServerCommand::Fln { email: email.clone() },
        };
        self.connections.send(conn, line);
    }

    /// Tells a contact who was allowed or blocked: phone numbers and what is said come and go with presence.
    pub(super) fn tell_allowance(&mut self, owner: &Email, contact: &Email) {
        let viewer = self.directory.get(contact);
        let Some(conn) = viewer.and_then(|viewer| self.presence.watcher(viewer, owner)) else { return };
        self.send_phones(conn, owner, contact);
        self.tell_one(conn, owner, contact);
        if self.seen(owner, contact).is_some() {
            self.send_personal(conn, owner);
        }
    }

    /// Tells everybody who sees `email` its personal message, an empty one too.
    pub(super) fn tell_personal(&mut self, email: &Email) {
        for (conn, viewer) in self.presence.watchers(self.directory, email) {
            if self.seen(email, &viewer).is_some() {
                self.send_personal(conn, email);
            }
        }
    }

    /// `UBX`, from MSNP11 on.
    fn send_personal(&mut self, conn: ConnId, email: &Email) {
        if !self.connections.dialect(conn).has_personal_message() {
            return;
        }
        let Some(account) = self.directory.get(email) else { return };
        let (email, data) = (account.email.clone(), self.presence.personal(email));
        self.connections.send(conn, ServerCommand::Ubx { email, data });
    }

    /// Tells a connection the phones of somebody: the numbers where it may know them.
    fn send_phones(&mut self, conn: ConnId, email: &Email, viewer: &Email) {
        let version = self.shown_version(conn);
        let Some(account) = self.directory.get(email) else { return };
        for line in account.phones(viewer, Some(version)) {
            self.connections.send(conn, line);
        }
    }

    /// Tells everybody who lists `email` and is allowed that a phone number changed (§4.4).
    pub(super) fn tell_phone(&mut self, email: &Email, property: &str, value: Option<&UrlText>) {
        let Some(account) = self.directory.get(email).filter(|_| is_public(property)) else { return };
        for (conn, viewer) in self.presence.watchers(self.directory, email) {
            if account.allows(&viewer) {
                let version = self.shown_version(conn);
                let (email, property, value) = (Some(email.clone()), property.to_owned(), value.cloned());
                self.connections.send(conn, ServerCommand::Bpr { version, email, property, value });
            }
        }
    }

    /// The list version of the account behind a connection, where its dialect shows one: up to MSNP9.
    pub(super) fn shown_version(&self, conn: ConnId) -> Option<u32> {
        let Stage::SignedIn(email) = self.connections.stage(conn)? else { return None };
        let shown = !self.connections.dialect(conn).has_guids();
        self.directory.get(email).filter(|_| shown).map(|account| account.version)
    }
}
