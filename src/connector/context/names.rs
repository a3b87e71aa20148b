//! What people in calls are called: the newest of what presence, lists and boards say.
//!
//! Knows the people whom a board has named. Refuses to know the lists: who reads those says here what changed.
//! A board repeats the name that somebody had when they came to it, so only a change there is news.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bridge::event::Ghost;
use crate::bridge::ids::GhostId;
use crate::msn::command::Status;
use crate::msn::ids::Email;
use crate::msn::message::without_codes;
use crate::msn::session::Roster;

/// Most people who are remembered; then all are forgotten, and named again by the next board.
const MAX_PEOPLE: usize = 4096;

/// A name that a board has said for the first time, or another one than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::connector) struct BoardName {
    pub(in crate::connector) email: Email,
    pub(in crate::connector) name: String,
    /// Presence may know a newer one.
    pub(in crate::connector) is_first: bool,
}

impl BoardName {
    /// What they are called now, by all that is known; `None` where it is nothing.
    pub(in crate::connector) fn newest(&self, roster: Option<&Roster>) -> Option<String> {
        let contact = roster.and_then(|roster| roster.contact(&self.email));
        let listed = contact.filter(|contact| !is_address(&self.email, &contact.name));
        let is_seen = |status| !matches!(status, Status::Offline | Status::Hidden);
        let by_presence = listed.filter(|contact| self.is_first && is_seen(contact.status));
        let said = (!is_address(&self.email, &self.name)).then(|| self.name.clone());
        let by_presence = by_presence.map(|contact| contact.name.clone());
        by_presence.or(said).or_else(|| listed.map(|contact| contact.name.clone()))
    }
}

/// What one board has said of each person.
#[derive(Default)]
pub(in crate::connector) struct BoardNames(HashMap<Email, String>);

impl BoardNames {
    /// The board names somebody; gives what is news.
    pub(in crate::connector) fn heard(&mut self, email: &Email, name: &str) -> Option<BoardName> {
        let before = self.0.insert(email.clone(), name.to_owned());
        let is_first = before.is_none();
        (before.as_deref() != Some(name)).then(|| BoardName {
            email: email.clone(),
            name: name.to_owned(),
            is_first,
        })
    }
}

/// The newest names of those whom boards have named; shared by a login and its calls.
#[derive(Clone, Default)]
pub(in crate::connector) struct Names(Arc<Mutex<HashMap<Email, String>>>);

impl Names {
    /// Names by account, as they were last seen.
    fn people(&self) -> MutexGuard<'_, HashMap<Email, String>> {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody is in a call: from now on their names are kept, beginning with this one if none is known.
    pub(in crate::connector) fn meet(&self, email: &Email, name: &str) {
        let mut people = self.people();
        if people.len() >= MAX_PEOPLE && !people.contains_key(email) {
            people.clear();
        }
        people.entry(email.clone()).or_insert_with(|| name.to_owned());
    }

    /// Somebody is called so now.
    pub(in crate::connector) fn set(&self, email: &Email, name: &str) {
        if let Some(known) = self.people().get_mut(email) {
            name.clone_into(known);
        }
    }

    /// The newest name of somebody; their account where none is known.
    pub(in crate::connector) fn newest(&self, email: &Email) -> String {
        self.people().get(email).cloned().unwrap_or_else(|| email.to_string())
    }
}

/// The core's id of somebody.
pub(in crate::connector) fn ghost_id(email: &Email) -> GhostId {
    GhostId::new(email.to_key())
}

/// Somebody; an account in place of a name is none.
pub(in crate::connector) fn ghost(email: &Email, name: &str) -> Ghost {
    let name = if is_address(email, name) { String::new() } else { without_codes(name) };
    Ghost { id: ghost_id(email), name }
}

/// Somebody of whom only the account is known.
pub(in crate::connector) fn account(email: &Email) -> Ghost {
    ghost(email, "")
}

/// Servers name those by their account of whom they know no name.
pub(in crate::connector) fn is_address(email: &Email, name: &str) -> bool {
    Email::parse(name).is_ok_and(|named| named == *email)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_13_a_board_that_repeats_itself_says_nothing_new() {
        let bob = Email::parse("bob@example.com").unwrap();
        let (mut first, mut second) = (BoardNames::default(), BoardNames::default());
        assert!(first.heard(&bob, "Bob").unwrap().is_first);
        assert_eq!(first.heard(&bob, "Bob"), None);
        // Another board names him for itself, and the first repeats what it knew.
        assert!(second.heard(&bob, "Bobby").unwrap().is_first);
        assert_eq!(first.heard(&bob, "Bob"), None);
        let news = first.heard(&bob, "Robert").unwrap();
        assert_eq!((news.name.as_str(), news.is_first), ("Robert", false));
        assert_eq!(news.newest(None).as_deref(), Some("Robert"));
        // An account in place of a name is none.
        assert_eq!(first.heard(&bob, "Bob@example.com").unwrap().newest(None), None);
    }

    #[test]
    fn fault_13_names_are_kept_of_those_whom_a_board_has_named() {
        let (names, bob) = (Names::default(), Email::parse("bob@example.com").unwrap());
        names.set(&bob, "Bob");
        assert_eq!(names.newest(&bob), "bob@example.com");
        names.meet(&bob, "Bob");
        names.meet(&bob, "Old Bob");
        assert_eq!(names.newest(&bob), "Bob");
        names.set(&bob, "Bobby");
        assert_eq!(names.newest(&bob), "Bobby");
    }
}
