//! The remote network: one session for each login, and what a person may ask of it.
//!
//! Knows no protocol: what is typed and what is shown are texts that the adapter makes and reads.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::delivery::{Delivered, Delivery, DeliveryError, Emoticons};
use super::media::File;
use crate::bridge::ids::{ConversationId, GhostId, LoginId, PortalKey};
use crate::bridge::login::Credentials;

/// What a person asks of the network for one of their logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// One of the network's own words for a presence: `online`, `away`, `hidden`.
    Presence(String),
    PersonalMessage(String),
    /// Call somebody into a conversation.
    Invite {
        conversation: ConversationId,
        ghost: GhostId,
    },
    Typing {
        conversation: ConversationId,
    },
    /// Take somebody out of a group for good.
    Drop {
        conversation: ConversationId,
        ghost: GhostId,
    },
    /// The answer to [`RemoteKind::FileOffered`]; without a number, to the only one of the conversation.
    ///
    /// [`RemoteKind::FileOffered`]: crate::bridge::event::RemoteKind::FileOffered
    AnswerFile {
        conversation: ConversationId,
        number: Option<u32>,
        accept: bool,
    },
    /// Leave a conversation; whoever is still in it goes on without us.
    Leave {
        conversation: ConversationId,
    },
    Contacts(ContactChange),
    /// What the login's owner is called.
    OwnName(String),
    /// What the login's owner looks like: a picture on the disk, which is the network's from now on.
    Picture(Option<File>),
    /// A page to somebody's phone.
    Page {
        ghost: GhostId,
        text: String,
    },
}

/// A change of a login's contact list. Groups go by the names that people see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactChange {
    Add {
        ghost: GhostId,
        group: Option<String>,
    },
    Remove {
        ghost: GhostId,
    },
    Block {
        ghost: GhostId,
    },
    Unblock {
        ghost: GhostId,
    },
    /// The answers to somebody who asked to see the login.
    Accept {
        ghost: GhostId,
    },
    Decline {
        ghost: GhostId,
    },
    Rename {
        ghost: GhostId,
        name: String,
    },
    /// Into this group and out of all others.
    Move {
        ghost: GhostId,
        group: String,
    },
    IntoGroup {
        ghost: GhostId,
        group: String,
    },
    OutOfGroup {
        ghost: GhostId,
        group: String,
    },
    CreateGroup {
        name: String,
    },
    RenameGroup {
        from: String,
        to: String,
    },
    DeleteGroup {
        name: String,
    },
    /// Whether people on no list may see and call the login.
    Strangers {
        allowed: bool,
    },
    /// Whether the network's own clients ask before somebody who added the login may see it.
    Ask {
        on: bool,
    },
    Phone {
        kind: String,
        number: Option<String>,
    },
}

/// A contact as listed for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactLine {
    pub ghost: GhostId,
    pub name: String,
    pub presence: String,
    pub groups: Vec<String>,
    pub blocked: bool,
    /// Phone numbers and the like, with their kind.
    pub phones: Vec<String>,
}

/// Those whom a conversation is with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    pub people: Vec<GhostId>,
    /// Also a group in which one other person is left is one.
    pub is_group: bool,
}

/// What the network states about itself, the same for as long as it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkTraits {
    /// For people: "MSN".
    pub name: &'static str,
    /// Written before a command in a conversation: "!msn".
    pub command_prefix: &'static str,
    /// The form of an account, for people: "e-mail".
    pub account: &'static str,
    /// The presences that an owner can choose, for people; [`Request::Presence`] takes each.
    pub presences: &'static str,
}

/// Where the network says that those whom a file is for know of it: whether and when they take it is theirs to decide.
#[derive(Debug, Clone, Default)]
pub struct Offered(Arc<Notify>);

impl Offered {
    /// They have been offered the file.
    pub fn tell(&self) {
        self.0.notify_one();
    }

    /// Resolves when they have been offered it; never where they are not.
    pub async fn told(&self) {
        self.0.notified().await;
    }
}

/// The remote network.
pub trait Network: Send + Sync {
    fn traits(&self) -> NetworkTraits;

    /// Checks what a person typed as an account, and gives the login it would be.
    ///
    /// # Errors
    /// Why no account can be called that, for people.
    fn login_id(&self, account: &str) -> Result<LoginId, String>;

    /// Checks what a person typed as a contact, and gives its conversation.
    ///
    /// # Errors
    /// Why no contact can be called that, for people.
    fn direct_conversation(&self, contact: &str) -> Result<(GhostId, ConversationId), String>;

    /// Keeps one session for a login from now on. A second call replaces the credentials and tries at once.
    fn connect(&self, login: LoginId, credentials: Credentials);

    /// Ends every session, and makes none until [`Network::resume`]: nothing that comes could be kept.
    fn suspend(&self);

    /// Sessions are made again for whoever is connected from now on.
    fn resume(&self);

    /// Ends a login's session.
    fn disconnect<'a>(&'a self, login: &'a LoginId) -> BoxFuture<'a, ()>;

    /// Who is in a conversation besides the login, as far as is known.
    fn audience(&self, _portal: &PortalKey) -> Audience {
        Audience::default()
    }

    /// Whether files can be given in this conversation; where not, their addresses are said if there are any.
    fn takes_files(&self, _portal: &PortalKey) -> bool {
        true
    }

    /// Resolves when the network confirmed the message, or with the reason why it did not.
    ///
    /// # Errors
    /// [`DeliveryError`]: whether another attempt can help, and the reason for people.
    fn deliver(
        &self,
        delivery: Delivery,
        emoticons: Emoticons,
    ) -> BoxFuture<'_, Result<Delivered, DeliveryError>>;

    /// Gives a file that is on the disk. Resolves when those whom it is for have it, or with the reason why they do not.
    /// `offered` is told as soon as they know of it: the file behind it may go then.
    ///
    /// # Errors
    /// [`DeliveryError`]: as [`Network::deliver`].
    fn give(
        &self,
        _delivery: Delivery,
        _file: File,
        _offered: Offered,
    ) -> BoxFuture<'_, Result<Delivered, DeliveryError>> {
        Box::pin(async { Err(DeliveryError::permanent("files cannot be given there")) })
    }

    /// Asks for something. Resolves with the network's answer, or with the reason for people why it said no.
    ///
    /// # Errors
    /// Why the network said no, or that it did not answer, for people.
    fn request<'a>(&'a self, login: &'a LoginId, request: Request) -> BoxFuture<'a, Result<(), String>>;

    /// What is known of somebody before anybody writes to them, in words: whether they are listed, known at all, there.
    fn about<'a>(&'a self, _login: &'a LoginId, _ghost: &'a GhostId) -> BoxFuture<'a, String> {
        Box::pin(async { String::new() })
    }

    /// All contacts of a login, in the order in which they are shown; the reason for people where they are not known.
    ///
    /// # Errors
    /// Why they are not known, for people.
    fn contacts<'a>(&'a self, login: &'a LoginId) -> BoxFuture<'a, Result<Vec<ContactLine>, String>>;
}
