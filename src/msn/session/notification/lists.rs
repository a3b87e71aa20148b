//! The lists of the account as this session learns them: how far they have come, what changes in them, who is online
//! (§3, §4).
//!
//! Knows what each command of the server does to the lists, and which event that is. Refuses to know what was asked for:
//! whether a reply answers a change is told by the caller.

use std::time::Instant;

use super::channel::Channel;
use super::event::NotificationEvent as Event;
use crate::msn::address_book::AddressBook;
use crate::msn::command::{ListKind, ServerCommand};
use crate::msn::ids::{ContactId, Email, TrId};
use crate::msn::message::PersonalMessage;
use crate::msn::session::roster::{Contact, Roster};
use crate::msn::session::sync::{Line, Sync};
use crate::msn::wire::UrlText;

/// Contacts and groups of one session, and what the own account is called.
#[derive(Debug)]
pub(super) struct Lists {
    own: Email,
    /// The own display name.
    pub(super) name: String,
    pub(super) roster: Roster,
    pub(super) sync: Sync,
}

impl Lists {
    /// `roster`: a copy from an earlier session, empty for none.
    pub(super) fn new(own: Email, roster: Roster) -> Self {
        Self { name: own.to_string(), own, roster, sync: Sync::default() }
    }

    pub(super) fn learn_name(&mut self, name: &UrlText, channel: &mut Channel) {
        self.name = name.decode();
        channel.emit(Event::NameLearned(self.name.clone()));
    }

    /// The whole contact list, as it was read over SOAP.
    pub(super) fn take_book(&mut self, now: Instant, book: AddressBook, channel: &mut Channel) {
        let AddressBook { name, strangers_allowed, asks, groups, contacts } = book;
        self.roster.replace(contacts, groups);
        self.roster.settings.strangers_allowed = strangers_allowed;
        self.roster.settings.asks = asks;
        if let Some(name) = name {
            self.learn_name(&UrlText::encode(&name), channel);
        }
        // Nothing of it is still awaited.
        self.sync.answered(now, None);
    }

    /// Somebody has us on their list now; who is known to have is not told again.
    pub(super) fn added_by(&mut self, email: &Email, name: Option<&UrlText>, channel: &mut Channel) {
        let is_known = self.roster.contact(email).is_some_and(|known| known.lists.has(ListKind::Reverse));
        if !is_known {
            self.added(TrId(0), ListKind::Reverse, email, (name, None), channel);
        }
    }

    /// Somebody has us on their list no more.
    pub(super) fn removed_by(&mut self, email: &Email, channel: &mut Channel) {
        self.removed(ListKind::Reverse, email.as_str(), channel);
    }

