//! Presence: who is signed in, what each of them shows, and who sees it (§4).
//!
//! Knows sessions and statuses. Refuses to know lines and sockets, and asks the directory who lists and allows whom.

use std::collections::HashMap;

use bytes::Bytes;

use super::directory::{Account, Directory};
use super::ids::ConnId;
use crate::msn::command::{ListKind, Presence, Status};
use crate::msn::ids::{Capabilities, Email};
use crate::msn::wire::UrlText;

/// What an account shows. It outlives the session but for the capabilities, which the next one sets again.
#[derive(Debug, Default)]
struct Appearance {
    session: Option<ConnId>,
    /// `None` before the first `CHG`.
    status: Option<Status>,
    capabilities: Capabilities,
    /// The display picture's MSNObject, percent-encoded as it came.
    object: Option<UrlText>,
    /// The `UUX` document, as it came.
    personal: Bytes,
}

/// What a `CHG` meant to those who see it.
#[derive(Debug, PartialEq)]
pub(super) struct StatusChange {
    /// The first of the session: its client is told who is there (§4.2).
    pub(super) is_first: bool,
    /// Nobody saw the account before: its personal message comes with it.
    pub(super) appears: bool,
}

/// What every account shows, by [`Email::to_key`]; nothing is kept of one that never signed in.
#[derive(Debug, Default)]
pub(super) struct PresenceTable {
    shown: HashMap<String, Appearance>,
}

impl PresenceTable {
    fn of(&self, email: &Email) -> Option<&Appearance> {
        self.shown.get(&email.to_key())
    }

    fn of_mut(&mut self, email: &Email) -> &mut Appearance {
        self.shown.entry(email.to_key()).or_default()
    }

    /// An account is signed in, and shows nothing yet.
    pub(super) fn begin(&mut self, email: &Email, conn: ConnId) {
        self.of_mut(email).session = Some(conn);
    }

    /// A session is over. Gives whether the account was seen by anybody; no session of another connection is ended.
    pub(super) fn end(&mut self, email: &Email, conn: ConnId) -> bool {
        if self.session(email) != Some(conn) {
            return false;
        }
        let was_visible = self.is_visible(email);
        let shown = self.of_mut(email);
        *shown = Appearance { capabilities: shown.capabilities, ..Appearance::default() };
        was_visible
    }

    /// The connection of an account's session.
    pub(super) fn session(&self, email: &Email) -> Option<ConnId> {
        self.of(email)?.session
    }

    /// The same, once the first `CHG` has come: a client takes no notices before.
    pub(super) fn announced_session(&self, email: &Email) -> Option<ConnId> {
        let shown = self.of(email)?;
        shown.session.filter(|_| shown.status.is_some())
    }

    /// Whether the account is signed in with a status that others see.
    pub(super) fn is_visible(&self, email: &Email) -> bool {
        let status = self.of(email).and_then(|shown| shown.status);
        status.is_some_and(|status| status != Status::Hidden)
    }

    /// Sets what a `CHG` says; an empty object is none.
    pub(super) fn change(
        &mut self,
        email: &Email,
        status: Status,
        capabilities: Option<Capabilities>,
        object: Option<UrlText>,
    ) -> StatusChange {
        let shown = self.of_mut(email);
        let (is_first, appears) =
            (shown.status.is_none(), matches!(shown.status, None | Some(Status::Hidden)));
        shown.status = Some(status);
        shown.capabilities = capabilities.unwrap_or_default();
        shown.object = object.filter(|object| !matches!(object.as_wire(), "0" | "%3Cmsnobj%2F%3E"));
        StatusChange { is_first, appears }
    }

    /// Sets the personal message, a `UUX` document; an empty one is none.
    pub(super) fn set_personal(&mut self, email: &Email, data: Bytes) {
        self.of_mut(email).personal = data;
    }

    /// The personal message as it came; empty for none.
    pub(super) fn personal(&self, email: &Email) -> Bytes {
        self.of(email).map(|shown| shown.personal.clone()).unwrap_or_default()
    }

