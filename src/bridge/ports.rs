//! The traits that adapters implement: a remote network, frontends, storage.

use std::time::Duration;

use futures_util::future::BoxFuture;
use thiserror::Error;

use super::body::{Attachment, Body};
use super::event::{Author, ContactGroup, Ghost, GhostPresence, LocalEvent, Picture, Progress, Timestamp};
use super::ids::{EntryId, GhostId, Leg, LoginId, PortalKey, UserId};
use super::login::Credentials;
use super::media::File;
use crate::retry::Retry;

/// One entry on its way to one leg.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub portal: PortalKey,
    /// Names the entry on every attempt: adapters derive what makes a repeat recognisable from it.
    pub id: EntryId,
    /// Rises within a portal.
    pub sequence: u64,
    pub author: Author,
    pub content: Content,
    /// When it was said.
    pub at: Timestamp,
    /// Whether an earlier attempt may have arrived: look before sending.
    pub unconfirmed: bool,
    /// The small pictures that a text for the network uses, with what stands for each.
    pub emoticons: Vec<(String, File)>,
    /// Addresses of what this side cannot show.
    pub links: Vec<Link>,
    /// What the conversation is called, where the network has people in it.
    pub title: Option<String>,
    /// Whether it is with several people.
    pub is_group: bool,
    /// Entries before this one that were passed over, because they had become too old or too many.
    pub missed: u64,
}

/// An address, and what it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// A file's name, or what stands for a small picture.
    pub of: String,
    pub address: String,
}

/// What an entry holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Content {
    Said { body: Body },
    Joined { ghost: Ghost },
    Left { ghost: Ghost },
}

/// What the network says of something that arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// What its sender should know: that it missed somebody, or waits elsewhere.
    pub note: Option<String>,
}

/// Why a delivery did not succeed, by what can be done about it. Texts are for people.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// Again, for ever, after a while.
    #[error("{reason}")]
    Transient { reason: String, after: Option<Duration> },
    /// Nothing at all goes through on this leg until something changes.
    #[error("{reason}")]
    LegDown { reason: String },
    /// Those whom it is for cannot be reached now. The network says when they can, with [`RemoteKind::Reachable`].
    ///
    /// [`RemoteKind::Reachable`]: super::event::RemoteKind::Reachable
    #[error("{reason}")]
    Away { reason: String },
    /// This entry can never be delivered.
    #[error("{reason}")]
    Permanent { reason: String },
}

impl DeliveryError {
    pub fn transient(reason: impl Into<String>) -> Self {
        Self::Transient { reason: reason.into(), after: None }
    }

    pub fn permanent(reason: impl Into<String>) -> Self {
        Self::Permanent { reason: reason.into() }
    }
}

/// What became of something that a frontend brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    /// Not yet; it is kept and tried again.
    Pending {
        reason: String,
    },
    /// It waits for those whom it is for; a notice that the core keeps up to date says so.
    Held {
        reason: String,
    },
    Failed {
        reason: String,
    },
}

/// What is only worth something now: never journaled, dropped when it cannot be shown.
#[derive(Debug, Clone)]
pub enum Signal {
    Typing {
        portal: PortalKey,
        author: Author,
    },
    /// `logins` are those whose contact it is.
    Presence {
        logins: Vec<LoginId>,
        presence: GhostPresence,
    },
    /// A contact of `login` is called otherwise now, and so are these conversations.
    Named {
        login: LoginId,
        ghost: Ghost,
        titles: Vec<(PortalKey, String)>,
    },
    /// What a contact of `login` looks like.
    Picture {
        login: LoginId,
        ghost: Ghost,
        picture: Picture,
    },
    /// How far a file is. Shown in one place, not again and again.
    Progress {
        portal: PortalKey,
        progress: Progress,
    },
    /// How a login's owner sorts their contacts.
    Groups {
        login: LoginId,
        groups: Vec<ContactGroup>,
    },
}

/// What it takes to show something on a side that takes only so much at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub lines: u64,
    pub time: Duration,
}

/// A side on which people are shown to other people: Matrix, IRC.
pub trait Frontend: Send + Sync {
    fn leg(&self) -> Leg;

