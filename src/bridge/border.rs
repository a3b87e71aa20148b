//! The border of the core: every text that an adapter brings is cleaned here, once, and is clean behind it.
//!
//! Knows which texts of an event are names, which are words. Refuses to know what a network writes into them: its
//! adapter takes that out before.

use super::body::{Attachment, Body, RichText};
use super::clean;
use super::event::{Author, ConnectionState, Ghost, LocalEvent, LocalMessage, RemoteEvent, RemoteKind};
use super::port::media::File;

/// What a file is called of whose name nothing is left.
const FILE: &str = "file";
/// What somebody is called of whose name nothing is left and who has no other.
const SOMEBODY: &str = "somebody";

/// A contact whose name cannot break a line or turn the direction of a room.
fn ghost(ghost: Ghost) -> Ghost {
    Ghost { name: clean::name(&ghost.name), ..ghost }
}

/// `text`, or what stands for it where nothing of it can be seen.
fn or(text: String, fallback: &str) -> String {
    if text.is_empty() { fallback.to_owned() } else { text }
}

/// A text whose runs, colours and shortcuts are within the bounds of section 3.
fn rich(mut text: RichText) -> RichText {
    text.runs.iter_mut().for_each(|run| run.text = clean::words(&run.text));
    text.emoticons.iter_mut().for_each(|emoticon| emoticon.shortcut = clean::words(&emoticon.shortcut));
    text.shown_as = text.shown_as.map(|name| clean::name(&name)).filter(|name| !name.is_empty());
    if let Some(format) = &mut text.format {
        format.font = clean::name(&format.font);
    }
    text
}

/// What is said, with every text of it cleaned; the kind stays.
fn body(body: Body) -> Body {
    match body {
        Body::Text(text) => Body::Text(rich(text)),
        Body::Emote(text) => Body::Emote(rich(text)),
        Body::File(file) => Body::File(File { name: or(clean::line(&file.name), FILE), ..file }),
        Body::Attachment(file) => Body::Attachment(Attachment {
            name: or(clean::line(&file.name), FILE),
            caption: file.caption.map(rich),
            ..file
        }),
        Body::Notice { text, about } => Body::Notice { text: clean::words(&text), about },
        Body::LiveNotice { id, text, about, is_first, is_last } => {
            Body::LiveNotice { id, text: clean::words(&text), about, is_first, is_last }
        }
        Body::Question { text, answers } => Body::Question { text: clean::words(&text), answers },
        Body::Nudge => Body::Nudge,
    }
}

/// An author under a name that can be shown.
fn author(author: Author) -> Author {
    match author {
        Author::Ghost(known) => Author::Ghost(ghost(known)),
        Author::Owner { name } => Author::Owner { name: or(clean::name(&name), SOMEBODY) },
        Author::Relayed { name } => {
            Author::Relayed { name: or(clean::name(&without_brackets(&name)), SOMEBODY) }
        }
        Author::Bridge => Author::Bridge,
    }
}

/// A name that stands in brackets before somebody's words, and cannot close them to begin another's.
fn without_brackets(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '<' | '>')).collect()
}

/// A state whose reason is one line for people.
fn state(state: ConnectionState) -> ConnectionState {
    match state {
        ConnectionState::Waiting { reason } => ConnectionState::Waiting { reason: clean::line(&reason) },
        ConnectionState::SignedOut { reason } => ConnectionState::SignedOut { reason: clean::line(&reason) },
        state => state,
    }
}

