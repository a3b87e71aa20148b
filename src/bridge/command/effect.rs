//! What a command comes to, decided without waiting for anything: the router carries it out.
//!
//! Knows every outcome of a command as a value. Refuses to act, so that a test can ask what a line of text would do.

use std::sync::Arc;

use crate::bridge::body::Body;
use crate::bridge::ids::{ConversationId, GhostId, LoginId, PortalKey, UserId};
use crate::bridge::login::Login;
use crate::bridge::port::network::Request;

/// What a command comes to.
#[derive(Clone)]
pub(in crate::bridge) enum Effect {
    Answer(String),
    /// How the user's logins stand.
    Status,
    /// How everybody's logins stand.
    AllLogins,
    /// The same command, given by another user; the answer stays here.
    As {
        user: UserId,
        text: String,
    },
    /// The password of this account is asked for.
    SignIn {
        account: String,
    },
    SignOut {
        login: LoginId,
    },
    /// The login is connected again, for somebody who waits for that.
    Connect {
        login: LoginId,
    },
    /// The messages that wait in this conversation are not sent any more.
    TakeBack,
    /// The login's contacts, all of them or those in whose name or account these words are.
    ListContacts {
        login: LoginId,
        with: Option<String>,
    },
    OpenChat {
        login: LoginId,
        ghost: GhostId,
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
