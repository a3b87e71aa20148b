//! How others reach a call, and what it is told of its login.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::bridge::ids::{ConversationId, LoginId};
use crate::bridge::port::media::File;
use crate::connector::emoticon::Offered;
use crate::connector::names::{BoardName, Names};
use crate::connector::offer::Offers;
use crate::connector::own_picture::OwnPicture;
use crate::connector::people::People;
use crate::connector::suspended::SuspendedTransfers;
use crate::connector::{CallFailure, Shared, outgoing};
use crate::msn::command::ErrorCode;
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Cookie, Email, HostPort, SessionId};
use crate::msn::message::TextStyle;

/// Something to send.
#[derive(Debug, Clone)]
pub(in crate::connector) enum Message {
    Text { text: String, style: TextStyle, emoticons: Vec<Offered> },
    Nudge,
}

/// What a call is asked.
pub(in crate::connector) enum CallCommand {
    Send {
        message: Message,
        reply: oneshot::Sender<Result<Confirmation, Undelivered>>,
        /// Told when the acknowledgement should have come.
        overdue: oneshot::Sender<()>,
    },
    SendFile {
        file: File,
        reply: outgoing::Reply,
    },
    Invite {
        email: Email,
        reply: oneshot::Sender<Result<(), String>>,
    },
    /// The owner's word about a file that is offered.
    Answer {
        number: u32,
        accept: bool,
        reply: oneshot::Sender<Result<(), String>>,
    },
    /// Something is set aside that this call may take up.
    TakeUp,
    Typing,
    Leave,
    /// Another board serves the conversation from now on: end when nothing is under way any more.
    Retire,
}

/// What MSN says of a message that arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::connector) struct Confirmation {
    /// Names of those who left before it reached them.
    pub(in crate::connector) missed_by: Vec<String>,
    /// Names of those who were called and did not come; once for each call.
    pub(in crate::connector) absent: Vec<String>,
}

/// A message that did not arrive, or not as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::connector) struct Undelivered {
    pub(in crate::connector) failure: CallFailure,
    /// Where in its text begins what nobody has, in bytes.
    pub(in crate::connector) from: usize,
}

impl From<CallFailure> for Undelivered {
    fn from(failure: CallFailure) -> Self {
        Self { failure, from: 0 }
    }
}

/// A message that a call was given.
#[derive(Debug)]
pub(in crate::connector) struct InFlight {
    /// What became of it.
    pub(in crate::connector) answer: oneshot::Receiver<Result<Confirmation, Undelivered>>,
    /// Resolves well when it should have been acknowledged by now; the answer may still come.
    pub(in crate::connector) overdue: oneshot::Receiver<()>,
}

/// Reaches a call.
#[derive(Debug, Clone)]
pub(in crate::connector) struct CallHandle {
    pub(super) asks: mpsc::Sender<CallCommand>,
}

impl CallHandle {
    pub(in crate::connector) fn is_open(&self) -> bool {
        !self.asks.is_closed()
    }

    #[cfg(test)]
    pub(in crate::connector) async fn asks_closed(&self) {
        self.asks.closed().await;
    }

    pub(in crate::connector) fn is_same(&self, other: &Self) -> bool {
        self.asks.same_channel(&other.asks)
    }

    /// Hands a message over; waits while the call is busy.
    ///
    /// # Errors
    /// [`CallFailure::Lost`] when the call has ended.
    pub(in crate::connector) async fn send(&self, message: Message) -> Result<InFlight, CallFailure> {
        let (reply, answer) = oneshot::channel();
        let (tell_overdue, overdue) = oneshot::channel();
        let ask = CallCommand::Send { message, reply, overdue: tell_overdue };
        self.asks.send(ask).await.map_err(|_| CallFailure::Lost)?;
        Ok(InFlight { answer, overdue })
    }

    /// Resolves when the other side has the file, or will not have it.
    pub(in crate::connector) async fn send_file(&self, file: File) -> Result<(), CallFailure> {
        let (reply, answer) = oneshot::channel();
        let closing = |_| CallFailure::NotOpened("the conversation was just being closed".into());
        self.asks.send(CallCommand::SendFile { file, reply }).await.map_err(closing)?;
        answer.await.unwrap_or(Err(CallFailure::Lost))
    }

