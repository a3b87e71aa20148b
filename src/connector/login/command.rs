//! What a login is asked, by the core's side of the connector.
//!
//! Knows each request and who waits for its answer. Refuses to know the answers: with a session they are in `requests`,
//! without one in `task`.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::bridge::ids::ConversationId;
use crate::bridge::login::Credentials;
use crate::bridge::port::network::{ContactLine, Request};
use crate::connector::handle::{CallHandle, OwnPicture};
use crate::connector::login::oim::LeaveError;
use crate::msn::ids::Email;

/// What a login is asked.
pub(in crate::connector) enum LoginCommand {
    /// What the owner looks like, or nothing.
    OwnPicture(Option<Arc<OwnPicture>>),
    /// Connect now, with these.
    Connect(Credentials),
    /// A call that serves this conversation, or why there can be none.
    Call {
        conversation: ConversationId,
        /// A call that did not do: another is made.
        worn: Option<CallHandle>,
        reply: oneshot::Sender<Result<CallHandle, String>>,
    },
    /// A message was not confirmed. The reply comes when the session, or the next one, is known to work.
    Examine {
        reply: oneshot::Sender<()>,
    },
    /// Words for somebody who is away, to be left with the server.
    Leave {
        to: Email,
        text: String,
        reply: oneshot::Sender<Result<(), LeaveError>>,
    },
    /// Something waits until somebody of this conversation can be reached.
    Watch {
        conversation: ConversationId,
    },
    Request {
        request: Request,
        reply: oneshot::Sender<Result<(), String>>,
    },
    /// What is known of somebody, in words.
    About {
        who: Email,
        reply: oneshot::Sender<String>,
    },
    Contacts {
        reply: oneshot::Sender<Result<Vec<ContactLine>, String>>,
    },
}
