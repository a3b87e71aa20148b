//! A side on which people are shown to other people.
//!
//! Knows what the core asks of it. Refuses to know which sides there are: a frontend says itself what it can.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::channels::ChannelRequest;
use super::delivery::{Delivery, DeliveryError, Display};
use super::media::File;
use super::storage::Batch;
use crate::bridge::body::{Attachment, Body};
use crate::bridge::event::{Author, ContactGroup, Ghost, GhostPresence, LocalEvent, Picture, Progress};
use crate::bridge::ids::{Leg, LoginId, PortalKey, UserId};

/// What became of something that a frontend brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    /// Not yet; it is kept and tried again.
    Pending {
        reason: String,
        /// How much waits for the same, this one among it.
        waiting: usize,
    },
    /// It waits for those whom it is for; a notice that the core keeps up to date says so.
    Held {
        reason: String,
    },
    /// It did not arrive; said again it may.
    Failed {
        reason: String,
    },
    /// It is of a kind that cannot be carried, however often it is said.
    Refused {
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
    /// What a contact of `login` looks like; like nothing, without a picture.
    Picture {
        login: LoginId,
        ghost: Ghost,
        picture: Option<Picture>,
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

/// What a frontend states about itself, the same for as long as it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontendTraits {
    /// For people: "Matrix".
    pub name: &'static str,
    /// Whether files and small pictures are shown there. Of others the address is said, if files are shared.
    pub carries_files: bool,
    /// Whether conversations have titles there.
    pub shows_titles: bool,
    /// Whether users and the bridge have rooms of their own there: users sign in there and find new conversations there.
    pub hosts_rooms: bool,
    /// Whether users look like something there: their logins show that.
    pub shows_users: bool,
    /// Whether people there say a text line by line: several lines of one person that wait for a side which takes whole texts
    /// go there as one.
    pub speaks_in_lines: bool,
    /// True of a message that was removed there, as an end of a sentence.
    pub redaction_note: &'static str,
}

/// A side on which people are shown to other people.
pub trait Frontend: Send + Sync {
    /// The name of this side, the same for ever: keys of the store hold it.
    fn leg(&self) -> Leg;

    fn traits(&self) -> FrontendTraits;

    /// Whether this side takes part in `portal`.
    fn serves(&self, portal: &PortalKey) -> bool;

    /// Shows an entry. Resolves when the side has it for good, or says why it has not. After [`Delivery::unconfirmed`]
    /// the side is asked first whether the entry is there.
    ///
    /// # Errors
    /// [`DeliveryError`]: whether another attempt can help, and the reason for people.
    fn deliver(&self, delivery: Delivery, display: Display) -> BoxFuture<'_, Result<(), DeliveryError>>;

    /// Whether nothing can be shown in `portal` now. Only what is said meanwhile may be passed over later, with a word
    /// about how much it was.
    fn is_away(&self, _portal: &PortalKey) -> bool {
        false
    }

    /// What showing `body` in `portal` takes; nothing where there is no pace to keep.
    fn cost(&self, _portal: &PortalKey, _body: &Body) -> Cost {
        Cost::default()
    }

    /// Whether this side shows only the beginning of `body` if the whole has an address.
    fn shortens(&self, _portal: &PortalKey, _body: &Body) -> bool {
        false
    }

    /// Tells the sender of `reference` what became of it.
    fn report(&self, portal: &PortalKey, reference: &str, outcome: Outcome) -> BoxFuture<'_, ()>;

    /// Shows a signal now, or drops it.
    fn show(&self, signal: Signal) -> BoxFuture<'_, ()>;

    /// Reads something that was put into the inbox by this side. An error is transient: the item is tried again.
    ///
    /// # Errors
    /// [`DeliveryError`]: the side cannot say now what it means.
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
    ///
    /// # Errors
    /// [`DeliveryError`]: it is not there, is too large, or cannot be had or kept now.
    fn fetch<'a>(&'a self, _attachment: &'a Attachment) -> BoxFuture<'a, Result<File, DeliveryError>> {
        Box::pin(async { Err(DeliveryError::permanent("files cannot be fetched from there")) })
    }

    /// The same for somebody who waits and can ask again: failures do not count against the file.
    ///
    /// # Errors
    /// [`DeliveryError`]: as [`Frontend::fetch`].
    fn fetch_now<'a>(&'a self, attachment: &'a Attachment) -> BoxFuture<'a, Result<File, DeliveryError>> {
        self.fetch(attachment)
    }

    /// Brings what a user looks like to the disk; `None` for nothing.
    ///
    /// # Errors
    /// [`DeliveryError`]: it cannot be had or kept now.
    fn avatar<'a>(&'a self, _user: &'a UserId) -> BoxFuture<'a, Result<Option<File>, DeliveryError>> {
        Box::pin(async { Ok(None) })
    }

    /// Whether each contact of a login of `owner` has a room there from the first sign-in on, where there are so many; else
    /// only those with whom something was said.
    ///
    /// # Errors
    /// Transient: that cannot be asked now.
    fn lists_contacts<'a>(
        &'a self,
        _owner: &'a UserId,
        _contacts: usize,
    ) -> BoxFuture<'a, Result<bool, DeliveryError>> {
        Box::pin(async { Ok(false) })
    }

    /// Has the room of a conversation show what is so now, without repeating what it shows already. Where there is none and
    /// it `makes` one, one is made, unless its owner left the last.
    ///
    /// # Errors
    /// Permanent where no room can be made; otherwise by what can be done about it.
    fn ensure_room<'a>(
        &'a self,
        _portal: &'a PortalKey,
        _display: Display,
        _makes: bool,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async { Ok(()) })
    }

    /// Takes nothing for granted any more of what this side shows of a login: rooms that are gone are forgotten, and the next
    /// [`Frontend::ensure_room`] of each of the others shows everything again, and brings everybody in who is to be there.
    ///
    /// # Errors
    /// Transient: that cannot be looked at now.
    fn doubt<'a>(&'a self, _login: &'a LoginId) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async { Ok(()) })
    }

    /// Takes the room of a conversation away: ours leave it, and its owner is taken out unless it `keeps_people`. What is
    /// said later makes another.
    ///
    /// # Errors
    /// Transient: it cannot be taken away now.
    fn remove_portal<'a>(
        &'a self,
        _portal: &'a PortalKey,
        _keeps_people: bool,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async { Ok(()) })
    }

    /// Has a room of this side that is no conversation's be the room of one from now on, in the place of the room that it
    /// has. `place` is that of a command.
    ///
    /// # Errors
    /// Permanent with a reason for people where that cannot be; transient otherwise.
    fn adopt_room<'a>(
        &'a self,
        _portal: &'a PortalKey,
        _display: Display,
        _place: &'a str,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async { Err(DeliveryError::permanent("rooms cannot be taken over there")) })
    }

    /// Whether there are channels there, which can be ends of conversations.
    fn has_channels(&self) -> bool {
        false
    }

    /// The channels that are ends of conversations of these logins: a line for people about each.
    fn channels(&self, _logins: &[LoginId]) -> Vec<String> {
        Vec::new()
    }

    /// Conversations that have an end there from the start.
    fn portals(&self) -> Vec<PortalKey> {
        Vec::new()
    }

    /// Does what a user asks of a channel. Resolves with what the user is told.
    ///
    /// # Errors
    /// The reason for people.
    fn ask_channel<'a>(&'a self, _request: ChannelRequest) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async { Err("there are no channels there".to_owned()) })
    }

    /// Removes what somebody should not have left lying about, a password, where it was said: `place` is that of its
    /// command. False when that was not possible.
    fn redact<'a>(&'a self, place: &'a str, reference: &'a str) -> BoxFuture<'a, bool>;
}

/// How much of the bridge a user may have; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Is not answered.
    None,
    /// May be heard through somebody else's login, where its owner lets others be heard.
    Relay,
    /// May have logins, and command those.
    User,
    /// May see and command the logins of others.
    Admin,
}

/// Who may do what with the bot.
pub trait Permissions: Send + Sync {
    fn level(&self, user: &UserId) -> Level;

    /// Shuts a user out, or lets them in again, from now on. What remembers that goes into `batch`. False where this
    /// cannot be done here.
    fn shut_out(&self, _user: &UserId, _is_out: bool, _batch: &mut Batch) -> bool {
        false
    }

    /// Whether an administrator has shut this user out: a login that the configuration names is theirs no less.
    fn is_shut_out(&self, _user: &UserId) -> bool {
        false
    }

    /// Whether this user is answered at all.
    fn may_use(&self, user: &UserId) -> bool {
        self.level(user) >= Level::User
    }
}