    pub(in crate::connector) async fn invite(&self, email: Email) -> Result<(), String> {
        let lost = || "the conversation is over".to_owned();
        let (reply, answer) = oneshot::channel();
        self.asks.send(CallCommand::Invite { email, reply }).await.map_err(|_| lost())?;
        answer.await.map_err(|_| lost())?
    }

    /// Answers an offer of this call; what is wrong is for people.
    pub(in crate::connector) async fn answer(&self, number: u32, accept: bool) -> Result<(), String> {
        let lost = || "that file is not offered any more".to_owned();
        let (reply, answer) = oneshot::channel();
        self.asks.send(CallCommand::Answer { number, accept, reply }).await.map_err(|_| lost())?;
        answer.await.map_err(|_| lost())?
    }

    /// Goes out of the call; what is under way is not waited for.
    pub(in crate::connector) fn leave(&self) {
        let _ = self.asks.try_send(CallCommand::Leave); // a call that is that busy ends by itself
    }

    /// Another call serves the conversation from now on.
    pub(in crate::connector) fn retire(&self) {
        let _ = self.asks.try_send(CallCommand::Retire); // one that is that busy ends when it is idle
    }

    /// Has the call look for what broken ones have set aside.
    pub(in crate::connector) fn take_up(&self) {
        let _ = self.asks.try_send(CallCommand::TakeUp); // one that is that busy does so when somebody joins
    }

    pub(in crate::connector) fn typing(&self) {
        let _ = self.asks.try_send(CallCommand::Typing); // worth nothing later
    }
}

/// A board that was assigned, or why not.
pub(in crate::connector) type Assignment = Result<(HostPort, Cookie), ErrorCode>;

/// How a call begins.
pub(in crate::connector) enum Begin {
    /// We call; the board comes from the notification server.
    Calling { assigned: oneshot::Receiver<Assignment>, invitees: Vec<Email> },
    /// Somebody rang.
    Rung { board: HostPort, cookie: Cookie, session: SessionId, permit: OwnedSemaphorePermit },
}

/// What a call tells its login.
pub(in crate::connector) enum CallNotice {
    /// It serves another conversation now.
    Moved { to: ConversationId, call: CallHandle },
    /// It serves no conversation now; which one it is shows later.
    Detached(CallHandle),
    /// The board calls somebody so, which it did not before.
    Named(BoardName),
    /// It broke, and something of this conversation waits for another.
    Broke(ConversationId),
}

/// Everything a call needs to know of its login.
pub(in crate::connector) struct CallContext {
    pub(in crate::connector) shared: Shared,
    pub(in crate::connector) login: LoginId,
    pub(in crate::connector) email: Email,
    pub(in crate::connector) dialect: Dialect,
    /// What is known of those whom it is about.
    pub(in crate::connector) people: People,
    /// What is shown of the owner now.
    pub(in crate::connector) face: watch::Receiver<Option<Arc<OwnPicture>>>,
    /// One permit for each file that comes by a stream, in all calls of the login.
    pub(in crate::connector) streams: Arc<Semaphore>,
    /// One for each port on which a contact is waited for.
    pub(in crate::connector) doors: Arc<Semaphore>,
    pub(in crate::connector) offers: Offers,
    /// What people are called.
    pub(in crate::connector) names: Names,
    /// What waits for another call.
    pub(in crate::connector) suspended: SuspendedTransfers,
    pub(in crate::connector) news: mpsc::Sender<CallNotice>,
    /// The login's own: its calls end with it.
    pub(in crate::connector) cancel: tokio_util::sync::CancellationToken,
}

/// Of a file that nobody has been offered: another call may take it.
pub(super) fn never_offered(failure: &CallFailure) -> CallFailure {
    match failure {
        CallFailure::Lost => CallFailure::NotOpened("the conversation was just being closed".into()),
        failure => failure.clone(),
    }
}

pub(super) fn refuse(ask: CallCommand, failure: &CallFailure) {
    match ask {
        CallCommand::Send { reply, .. } => drop(reply.send(Err(failure.clone().into()))),
        CallCommand::SendFile { reply, .. } => drop(reply.send(Err(never_offered(failure)))),
        CallCommand::Invite { reply, .. } | CallCommand::Answer { reply, .. } => {
            drop(reply.send(Err(failure.to_string())))
        }
        CallCommand::TakeUp | CallCommand::Typing | CallCommand::Leave | CallCommand::Retire => {}
    }
}
