//! One call: the task of one switchboard connection. It brings what is said to the core, sends what it is given, and
//! ends when nobody is left or nothing has been said for a while.

pub(in crate::connector) mod context;
mod hearing;
mod members;
mod sending;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use crate::bridge::event::{Progress, RemoteEvent, RemoteKind};
use crate::bridge::ids::ConversationId;
use crate::connector::clock::{late, now};
use crate::connector::context::names::BoardNames;
use crate::connector::error::{CallFailure, ConnectError};
use crate::connector::file::direct;
use crate::connector::file::direct::Direct;
use crate::connector::file::incoming::Transfers;
use crate::connector::file::invitations::Declined;
use crate::connector::file::msnftp::Streams;
use crate::connector::file::offers::Asked;
use crate::connector::file::outgoing::OutgoingFiles;
use crate::connector::handle::{CallCommand, CallHandle, Confirmation, Undelivered, refuse};
use crate::connector::net::dial::Stream;
use crate::connector::net::pump::Pump;
use crate::connector::object::emoticon::Emoticons;
use crate::connector::translate::convert;
use crate::msn::command::Acknowledge;
use crate::msn::gateway::Destination;
use crate::msn::ids::{Email, HostPort};
use crate::msn::message::Content;
use crate::msn::session::{CallEvent, InviteFailure, MessageHandle, SwitchboardSession};

pub(in crate::connector) use context::{Begin, CallContext};

/// Messages waiting for one call; full, senders wait.
const MAILBOX: usize = 32;
/// A call in which nothing was said for so long is left; the next message opens another.
const IDLE: Duration = Duration::from_secs(240);
/// Servers drop who says nothing for some minutes (§6.3), also while a file goes another way.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Typing is repeated at most this often (§7.4).
const TYPING: Duration = Duration::from_secs(5);
/// How long the switchboard may take to be assigned.
const ASSIGNMENT: Duration = Duration::from_secs(20);

/// A message under way: one answer for all its parts.
struct Sending {
    left: usize,
    failure: Option<CallFailure>,
    /// Where in the text each part begins, for those who get parts that stand alone.
    starts: Vec<usize>,
    /// The first part that did not arrive.
    first_failed: usize,
    /// Those who left before a part of it reached them.
    missed_by: Vec<Email>,
    reply: oneshot::Sender<Result<Confirmation, Undelivered>>,
    /// Until it was told that the acknowledgement is late.
    overdue: Option<oneshot::Sender<()>>,
}

pub(in crate::connector) struct Call {
    pub(in crate::connector) of: CallContext,
    pub(in crate::connector) conversation: ConversationId,
    handle: CallHandle,
    pub(in crate::connector) members: Vec<Email>,
    /// Members that the server dropped for being idle. They are still part of the conversation.
    dropped: Vec<Email>,
    /// Those of a group who were called and did not come, until that was told.
    absent: Vec<Email>,
    grouping: members::Grouping,
    /// What the board has called those who were here.
    names: BoardNames,
    opened: bool,
    /// Somebody was there besides us, or was called and did not come: without anybody now, it is over.
    was_occupied: bool,
    sendings: HashMap<u64, Sending>,
    /// Which message a part is of, and which part of it.
    parts: HashMap<MessageHandle, (u64, usize)>,
    invitations: Vec<(Email, oneshot::Sender<Result<(), String>>)>,
    next_sending: u64,
    last_typing: Option<Instant>,
    pub(in crate::connector) last_said: Instant,
    /// Held for as long as the call lasts.
    permit: Option<OwnedSemaphorePermit>,
    /// Our side wants to go.
    leaving: bool,
    /// Another call serves the conversation.
    retired: bool,
    pub(in crate::connector) declined: Declined,
    pub(in crate::connector) transfers: Transfers,
    pub(in crate::connector) outgoing_files: OutgoingFiles,
    pub(in crate::connector) direct: Option<Direct>,
    pub(in crate::connector) streams: Streams,
    pub(in crate::connector) emoticons: Emoticons,
    pub(in crate::connector) asked: Asked,
    /// How far files are, not said yet.
    pub(in crate::connector) unsaid: Vec<Progress>,
}

/// Starts a call for `conversation`.
pub(in crate::connector) fn start(of: CallContext, conversation: ConversationId, begin: Begin) -> CallHandle {
    let (asks, mailbox) = mpsc::channel(MAILBOX);
    let handle = CallHandle { asks };
    let tasks = of.shared.tasks.clone();
    // The task must not keep its own mailbox open.
    let call = Call::new(of, conversation, handle.clone());
    tasks.spawn(call.run(begin, mailbox));
    handle
}

