//! Contact lists as they are asked for over SOAP (§20.2).
//!
//! Knows whose ticket it is. Refuses to know the envelopes, which are [`super::book_page`]'s.

use super::directory::Directory;
use super::tickets::Tickets;
use crate::msn::command::ListMask;
use crate::msn::dialect::Dialect;

/// One contact of an answer.
#[derive(Debug, Clone)]
pub(super) struct BookContact {
    pub(super) email: String,
    pub(super) name: String,
    pub(super) id: String,
    pub(super) lists: ListMask,
    pub(super) groups: Vec<String>,
}

/// A contact list as its owner is shown it.
#[derive(Debug, Clone)]
pub(super) struct ShownBook {
    pub(super) email: String,
    pub(super) name: String,
    pub(super) asks: bool,
    pub(super) strangers_allowed: bool,
    pub(super) contacts: Vec<BookContact>,
    /// Ids and names.
    pub(super) groups: Vec<(String, String)>,
}

/// Ids of groups are written as from this dialect on.
const FORM: Dialect = Dialect::Msnp15;

/// The contact list of the account whose ticket this is; `None` for a ticket that is nobody's.
pub(super) fn show(directory: &Directory, tickets: &Tickets, ticket: &str) -> Option<ShownBook> {
    let account = directory.get(tickets.owner(ticket)?)?;
    let contacts = account.everybody().map(|listed| BookContact {
        email: listed.email.to_string(),
        name: listed.name.decode(),
        id: listed.id.to_string(),
        lists: listed.lists,
        groups: account.group_ids(listed, FORM).into_iter().map(|id| id.0).collect(),
    });
    let groups = account.groups.iter().map(|group| (group.id(FORM).0, group.name.decode()));
    Some(ShownBook {
        email: account.email.to_string(),
        name: account.name.decode(),
        asks: account.prompt == "A",
        strangers_allowed: account.privacy == "AL",
        contacts: contacts.collect(),
        groups: groups.collect(),
    })
}
