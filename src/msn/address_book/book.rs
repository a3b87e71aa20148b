//! What an account's book and memberships say, as one list of contacts (§20.2).
//!
//! Knows both forms of the book, by local names alone. Refuses to know who is online.

use crate::msn::command::{ContactEntry, ListKind, ListMask};
use crate::msn::ids::{ContactId, Email, GroupId};
use crate::msn::wire::UrlText;
use crate::msn::xml::Element;

use std::collections::BTreeMap;

/// Most groups of one contact that are read.
const MAX_GROUPS: usize = 100;

/// A whole contact list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AddressBook {
    /// What the account calls itself, where the book says so.
    pub name: Option<String>,
    /// Whether people on neither list may see and call us, where the book says so.
    pub strangers_allowed: Option<bool>,
    /// Whether clients ask before somebody who added us is allowed, where the book says so.
    pub asks: Option<bool>,
    pub groups: Vec<(GroupId, String)>,
    /// Everybody on any list; nobody is on the allow and the block list at once.
    pub contacts: Vec<ContactEntry>,
}

impl AddressBook {
    /// Makes a list of the answers to `FindMembership` and to `ABFindAll` or `ABFindContactsPaged`.
    pub fn read(memberships: &Element, book: &Element) -> Self {
        let mut read = Self { groups: groups(book), ..Self::default() };
        let mut contacts: BTreeMap<String, ContactEntry> = BTreeMap::new();
        for contact in book.all("Contact").filter(|contact| !is_true(contact.child("fDeleted"))) {
            let Some(info) = contact.child("contactInfo") else { continue };
            match text(info, "contactType") {
                Some("Me") => read.read_own(info),
                Some("Circle") => {}
                _ => read_contact(contact, info, &mut contacts),
            }
        }
        members(memberships).for_each(|(list, email)| {
            entry(&mut contacts, &email).lists.insert(list);
        });
        read.contacts = contacts.into_values().map(without_contradiction).collect();
        read
    }

    fn read_own(&mut self, info: &Element) {
        self.name = text(info, "displayName").map(str::to_owned);
        self.strangers_allowed = setting(info, "MSN.IM.BLP");
        self.asks = setting(info, "MSN.IM.GTC");
    }
}

fn read_contact(contact: &Element, info: &Element, contacts: &mut BTreeMap<String, ContactEntry>) {
    // People of other networks have an address of mail alone.
    let Some(email) = text(info, "passportName").and_then(|account| Email::parse(account).ok()) else {
        return;
    };
    let name = annotation(info, "AB.NickName").or_else(|| text(info, "displayName"));
    let entry = entry(contacts, &email);
    entry.name = name.or_else(|| text(info, "quickName")).map(UrlText::encode);
    entry.contact = text(contact, "contactId").map(|id| ContactId(id.to_owned()));
    let ids = info.child("groupIds").into_iter().flat_map(|ids| ids.all("guid"));
    entry.groups = ids.map(|id| GroupId(id.text().to_owned())).take(MAX_GROUPS).collect();
    if info.child("isMessengerUser").is_none_or(|user| is_true(Some(user))) {
        entry.lists.insert(ListKind::Forward);
    }
}

fn entry<'a>(contacts: &'a mut BTreeMap<String, ContactEntry>, email: &Email) -> &'a mut ContactEntry {
    contacts.entry(email.to_key()).or_insert_with(|| ContactEntry {
        email: email.clone(),
        name: None,
        contact: None,
        lists: ListMask::default(),
        groups: Vec::new(),
    })
}

/// Whoever is allowed and blocked is blocked.
fn without_contradiction(mut entry: ContactEntry) -> ContactEntry {
    if entry.lists.has(ListKind::Block) {
        entry.lists.remove(ListKind::Allow);
    }
    entry
}

fn groups(book: &Element) -> Vec<(GroupId, String)> {
    let group = |group: &Element| {
        let name = text(group.child("groupInfo")?, "name")?;
        Some((GroupId(text(group, "groupId")?.to_owned()), name.to_owned()))
    };
    book.all("Group").filter_map(group).collect()
}

/// Who stands on which list of the messenger's own service.
fn members(answer: &Element) -> impl Iterator<Item = (ListKind, Email)> {
    let is_ours = |service: &&Element| {
        let kind = service.child("Info").and_then(|info| info.first("Type"));
        kind.is_some_and(|kind| kind.text() == "Messenger")
    };
    let lists = answer.all("Service").filter(is_ours).flat_map(|service| service.all("Membership"));
    lists.filter_map(|list| Some((list, role(text(list, "MemberRole")?)?))).flat_map(|(list, kind)| {
        let members = list.all("Member").filter(|member| !is_true(member.child("Deleted")));
        members.filter_map(move |member| Some((kind, Email::parse(text(member, "PassportName")?).ok()?)))
    })
}

fn role(name: &str) -> Option<ListKind> {
    match name {
        "Allow" => Some(ListKind::Allow),
        "Block" => Some(ListKind::Block),
        "Reverse" => Some(ListKind::Reverse),
        "Pending" => Some(ListKind::Pending),
        _ => None,
    }
}

/// The text of an element directly in this one, where there is any.
fn text<'a>(inside: &'a Element, name: &str) -> Option<&'a str> {
    inside.child(name).map(Element::text).filter(|text| !text.is_empty())
}

fn is_true(element: Option<&Element>) -> bool {
    element.is_some_and(|element| element.text().eq_ignore_ascii_case("true"))
}

fn annotation<'a>(info: &'a Element, name: &str) -> Option<&'a str> {
    let mut all = info.child("annotations")?.all("Annotation");
    text(all.find(|annotation| text(annotation, "Name") == Some(name))?, "Value")
}

/// A setting with the two values 1 and 2, the first of which is yes.
fn setting(info: &Element, name: &str) -> Option<bool> {
    match annotation(info, name)? {
        "1" => Some(true),
        "2" => Some(false),
        _ => None,
    }
}
