//! What follows in the router once something outside it has ended: a change is on disk, a request to the network was
//! answered, a message was removed.

use std::collections::VecDeque;

use crate::bridge::command::Effect;
use crate::bridge::event::LocalCommand;
use crate::bridge::ids::{Leg, LoginId, PortalKey, UserId};
use crate::bridge::journal::DeadLetter;
use crate::bridge::port::storage::Batch;

/// Where a command came from, and where its answer goes.
#[derive(Debug, Clone)]
pub(super) struct ReplyTo {
    pub(super) portal: PortalKey,
    pub(super) leg: Leg,
    /// What the answer is about, by the frontend's own name; nothing in particular without.
    pub(super) reference: Option<String>,
}

impl From<&LocalCommand> for ReplyTo {
    fn from(given: &LocalCommand) -> Self {
        let reference = given.is_message.then(|| given.reference.clone());
        Self { portal: given.portal.clone(), leg: given.leg, reference }
    }
}

/// What follows.
#[derive(Clone)]
pub(super) enum Finished {
    Nothing,
    /// It is on disk that a login stays signed out.
    SignedOut {
        login: LoginId,
    },
    Answer(Answered),
    /// The change that came first is on disk.
    Effect {
        given: Box<LocalCommand>,
        effect: Effect,
    },
    /// A message that was a password is to go.
    Redact(Redaction),
    /// A login was forgotten: its session ends, and then that is said.
    Forgotten {
        reply: ReplyTo,
        login: LoginId,
        answer: String,
    },
    /// Messages that were set aside are to be tried again.
    Revival(Revival),
    /// Somebody else could read where a password was waited for, and it is not waited for any more.
    Overheard {
        user: UserId,
        leg: Leg,
        place: String,
        said: Option<String>,
    },
}

impl From<Answered> for Finished {
    fn from(answered: Answered) -> Self {
        Self::Answer(answered)
    }
}

/// A command that came to its end.
#[derive(Clone)]
pub(super) struct Answered {
    pub(super) reply: ReplyTo,
    pub(super) text: String,
    /// What is true now that it has ended.
    pub(super) with: Batch,
    /// A conversation that is opened by it, and what is said there first.
    pub(super) opens: Option<(PortalKey, String)>,
    /// A login that was ended: nobody else may come to say what waits for it.
    pub(super) ended: Option<LoginId>,
    /// A login that signs in once the answer is said, so that what becomes of it is said after that.
    pub(super) connect: Option<LoginId>,
}

/// A message that is to be removed where it was said.
#[derive(Clone)]
pub(super) struct Redaction {
    pub(super) reply: ReplyTo,
    pub(super) place: String,
    /// The message, behind those that it replaced.
    pub(super) references: Vec<String>,
    /// What is said when that was tried.
    pub(super) text: String,
    /// A login that signs in then.
    pub(super) connect: Option<LoginId>,
}

/// Messages that were set aside and are to be tried again, one at a time.
#[derive(Clone)]
pub(super) struct Revival {
    pub(super) reply: ReplyTo,
    pub(super) letters: VecDeque<DeadLetter>,
    pub(super) revived: usize,
}

impl Answered {
    pub(super) fn new(reply: ReplyTo, text: impl Into<String>) -> Self {
        let (text, with) = (text.into(), Batch::default());
        Self { reply, text, with, opens: None, ended: None, connect: None }
    }
}
