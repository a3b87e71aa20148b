//! Lists, names and settings of an account, and what others see of the changes (§3).

mod addition;
mod group;
mod property;
mod removal;

use super::account::{Account, Listed};
use super::ids::ConnId;
use super::world::World;
use crate::msn::command::{ClientCommand, ContactEntry, ErrorCode, ListKind, ServerCommand, SyncStamp};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, GroupId, TrId};
use crate::msn::wire::UrlText;
use addition::Addition;

/// Stamps of MSNP10 to 12: opaque to clients, and always different from a client's, so lists are sent whole.
const STAMP: &str = "2000-01-01T00:00:00.0-00:00";
/// The order of the phone lines (§3.2).
const PHONES: [&str; 5] = ["PHH", "PHW", "PHM", "MOB", "MBE"];

impl World {
    pub(super) fn roster_command(&mut self, conn: ConnId, email: &Email, command: ClientCommand) {
        match command {
            ClientCommand::Syn { trid, stamp } => self.synchronise(conn, trid, email, &stamp),
            // Each dialect has one of the two; the other is an error, and nothing worse.
            ClientCommand::Add { trid, .. } if self.dialect(conn).has_guids() => {
                self.fail(conn, trid, ErrorCode::COMMAND_DISABLED);
            }
            ClientCommand::Adc { trid, .. } | ClientCommand::Sbp { trid, .. }
                if !self.dialect(conn).has_guids() =>
            {
                self.fail(conn, trid, ErrorCode::COMMAND_DISABLED);
            }
            ClientCommand::Add { trid, list, email: contact, name, group } => {
                let addition = Addition { list, contact: Some(contact), name, id: None, group };
                self.add(conn, trid, email, addition);
            }
            ClientCommand::Adc { trid, list, email: contact, name, contact: id, group } => {
                self.add(conn, trid, email, Addition { list, contact, name, id, group });
            }
            ClientCommand::Rem { trid, list, target, group } => {
                self.remove(conn, trid, email, list, &target, group);
            }
            ClientCommand::Rea { trid, email: target, name } => self.rename(conn, trid, email, &target, name),
            ClientCommand::Prp { trid, property, value } => {
                self.set_property(conn, trid, email, property, value);
            }
            ClientCommand::Sbp { trid, contact, property, value, .. } => {
                self.set_contact_property(conn, trid, email, contact, property, value);
            }
            ClientCommand::Gtc { trid, setting } => self.set_prompt(conn, trid, email, setting),
            ClientCommand::Blp { trid, setting } => self.set_privacy(conn, trid, email, setting),
            ClientCommand::Adg { trid, name, .. } => self.create_group(conn, trid, email, name),
            ClientCommand::Reg { trid, group, name, .. } => {
                self.rename_group(conn, trid, email, &group, name);
            }
            ClientCommand::Rmg { trid, group } => self.remove_group(conn, trid, email, &group),
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
            lines = self.sync_lines(account, dialect);
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

    fn sync_lines(&self, account: &Account, dialect: Dialect) -> Vec<ServerCommand> {
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
        let mut properties: Vec<_> = account.properties.iter().collect();
        properties
            .sort_by_key(|(name, _)| PHONES.iter().position(|phone| phone == name).unwrap_or(PHONES.len()));
        lines.extend(properties.into_iter().map(|(name, value)| property(name, value)));
        if !dialect.has_guids() {
            lines.push(ServerCommand::Lsg { group: GroupId("0".into()), name: account.first_group.clone() });
        }
        lines.extend(account.groups.iter().map(|group| {
            let id = if dialect.has_guids() { group.guid.clone() } else { group.number.to_string() };
            ServerCommand::Lsg { group: GroupId(id), name: group.name.clone() }
        }));
        for listed in account.listed.values() {
            lines.push(sync_contact(account, listed, dialect));
            let told = self.account(&listed.email).is_some_and(|contact| contact.allows(&account.email));
            if told && listed.lists.has(ListKind::Forward) {
                lines.extend(self.phones(&listed.email, &account.email, None));
            }
        }
        lines
    }
}

fn sync_contact(account: &Account, listed: &Listed, dialect: Dialect) -> ServerCommand {
    let mut lists = listed.lists;
    if !dialect.has_pending_list() {
        lists.remove(ListKind::Pending);
    }
    let forward = lists.has(ListKind::Forward);
    ServerCommand::Lst(ContactEntry {
        email: listed.email.clone(),
        name: Some(listed.name.clone()),
        contact: (forward && dialect.has_guids()).then(|| listed.id.clone()),
        lists,
        groups: if forward { World::group_ids(account, listed, dialect) } else { Vec::new() },
    })
}
