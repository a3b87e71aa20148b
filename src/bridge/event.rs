//! What adapters tell the core: remote events from the network, local events from the frontends.
//!
//! Knows the vocabulary that both kinds of adapters share. Refuses to know who sends an event, and what becomes of it.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::body::Body;
use super::ids::{ConversationId, EntryId, GhostId, Leg, LoginId, PortalKey, UserId};
use super::port::media::MediaId;

/// Milliseconds since the epoch.
pub type Timestamp = u64;

/// A remote person as the network describes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ghost {
    pub id: GhostId,
    /// In what is said only a hint, for those of whom no name is known: names are news where [`RemoteKind::Named`] or
    /// [`RemoteKind::Presence`] bring them. Empty where it is not known.
    pub name: String,
}

/// Whether somebody is there; the most restricted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    Offline,
    Away,
    Online,
}

/// A person's presence, with words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GhostPresence {
    pub ghost: Ghost,
    pub availability: Availability,
    /// "busy", "out to lunch", and the personal message; empty for nothing.
    pub text: String,
}

/// A heading under which the owner of a login keeps contacts. Not a group conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactGroup {
    /// The network's own; stays when the name changes.
    pub id: String,
    pub name: String,
    /// The direct conversations with those in it.
    pub conversations: Vec<ConversationId>,
}

/// What somebody looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub media: MediaId,
    /// Hexadecimal; the same for the same picture.
    pub digest: String,
    pub size: u64,
}

/// How far something is that takes long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The same for all that is said of one thing.
    pub id: String,
    /// For people; `None` when it is over, and what was said can go.
    pub text: Option<String>,
}

/// How a login's connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    Connecting,
    Connected,
    /// Lost or refused for now; it is tried again by itself.
    Waiting {
        reason: String,
    },
    /// Ended until somebody asks for it: wrong password, signed in elsewhere, signed out.
    SignedOut {
        reason: String,
    },
}

/// What happened on the remote network, for one login.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteEvent {
    pub login: LoginId,
    pub kind: RemoteKind,
}

/// What happened; conversations and people are named by the network's own ids.
#[derive(Debug, Clone, PartialEq)]
pub enum RemoteKind {
    Message {
        conversation: ConversationId,
        sender: Ghost,
        body: Body,
        at: Timestamp,
    },
    Typing {
        conversation: ConversationId,
        sender: Ghost,
    },
    Joined {
        conversation: ConversationId,
        ghost: Ghost,
        at: Timestamp,
    },
    Left {
        conversation: ConversationId,
        ghost: Ghost,
        at: Timestamp,
    },
    Presence(GhostPresence),
    /// What contacts are called now. An empty name says nothing.
    Named(Vec<Ghost>),
    /// The same of somebody who takes part in a conversation.
    Met(Ghost),
    /// Nothing is known of this contact any more: the session ended, or they are no contact any longer.
    PresenceLost(Ghost),
    /// What the login's own account said in another of its clients.
    OwnMessage {
        conversation: ConversationId,
        body: Body,
        at: Timestamp,
    },
    /// The picture that a contact shows; `None` for a contact who shows none.
    Picture {
        ghost: Ghost,
        picture: Option<Picture>,
    },
    /// How far a file of a conversation is.
    Progress {
        conversation: ConversationId,
        progress: Progress,
    },
    /// A contact offers a file that is taken only if the owner says so, with [`Request::AnswerFile`].
    ///
    /// [`Request::AnswerFile`]: super::port::network::Request::AnswerFile
    FileOffered {
        conversation: ConversationId,
        sender: Ghost,
        /// Names the offer.
        number: u32,
        /// "the file «a.png» (3.0 MB)".
        what: String,
        /// How long it waits.
        minutes: u64,
    },
    /// All groups of contacts there are now.
    Groups(Vec<ContactGroup>),
    State(ConnectionState),
    /// What was [away](super::port::delivery::DeliveryError::Away) in a conversation, or held in all of them, may go now.
    Reachable {
        conversation: Option<ConversationId>,
    },
    /// Somebody asks to see the login and to be seen.
    ContactRequest(Ghost),
    /// They do not any more: taken back, or answered in another client.
    ContactRequestGone(Ghost),
    /// For the login's owner, in words.
    Notice {
        text: String,
    },
}

/// Who says something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum Author {
    /// A remote person.
    Ghost(Ghost),
    /// The login's owner, under the name they have where they said it.
    Owner { name: String },
    /// Somebody without a login, through somebody else's.
    Relayed { name: String },
    /// The bridge itself.
    Bridge,
}

/// Something said on a frontend.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalMessage {
    pub portal: PortalKey,
    pub leg: Leg,
    pub author: Author,
    /// The frontend's own name of it, unique there: an event id.
    pub reference: String,
    pub body: Body,
    pub at: Timestamp,
}

/// A command, and where its answer goes.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalCommand {
    pub user: UserId,
    /// The words without a prefix. They may be a password: wiped when they are done with.
    pub text: Zeroizing<String>,
    /// Where it was given, and where its answer goes.
    pub leg: Leg,
    /// The conversation it was given in; the management conversation, or a portal.
    pub portal: PortalKey,
    /// The frontend's own name of it.
    pub reference: String,
    /// What it is said in the place of: whoever removes one removes both.
    pub replaces: Option<String>,
    /// The frontend's own name of the room it was given in: a person may have several that are the same conversation.
    pub place: String,
    /// The entry that it speaks of, where it answers one.
    pub about: Option<EntryId>,
    /// Written by a person, not made of something they did: only that can be a password.
    pub typed: bool,
    /// A message, so that an answer can point at it.
    pub is_message: bool,
}

impl std::fmt::Debug for LocalCommand {
    /// The text may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalCommand(of {} in {})", self.user, self.portal)
    }
}

/// What happened on a frontend.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalEvent {
    Message(LocalMessage),
    /// Several things said in one breath, in one conversation: the files of a gallery.
    Messages(Vec<LocalMessage>),
    Command(LocalCommand),
    /// Something said to somebody alone by a user: in the first of these conversations that is of a login of theirs.
    Whispered {
        user: UserId,
        conversations: Vec<PortalKey>,
        said: LocalMessage,
    },
    /// Something that cannot be carried anywhere; its sender is told why.
    Refused {
        portal: PortalKey,
        leg: Leg,
        reference: String,
        reason: String,
    },
    /// Whether one of the users is there, and what they say of themselves.
    Presence {
        user: UserId,
        availability: Availability,
        text: String,
    },
    /// One of the users looks different now.
    Portrait {
        user: UserId,
    },
    /// Something shown is not to be seen any more, with what is said of that.
    Removed {
        portal: PortalKey,
        entry: EntryId,
        said: Option<LocalMessage>,
    },
    /// Somebody writes something.
    Typing {
        portal: PortalKey,
        author: Author,
    },
    /// A side takes part in a conversation from now on, or does not any more.
    Serves {
        portal: PortalKey,
        leg: Leg,
        serves: bool,
    },
    /// The owner of a conversation left it.
    OwnerLeft {
        portal: PortalKey,
    },
    /// Something that a user has to know.
    Told {
        user: UserId,
        text: String,
    },
    /// A user and the bridge are not among themselves any more where they were, and perhaps something was said there
    /// since.
    Overheard {
        user: UserId,
        place: String,
        said: Option<String>,
    },
    /// Nothing to do.
    Ignored,
}
