//! What a command comes to, decided without waiting for anything: the router carries it out.
//!
//! Knows every outcome of a command as a value. Refuses to act, so that a test can ask what a line of text would do.

use std::sync::Arc;

use crate::bridge::body::Body;
use crate::bridge::ids::{ConversationId, EntryId, GhostId, LoginId, PortalKey, UserId};
use crate::bridge::login::Login;
use crate::bridge::port::channels::ChannelAct;
use crate::bridge::port::network::Request;

/// What a command comes to.
#[derive(Clone)]
pub(in crate::bridge) enum Effect {
    Answer(String),
    /// How the user's logins stand.
    Status,
    /// Who is in this conversation.
    Who,
    /// A side with channels is asked for one.
    AskChannel(ChannelAct),
    /// How everybody's logins stand: a page of the list.
    AllLogins {
        page: usize,
    },
    /// The same command, given by another user; the answer stays here.
    As {
        user: UserId,
        text: String,
    },
    /// The password of this account is asked for, or a page is named where it is given; without an account the page asks
    /// for that too.
    SignIn {
        account: Option<String>,
    },
    SignOut {
        login: LoginId,
    },
    /// Commands of the owner that name no login are for this one.
    Prefer {
        login: LoginId,
    },
    /// A login of another user is ended, and that user is told.
    Kick {
        login: LoginId,
    },
    /// A user is shut out of the bridge, and their logins end; or is let in again.
    ShutOut {
        user: UserId,
        is_out: bool,
    },
    /// The messages that were set aside: a page of their list.
    DeadLetters {
        page: usize,
    },
    /// The messages that were set aside are tried again, each on the side that could not take it.
    RetryDeadLetters,
    DiscardDeadLetters,
    /// What became of a message: the one that is named, or the newest of the conversation.
    Explain {
        entry: Option<EntryId>,
    },
    /// The program ends.
    Shutdown,
    /// The login is connected again, for somebody who waits for that.
    Connect {
        login: LoginId,
    },
    /// The rooms of a login are shown again, whatever is known of them.
    Sync {
        login: LoginId,
    },
    /// The messages that wait in this conversation are not sent any more.
    TakeBack,
    /// The login's contacts, all of them or those in whose name or account these words are.
    ListContacts {
        login: LoginId,
        with: Option<String>,
        /// From 1.
        page: usize,
    },
    OpenChat {
        login: LoginId,
        ghost: GhostId,
        conversation: ConversationId,
    },
    /// The room of the conversation is given up. What waits there is taken back.
    RemoveRoom {
        /// Whether those who are there stay.
        keeps_people: bool,
    },
    /// The room in which the command was given becomes the room of a conversation.
    AdoptRoom {
        login: LoginId,
        conversation: ConversationId,
    },
    /// The user says this in the conversation.
    Say(Body),
    /// Whether other people in the conversation's room are heard on the network.
    Relay {
        on: bool,
    },
    Request(NetworkRequest),
    /// The login is stored as it is then, and the rest follows once that is on disk.
    Change {
        login: LoginId,
        change: LoginChange,
        then: Box<Self>,
    },
}

/// A change of a stored login.
pub(in crate::bridge) type LoginChange = Arc<dyn Fn(&mut Login) + Send + Sync>;

/// What the network is asked for, and what follows where it says yes.
#[derive(Clone)]
pub(in crate::bridge) struct NetworkRequest {
    pub(in crate::bridge) login: LoginId,
    pub(in crate::bridge) request: Request,
    /// For the user.
    pub(in crate::bridge) done: String,
    /// A conversation that is opened then, and what is said there first.
    pub(in crate::bridge) opens: Option<(PortalKey, String)>,
    /// Somebody whose question this answers.
    pub(in crate::bridge) answers: Option<GhostId>,
}

impl Effect {
    /// Asks the network for one thing, and says `done` where it says yes.
    pub(super) fn request(login: LoginId, request: Request, done: impl Into<String>) -> Self {
        Self::Request(NetworkRequest { login, request, done: done.into(), opens: None, answers: None })
    }

    /// Stores a changed login, and then goes on with `then`.
    pub(super) fn change(
        login: LoginId,
        then: Self,
        change: impl Fn(&mut Login) + Send + Sync + 'static,
    ) -> Self {
        Self::Change { login, change: Arc::new(change), then: Box::new(then) }
    }
}