impl Call {
    fn new(of: CallContext, conversation: ConversationId, handle: CallHandle) -> Self {
        Self {
            of,
            conversation,
            handle,
            members: Vec::new(),
            dropped: Vec::new(),
            absent: Vec::new(),
            grouping: members::Grouping::default(),
            names: BoardNames::default(),
            opened: false,
            was_occupied: false,
            sendings: HashMap::new(),
            parts: HashMap::new(),
            invitations: Vec::new(),
            next_sending: 0,
            last_typing: None,
            last_said: Instant::now(),
            permit: None,
            leaving: false,
            retired: false,
            declined: Declined::default(),
            transfers: Transfers::default(),
            outgoing_files: OutgoingFiles::default(),
            direct: None,
            streams: Streams::default(),
            emoticons: Emoticons::default(),
            asked: Asked::default(),
            unsaid: Vec::new(),
        }
    }

    #[tracing::instrument(name = "call", skip_all, fields(login = %self.of.login, conversation = %self.conversation))]
    async fn run(mut self, begin: Begin, mut mailbox: mpsc::Receiver<CallCommand>) {
        // A board that we are called to and find empty is over: whoever rang has gone.
        self.was_occupied = matches!(begin, Begin::Rung { .. });
        let cancel = self.of.cancel.clone();
        let opening = tokio::select! {
            opened = self.open(begin) => opened,
            // Nobody waits for a server on behalf of a login that ends.
            () = cancel.cancelled() => Err(CallFailure::Lost),
        };
        match opening {
            Ok(pump) => self.drive(pump, &mut mailbox).await,
            Err(failure) => {
                tracing::info!(%failure, "a call could not be opened");
                mailbox.close();
                while let Some(ask) = mailbox.recv().await {
                    refuse(ask, &failure);
                }
            }
        }
    }

    async fn open(&mut self, begin: Begin) -> Result<Pump<SwitchboardSession>, CallFailure> {
        let (email, dialect) = (self.of.email.clone(), self.of.dialect);
        match begin {
            Begin::Calling { assigned, invitees } => {
                let assigned = tokio::time::timeout(ASSIGNMENT, assigned).await;
                let assigned = assigned.map_err(|_| CallFailure::NoAssignment)?;
                let (board, cookie) =
                    assigned.map_err(|_| CallFailure::Lost)?.map_err(CallFailure::NoBoard)?;
                let stream = self.reach(&board).await?;
                Ok(Pump::new(SwitchboardSession::call(now(), dialect, email, cookie, invitees), stream))
            }
            Begin::Rung { board, cookie, session, permit } => {
                self.permit = Some(permit);
                let stream = self.reach(&board).await?;
                Ok(Pump::new(SwitchboardSession::answer(now(), dialect, email, cookie, session), stream))
            }
        }
    }

    async fn reach(&self, board: &HostPort) -> Result<Box<dyn Stream>, CallFailure> {
        let way = self.of.shared.dialler.open(Destination::Switchboard, board).await;
        way.map(|way| way.stream).map_err(|error: ConnectError| CallFailure::NotOpened(error.to_string()))
    }

    async fn drive(&mut self, mut pump: Pump<SwitchboardSession>, mailbox: &mut mpsc::Receiver<CallCommand>) {
        let cancel = self.of.cancel.clone();
        let mut kept_alive = Instant::now();
        let mut broke = false;
        loop {
            let idle_at = self.last_said + IDLE;
            let deadlines = [self.transfers.deadline(), self.streams.deadline(), self.asked.deadline()];
            let deadline = deadlines.into_iter().flatten().min();
            tokio::select! {
                event = pump.next() => match event {
                    Ok(event) => self.heard(&mut pump, event).await,
                    Err(error) => {
                        tracing::debug!(%error, "the call ended");
                        broke = true;
                        break;
                    }
                },
                ask = mailbox.recv() => match ask {
                    Some(CallCommand::SendFile { file, reply }) => self.send_file(&mut pump, file, reply).await,
                    Some(CallCommand::Answer { number, accept, reply }) => {
                        let _ = reply.send(self.answered(&mut pump, number, accept).await); // whoever asked may have gone
                    }
                    Some(CallCommand::TakeUp) => self.take_up(&mut pump).await,
                    Some(ask) => self.handle_command(&mut pump, ask),
                    None => break,
                },
                happened = direct::next(&mut self.direct) => self.direct_happened(&mut pump, happened).await,
                end = self.streams.ended() => self.stream_ended(&mut pump, &end),
                () = late(deadline) => {
                    self.transfers_are_late(&mut pump).await;
                    self.streams_are_late(&mut pump).await;
                    self.offers_are_late(&mut pump).await;
                }
                () = tokio::time::sleep_until(kept_alive + KEEP_ALIVE), if !self.is_quiet() => {
                    kept_alive = Instant::now();
                    let payload = Content::keep_alive().encode().into();
                    pump.machine.send(now(), Acknowledge::Never, payload);
                }
                () = tokio::time::sleep_until(idle_at), if self.is_quiet() => {
                    pump.machine.leave();
                    break;
                }
                () = cancel.cancelled() => {
                    pump.machine.leave();
                    break;
                }
            }
            self.pump_data(&mut pump).await;
            if self.is_over() {
                pump.machine.leave();
                break;
            }
        }
        self.wind_up(pump, mailbox, broke).await;
    }

