//! `ADG`, `REG` and `RMG`: groups are made, renamed and removed (§3.3).
//!
//! Knows the answers of each dialect. Limits and numbers are the account's.

use super::RosterHandler;
use crate::msn::command::{ErrorCode, ListKind, ServerCommand};
use crate::msn::ids::GroupId;
use crate::msn::wire::{UrlText, Verb};

impl RosterHandler<'_> {
    /// A name and, from MSNP10 on, a new GUID.
    ///
    /// # Errors
    /// 223 for one too many, 228 and 229 for a name that cannot be.
    pub(super) fn create_group(&mut self, name: UrlText) -> Result<(), ErrorCode> {
        let (guid, dialect) = (self.random.guid(), self.dialect);
        let id = self.account()?.create_group(name.clone(), guid)?.id(dialect);
        self.answer("ADG", [name.to_string(), id.0])
    }

    /// Any group but none: the first one, too, has a name up to MSNP9.
    ///
    /// # Errors
    /// 224 for a group that is not there, 228 and 229 for a name that cannot be.
    pub(super) fn rename_group(&mut self, given: GroupId, name: UrlText) -> Result<(), ErrorCode> {
        let dialect = self.dialect;
        let account = self.account()?;
        let number = account.group(&given, dialect)?;
        account.rename_group(number, name.clone())?;
        let parameters = match dialect.has_guids() {
            true => [name.to_string(), given.0],
            false => [given.0, name.to_string()],
        };
        self.answer("REG", parameters)
    }

    /// Removes a group; contacts who were in no other go off the forward list with it.
    ///
    /// # Errors
    /// 224 for a group that is not there, 230 for the first one.
    pub(super) fn remove_group(&mut self, given: GroupId) -> Result<(), ErrorCode> {
        let dialect = self.dialect;
        let account = self.account()?;
        let number = account.group(&given, dialect)?;
        let gone = account.remove_group(number)?;
        self.answer("RMG", [given.0])?;
        gone.iter().try_for_each(|contact| self.unlist(ListKind::Forward, contact))
    }

    /// An answer of the group commands: the list version in front and, but for a removal, a zero behind. From MSNP10 on the
    /// version stands at 1 and the name before the GUID: the form that the servers of today have, and their clients read.
    fn answer<const N: usize>(&mut self, verb: &str, parameters: [String; N]) -> Result<(), ErrorCode> {
        let version = self.bump()?.unwrap_or(1).to_string();
        let tail = (verb != "RMG").then(|| "0".to_owned());
        let rest = std::iter::once(version).chain(parameters).chain(tail).collect();
        if let Some(verb) = Verb::parse(verb) {
            self.send(ServerCommand::Group { verb, trid: self.trid, rest });
        }
        Ok(())
    }
}
