//! How others reach a call: what it is asked, what it answers, and what it tells its login.
//!
//! Knows commands and their replies. Refuses to know how they are done.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::bridge::ids::ConversationId;
use crate::bridge::port::media::{File, MediaId};
use crate::bridge::port::network::Offered;
use crate::connector::context::names::BoardName;
use crate::connector::error::CallFailure;
use crate::msn::command::ErrorCode;
use crate::msn::ids::{Cookie, Email, HostPort};
use crate::msn::message::TextStyle;
use crate::msn::p2p::MsnObject;

/// Who waits until a file is taken, or is not.
#[derive(Debug)]
pub(in crate::connector) struct Reply {
    taken: oneshot::Sender<Result<(), CallFailure>>,
    offered: Offered,
}

impl Reply {
    /// Those whom the file is for know of it.
    pub(in crate::connector) fn offered(&self) {
        self.offered.tell();
    }

    /// What became of the file.
    ///
    /// # Errors
    /// Nobody waits for that any more.
    pub(in crate::connector) fn send(
        self,
        result: Result<(), CallFailure>,
    ) -> Result<(), Result<(), CallFailure>> {
        self.taken.send(result)
    }
}

/// Where nobody wants to know that the file was offered.
impl From<oneshot::Sender<Result<(), CallFailure>>> for Reply {
    fn from(taken: oneshot::Sender<Result<(), CallFailure>>) -> Self {
        Self { taken, offered: Offered::default() }
    }
}

/// A picture that our side announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::connector) struct OwnPicture {
    pub(in crate::connector) object: MsnObject,
    pub(in crate::connector) media: MediaId,
}

/// An emoticon that goes with a text.
#[derive(Debug, Clone)]
pub(in crate::connector) struct OfferedEmoticon {
    pub(in crate::connector) shortcut: String,
    pub(in crate::connector) picture: Arc<OwnPicture>,
}

/// Something to send.
#[derive(Debug, Clone)]
pub(in crate::connector) enum Message {
    Text { text: String, style: TextStyle, emoticons: Vec<OfferedEmoticon> },
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
        reply: Reply,
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
    /// A contact announces another picture, or none any more.
    PictureChanged(Email),
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
    pub(in crate::connector) asks: mpsc::Sender<CallCommand>,
}

impl CallHandle {
    /// Whether the call still takes what it is asked.
    pub(in crate::connector) fn is_open(&self) -> bool {
        !self.asks.is_closed()
    }

    /// Resolves when the call takes nothing any more.
    #[cfg(test)]
    pub(in crate::connector) async fn asks_closed(&self) {
        self.asks.closed().await;
    }

    /// Whether both lead to one call.
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

    /// Resolves when the other side has the file, or will not have it; `offered` is told when they know of it.
    ///
    /// # Errors
    /// Why they do not have it, for people; [`CallFailure::NotOpened`] where another call may offer it.
    pub(in crate::connector) async fn send_file(
        &self,
        file: File,
        offered: Offered,
    ) -> Result<(), CallFailure> {
        let (taken, answer) = oneshot::channel();
        let reply = Reply { taken, offered };
        let closing = |_| CallFailure::NotOpened("the conversation was just being closed".into());
        self.asks.send(CallCommand::SendFile { file, reply }).await.map_err(closing)?;
        answer.await.unwrap_or(Err(CallFailure::Lost))
    }

    /// Calls somebody into the call; resolves when they are here.
    ///
    /// # Errors
    /// They did not come, or the call has ended, in words for people.
    pub(in crate::connector) async fn invite(&self, email: Email) -> Result<(), String> {
        let lost = || "the conversation is over".to_owned();
        let (reply, answer) = oneshot::channel();
        self.asks.send(CallCommand::Invite { email, reply }).await.map_err(|_| lost())?;
        answer.await.map_err(|_| lost())?
    }

    /// Answers an offer of this call; what is wrong is for people.
    ///
    /// # Errors
    /// The file is not offered any more, or cannot be taken, in words for people.
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

    /// The owner is typing. Lost where the call has too much to do: the next notice comes in seconds.
    pub(in crate::connector) fn typing(&self) {
        let _ = self.asks.try_send(CallCommand::Typing); // worth nothing later
    }
}

/// A board that was assigned, or why not.
pub(in crate::connector) type Assignment = Result<(HostPort, Cookie), ErrorCode>;

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

/// Of a file that nobody has been offered: another call may take it.
pub(in crate::connector) fn never_offered(failure: &CallFailure) -> CallFailure {
    match failure {
        CallFailure::Lost => CallFailure::NotOpened("the conversation was just being closed".into()),
        failure => failure.clone(),
    }
}

/// Answers what the call will not do any more, so that nobody waits for it.
pub(in crate::connector) fn refuse(ask: CallCommand, failure: &CallFailure) {
    match ask {
        CallCommand::Send { reply, .. } => drop(reply.send(Err(failure.clone().into()))),
        CallCommand::SendFile { reply, .. } => drop(reply.send(Err(never_offered(failure)))),
        CallCommand::Invite { reply, .. } | CallCommand::Answer { reply, .. } => {
            drop(reply.send(Err(failure.to_string())))
        }
        CallCommand::PictureChanged(_)
        | CallCommand::TakeUp
        | CallCommand::Typing
        | CallCommand::Leave
        | CallCommand::Retire => {}
    }
}
