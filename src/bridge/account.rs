//! What somebody asks of their logins outside a room: on a page, or through a program.
//!
//! Knows the questions and their answers. Refuses to know how a user has shown who they are: whoever serves the page or the
//! program has made sure of that.

use secrecy::SecretString;
use tokio::sync::mpsc;

use super::event::{ConnectionState, Timestamp};
use super::ids::{GhostId, LoginId, PortalKey, UserId};

/// What somebody asks of their logins. Each answer is sent once; without one the core has stopped.
#[derive(Debug, Clone)]
pub(in crate::bridge) enum AccountRequest {
    /// How they stand.
    Logins { answer: mpsc::Sender<Vec<LoginState>> },
    /// An account and its password.
    SignIn { account: String, password: SecretString, answer: mpsc::Sender<SignInOutcome> },
    /// Whether there is such a login of theirs; a conversation of it gets its room.
    OpenChat { portal: PortalKey, ghost: GhostId, answer: mpsc::Sender<bool> },
    /// Whether there is such a login of theirs, which is signed out and forgotten then.
    SignOut { login: LoginId, answer: mpsc::Sender<bool> },
}

/// Who asks, and what.
#[derive(Debug, Clone)]
pub(in crate::bridge) struct AccountCall {
    pub(in crate::bridge) user: UserId,
    pub(in crate::bridge) request: AccountRequest,
}

/// How one login stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginState {
    pub id: LoginId,
    pub state: ConnectionState,
    /// Since when it stands so; `None` where nothing has happened in this life.
    pub since: Option<Timestamp>,
    /// The same for people, as part of a sentence.
    pub words: String,
}

impl LoginState {
    pub fn is_connected(&self) -> bool {
        self.state == ConnectionState::Connected
    }
}

/// What became of a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInOutcome {
    SignedIn {
        login: LoginId,
    },
    /// It is not tried any more.
    Refused {
        reason: String,
    },
    /// The network cannot be reached: it is tried again by itself.
    Waiting {
        login: LoginId,
        reason: String,
    },
}
