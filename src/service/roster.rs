//! Commands of one session about its lists, names and settings, and what both sides are told of a change (§3).
//!
//! Knows the lines of every dialect. The rules of the lists are the directory's; presence says who is there to be told.

mod group;
mod listing;
mod membership;
mod property;
mod sync;

use super::connections::Connections;
use super::directory::{Account, Directory};
use super::ids::ConnId;
use super::notifier::Notifier;
use super::presence::PresenceTable;
use super::random::Random;
use super::refusal::Refusal;
use crate::msn::command::{ClientCommand, ErrorCode, ListKind, ServerCommand, SyncStamp};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, TrId};
use membership::Addition;
use sync::{Synced, synchronise};

/// One command of a session about its own account, and the parts that it may change.
pub(super) struct RosterHandler<'w> {
    pub(super) conn: ConnId,
    /// The number of the command, which its answer repeats.
    pub(super) trid: TrId,
    /// Whose session it is.
    pub(super) owner: Email,
    pub(super) dialect: Dialect,
    pub(super) directory: &'w mut Directory,
    pub(super) presence: &'w PresenceTable,
    pub(super) connections: &'w mut Connections,
    pub(super) random: &'w mut Random,
}

impl RosterHandler<'_> {
    /// Carries a command out; one that is not about lists is passed over.
    ///
    /// # Errors
    /// The error line of a command that the rules refuse, or the end for one that no client says (`REM RL`).
    pub(super) fn handle(&mut self, command: ClientCommand) -> Result<(), Refusal> {
        if matches!(command, ClientCommand::Rem { list: ListKind::Reverse, .. }) {
            return Err(Refusal::Close);
        }
        match command {
            ClientCommand::Adl { data, .. } if self.dialect.has_soap_roster() => {
                return self.told_of_lists(&data);
            }
            ClientCommand::Rml { data, .. } if self.dialect.has_soap_roster() => {
                return self.told_of_removals(&data);
            }
            _ => {}
        }
        self.change(command).map_err(|code| Refusal::Error(self.trid, code))
    }

    /// Carries a command out, in the form that the dialect has; the other form is 502.
    fn change(&mut self, command: ClientCommand) -> Result<(), ErrorCode> {
        let guids = self.dialect.has_guids();
        let stays = matches!(command, ClientCommand::Blp { .. } | ClientCommand::Prp { .. });
        if self.dialect.has_soap_roster() && !stays {
            return Err(ErrorCode::COMMAND_DISABLED);
        }
        match command {
            ClientCommand::Syn { stamp, .. } => self.synchronise(&stamp),
            // Each dialect has one of the two; the other is an error, and nothing worse.
            ClientCommand::Add { .. } if guids => Err(ErrorCode::COMMAND_DISABLED),
            ClientCommand::Adc { .. } | ClientCommand::Sbp { .. } if !guids => {
                Err(ErrorCode::COMMAND_DISABLED)
            }
            ClientCommand::Add { list, email: contact, name, group, .. } => {
                self.add(Addition { list, contact: Some(contact), name, id: None, group })
            }
            ClientCommand::Adc { list, email: contact, name, contact: id, group, .. } => {
                self.add(Addition { list, contact, name, id, group })
            }
            ClientCommand::Rem { list, target, group, .. } => self.remove(list, target, group),
            ClientCommand::Rea { email: target, name, .. } => self.rename(target, name),
            ClientCommand::Prp { property, value, .. } => self.set_property(property, value),
            ClientCommand::Sbp { contact, property, value, .. } => {
                self.set_contact_property(contact, property, value)
            }
            ClientCommand::Gtc { setting, .. } => self.set_prompt(setting),
            ClientCommand::Blp { setting, .. } => self.set_privacy(setting),
            ClientCommand::Adg { name, .. } => self.create_group(name),
            ClientCommand::Reg { group, name, .. } => self.rename_group(group, name),
            ClientCommand::Rmg { group, .. } => self.remove_group(group),
            _ => Ok(()),
        }
    }

    /// `SYN`: the lists, or that the client's copy is as new (§3.2).
    fn synchronise(&mut self, given: &SyncStamp) -> Result<(), ErrorCode> {
        let account = self.directory.get(&self.owner).ok_or(ErrorCode::NO_SUCH_ACCOUNT)?;
        let Synced { stamp, counts, lines } = synchronise(self.directory, account, self.dialect, given);
        if let Some(connection) = self.connections.get_mut(self.conn) {
            connection.synced = true;
        }
        self.send(ServerCommand::Syn { trid: self.trid, stamp, counts });
        lines.into_iter().for_each(|line| self.send(line));
        Ok(())
    }

    /// The session's own account: there is one, since accounts never go.
    fn account(&mut self) -> Result<&mut Account, ErrorCode> {
        self.directory.get_mut(&self.owner).ok_or(ErrorCode::NO_SUCH_ACCOUNT)
    }

    /// Who is told of a change that was made.
    fn notifier(&mut self) -> Notifier<'_> {
        let Self { directory, presence, connections, .. } = self;
        Notifier { directory, presence, connections }
    }

    /// Counts a change of the own lists; gives the version where it is shown, up to MSNP9.
    fn bump(&mut self) -> Result<Option<u32>, ErrorCode> {
        let version = self.account()?.bump();
        Ok((!self.dialect.has_guids()).then_some(version))
    }

    /// Counts a change of the lists of somebody else who is signed in, and gives their connection with it.
    fn bump_other(&mut self, other: &Email) -> Option<(ConnId, Option<u32>)> {
        let conn = self.presence.session(other)?;
        let version = self.directory.get_mut(other)?.bump();
        Some((conn, (!self.connections.dialect(conn).has_guids()).then_some(version)))
    }

    fn send(&mut self, command: ServerCommand) {
        self.connections.send(self.conn, command);
    }
}