/// An event of the network as it is taken.
pub(super) fn remote(event: RemoteEvent) -> RemoteEvent {
    use RemoteKind as Kind;
    let kind = match event.kind {
        Kind::Message { conversation, sender, body: said, at } => {
            Kind::Message { conversation, sender: ghost(sender), body: body(said), at }
        }
        Kind::Typing { conversation, sender } => Kind::Typing { conversation, sender: ghost(sender) },
        Kind::Joined { conversation, ghost: who, at } => Kind::Joined { conversation, ghost: ghost(who), at },
        Kind::Left { conversation, ghost: who, at } => Kind::Left { conversation, ghost: ghost(who), at },
        Kind::Presence(mut presence) => {
            presence.ghost = ghost(presence.ghost);
            presence.text = clean::line(&presence.text);
            Kind::Presence(presence)
        }
        Kind::PresenceLost(who) => Kind::PresenceLost(ghost(who)),
        Kind::Named(ghosts) => Kind::Named(ghosts.into_iter().map(ghost).collect()),
        Kind::Met(who) => Kind::Met(ghost(who)),
        Kind::OwnMessage { conversation, body: said, at } => {
            Kind::OwnMessage { conversation, body: body(said), at }
        }
        Kind::Picture { ghost: who, picture } => Kind::Picture { ghost: ghost(who), picture },
        Kind::Progress { conversation, mut progress } => {
            progress.text = progress.text.map(|text| clean::words(&text));
            Kind::Progress { conversation, progress }
        }
        Kind::FileOffered { conversation, sender, number, what, minutes } => {
            let (sender, what) = (ghost(sender), clean::line(&what));
            Kind::FileOffered { conversation, sender, number, what, minutes }
        }
        Kind::Groups(mut groups) => {
            groups.iter_mut().for_each(|group| group.name = or(clean::name(&group.name), &group.id));
            Kind::Groups(groups)
        }
        Kind::State(now) => Kind::State(state(now)),
        Kind::Reachable { conversation } => Kind::Reachable { conversation },
        Kind::ContactRequest(who) => Kind::ContactRequest(ghost(who)),
        Kind::ContactRequestGone(who) => Kind::ContactRequestGone(ghost(who)),
        Kind::Notice { text } => Kind::Notice { text: clean::words(&text) },
    };
    RemoteEvent { kind, ..event }
}

/// A message of a frontend, cleaned before anything is decided by it.
fn message(message: LocalMessage) -> LocalMessage {
    LocalMessage { author: author(message.author), body: body(message.body), ..message }
}

