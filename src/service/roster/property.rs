//! `REA`, `PRP`, `SBP`, `GTC` and `BLP`: names, phone numbers and settings, and who is told of them (§3.3, §4.4).
//!
//! Knows which command each dialect has. Limits of values are the account's.

use super::RosterHandler;
use crate::msn::command::{ErrorCode, ServerCommand};
use crate::msn::ids::{ContactId, Email};
use crate::msn::wire::UrlText;
use crate::service::directory::NAME;

impl RosterHandler<'_> {
    /// The own name or a contact's, up to MSNP9.
    ///
    /// # Errors
    /// 209 for a name that is too long, 216 for somebody on no list, 502 from MSNP10 on.
    pub(super) fn rename(&mut self, target: Email, name: UrlText) -> Result<(), ErrorCode> {
        if self.dialect.has_guids() {
            return Err(ErrorCode::COMMAND_DISABLED);
        }
        self.account()?.rename(&target, name.clone())?;
        let (trid, version, is_own) = (self.trid, self.bump()?.unwrap_or_default(), target == self.owner);
        self.send(ServerCommand::Rea { trid, version, email: target, name });
        if is_own {
            self.tell_contacts();
        }
        Ok(())
    }

    /// A phone number or another property, and from MSNP10 on the own name: up to MSNP9 `REA` changes it.
    ///
    /// # Errors
    /// 201 for a value that is too long, 209 for a name that cannot be, 715 for the own name up to MSNP9.
    pub(super) fn set_property(&mut self, property: String, value: Option<UrlText>) -> Result<(), ErrorCode> {
        let is_name = property == NAME;
        if is_name && !self.dialect.has_guids() {
            return Err(ErrorCode::NOT_EXPECTED);
        }
        self.account()?.set_property(&property, value.as_ref())?;
        let (trid, version, owner) = (Some(self.trid), self.bump()?, self.owner.clone());
        let line = ServerCommand::Prp { trid, version, property: property.clone(), value: value.clone() };
        self.send(line);
        self.notifier().tell_phone(&owner, &property, value.as_ref());
        if is_name {
            self.tell_contacts();
        }
        Ok(())
    }

    /// Whether the client is to ask about people who add this account.
    ///
    /// # Errors
    /// 218 for the setting that there is.
    pub(super) fn set_prompt(&mut self, setting: String) -> Result<(), ErrorCode> {
        self.account()?.set_prompt(&setting)?;
        let (trid, version) = (Some(self.trid), self.bump()?);
        self.send(ServerCommand::Gtc { trid, version, setting });
        Ok(())
    }

    /// A setting that is so already is answered, with the list version as it was.
    ///
    /// # Errors
    /// 201 for anything but `AL` and `BL`.
    pub(super) fn set_privacy(&mut self, setting: String) -> Result<(), ErrorCode> {
        let changed = self.account()?.set_privacy(&setting)?;
        let conn = self.conn;
        let version = if changed { self.bump()? } else { self.notifier().shown_version(conn) };
        self.send(ServerCommand::Blp { trid: Some(self.trid), version, setting });
        if changed {
            self.tell_contacts();
        }
        Ok(())
    }

    /// What these lists say of a contact: nobody else is told.
    ///
    /// # Errors
    /// 209 for a name that is too long, 216 for an id on no list.
    pub(super) fn set_contact_property(
        &mut self,
        contact: ContactId,
        property: String,
        value: Option<UrlText>,
    ) -> Result<(), ErrorCode> {
        self.account()?.set_contact_property(&contact, &property, value.as_ref())?;
        self.send(ServerCommand::Sbp { trid: self.trid, contact, property, value });
        Ok(())
    }

    fn tell_contacts(&mut self) {
        let owner = self.owner.clone();
        self.notifier().tell_contacts(&owner);
    }
}