    /// Applies a command. `is_step`: the reply answers a step of the own change, which is applied by itself.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        command: ServerCommand,
        is_step: bool,
        channel: &mut Channel,
    ) {
        match command {
            ServerCommand::Syn { stamp, counts, .. } => {
                self.roster.begin(stamp, counts);
                self.sync.answered(now, counts);
            }
            ServerCommand::Lst(entry) => {
                let email = entry.email.clone();
                self.roster.insert(entry);
                self.listed(now, &email, channel);
            }
            ServerCommand::Lsg { group, name } => {
                self.roster.insert_group(group, &name);
                self.sync.came(now, Line::Group);
            }
            ServerCommand::Add { trid, list, email, name, .. } => {
                self.added(trid, list, &email, (name.as_ref(), None), channel);
            }
            ServerCommand::Adc { trid, list, email: Some(email), name, contact, .. } => {
                self.added(trid, list, &email, (name.as_ref(), contact), channel);
            }
            ServerCommand::Rem { list, target, group: None, .. } => self.removed(list, &target, channel),
            ServerCommand::Bpr { .. } | ServerCommand::Prp { .. } => self.handle_property(command, channel),
            ServerCommand::Gtc { setting, .. } => self.roster.settings.asks = Some(setting != "N"),
            ServerCommand::Blp { setting, .. } => {
                self.roster.settings.strangers_allowed = Some(setting != "BL");
            }
            ServerCommand::Rea { .. } | ServerCommand::Sbp { .. } if is_step => {}
            ServerCommand::Rea { email, name, .. } if email == self.own => self.learn_name(&name, channel),
            ServerCommand::Rea { email, name, .. } => self.called(&email, name.decode(), channel),
            ServerCommand::Sbp { contact, property, value: Some(name), .. } if property == "MFN" => {
                if let Some(email) = self.roster.by_id(&contact) {
                    self.called(&email, name.decode(), channel);
                }
            }
            other => self.handle_presence(other, channel),
        }
    }

    fn handle_property(&mut self, command: ServerCommand, channel: &mut Channel) {
        match command {
            ServerCommand::Bpr { email: Some(email), property, value: Some(name), .. }
                if property == "MFN" =>
            {
                self.called(&email, name.decode(), channel);
            }
            ServerCommand::Bpr { email, property, value, .. } => {
                self.roster.set_property(email.as_ref(), &property, value.as_ref());
            }
            ServerCommand::Prp { property, value: Some(name), .. } if property == "MFN" => {
                self.learn_name(&name, channel);
            }
            ServerCommand::Prp { property, value, .. } => {
                self.roster.settings.set(property, value.map(|value| value.decode()));
            }
            _ => {}
        }
    }

    fn handle_presence(&mut self, command: ServerCommand, channel: &mut Channel) {
        let changed = match command {
            ServerCommand::Iln { presence, .. } | ServerCommand::Nln { presence } => {
                self.roster.set_presence(&presence)
            }
            ServerCommand::Fln { email } => self.roster.set_offline(&email),
            ServerCommand::Ubx { email, data } => {
                let read = PersonalMessage::parse(&data);
                let read = read.inspect_err(|error| tracing::warn!(%error, "skipped a personal message"));
                read.ok().and_then(|personal| self.roster.set_personal(&email, personal))
            }
            _ => None,
        };
        if let Some(contact) = changed {
            channel.emit(Event::PresenceChanged(Box::new(contact.clone())));
        }
    }

    /// Somebody of the lists. Who comes when they were thought complete is shown like anybody.
    fn listed(&mut self, now: Instant, email: &Email, channel: &mut Channel) {
        let late = !self.sync.is_under_way();
        self.sync.came(now, Line::Contact);
        let Some(contact) = self.roster.contact(email).filter(|_| late).cloned() else { return };
        if Roster::is_request(&contact, channel.dialect()) {
            channel.emit(request_of(&contact));
        }
        if contact.lists.has(ListKind::Forward) {
            channel.emit(Event::PresenceChanged(Box::new(contact)));
        }
    }

    /// A line of the lists that could not be read counts like one that could: nobody waits for it.
    pub(super) fn count_unreadable(&mut self, now: Instant, verb: &str) {
        match verb {
            "LST" => self.sync.unreadable(now, Line::Contact),
            "LSG" => self.sync.unreadable(now, Line::Group),
            _ => {}
        }
    }

    /// The lists are there, as far as they come: they are told of, and what is missing, and who asks (§3.4).
    pub(super) fn report_loaded(&mut self, channel: &mut Channel) {
        channel.emit(Event::RosterLoaded);
        channel.events.extend(self.sync.gap().map(Event::RosterIncomplete));
        if self.roster.take_regrouped() {
            channel.emit(Event::GroupsChanged);
        }
        let dialect = channel.dialect();
        let asking = self.roster.contacts().filter(|contact| Roster::is_request(contact, dialect));
        channel.events.extend(asking.map(request_of));
    }

    /// Tells that groups changed, once for all changes of one read; while the lists come that is no change.
    pub(super) fn report_groups(&mut self, channel: &mut Channel) {
        if !self.sync.is_under_way() && self.roster.take_regrouped() {
            channel.emit(Event::GroupsChanged);
        }
    }

    /// Somebody on the lists is called so now.
    pub(super) fn called(&mut self, email: &Email, name: String, channel: &mut Channel) {
        if self.roster.rename(email, name.clone()) {
            channel.emit(Event::Named { email: email.clone(), name });
        }
    }

    fn added(
        &mut self,
        trid: TrId,
        list: ListKind,
        email: &Email,
        (name, id): (Option<&UrlText>, Option<ContactId>),
        channel: &mut Channel,
    ) {
        self.roster.add(list, email, name, id);
        if list != ListKind::Reverse || trid != TrId(0) {
            return;
        }
        // Whoever adds us says what they are called; what we add is called as we said.
        if let Some(name) = name
            && Email::parse(&name.decode()).ok().as_ref() != Some(email)
        {
            self.called(email, name.decode(), channel);
        }
        let lists = self.roster.contact(email).map(|contact| contact.lists).unwrap_or_default();
        let asks = !lists.has(ListKind::Allow) && !lists.has(ListKind::Block);
        let name = name.map_or_else(|| email.to_string(), UrlText::decode);
        channel.emit(Event::AddedBy { email: email.clone(), name, asks });
    }

    fn removed(&mut self, list: ListKind, target: &str, channel: &mut Channel) {
        let whose = self.roster.whose(target);
        self.roster.remove(list, target);
        if let (ListKind::Reverse, Some(email)) = (list, whose) {
            channel.emit(Event::RemovedBy { email });
        }
    }
}

/// Somebody who asked while we were away.
fn request_of(contact: &Contact) -> Event {
    Event::AddedBy { email: contact.email.clone(), name: contact.name.clone(), asks: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::dialect::Dialect;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    fn addition(trid: u32, list: ListKind) -> ServerCommand {
        let (email, name) = (Some(email("bob@e.c")), Some(UrlText::encode("Bob")));
        ServerCommand::Adc { trid: TrId(trid), list, email, name, contact: None, group: None }
    }

    #[test]
    fn an_addition_by_the_other_side_asks_and_one_of_our_own_does_not() {
        let now = Instant::now();
        let mut channel = Channel::new(Dialect::Msnp11);
        let mut lists = Lists::new(email("own@e.c"), Roster::default());
        lists.handle(now, addition(4, ListKind::Allow), true, &mut channel);
        assert!(channel.events.is_empty());
        lists.handle(now, addition(0, ListKind::Reverse), false, &mut channel);
        let (name, email) = ("Bob".to_owned(), email("bob@e.c"));
        assert_eq!(channel.events, [Event::AddedBy { email, name, asks: false }]);
    }

    #[test]
    fn a_name_given_by_another_client_is_told_and_one_of_an_own_step_is_left_to_the_step() {
        let now = Instant::now();
        let mut channel = Channel::new(Dialect::Msnp8);
        let mut lists = Lists::new(email("own@e.c"), Roster::default());
        let named = || {
            let (email, name) = (email("own@e.c"), UrlText::encode("Ada"));
            ServerCommand::Rea { trid: TrId(9), version: 1, email, name }
        };
        lists.handle(now, named(), true, &mut channel);
        assert!(channel.events.is_empty() && lists.name == "own@e.c");
        lists.handle(now, named(), false, &mut channel);
        assert_eq!(channel.events, [Event::NameLearned("Ada".into())]);
        assert_eq!(lists.name, "Ada");
    }
}