/// An event of a frontend as it is taken. A command stays as it was typed: it may be a password.
pub(super) fn local(event: LocalEvent) -> LocalEvent {
    match event {
        LocalEvent::Message(said) => LocalEvent::Message(message(said)),
        LocalEvent::Whispered { user, conversations, said } => {
            LocalEvent::Whispered { user, conversations, said: message(said) }
        }
        LocalEvent::Messages(all) => LocalEvent::Messages(all.into_iter().map(message).collect()),
        LocalEvent::Refused { portal, leg, reference, reason } => {
            LocalEvent::Refused { portal, leg, reference, reason: clean::words(&reason) }
        }
        LocalEvent::Presence { user, availability, text } => {
            LocalEvent::Presence { user, availability, text: clean::line(&text) }
        }
        LocalEvent::Removed { portal, entry, said } => {
            LocalEvent::Removed { portal, entry, said: said.map(message) }
        }
        event => event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::body::{Emoticon, Format, Image};
    use crate::bridge::event::{Availability, ContactGroup, GhostPresence, Progress};
    use crate::bridge::ids::{ConversationId, GhostId, LoginId, PortalKey, UserId};
    use crate::bridge::port::media::MediaId;
    use crate::bridge::testkit::MATRIX;

    /// A control, an override, a byte order mark and a NUL among what stays.
    const DIRTY: &str = "\u{202E}B\u{2}o\u{FEFF}b\0";

    fn dirty() -> String {
        DIRTY.to_owned()
    }

    fn dirty_ghost() -> Ghost {
        Ghost { id: GhostId::new("bob"), name: dirty() }
    }

    fn dirty_bodies() -> Vec<Body> {
        let rich = || RichText {
            format: Some(Format { font: dirty(), ..Format::default() }),
            emoticons: vec![Emoticon { shortcut: dirty(), image: Image::Kept { digest: "d".into() } }],
            shown_as: Some(dirty()),
            ..RichText::plain(DIRTY)
        };
        let (source, media) = ("s".to_owned(), MediaId::new("m").unwrap());
        vec![
            Body::Text(rich()),
            Body::Emote(rich()),
            Body::File(File { media, name: dirty(), size: 1 }),
            Body::Attachment(Attachment { source, name: dirty(), caption: Some(rich()) }),
            Body::Notice { text: dirty(), about: None },
            Body::LiveNotice { id: "i".into(), text: dirty(), about: None, is_first: true, is_last: false },
            Body::Question { text: dirty(), answers: Vec::new() },
        ]
    }

    /// Nothing forbidden is in any text of it, and the words are.
    fn assert_clean(shown: &str) {
        for forbidden in ["\\u{202e}", "\\u{2}", "\\u{feff}", "\\0"] {
            assert!(!shown.contains(forbidden), "{forbidden} in {shown}");
        }
        assert!(shown.contains("\"Bob\""), "{shown}");
    }

    #[test]
    fn fault_14_every_text_of_the_network_is_clean_behind_the_border() {
        let conversation = || ConversationId::new("bob");
        let (at, ghost, availability) = (0, dirty_ghost(), Availability::Online);
        let group = ContactGroup { id: "g".into(), name: dirty(), conversations: Vec::new() };
        let progress = Progress { id: "p".into(), text: Some(dirty()) };
        let mut kinds = vec![
            RemoteKind::Typing { conversation: conversation(), sender: ghost.clone() },
            RemoteKind::Joined { conversation: conversation(), ghost: ghost.clone(), at },
            RemoteKind::Left { conversation: conversation(), ghost: ghost.clone(), at },
            RemoteKind::Presence(GhostPresence { ghost: ghost.clone(), availability, text: dirty() }),
            RemoteKind::Named(vec![ghost.clone(), ghost.clone()]),
            RemoteKind::Met(ghost.clone()),
            RemoteKind::PresenceLost(ghost.clone()),
            RemoteKind::Progress { conversation: conversation(), progress },
            RemoteKind::FileOffered {
                conversation: conversation(),
                sender: ghost.clone(),
                number: 1,
                what: dirty(),
                minutes: 1,
            },
            RemoteKind::Groups(vec![group]),
            RemoteKind::State(ConnectionState::Waiting { reason: dirty() }),
            RemoteKind::State(ConnectionState::SignedOut { reason: dirty() }),
            RemoteKind::ContactRequest(ghost.clone()),
            RemoteKind::ContactRequestGone(ghost.clone()),
            RemoteKind::Notice { text: dirty() },
        ];
        for body in dirty_bodies() {
            let (conversation, sender) = (conversation(), ghost.clone());
            kinds.push(RemoteKind::OwnMessage { conversation: conversation.clone(), body: body.clone(), at });
            kinds.push(RemoteKind::Message { conversation, sender, body, at });
        }
        for kind in kinds {
            assert_clean(&format!("{:?}", remote(RemoteEvent { login: LoginId::new("ann"), kind }).kind));
        }
    }

    #[test]
    fn fault_14_every_text_of_a_frontend_is_clean_behind_the_border() {
        let portal = PortalKey::new(LoginId::new("ann"), ConversationId::new("bob"));
        let user = UserId::new("ann");
        let (leg, reference) = (MATRIX, "r".to_owned());
        let authors = [
            Author::Ghost(dirty_ghost()),
            Author::Owner { name: dirty() },
            Author::Relayed { name: dirty() },
        ];
        let mut events = vec![
            LocalEvent::Refused {
                portal: portal.clone(),
                leg,
                reference: reference.clone(),
                reason: dirty(),
            },
            LocalEvent::Presence { user, availability: Availability::Online, text: dirty() },
        ];
        for author in authors {
            for body in dirty_bodies() {
                let (portal, author, reference) = (portal.clone(), author.clone(), reference.clone());
                let said = LocalMessage { portal: portal.clone(), leg, author, reference, body, at: 0 };
                let entry = crate::bridge::ids::EntryId::new("e");
                events.push(LocalEvent::Removed { portal, entry, said: Some(said.clone()) });
                events.push(LocalEvent::Messages(vec![said.clone()]));
                events.push(LocalEvent::Message(said));
            }
        }
        events.into_iter().for_each(|event| assert_clean(&format!("{:?}", local(event))));
    }
}
