//! The contact lists of one account as its session knows them (§3), and what is known of each contact.
//!
//! Knows how `SYN`, changes and presence alter the lists. Refuses to know what anybody should do about it.

use std::collections::BTreeMap;

use crate::msn::command::{ContactEntry, ListKind, ListMask, Presence, Status, SyncStamp};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Capabilities, ContactId, Email, GroupId};
use crate::msn::message::PersonalMessage;
use crate::msn::wire::UrlText;

/// One contact, on whichever lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    pub email: Email,
    /// Decoded; the account itself where no name is known.
    pub name: String,
    pub id: Option<ContactId>,
    pub lists: ListMask,
    pub groups: Vec<GroupId>,
    /// Property name and value: phones and what else `BPR` says.
    pub properties: BTreeMap<String, String>,
    pub status: Status,
    pub capabilities: Capabilities,
    pub object: Option<UrlText>,
    pub personal: PersonalMessage,
}

impl Contact {
    fn new(email: Email) -> Self {
        Self {
            name: email.to_string(),
            email,
            id: None,
            lists: ListMask::default(),
            groups: Vec::new(),
            properties: BTreeMap::new(),
            status: Status::Offline,
            capabilities: Capabilities::default(),
            object: None,
            personal: PersonalMessage::default(),
        }
    }
}

/// What the account has set for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `BLP`: whether people on neither list may see and call us.
    pub strangers_allowed: Option<bool>,
    /// `GTC`: whether clients ask before somebody who added us is allowed.
    pub asks: Option<bool>,
    /// Phone numbers and what else `PRP` says.
    pub properties: BTreeMap<String, String>,
}

impl Settings {
    pub(super) fn set(&mut self, name: String, value: Option<String>) {
        match value {
            Some(value) if self.properties.len() < 64 => drop(self.properties.insert(name, value)),
            Some(_) => {}
            None => drop(self.properties.remove(&name)),
        }
    }
}

/// Contacts by account, each in a place of its own size: a tree has room for twice as many as are in it.
type Contacts = BTreeMap<Email, Box<Contact>>;

/// Contacts by account, groups by id, and how far this copy goes.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    stamp: Option<SyncStamp>,
    contacts: Contacts,
    groups: BTreeMap<GroupId, String>,
    pub settings: Settings,
    /// Whom a `BPR` without an account belongs to: the `LST` before it.
    latest: Option<Email>,
    /// The copy from an earlier session, until the server has said whether it is still right.
    earlier: Option<(Contacts, BTreeMap<GroupId, String>)>,
    /// Which groups there are, who is in them, or who is shown at all, is not what it was when last asked.
    regrouped: bool,
}

/// Most contacts that are kept; services allow at most 1,500 on one list.
const MAX_CONTACTS: usize = 10_000;

impl Roster {
    /// What `SYN` asks with: the stamp of this copy, or none.
    pub(super) fn request_stamp(&self, dialect: Dialect) -> SyncStamp {
        match (&self.stamp, dialect.has_guids()) {
            (Some(stamp @ SyncStamp::Stamps(..)), true) | (Some(stamp @ SyncStamp::Version(_)), false) => {
                stamp.clone()
            }
            (_, true) => SyncStamp::Stamps("0".into(), "0".into()),
            (_, false) => SyncStamp::Version(0),
        }
    }

    /// The lists are asked for: what comes from now on is new, also what comes before the answer.
    pub(super) fn expect(&mut self) {
        self.earlier = Some((std::mem::take(&mut self.contacts), std::mem::take(&mut self.groups)));
        self.latest = None;
    }

