//! What a call knows of the people in it: asked for when it is needed, since a contact may change while the call lasts.
//!
//! Knows programs and pictures, as the notification session last heard of them and as they came into the call. Names are in
//! `names`. Refuses to know what is done about any of it.

use std::collections::HashMap;

use tokio::sync::watch;

use crate::msn::command::Status;
use crate::msn::ids::{Capabilities, Email};
use crate::msn::p2p::{MsnObject, ObjectKind};
use crate::msn::session::Contact;

/// Bytes of the largest picture that is fetched: official clients make them of at most 25 kB.
const MAX_PICTURE: u64 = 256 << 10;

/// One contact who was seen, so far as calls ask. There is one for each contact of each login: it is small.
#[derive(Debug)]
struct Known {
    capabilities: Capabilities,
    picture: Option<Box<MsnObject>>,
}

/// The contacts of a login: written by its session, read by its calls.
pub(in crate::connector) struct Directory(watch::Sender<HashMap<String, Known>>);

impl Default for Directory {
    fn default() -> Self {
        Self(watch::Sender::new(HashMap::new()))
    }
}

impl Directory {
    /// Presence tells of a contact. True where it announces another picture than before, or none any more.
    pub(in crate::connector) fn note(&self, contact: &Contact) -> bool {
        let mut has_another = false;
        self.0.send_modify(|known| has_another = note(known, contact));
        has_another
    }

    /// What a call asks that is about these people.
    pub(in crate::connector) fn about(&self, called: Vec<Email>) -> People {
        People { contacts: self.0.subscribe(), called, came_with: Vec::new() }
    }
}

fn note(known: &mut HashMap<String, Known>, contact: &Contact) -> bool {
    let key = contact.email.to_key();
    if contact.status == Status::Offline {
        // Whoever goes offline, or hides, has the program that they had.
        return false;
    }
    let picture = announced(contact).map(Box::new);
    let digest = picture.as_ref().map(|picture| picture.digest);
    let before = known.insert(key, Known { capabilities: contact.capabilities, picture });
    before.is_none_or(|before| before.picture.map(|picture| picture.digest) != digest)
}

/// The picture that a contact announces, where it is one that is shown.
fn announced(contact: &Contact) -> Option<MsnObject> {
    let object = MsnObject::parse(&contact.object.as_ref()?.decode()).ok()?;
    (object.kind == ObjectKind::DisplayPicture && object.size <= MAX_PICTURE).then_some(object)
}

/// The people of one call.
pub(in crate::connector) struct People {
    contacts: watch::Receiver<HashMap<String, Known>>,
    /// Whom the call was begun for.
    called: Vec<Email>,
    /// What newer switchboards say of those who come.
    came_with: Vec<(Email, Capabilities)>,
}

impl People {
    /// One thing that is known of a contact; `None` for somebody who was never seen online.
    fn known<T>(&self, email: &Email, ask: impl FnOnce(&Known) -> Option<T>) -> Option<T> {
        self.contacts.borrow().get(&email.to_key()).and_then(ask)
    }

    /// Somebody came into the call with this program.
    pub(in crate::connector) fn came_with(&mut self, email: &Email, capabilities: Option<Capabilities>) {
        let Some(capabilities) = capabilities else { return };
        self.came_with.retain(|(known, _)| known != email);
        self.came_with.push((email.clone(), capabilities));
    }

    /// What somebody's program can do, where that is known.
    pub(in crate::connector) fn capabilities(&self, email: &Email) -> Option<Capabilities> {
        let here =
            self.came_with.iter().find(|(known, _)| known == email).map(|(_, capabilities)| *capabilities);
        here.or_else(|| self.known(email, |known| Some(known.capabilities)))
    }

    /// Whether everybody who was called, and everybody who is here, has this.
    pub(in crate::connector) fn all_have(&self, here: &[Email], capability: u32) -> bool {
        let has = |email: &Email| self.capabilities(email).is_some_and(|c| c.has(capability));
        let mut everybody = self.called.iter().chain(here).peekable();
        everybody.peek().is_some() && everybody.all(has)
    }

    /// Whether a contact was seen online who announces no picture.
    pub(in crate::connector) fn shows_none(&self, email: &Email) -> bool {
        self.known(email, |known| known.picture.is_none().then_some(())).is_some()
    }

    /// The picture that a contact announces now.
    pub(in crate::connector) fn picture(&self, email: &Email) -> Option<MsnObject> {
        self.known(email, |known| known.picture.as_deref().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::tests::{contact, email};
    use crate::msn::wire::UrlText;

    const PEER_TO_PEER: u32 = 0x4000_0000;
    const PARTS: u32 = Capabilities::MULTI_PACKET;

    #[test]
    fn fault_25_what_is_announced_behind_the_ring_counts() {
        let directory = Directory::default();
        let people = directory.about(vec![email("bob")]);
        assert_eq!(people.capabilities(&email("bob")), None);
        directory.note(&contact("bob", Status::Online, 0));
        assert_eq!(people.capabilities(&email("bob")).map(Capabilities::msnc), Some(0));
        // They sign in with another program while the call lasts.
        directory.note(&contact("bob", Status::Offline, PARTS));
        assert_eq!(
            people.capabilities(&email("bob")),
            Some(Capabilities(0)),
            "hidden, with the same program"
        );
        directory.note(&contact("bob", Status::Away, PEER_TO_PEER));
        assert_eq!(people.capabilities(&email("bob")), Some(Capabilities(PEER_TO_PEER)));
    }

    #[test]
    fn fault_25_pictures_are_those_of_now() {
        let directory = Directory::default();
        let people = directory.about(vec![email("bob")]);
        directory.note(&contact("bob", Status::Online, 0));
        assert_eq!(people.picture(&email("bob")), None);
        let picture = MsnObject::new("bob@example.com", ObjectKind::DisplayPicture, "x", b"abc");
        let object = Some(UrlText::encode(picture.as_xml()));
        let with_picture = Contact { object, ..contact("bob", Status::Online, 0) };
        assert!(directory.note(&with_picture));
        assert!(!directory.note(&with_picture), "the same is no news");
        assert!(!directory.note(&Contact { status: Status::Offline, ..with_picture }));
        assert_eq!(people.picture(&email("bob")).map(|object| object.digest), Some(picture.digest));
        assert_eq!(people.picture(&email("carol")), None);
    }

    #[test]
    fn fault_25_parts_are_sent_where_everybody_puts_them_together_now() {
        let directory = Directory::default();
        let mut people = directory.about(vec![email("bob")]);
        assert!(!people.all_have(&[], PARTS));
        directory.note(&contact("bob", Status::Online, PARTS));
        assert!(people.all_have(&[], PARTS));
        assert!(!people.all_have(&[email("carol")], PARTS));
        people.came_with(&email("carol"), Some(Capabilities(PARTS)));
        assert!(people.all_have(&[email("bob"), email("carol")], PARTS));
        directory.note(&contact("bob", Status::Online, 0));
        assert!(!people.all_have(&[email("carol")], PARTS));
        // What came with them into the call is what takes part in it.
        people.came_with(&email("bob"), Some(Capabilities(PARTS)));
        assert!(people.all_have(&[email("carol")], PARTS));
        assert!(!Directory::default().about(Vec::new()).all_have(&[], PARTS), "nobody is not everybody");
    }
}
