//! `REA PRP SBP GTC BLP`: names, phone numbers and settings, and who is told of them (§3.3, §4.4).

use super::super::ids::ConnId;
use super::super::world::World;
use crate::msn::command::{ErrorCode, ServerCommand};
use crate::msn::ids::{ContactId, Email, TrId};
use crate::msn::wire::UrlText;

/// Longest display name, percent-encoded (§1.5).
const MAX_NAME: usize = 387;
/// Longest value of another property, percent-encoded.
const MAX_VALUE: usize = 95;
/// What contacts are told of.
const PUBLIC: [&str; 5] = ["PHH", "PHW", "PHM", "MOB", "HSB"];

impl World {
    pub(super) fn rename(&mut self, conn: ConnId, trid: TrId, email: &Email, target: &Email, name: UrlText) {
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

    pub(super) fn set_property(
        &mut self,
        conn: ConnId,
        trid: TrId,
        email: &Email,
        property: String,
        value: Option<UrlText>,
    ) {
        let own_name = property == "MFN";
        // Up to MSNP9 the own name is changed by REA.
        if own_name && !self.dialect(conn).has_guids() {
            return self.fail(conn, trid, ErrorCode::NOT_EXPECTED);
        }
        if own_name && value.as_ref().is_none_or(|name| name.wire_len() > MAX_NAME) {
            return self.fail(conn, trid, ErrorCode::NAME_NOT_ALLOWED);
        }
        if !own_name && value.as_ref().is_some_and(|value| value.wire_len() > MAX_VALUE) {
            return self.fail(conn, trid, ErrorCode::INVALID_PARAMETER);
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
        let told = (property.clone(), value.clone());
        self.send(conn, ServerCommand::Prp { trid: Some(trid), version, property, value });
        self.tell_phone(email, &told.0, told.1.as_ref());
        if own_name {
            self.tell_contacts(email);
        }
    }

    pub(super) fn set_prompt(&mut self, conn: ConnId, trid: TrId, email: &Email, setting: String) {
        let Some(account) = self.account_mut(email) else { return };
        if account.prompt == setting {
            return self.fail(conn, trid, ErrorCode::ALREADY_IN_MODE);
        }
        account.prompt = setting.clone();
        let version = self.bump(conn, email);
        self.send(conn, ServerCommand::Gtc { trid: Some(trid), version, setting });
    }

    pub(super) fn set_privacy(&mut self, conn: ConnId, trid: TrId, email: &Email, setting: String) {
        let Some(account) = self.account_mut(email) else { return };
        if !matches!(setting.as_str(), "AL" | "BL") {
            return self.fail(conn, trid, ErrorCode::INVALID_PARAMETER);
        }
        // Old clients say it at each sign-in, and msn-pecan ends its session over an error.
        let unchanged = account.privacy == setting;
        account.privacy = setting.clone();
        let version = if unchanged { self.shown_version(conn) } else { self.bump(conn, email) };
        self.send(conn, ServerCommand::Blp { trid: Some(trid), version, setting });
        if !unchanged {
            self.tell_contacts(email);
        }
    }

    /// What a contact's own list says of somebody: the name it gave them.
    pub(super) fn set_contact_property(
        &mut self,
        conn: ConnId,
        trid: TrId,
        owner: &Email,
        contact: ContactId,
        property: String,
        value: Option<UrlText>,
    ) {
        let Some(account) = self.account_mut(owner) else { return };
        let Some(listed) = account.listed.values_mut().find(|listed| listed.id == contact) else {
            return self.fail(conn, trid, ErrorCode::NOT_ON_LIST);
        };
        match value.as_ref().filter(|_| property == "MFN") {
            Some(name) if name.wire_len() > MAX_NAME => {
                return self.fail(conn, trid, ErrorCode::NAME_NOT_ALLOWED);
            }
            Some(name) => listed.name = name.clone(),
            None => {}
        }
        self.send(conn, ServerCommand::Sbp { trid, contact, property, value });
    }

    /// The phone lines of an account: with the account where they stand alone, without behind its `LST`; without the
    /// numbers where they are not to be known.
    pub(in super::super) fn phones(
        &self,
        email: &Email,
        viewer: &Email,
        named: Option<Option<u32>>,
    ) -> Vec<ServerCommand> {
        let account = self.account(email);
        let allowed = account.is_some_and(|account| account.allows(viewer));
        let properties = account.map(|account| &account.properties);
        let public = properties.into_iter().flatten().filter(|(name, _)| PUBLIC.contains(&name.as_str()));
        let line = |(property, value): (&String, &UrlText)| ServerCommand::Bpr {
            version: named.flatten(),
            email: named.map(|_| email.clone()),
            property: property.clone(),
            value: allowed.then(|| value.clone()),
        };
        public.map(line).collect()
    }

    /// Tells a connection the phones of somebody: the numbers where it may know them.
    pub(in super::super) fn send_phones(&mut self, conn: ConnId, email: &Email, viewer: &Email) {
        let version = self.shown_version(conn);
        for line in self.phones(email, viewer, Some(version)) {
            self.send(conn, line);
        }
    }

    /// The list version of the account behind a connection, where its dialect shows one.
    fn shown_version(&self, conn: ConnId) -> Option<u32> {
        let super::super::world::Stage::SignedIn(email) = self.stage(conn)? else { return None };
        let shown = !self.dialect(conn).has_guids();
        self.account(email).filter(|_| shown).map(|account| account.version)
    }

    /// Tells everybody who lists `email` and is allowed that a phone number changed.
    fn tell_phone(&mut self, email: &Email, property: &str, value: Option<&UrlText>) {
        if !PUBLIC.contains(&property) {
            return;
        }
        for (conn, viewer) in self.watchers(email) {
            if !self.account(email).is_some_and(|account| account.allows(&viewer)) {
                continue;
            }
            let version = self.shown_version(conn);
            let (email, property, value) = (Some(email.clone()), property.to_owned(), value.cloned());
            self.send(conn, ServerCommand::Bpr { version, email, property, value });
        }
    }
}
