//! The contact list from MSNP13 on: read by the caller over SOAP, then told to the server (§20.2, §21, §22).
//!
//! Knows until when the list must be there, and in which order it is told. Refuses to know how it is read.

use std::time::{Duration, Instant};

use super::channel::{Channel, Request};
use super::{Event, NotificationSession};
use crate::msn::address_book::{AddressBook, listings, parse_listings};
use crate::msn::command::{ClientCommand, ListKind};
use crate::msn::ids::TrId;
use crate::msn::wire::UrlText;

/// How long the caller may take to read the contact list: two requests, and a new ticket and a new book perhaps.
pub(super) const BOOK_TIMEOUT: Duration = Duration::from_secs(120);

impl NotificationSession {
    /// Hands over the contact list asked for by [`BookWanted`](Event::BookWanted): it is told to the server, and the session
    /// announces itself.
    pub fn provide_book(&mut self, now: Instant, book: AddressBook) {
        if self.book_by.take().is_none() {
            return;
        }
        self.lists.take_book(now, book, &mut self.channel);
        self.tell_lists(now);
        self.lists_ready(now);
    }

    /// The privacy setting, the lists, and the own name; nobody sees the account before the lists are told.
    fn tell_lists(&mut self, now: Instant) {
        let Self { channel, lists, .. } = self;
        let strangers = lists.roster.settings.strangers_allowed.unwrap_or(true);
        let setting = if strangers { "AL" } else { "BL" }.to_owned();
        channel.request(now, Request::Quiet("BLP"), |trid| ClientCommand::Blp { trid, setting });
        let contacts = lists.roster.contacts().map(|contact| (contact.email.clone(), contact.lists));
        for payload in listings(contacts, true) {
            let data = payload.into_bytes().into();
            channel.request(now, Request::Quiet("ADL"), |trid| ClientCommand::Adl { trid, data });
        }
        // Where an account can be in several places its name is not ours alone.
        if !channel.dialect().has_endpoints() && lists.name != self.identity.email.as_str() {
            let (property, value) = ("MFN".to_owned(), Some(UrlText::encode(&lists.name)));
            channel.request(now, Request::Quiet("PRP"), |trid| ClientCommand::Prp { trid, property, value });
        }
    }

    /// What the server says of other people's lists, or that it has taken ours (§20.4).
    pub(super) fn handle_listing(&mut self, trid: TrId, data: Option<&[u8]>, is_added: bool) {
        let Self { channel, lists, .. } = self;
        let Some(data) = data else {
            channel.pending.take(trid);
            return;
        };
        let read = parse_listings(&String::from_utf8_lossy(data));
        let read = read.inspect_err(|error| tracing::warn!(%error, "skipped what was said of the lists"));
        for listing in read.map(|(_, listed)| listed).unwrap_or_default() {
            let has_us = listing.lists.has(ListKind::Reverse);
            match (has_us, is_added) {
                (true, true) => lists.added_by(&listing.email, listing.name.as_ref(), channel),
                (true, false) => lists.removed_by(&listing.email, channel),
                (false, _) => {}
            }
        }
    }

    /// Asks the caller for the contact list.
    pub(super) fn want_book(&mut self, now: Instant) {
        self.book_by = Some(now + BOOK_TIMEOUT);
        let is_paged = self.dialect().roster_is_paged();
        Channel::emit(&mut self.channel, Event::BookWanted { is_paged });
    }
}