    /// What the account's client can do, as its last `CHG` said (§4.3).
    pub(super) fn capabilities(&self, email: &Email) -> Capabilities {
        self.of(email).map(|shown| shown.capabilities).unwrap_or_default()
    }

    /// What `viewer` may see of an account; `None` for offline, which hiding and a block look like.
    pub(super) fn seen(&self, account: &Account, viewer: &Email) -> Option<Presence> {
        let shown = self.of(&account.email)?;
        let status = shown.status.filter(|status| *status != Status::Hidden && account.allows(viewer))?;
        Some(Presence {
            status,
            email: account.email.clone(),
            name: account.name.clone(),
            capabilities: Some(shown.capabilities),
            object: shown.object.clone(),
        })
    }

    /// The session of `viewer`, if it has announced itself and has `of` as a contact.
    pub(super) fn watcher(&self, viewer: &Account, of: &Email) -> Option<ConnId> {
        self.announced_session(&viewer.email).filter(|_| viewer.lists(of).has(ListKind::Forward))
    }

    /// Every session that has announced itself and has `email` as a contact, with its account.
    pub(super) fn watchers(&self, directory: &Directory, email: &Email) -> Vec<(ConnId, Email)> {
        let session = |viewer: &Account| Some((self.announced_session(&viewer.email)?, viewer.email.clone()));
        directory.listed_by(email).filter_map(session).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::parse_accounts;
    use super::super::random::Random;
    use super::*;

    /// A directory in which Alice and Bob list and allow each other, and both signed in.
    fn pair() -> (Directory, PresenceTable, [Email; 2]) {
        let lines = parse_accounts("alice@b.c,pw\nbob@b.c,pw").unwrap();
        let emails = [0, 1].map(|at: usize| lines[at].email.clone());
        let mut directory = Directory::new(lines);
        directory.befriend(&emails[..1], &mut Random::seeded(1));
        let mut presence = PresenceTable::default();
        presence.begin(&emails[0], ConnId(1));
        presence.begin(&emails[1], ConnId(2));
        (directory, presence, emails)
    }

    #[test]
    fn nobody_sees_or_is_told_before_the_first_status() {
        let (directory, mut presence, [alice, bob]) = pair();
        assert_eq!(presence.watchers(&directory, &alice), []);
        assert_eq!(presence.seen(directory.get(&alice).unwrap(), &bob), None);
        let change = presence.change(&bob, Status::Online, None, None);
        assert_eq!(change, StatusChange { is_first: true, appears: true });
        assert_eq!(presence.watchers(&directory, &alice), [(ConnId(2), bob.clone())]);
        let change = presence.change(&alice, Status::Hidden, None, None);
        assert_eq!(change, StatusChange { is_first: true, appears: true });
        assert_eq!(presence.seen(directory.get(&alice).unwrap(), &bob), None, "hidden");
        let change = presence.change(&alice, Status::Busy, None, None);
        assert_eq!(change, StatusChange { is_first: false, appears: true });
        assert_eq!(presence.seen(directory.get(&alice).unwrap(), &bob).unwrap().status, Status::Busy);
    }

    #[test]
    fn a_session_is_ended_by_its_own_connection_alone_and_takes_its_messages_with_it() {
        let (_, mut presence, [alice, _]) = pair();
        presence.change(&alice, Status::Online, Some(Capabilities(32)), None);
        presence.set_personal(&alice, "hi".into());
        presence.begin(&alice, ConnId(3));
        assert!(!presence.end(&alice, ConnId(1)), "another has taken over");
        assert_eq!(presence.session(&alice), Some(ConnId(3)));
        assert!(presence.end(&alice, ConnId(3)));
        assert_eq!((presence.session(&alice), presence.personal(&alice)), (None, Bytes::new()));
        assert_eq!(presence.capabilities(&alice), Capabilities(32));
        assert!(!presence.end(&alice, ConnId(3)));
    }
}