    /// Whether this side takes part in `portal`.
    fn serves(&self, portal: &PortalKey) -> bool;

    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<(), DeliveryError>>;

    /// Whether nothing can be shown in `portal` now. Only what is said meanwhile may be passed over later, with a word
    /// about how much it was.
    fn is_away(&self, _portal: &PortalKey) -> bool {
        false
    }

    /// What showing `body` in `portal` takes; nothing where there is no pace to keep.
    fn cost(&self, _portal: &PortalKey, _body: &Body) -> Cost {
        Cost::default()
    }

    /// Tells the sender of `reference` what became of it.
    fn report(&self, portal: &PortalKey, reference: &str, outcome: Outcome) -> BoxFuture<'_, ()>;

    fn show(&self, signal: Signal) -> BoxFuture<'_, ()>;

    /// Reads something that was put into the inbox by this side. An error is transient: the item is tried again.
    fn interpret<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Result<LocalEvent, DeliveryError>>;

    /// The conversation that an item of the inbox belongs to, in this side's words and without asking anybody: items of
    /// one keep their order, and wait for no others.
    fn lane(&self, _raw: &[u8]) -> String {
        String::new()
    }

    /// Whose item of the inbox it is, as far as that is known without asking anybody.
    fn owner_of_item(&self, _raw: &[u8]) -> Option<UserId> {
        None
    }

    /// Brings an attachment of this side to the disk.
    fn fetch<'a>(&'a self, _attachment: &'a Attachment) -> BoxFuture<'a, Result<File, DeliveryError>> {
        Box::pin(async { Err(DeliveryError::permanent("files cannot be fetched from there")) })
    }

    /// The same for somebody who waits and can ask again: failures do not count against the file.
    fn fetch_now<'a>(&'a self, attachment: &'a Attachment) -> BoxFuture<'a, Result<File, DeliveryError>> {
        self.fetch(attachment)
    }

    /// Brings what a user looks like to the disk; `None` for nothing.
    fn portrait<'a>(&'a self, _user: &'a UserId) -> BoxFuture<'a, Result<Option<File>, DeliveryError>> {
        Box::pin(async { Ok(None) })
    }

    /// Removes what somebody should not have left lying about, a password, where it was said: `place` is that of its
    /// command. False when that was not possible.
    fn redact<'a>(&'a self, place: &'a str, reference: &'a str) -> BoxFuture<'a, bool>;
}

/// What a person asks of the network for one of their logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// One of the network's own words for a presence: `online`, `away`, `hidden`.
    Presence(String),
    PersonalMessage(String),
    /// Call somebody into a conversation.
    Invite {
        conversation: super::ids::ConversationId,
        ghost: GhostId,
    },
    Typing {
        conversation: super::ids::ConversationId,
    },
    /// Take somebody out of a group for good.
    Drop {
        conversation: super::ids::ConversationId,
        ghost: GhostId,
    },
    /// The answer to [`RemoteKind::FileOffered`]; without a number, to the only one of the conversation.
    ///
    /// [`RemoteKind::FileOffered`]: super::event::RemoteKind::FileOffered
    AnswerFile {
        conversation: super::ids::ConversationId,
        number: Option<u32>,
        accept: bool,
    },
    /// Leave a conversation; whoever is still in it goes on without us.
    Leave {
        conversation: super::ids::ConversationId,
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

/// The remote network.
pub trait Network: Send + Sync {
    /// Checks what a person typed as an account, and gives the login it would be.
    fn login_id(&self, account: &str) -> Result<LoginId, String>;

    /// Checks what a person typed as a contact, and gives its conversation.
    fn direct_conversation(&self, contact: &str) -> Result<(GhostId, super::ids::ConversationId), String>;

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
    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<Delivered, DeliveryError>>;

    fn request<'a>(&'a self, login: &'a LoginId, request: Request) -> BoxFuture<'a, Result<(), String>>;

    /// What is known of somebody before anybody writes to them, in words: whether they are listed, known at all, there.
    fn about<'a>(&'a self, _login: &'a LoginId, _ghost: &'a GhostId) -> BoxFuture<'a, String> {
        Box::pin(async { String::new() })
    }

    fn contacts<'a>(&'a self, login: &'a LoginId) -> BoxFuture<'a, Result<Vec<ContactLine>, String>>;
}

