//! `CHG` and `UUX`, and who is told of them (§4).

use super::ids::ConnId;
use super::world::World;
use crate::msn::command::{ClientCommand, ErrorCode, ListKind, Presence, ServerCommand, Status};
use crate::msn::ids::{Email, TrId};

impl World {
    pub(super) fn presence_command(&mut self, conn: ConnId, email: &Email, command: ClientCommand) {
        match command {
            ClientCommand::Chg { trid, status: Status::Offline, .. } => {
                self.fail(conn, trid, ErrorCode::INVALID_PARAMETER);
            }
            ClientCommand::Chg { trid, status, capabilities, object } => {
                let Some(account) = self.account_mut(email) else { return };
                let first = account.status.is_none();
                let appears = matches!(account.status, None | Some(Status::Hidden));
                account.status = Some(status);
                account.capabilities = capabilities.unwrap_or_default();
                account.object = object.clone().filter(|o| !matches!(o.as_wire(), "0" | "%3Cmsnobj%2F%3E"));
                self.send(conn, ServerCommand::Chg { trid, status, capabilities, object });
                if first {
                    self.initial_presence(conn, trid, email);
                    self.tell_offline(conn, email);
                }
                self.tell_contacts(email);
                if appears && self.account(email).is_some_and(|account| !account.personal.is_empty()) {
                    self.tell_personal(email);
                }
            }
            ClientCommand::Uux { trid, data } => {
                let Some(account) = self.account_mut(email) else { return };
                account.personal = data;
                self.send(conn, ServerCommand::Uux { trid });
                self.tell_personal(email);
            }
            _ => {}
        }
    }

    /// One `ILN` for each contact that is online and allows it, then their personal messages, then a challenge (§4.2).
    fn initial_presence(&mut self, conn: ConnId, trid: TrId, email: &Email) {
        let contacts: Vec<Email> = self.forward_list(email);
        let seen: Vec<Presence> =
            contacts.iter().filter_map(|contact| self.presence_of(contact, email)).collect();
        for presence in &seen {
            self.send(conn, ServerCommand::Iln { trid, presence: presence.clone() });
        }
        for presence in &seen {
            self.send_personal(conn, &presence.email);
        }
        if self.rules.challenge {
            let challenge = self.random_digits(20);
            if let Some(connection) = self.connections.get_mut(&conn) {
                connection.challenge = Some(challenge.clone());
            }
            self.send(conn, ServerCommand::Chl { challenge });
        }
    }

    fn forward_list(&self, email: &Email) -> Vec<Email> {
        let listed = self.account(email).into_iter().flat_map(|account| account.listed.values());
        listed.filter(|l| l.lists.has(ListKind::Forward)).map(|l| l.email.clone()).collect()
    }

    /// What `viewer` may see of `email`; `None` for offline.
    pub(super) fn presence_of(&self, email: &Email, viewer: &Email) -> Option<Presence> {
        let account = self.account(email)?;
        let status = account.status_for(viewer);
        (status != Status::Offline).then(|| Presence {
            status,
            email: account.email.clone(),
            name: account.name.clone(),
            capabilities: Some(account.capabilities),
            object: account.object.clone(),
        })
    }

    /// Everybody signed in and announced who has `email` on the forward list. Their names stand on the reverse list of
    /// `email`: nobody else is looked at, however many accounts there are.
    pub(super) fn watchers(&self, email: &Email) -> Vec<(ConnId, Email)> {
        let listed = self.account(email).into_iter().flat_map(|account| account.listed.iter());
        let by = listed.filter(|(_, l)| l.lists.has(ListKind::Reverse)).map(|(key, _)| key);
        let watching = by
            .filter_map(|key| self.accounts.get(key))
            .filter(|account| account.status.is_some() && account.lists(email).has(ListKind::Forward));
        watching.filter_map(|account| Some((account.session?, account.email.clone()))).collect()
    }

    /// Tells everybody who watches what they may see now.
    pub(super) fn tell_contacts(&mut self, email: &Email) {
        for (conn, viewer) in self.watchers(email) {
            self.tell_one(conn, email, &viewer);
        }
    }

    fn tell_one(&mut self, conn: ConnId, email: &Email, viewer: &Email) {
        match self.presence_of(email, viewer) {
            Some(presence) => self.send(conn, ServerCommand::Nln { presence }),
            None => self.send(conn, ServerCommand::Fln { email: email.clone() }),
        }
    }

    /// Tells a contact who was allowed or blocked: phone numbers and what is said come and go with presence.
    pub(super) fn tell_allowance(&mut self, owner: &Email, contact: &Email) {
        let Some(conn) = self.watcher(contact, owner) else { return };
        self.send_phones(conn, owner, contact);
        self.tell_one(conn, owner, contact);
        if self.presence_of(owner, contact).is_some() {
            self.send_personal(conn, owner);
        }
    }

    pub(super) fn watcher(&self, email: &Email, of: &Email) -> Option<ConnId> {
        let account = self.account(email)?;
        let watching = account.status.is_some() && account.lists(of).has(ListKind::Forward);
        account.session.filter(|_| watching)
    }

    fn tell_personal(&mut self, email: &Email) {
        for (conn, viewer) in self.watchers(email) {
            if self.presence_of(email, &viewer).is_some() {
                self.send_personal(conn, email);
            }
        }
    }

    pub(super) fn send_personal(&mut self, conn: ConnId, email: &Email) {
        if !self.dialect(conn).has_personal_message() {
            return;
        }
        let Some(account) = self.account(email) else { return };
        let (email, data) = (account.email.clone(), account.personal.clone());
        self.send(conn, ServerCommand::Ubx { email, data });
    }
}