    /// The reply to `SYN`. Without counts nothing changed and the earlier copy stays.
    pub(super) fn begin(&mut self, stamp: SyncStamp, counts: Option<(u32, u32)>) {
        self.stamp = Some(stamp);
        self.regrouped = true;
        match (self.earlier.take(), counts) {
            (Some((contacts, groups)), None) => {
                let came = std::mem::replace(&mut self.contacts, contacts);
                let new_groups = std::mem::replace(&mut self.groups, groups);
                self.contacts.extend(came);
                self.groups.extend(new_groups);
            }
            // Nobody asked: another list than that which is there begins.
            (None, Some(_)) => {
                self.contacts.clear();
                self.groups.clear();
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// Another list in the place of this one: everybody on it, and the groups with their names.
    pub(super) fn replace(&mut self, contacts: Vec<ContactEntry>, groups: Vec<(GroupId, String)>) {
        self.contacts.clear();
        self.groups = groups.into_iter().take(MAX_CONTACTS).collect();
        self.regrouped = true;
        contacts.into_iter().for_each(|entry| self.insert(entry));
    }

    /// Whether groups changed since this was asked last.
    pub(super) fn take_regrouped(&mut self) -> bool {
        std::mem::take(&mut self.regrouped)
    }

    pub(super) fn insert(&mut self, entry: ContactEntry) {
        self.latest = Some(entry.email.clone());
        self.regrouped = true;
        let Some(contact) = self.entry(&entry.email) else { return };
        contact.lists = entry.lists;
        contact.groups = entry.groups;
        contact.groups.shrink_to_fit();
        contact.id = entry.contact;
        if let Some(name) = entry.name {
            contact.name = name.decode();
        }
    }

    pub(super) fn insert_group(&mut self, group: GroupId, name: &UrlText) {
        if self.groups.len() < MAX_CONTACTS || self.groups.contains_key(&group) {
            self.groups.insert(group, name.decode());
            self.regrouped = true;
        }
    }

    /// A property of a contact (`BPR`); without an account that of the `LST` line before it (§3.2).
    pub(super) fn set_property(&mut self, email: Option<&Email>, property: &str, value: Option<&UrlText>) {
        let Some(contact) = email.or(self.latest.as_ref()).and_then(|email| self.contacts.get_mut(email))
        else {
            return;
        };
        match value {
            Some(value) => contact.properties.insert(property.to_owned(), value.decode()),
            None => contact.properties.remove(property),
        };
    }

    /// Puts somebody onto a list; a name or an id that is given replaces the one that is known.
    pub(super) fn add(
        &mut self,
        list: ListKind,
        email: &Email,
        name: Option<&UrlText>,
        id: Option<ContactId>,
    ) {
        let Some(contact) = self.entry(email) else { return };
        let is_shown_now = list == ListKind::Forward && !contact.lists.has(list);
        contact.lists.insert(list);
        contact.id = id.or_else(|| contact.id.take());
        if let Some(name) = name.filter(|_| contact.name == contact.email.as_str()) {
            contact.name = name.decode();
        }
        self.regrouped |= is_shown_now;
    }

    /// The target is an account or a contact id.
    pub(super) fn remove(&mut self, list: ListKind, target: &str) {
        let whose = self.whose(target);
        if let Some(contact) = whose.and_then(|email| self.contacts.get_mut(&email)) {
            contact.lists.remove(list);
            if list == ListKind::Forward {
                contact.groups.clear();
                self.regrouped = true;
            }
        }
    }

    /// The account behind a target of `REM`: an account, or a contact id.
    pub(super) fn whose(&self, target: &str) -> Option<Email> {
        let by_id = |c: &&Contact| c.id.as_ref().is_some_and(|id| id.0 == target);
        let by_name = Email::parse(target).ok().and_then(|email| self.contact(&email));
        by_name.or_else(|| self.contacts().find(by_id)).map(|contact| contact.email.clone())
    }

    /// Whether somebody waits for an answer (§3.4): on the list for that where there is one; else they have us on theirs,
    /// and nothing was decided.
    pub fn is_request(contact: &Contact, dialect: Dialect) -> bool {
        let decided = contact.lists.has(ListKind::Allow) || contact.lists.has(ListKind::Block);
        let asks = if dialect.has_pending_list() { ListKind::Pending } else { ListKind::Reverse };
        contact.lists.has(asks) && !decided
    }

    /// True if somebody on the lists was called otherwise before.
    pub(super) fn rename(&mut self, email: &Email, name: String) -> bool {
        let Some(contact) = self.contacts.get_mut(email) else { return false };
        std::mem::replace(&mut contact.name, name) != contact.name
    }

    /// The account that the server calls so.
    pub(super) fn by_id(&self, id: &ContactId) -> Option<Email> {
        let mut contacts = self.contacts.values();
        contacts.find(|contact| contact.id.as_ref() == Some(id)).map(|contact| contact.email.clone())
    }

    pub(super) fn put_into_group(&mut self, email: &Email, group: GroupId) {
        if let Some(contact) = self.contacts.get_mut(email).filter(|c| !c.groups.contains(&group)) {
            contact.groups.push(group);
            self.regrouped = true;
        }
    }

    pub(super) fn take_out_of_group(&mut self, email: &Email, group: &GroupId) {
        if let Some(contact) = self.contacts.get_mut(email) {
            contact.groups.retain(|known| known != group);
            self.regrouped = true;
        }
    }

    pub(super) fn name_group(&mut self, group: GroupId, name: String) {
        if self.groups.len() < MAX_CONTACTS {
            self.groups.insert(group, name);
            self.regrouped = true;
        }
    }

    pub(super) fn remove_group(&mut self, group: &GroupId) {
        self.groups.remove(group);
        self.regrouped = true;
        self.contacts.values_mut().for_each(|contact| contact.groups.retain(|known| known != group));
    }

    /// Applies presence; gives the contact as it is now.
    pub(super) fn set_presence(&mut self, presence: &Presence) -> Option<&Contact> {
        let contact = self.entry(&presence.email)?;
        contact.status = presence.status;
        contact.name = presence.name.decode();
        contact.capabilities = presence.capabilities.unwrap_or_default();
        contact.object = presence.object.clone();
        Some(contact)
    }

    /// They are offline; name and picture stay for the next time. `None` for somebody who is not known.
    pub(super) fn set_offline(&mut self, email: &Email) -> Option<&Contact> {
        let contact = self.contacts.get_mut(email)?;
        contact.status = Status::Offline;
        Some(contact)
    }

    /// What they say of themselves. `None` where 10,000 others are known: nothing is kept then.
    pub(super) fn set_personal(&mut self, email: &Email, personal: PersonalMessage) -> Option<&Contact> {
        let contact = self.entry(email)?;
        contact.personal = personal;
        Some(contact)
    }

    fn entry(&mut self, email: &Email) -> Option<&mut Contact> {
        if self.contacts.len() >= MAX_CONTACTS && !self.contacts.contains_key(email) {
            return None;
        }
        Some(self.contacts.entry(email.clone()).or_insert_with(|| Box::new(Contact::new(email.clone()))))
    }

    /// Somebody whom a list names, also the reverse list alone, or whose state the server sent.
    pub fn contact(&self, email: &Email) -> Option<&Contact> {
        self.contacts.get(email).map(|contact| &**contact)
    }

    /// Everybody of whom [`Roster::contact`] knows, by account.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.values().map(|contact| &**contact)
    }

    /// Group ids and their names.
    pub fn groups(&self) -> &BTreeMap<GroupId, String> {
        &self.groups
    }
}