    /// Nothing is under way that would be lost with the call.
    fn is_quiet(&self) -> bool {
        let nothing_moves =
            self.transfers.is_idle() && self.outgoing_files.is_idle() && self.streams.is_idle();
        self.sendings.is_empty() && nothing_moves && self.asked.is_idle()
    }

    /// Everybody has gone, and nothing that was begun is under way.
    fn is_over(&self) -> bool {
        // Who is there shows once the board has answered.
        let alone = self.opened && self.was_occupied && self.members.is_empty();
        let retires = self.retired && self.is_quiet();
        (alone || self.leaving || retires) && self.sendings.is_empty() && self.invitations.is_empty()
    }

    /// What is done at once.
    fn handle_command(&mut self, pump: &mut Pump<SwitchboardSession>, ask: CallCommand) {
        match ask {
            CallCommand::Send { message, reply, overdue } => {
                self.last_said = Instant::now();
                self.send(pump, &message, reply, overdue);
            }
            CallCommand::Invite { email, reply } => {
                pump.machine.invite(now(), email.clone());
                self.invitations.push((email, reply));
            }
            CallCommand::Leave => self.leaving = true,
            CallCommand::Retire => self.retired = true,
            CallCommand::Typing => {
                self.last_said = Instant::now();
                let due = self.last_typing.is_none_or(|at| at.elapsed() >= TYPING);
                if due {
                    self.last_typing = Some(Instant::now());
                    let payload = Content::typing(&self.of.email).encode().into();
                    pump.machine.send(now(), Acknowledge::Never, payload);
                }
            }
            // These wait for something.
            CallCommand::SendFile { .. } | CallCommand::Answer { .. } | CallCommand::TakeUp => {}
        }
    }

    async fn handle_event(&mut self, event: CallEvent) {
        match event {
            CallEvent::Opened => {
                self.opened = true;
                self.regroup(None).await;
            }
            CallEvent::Joined { email, .. } => {
                self.invited(&email, Ok(()));
                let is_back = self.dropped.contains(&email);
                self.dropped.retain(|dropped| *dropped != email);
                self.absent.retain(|absent| *absent != email);
                self.members.push(email.clone());
                self.was_occupied = true;
                if self.opened && !is_back {
                    self.regroup(Some(&email)).await;
                }
            }
            CallEvent::Left { email, idle } => self.left(&email, idle).await,
            CallEvent::InviteFailed { email, failure } => {
                self.was_occupied = true;
                self.gone(&email);
                self.did_not_come(&email);
                if self.members.is_empty() {
                    self.nobody_to_give_to(&CallFailure::Nobody(failure.clone()));
                }
                let reason = match failure {
                    InviteFailure::Refused(code) => code.to_string(),
                    InviteFailure::NoAnswer => "they did not answer".into(),
                };
                self.invited(&email, Err(format!("{email} cannot be called: {reason}")));
            }
            CallEvent::Received { email, content, .. } => self.received(&email, content).await,
            CallEvent::Delivered { handle, .. } if self.confirmed(handle, true) => {}
            CallEvent::Failed(part, _) if self.confirmed(part, false) => {}
            CallEvent::Delivered { handle, missed_by } => self.part_done(handle, Ok(missed_by)),
            CallEvent::Failed(part, failure) => self.part_done(part, Err(failure.into())),
            CallEvent::Overdue(part) => self.part_overdue(part),
        }
    }

    fn invited(&mut self, email: &Email, result: Result<(), String>) {
        if let Some(at) = self.invitations.iter().position(|(invited, _)| invited == email) {
            let _ = self.invitations.swap_remove(at).1.send(result); // whoever asked may have gone
        }
    }

    pub(in crate::connector) fn handle(&self) -> CallHandle {
        self.handle.clone()
    }

    pub(in crate::connector) fn ghost(&self, email: &Email) -> crate::bridge::event::Ghost {
        convert::ghost(email, &self.of.names.newest(email))
    }

    /// What somebody is called in a sentence: by their account where no name is known.
    pub(in crate::connector) fn called(&self, email: &Email) -> String {
        let name = self.ghost(email).name;
        if name.is_empty() { email.to_string() } else { name }
    }

    /// Waits while the core is busy: the socket is not read meanwhile.
    pub(in crate::connector) async fn tell(&self, kind: RemoteKind) {
        let event = RemoteEvent { login: self.of.login.clone(), kind };
        if self.of.shared.bridge.remote(event).await.is_err() {
            tracing::error!("the bridge has stopped, something said on MSN was not taken");
        }
    }
}
