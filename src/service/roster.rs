//! Lists, names and settings of an account, and what others see of the changes (§3).

mod addition;
mod removal;

use super::world::{ConnId, World};
use crate::msn::command::{ClientCommand, ContactEntry, ErrorCode, ServerCommand, SyncStamp};
use crate::msn::ids::{Email, GroupId, TrId};
use crate::msn::wire::UrlText;

/// Longest display name, percent-encoded (§1.5).
const MAX_NAME: usize = 387;
/// Stamps of MSNP10 to 12: opaque to clients, and always different from a client's, so lists are sent whole.
const STAMP: &str = "2000-01-01T00:00:00.0-00:00";

impl World {
    pub(super) fn roster_command(&mut self, conn: ConnId, email: &Email, command: ClientCommand) {
        match command {
            ClientCommand::Syn { trid, stamp } => self.synchronise(conn, trid, email, &stamp),
            ClientCommand::Add { trid, list, email: contact, name, .. } => {
                self.add(conn, trid, email, list, Some(contact), name, None);
            }
            ClientCommand::Adc { trid, list, email: contact, name, contact: id, .. } => {
                self.add(conn, trid, email, list, contact, name, id);
            }
            ClientCommand::Rem { trid, list, target, .. } => self.remove(conn, trid, email, list, &target),
            ClientCommand::Rea { trid, email: target, name } => self.rename(conn, trid, email, &target, name),
            ClientCommand::Prp { trid, property, value } => {
                self.set_property(conn, trid, email, property, value);
            }
            ClientCommand::Sbp { trid, contact, property, value, .. } => {
                self.send(conn, ServerCommand::Sbp { trid, contact, property, value });
            }
            ClientCommand::Gtc { trid, setting } => self.set_prompt(conn, trid, email, setting),
            ClientCommand::Blp { trid, setting } => self.set_privacy(conn, trid, email, setting),
            ClientCommand::Adg { trid, .. }
            | ClientCommand::Reg { trid, .. }
            | ClientCommand::Rmg { trid, .. } => self.fail(conn, trid, ErrorCode::COMMAND_DISABLED),
            _ => {}
        }
    }