/// The parts of the store. Each has its own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Meta = 1,
    Logins,
    Portals,
    /// People's words: sealed.
    Journal,
    /// How far each leg is, and IRC within a long message.
    Cursors,
    /// What frontends brought and nobody has read yet: sealed.
    Inbox,
    Seen,
    /// What could not be delivered: sealed.
    DeadLetters,
    Rooms,
    /// Group conversations and who is in them.
    Groups,
    /// Which rooms each ghost is in.
    Members,
    /// Who asked to see a login, and was shown to its owner.
    Requests,
    /// Pictures that are kept, by their digests.
    Pictures,
    /// Files that are shared under an address: sealed, their names are people's.
    Links,
    /// Files that are coming: sealed for the same reason.
    Arrivals,
    /// What waits in a portal until somebody is back, and where that was said.
    Holds,
    /// Where a frontend has shown a notice that will be changed.
    Notices,
    /// What was kept by the network, is on disk here, and may not have been deleted there.
    Fetched,
    /// The newest name of each ghost that was shown.
    GhostNames,
}

impl Table {
    pub const ALL: [Self; 19] = [
        Self::Meta,
        Self::Logins,
        Self::Portals,
        Self::Journal,
        Self::Cursors,
        Self::Inbox,
        Self::Seen,
        Self::DeadLetters,
        Self::Rooms,
        Self::Groups,
        Self::Members,
        Self::Requests,
        Self::Pictures,
        Self::Links,
        Self::Arrivals,
        Self::Holds,
        Self::Notices,
        Self::Fetched,
        Self::GhostNames,
    ];

    /// Whether values hold people's words or secrets and are sealed at rest.
    pub fn is_sealed(self) -> bool {
        matches!(
            self,
            Self::Logins | Self::Journal | Self::Inbox | Self::DeadLetters | Self::Links | Self::Arrivals
        )
    }

    /// Whether an export leaves it out: what is on its way belongs to this store only.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Journal
                | Self::Inbox
                | Self::Cursors
                | Self::Seen
                | Self::Pictures
                | Self::Links
                | Self::Arrivals
                | Self::Holds
                | Self::Notices
                | Self::Fetched
                | Self::GhostNames
        )
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub table: Table,
    pub key: Vec<u8>,
    /// `None` removes.
    pub value: Option<Vec<u8>>,
}

/// Changes that happen together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch(pub Vec<Write>);

impl Batch {
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.push(Write { table, key: key.into(), value: Some(value.into()) });
    }

    pub fn remove(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.0.push(Write { table, key: key.into(), value: None });
    }
}

/// When a batch must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// As soon as the disk can.
    Now,
    /// With the next urgent one, or a moment later: losing it costs a look, not a message.
    Soon,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the store failed: {0}")]
pub struct StorageError(pub String);

/// Key and value of one row.
pub type Row = (Vec<u8>, Vec<u8>);

/// Durable keys and values.
pub trait Storage: Send + Sync {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Rows whose key starts with `prefix` and comes after `after`, in order, at most `limit`.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError>;

    /// Visible to readers at once; the future resolves when it is synced to disk. After an error it is not known whether
    /// the changes were made, or will be once the disk works again.
    fn commit(&self, batch: Batch, urgency: Urgency) -> BoxFuture<'static, Result<(), StorageError>>;

    /// Resolves when changes are taken, at once unless the disk failed.
    fn works(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Pauses between attempts to write to a disk that failed.
pub(super) fn disk_retry() -> Retry {
    Retry::new(Duration::from_millis(200), Duration::from_secs(2))
}

/// Waits for a disk that failed, a moment at least; whoever waits is alive, and says so.
pub(super) async fn until_it_works(
    storage: &dyn Storage,
    heartbeat: &(dyn Fn() + Send + Sync),
    retry: &mut Retry,
) {
    retry.pause().await;
    let works = storage.works();
    tokio::pin!(works);
    while tokio::time::timeout(Duration::from_secs(1), &mut works).await.is_err() {
        heartbeat();
    }
}

/// Who may do what with the bot.
pub trait Permissions: Send + Sync {
    fn may_use(&self, user: &UserId) -> bool;
}
