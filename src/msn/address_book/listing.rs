//! The payload of `ADL` and `RML`: who is on which lists, by domain (§21).
//!
//! Knows bounds and bits. Refuses to know whether somebody may be listed.

use std::collections::BTreeMap;

use crate::msn::command::{ListKind, ListMask};
use crate::msn::ids::Email;
use crate::msn::wire::UrlText;
use crate::msn::xml::{Element, XmlError};

/// Most contacts and bytes of one command.
const MAX_CONTACTS: usize = 150;
const MAX_BYTES: usize = 7400;
/// The network of everybody with a Passport.
const PASSPORT: &str = "1";
/// The lists that a client may name.
const OURS: u32 = ListKind::Forward as u32 | ListKind::Allow as u32 | ListKind::Block as u32;

/// One account with lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub email: Email,
    pub lists: ListMask,
    /// What they are called, where a server says so.
    pub name: Option<UrlText>,
}

/// The payloads of as many commands as these accounts need, domains together. Only lists that a client may name are named;
/// whoever is on none of them is left out. The initial ones are at least one.
pub fn listings(contacts: impl Iterator<Item = (Email, ListMask)>, is_initial: bool) -> Vec<String> {
    let mut domains: BTreeMap<String, Vec<Element>> = BTreeMap::new();
    for (email, lists) in contacts {
        let Some((user, domain)) = email.as_str().rsplit_once('@') else { continue };
        let named = allowed(lists).0 & OURS;
        if named != 0 {
            let contact = Element::new("c").with_attribute("n", user).with_attribute("l", &named.to_string());
            let contact = contact.with_attribute("t", PASSPORT);
            domains.entry(domain.to_ascii_lowercase()).or_default().push(contact);
        }
    }
    let mut split = Split { is_initial, done: Vec::new(), domains: Vec::new(), contacts: 0, bytes: 0 };
    domains.into_iter().for_each(|(domain, contacts)| split.take(&domain, contacts));
    split.finish()
}

/// A contact that is neither allowed nor blocked is allowed; one that is both is blocked.
fn allowed(mut lists: ListMask) -> ListMask {
    if lists.has(ListKind::Block) {
        lists.remove(ListKind::Allow);
    } else if lists.has(ListKind::Forward) {
        lists.insert(ListKind::Allow);
    }
    lists
}

/// Payloads that are filled one after the other.
struct Split {
    is_initial: bool,
    done: Vec<String>,
    domains: Vec<Element>,
    contacts: usize,
    bytes: usize,
}

impl Split {
    fn take(&mut self, domain: &str, contacts: Vec<Element>) {
        let begin = || Element::new("d").with_attribute("n", domain);
        let mut inside = begin();
        let mut is_empty = true;
        for contact in contacts {
            let size = contact.to_fragment().len();
            let around = if is_empty { begin().to_fragment().len() } else { 0 };
            if self.contacts == MAX_CONTACTS || self.bytes + size + around + FRAME > MAX_BYTES {
                if !is_empty {
                    self.domains.push(std::mem::replace(&mut inside, begin()));
                }
                self.close();
                is_empty = true;
            }
            if is_empty {
                self.bytes += begin().to_fragment().len();
            }
            self.bytes += size;
            self.contacts += 1;
            is_empty = false;
            inside = inside.with(contact);
        }
        if !is_empty {
            self.domains.push(inside);
        }
    }

    fn close(&mut self) {
        let list = Element::new("ml").with_all(std::mem::take(&mut self.domains));
        let list = if self.is_initial { initial(list) } else { list };
        self.done.push(list.to_fragment());
        (self.contacts, self.bytes) = (0, 0);
    }

    fn finish(mut self) -> Vec<String> {
        if !self.domains.is_empty() || (self.is_initial && self.done.is_empty()) {
            self.close();
        }
        self.done
    }
}

/// Bytes of the element around all, at most.
const FRAME: usize = 20;

fn initial(list: Element) -> Element {
    // The attribute stands on the element itself, which has no others.
    list.with_attribute("l", "1")
}

/// Reads a payload: whether it is the initial one, and who is listed. A bit of a list that nobody knows stays as it is.
///
/// # Errors
/// Text that is not XML.
pub fn parse_listings(payload: &str) -> Result<(bool, Vec<Listing>), XmlError> {
    let root = Element::parse(payload)?;
    let is_initial = root.attribute("l") == Some("1");
    let listing = |domain: &str, contact: &Element| {
        let email = Email::parse(&format!("{}@{domain}", contact.attribute("n")?)).ok()?;
        let lists = ListMask(contact.attribute("l").and_then(|bits| bits.parse().ok()).unwrap_or_default());
        Some(Listing { email, lists, name: contact.attribute("f").map(UrlText::from_wire) })
    };
    let domains = root.all("d").filter_map(|domain| Some((domain.attribute("n")?, domain)));
    let listed = domains.flat_map(|(name, domain)| domain.all("c").filter_map(move |c| listing(name, c)));
    Ok((is_initial, listed.collect()))
}