    fn synchronise(&mut self, conn: ConnId, trid: TrId, email: &Email, given: &SyncStamp) {
        let dialect = self.dialect(conn);
        let Some(account) = self.account(email) else { return };
        let stamp = if dialect.has_guids() {
            SyncStamp::Stamps(STAMP.into(), STAMP.into())
        } else {
            SyncStamp::Version(account.version)
        };
        let unchanged = !dialect.has_guids() && stamp == *given;
        let mut lines = Vec::new();
        if !unchanged {
            lines = sync_lines(account, dialect);
        }
        let count = |what: fn(&ServerCommand) -> bool| {
            u32::try_from(lines.iter().filter(|line| what(line)).count()).unwrap_or(u32::MAX)
        };
        let contacts = count(|line| matches!(line, ServerCommand::Lst(_)));
        let groups = count(|line| matches!(line, ServerCommand::Lsg { .. }));
        let counts = (!unchanged).then_some((contacts, groups));
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.synced = true;
        }
        self.send(conn, ServerCommand::Syn { trid, stamp, counts });
        lines.into_iter().for_each(|line| self.send(conn, line));
    }

    /// Counts a change of the lists; the number is shown up to MSNP9.
    pub(super) fn bump(&mut self, conn: ConnId, email: &Email) -> Option<u32> {
        let shown = !self.dialect(conn).has_guids();
        let account = self.account_mut(email)?;
        account.version += 1;
        shown.then_some(account.version)
    }

    fn rename(&mut self, conn: ConnId, trid: TrId, email: &Email, target: &Email, name: UrlText) {
        if self.dialect(conn).has_guids() {
            return self.fail(conn, trid, ErrorCode::COMMAND_DISABLED);
        }
        if name.wire_len() > MAX_NAME {
            return self.fail(conn, trid, ErrorCode::NAME_NOT_ALLOWED);
        }
        let Some(account) = self.account_mut(email) else { return };
        if email == target {
            account.name = name.clone();
        } else if let Some(listed) = account.listed.get_mut(&target.to_key()) {
            listed.name = name.clone();
        } else {
            return self.fail(conn, trid, ErrorCode::NOT_ON_LIST);
        }
        let version = self.bump(conn, email).unwrap_or_default();
        self.send(conn, ServerCommand::Rea { trid, version, email: target.clone(), name });
        if email == target {
            self.tell_contacts(email);
        }
    }

    fn set_property(
        &mut self,
        conn: ConnId,
        trid: TrId,
        email: &Email,
        property: String,
        value: Option<UrlText>,
    ) {
        let own_name = property == "MFN";
        if own_name && value.as_ref().is_none_or(|name| name.wire_len() > MAX_NAME) {
            return self.fail(conn, trid, ErrorCode::NAME_NOT_ALLOWED);
        }
        let version = self.bump(conn, email);
        let Some(account) = self.account_mut(email) else { return };
        match (&value, own_name) {
            (Some(name), true) => account.name = name.clone(),
            (Some(value), false) if account.properties.len() < 16 => {
                account.properties.insert(property.clone(), value.clone());
            }
            (Some(_), false) => {}
            (None, _) => drop(account.properties.remove(&property)),
        }
        self.send(conn, ServerCommand::Prp { trid: Some(trid), version, property, value });
        if own_name {
            self.tell_contacts(email);
        }
    }

    fn set_prompt(&mut self, conn: ConnId, trid: TrId, email: &Email, setting: String) {
        let Some(account) = self.account_mut(email) else { return };
        if account.prompt == setting {
            return self.fail(conn, trid, ErrorCode::ALREADY_IN_MODE);
        }
        account.prompt = setting.clone();
        let version = self.bump(conn, email);
        self.send(conn, ServerCommand::Gtc { trid: Some(trid), version, setting });
    }

    fn set_privacy(&mut self, conn: ConnId, trid: TrId, email: &Email, setting: String) {
        let Some(account) = self.account_mut(email) else { return };
        if account.privacy == setting {
            return self.fail(conn, trid, ErrorCode::ALREADY_IN_MODE);
        }
        if !matches!(setting.as_str(), "AL" | "BL") {
            return self.fail(conn, trid, ErrorCode::INVALID_PARAMETER);
        }
        account.privacy = setting.clone();
        let version = self.bump(conn, email);
        self.send(conn, ServerCommand::Blp { trid: Some(trid), version, setting });
        self.tell_contacts(email);
    }
}

fn sync_lines(
    account: &super::account::Account,
    dialect: crate::msn::dialect::Dialect,
) -> Vec<ServerCommand> {
    let mut lines = vec![
        ServerCommand::Gtc { trid: None, version: None, setting: account.prompt.clone() },
        ServerCommand::Blp { trid: None, version: None, setting: account.privacy.clone() },
    ];
    let property = |property: &str, value: &UrlText| ServerCommand::Prp {
        trid: None,
        version: None,
        property: property.to_owned(),
        value: Some(value.clone()),
    };
    if dialect.has_guids() {
        lines.push(property("MFN", &account.name));
    }
    lines.extend(account.properties.iter().map(|(name, value)| property(name, value)));
    if !dialect.has_guids() {
        lines
            .push(ServerCommand::Lsg { group: GroupId("0".into()), name: UrlText::encode("Other Contacts") });
    }
    lines.extend(account.listed.values().map(|listed| sync_contact(listed, dialect)));
    lines
}

fn sync_contact(listed: &super::account::Listed, dialect: crate::msn::dialect::Dialect) -> ServerCommand {
    use crate::msn::command::ListKind;
    let mut lists = listed.lists;
    if !dialect.has_pending_list() {
        lists.remove(ListKind::Pending);
    }
    let forward = lists.has(ListKind::Forward);
    let groups = (forward && !dialect.has_guids()).then(|| GroupId("0".into()));
    ServerCommand::Lst(ContactEntry {
        email: listed.email.clone(),
        name: Some(listed.name.clone()),
        contact: (forward && dialect.has_guids()).then(|| listed.id.clone()),
        lists,
        groups: groups.into_iter().collect(),
    })
}
