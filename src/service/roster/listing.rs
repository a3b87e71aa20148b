//! What `ADL` and `RML` hold: the lists as a client tells them from MSNP13 on, and what a client is told of those of others
//! (§21).
//!
//! Knows which lists a client may name. Refuses to keep lists, which the account does.

use crate::msn::address_book::{Listing, parse_listings};
use crate::msn::command::{ErrorCode, ListKind, ListMask, ServerCommand};
use crate::msn::ids::{Email, TrId};
use crate::msn::wire::UrlText;
use crate::msn::xml::Element;

/// The lists that a client may name.
const OURS: [ListKind; 3] = [ListKind::Forward, ListKind::Allow, ListKind::Block];

/// Whether a payload has the initial lists, and who is on them.
///
/// # Errors
/// 240 for a domain with nobody in it, 241 for what cannot be read or names lists that are not a client's; both end a session.
pub(super) fn read(data: &[u8]) -> Result<(bool, Vec<Listing>), ErrorCode> {
    let text = String::from_utf8_lossy(data);
    let root = Element::parse(&text).map_err(|_| ErrorCode::BAD_LISTING)?;
    if root.all("d").any(|domain| domain.first("c").is_none()) {
        return Err(ErrorCode::EMPTY_DOMAIN);
    }
    let (is_initial, listed) = parse_listings(&text).map_err(|_| ErrorCode::BAD_LISTING)?;
    let ours: u32 = OURS.iter().map(|list| *list as u32).sum();
    let is_right = |lists: ListMask| lists.0 != 0 && lists.0 & !ours == 0;
    let all_right = listed.iter().all(|listing| is_right(listing.lists));
    if all_right { Ok((is_initial, listed)) } else { Err(ErrorCode::BAD_LISTING) }
}

/// Each list that somebody is named for.
pub(super) fn named(listed: &[Listing]) -> impl Iterator<Item = (ListKind, Email)> {
    listed.iter().flat_map(|listing| {
        let lists = OURS.into_iter().filter(|list| listing.lists.has(*list));
        lists.map(|list| (list, listing.email.clone()))
    })
}

/// What somebody is told who was put onto a contact's list, or taken off it.
pub(super) fn told_by(owner: &Email, name: Option<&UrlText>, is_added: bool) -> ServerCommand {
    let (user, domain) = owner.as_str().rsplit_once('@').unwrap_or((owner.as_str(), ""));
    let contact = Element::new("c")
        .with_attribute("n", user)
        .with_attribute("t", "1")
        .with_attribute("l", &(ListKind::Reverse as u32).to_string());
    let contact = match name {
        Some(name) => contact.with_attribute("f", name.as_wire()),
        None => contact,
    };
    let list = Element::new("ml").with(Element::new("d").with_attribute("n", domain).with(contact));
    let (trid, data) = (TrId(0), Some(list.to_fragment().into_bytes().into()));
    if is_added { ServerCommand::Adl { trid, data } } else { ServerCommand::Rml { trid, data } }
}
