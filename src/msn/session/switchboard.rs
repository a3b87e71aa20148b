//! One call: answer or invite, who is there, messages and what became of them (§6).
//!
//! Knows when a message may be sent and what its acknowledgement means. Refuses to know which conversation it serves.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::pending::{Pending, REPLY_TIMEOUT};
use super::wire::ClientWire;
use super::{Machine, SessionError};
use crate::msn::command::{Acknowledge, ClientCommand, Context, ErrorCode, Link, ServerCommand};
use crate::msn::dialect::Dialect;
use crate::msn::endpoint::MachineId;
use crate::msn::ids::{Capabilities, Cookie, Email, SessionId, TrId};
use crate::msn::message::{Assembler, Content, Envelope};

/// How long somebody who was called may take to join: under the 30 s after which a sender is told.
const JOIN_TIMEOUT: Duration = Duration::from_secs(25);
/// How long an acknowledgement takes at most where everything works: a poll or two of a gateway, and the server's own work.
const ACK_TIMEOUT: Duration = Duration::from_secs(9);
/// How long an acknowledgement is waited for at all: one that comes so late still saves a message from being repeated.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(120);
/// Most messages queued before the first member joins.
const MAX_QUEUED: usize = 128;

/// Most clients of one member that are told apart.
const MAX_MACHINES: usize = 16;

/// Most people who are remembered as dropped.
const MAX_DROPPED: usize = 64;

/// Names a message handed to [`SwitchboardSession::send`], on this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageHandle(u64);

/// Why a message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendFailure {
    /// The switchboard could not deliver it (`NAK`).
    NotDelivered,
    /// The last listener left before the acknowledgement: nobody has it, whatever the server acknowledges (§6.4).
    Deserted,
    /// Nobody is in the call, for this reason.
    NobodyThere(InviteFailure),
    /// No acknowledgement came, or the call ended before it.
    Unconfirmed,
    /// The call ended before it was sent at all.
    NotSent,
    Refused(ErrorCode),
}

/// Why somebody did not join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InviteFailure {
    Refused(ErrorCode),
    /// They were rung and did not come.
    NoAnswer,
}

/// What happened in a call.
#[derive(Debug, Clone, PartialEq)]
pub enum CallEvent {
    /// Signed in to the board; members follow.
    Opened,
    Joined {
        email: Email,
        name: String,
        capabilities: Option<Capabilities>,
    },
    /// `idle`: dropped for inactivity, may be called again silently.
    Left {
        email: Email,
        idle: bool,
    },
    InviteFailed {
        email: Email,
        failure: InviteFailure,
    },
    Received {
        email: Email,
        name: String,
        content: Content,
    },
    /// Acknowledged. `missed_by`: those who were there when it was sent and left before that.
    Delivered {
        handle: MessageHandle,
        missed_by: Vec<Email>,
    },
    /// No acknowledgement came for as long as one should take. It may still come.
    Overdue(MessageHandle),
    Failed(MessageHandle, SendFailure),
}

#[derive(Debug)]
enum Request {
    Enter,
    Invite(Email),
    Message(Sent),
}

/// A message that waits for its acknowledgement.
#[derive(Debug)]
struct Sent {
    handle: MessageHandle,
    /// Those who left since it was sent.
    missed_by: Vec<Email>,
    /// When its acknowledgement should have come; `None` once that was said.
    ack_by: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Member {
    email: Email,
    /// The clients that they are here with, where the server names them.
    machines: Vec<MachineId>,
    name: String,
    capabilities: Option<Capabilities>,
}

impl Member {
    fn add_machines(&mut self, machines: Vec<MachineId>) {
        for machine in machines {
            if !self.machines.contains(&machine) && self.machines.len() < MAX_MACHINES {
                self.machines.push(machine);
            }
        }
    }
}

#[derive(Debug)]
struct Invite {
    email: Email,
    deadline: Instant,
}

struct Queued {
    handle: MessageHandle,
    acknowledge: Acknowledge,
    payload: Bytes,
}

/// A client's connection to a switchboard.
pub struct SwitchboardSession {
    own: Email,
    wire: ClientWire,
    pending: Pending<Request>,
    opened: bool,
    members: Vec<Member>,
    invites: Vec<Invite>,
    /// To be invited once the board has let us in.
    to_invite: Vec<Email>,
    queue: VecDeque<Queued>,
    assemblers: Vec<(Email, Assembler)>,
    events: VecDeque<CallEvent>,
    next_handle: u64,
    last_failure: Option<InviteFailure>,
    /// Those called at the beginning, or called again, are still on their way: what is said waits for all of them.
    gathering: bool,
    /// Dropped by the server for being idle while others stayed: called again before the next words.
    dropped: Vec<Email>,
}

impl SwitchboardSession {
    /// Enters a board that we asked for, and calls `invitees`.
    pub fn call(now: Instant, dialect: Dialect, email: Email, cookie: Cookie, invitees: Vec<Email>) -> Self {
        let mut session = Self::new(dialect, email.clone(), invitees);
        let trid = session.pending.expect_within(now, ACK_TIMEOUT, Request::Enter);
        session.wire.send(&ClientCommand::UsrCall { trid, email, cookie });
        session
    }

    /// Enters a board that somebody rang from.
    pub fn answer(
        now: Instant,
        dialect: Dialect,
        email: Email,
        cookie: Cookie,
        session_id: SessionId,
    ) -> Self {
        let mut session = Self::new(dialect, email.clone(), Vec::new());
        let trid = session.pending.expect_within(now, ACK_TIMEOUT, Request::Enter);
        session.wire.send(&ClientCommand::Ans { trid, email, cookie, session: session_id });
        session
    }

    fn new(dialect: Dialect, own: Email, to_invite: Vec<Email>) -> Self {
        Self {
            own,
            wire: ClientWire::new(Context { link: Link::Switchboard, dialect }),
            pending: Pending::new(),
            opened: false,
            members: Vec::new(),
            invites: Vec::new(),
            to_invite,
            queue: VecDeque::new(),
            assemblers: Vec::new(),
            events: VecDeque::new(),
            next_handle: 0,
            last_failure: None,
            gathering: true,
            dropped: Vec::new(),
        }
    }

    /// Who is in the call besides us.
    pub fn members(&self) -> impl Iterator<Item = &Email> {
        self.members.iter().map(|member| &member.email)
    }

    /// Whether everybody present can put messages in several parts together.
    pub fn all_have(&self, capability: u32) -> bool {
        let has = |m: &Member| m.capabilities.is_some_and(|c| c.has(capability));
        !self.members.is_empty() && self.members.iter().all(has)
    }

    /// Calls one more person.
    pub fn invite(&mut self, now: Instant, email: Email) {
        if !self.opened {
            self.to_invite.push(email);
            return;
        }
        let trid = self.pending.expect(now, Request::Invite(email.clone()));
        self.wire.send(&ClientCommand::Cal { trid, email: email.clone() });
        self.invites.push(Invite { email, deadline: now + JOIN_TIMEOUT });
    }

    /// Sends a message, or keeps it until somebody has joined. What became of it comes as an event with this handle,
    /// unless `acknowledge` asks for none.
    pub fn send(&mut self, now: Instant, acknowledge: Acknowledge, payload: Bytes) -> MessageHandle {
        let handle = MessageHandle(self.next_handle);
        self.next_handle += 1;
        let queued = Queued { handle, acknowledge, payload };
        // Packets are for one who is here: nobody else is called for them, and they wait for nobody.
        let is_packet = acknowledge == Acknowledge::Data;
        if acknowledge != Acknowledge::Never && !is_packet {
            self.call_dropped(now);
        }
        if !self.members.is_empty() && (!self.gathering || is_packet) {
            self.transmit(now, queued);
        } else if acknowledge == Acknowledge::Never {
            // A typing notice for nobody is worth nothing later.
        } else if self.is_forming() && self.queue.len() < MAX_QUEUED {
            self.queue.push_back(queued);
        } else {
            let failure = self.last_failure.clone().unwrap_or(InviteFailure::NoAnswer);
            self.events.push_back(CallEvent::Failed(handle, SendFailure::NobodyThere(failure)));
        }
        handle
    }

    /// What is said is for everybody who was here (§6.3): those whom the server dropped are called again first. In a
    /// call that is empty nothing waits for them.
    fn call_dropped(&mut self, now: Instant) {
        if self.members.is_empty() {
            return;
        }
        for email in std::mem::take(&mut self.dropped) {
            self.gathering = true;
            self.invite(now, email);
        }
    }

    /// Leaves the call; the server closes.
    pub fn leave(&mut self) {
        self.wire.send(&ClientCommand::Out);
    }

    /// Fails everything that waits; the connection is gone.
    pub fn abandon(&mut self) {
        for request in self.pending.drain() {
            if let Request::Message(sent) = request {
                self.events.push_back(CallEvent::Failed(sent.handle, SendFailure::Unconfirmed));
            }
        }
        for queued in self.queue.drain(..) {
            self.events.push_back(CallEvent::Failed(queued.handle, SendFailure::NotSent));
        }
    }

    /// Whether somebody may still join by themselves.
    fn is_forming(&self) -> bool {
        !self.opened || !self.invites.is_empty() || !self.to_invite.is_empty()
    }

    fn transmit(&mut self, now: Instant, queued: Queued) {
        let trid = match queued.acknowledge {
            Acknowledge::Never => self.pending.number(),
            acknowledge => {
                let is_text = acknowledge == Acknowledge::Always;
                let ack_by = is_text.then(|| now + ACK_TIMEOUT);
                let sent = Sent { handle: queued.handle, missed_by: Vec::new(), ack_by };
                let timeout = if is_text { GIVE_UP_TIMEOUT } else { REPLY_TIMEOUT };
                self.pending.expect_within(now, timeout, Request::Message(sent))
            }
        };
        let Queued { acknowledge, payload, .. } = queued;
        self.wire.send(&ClientCommand::Msg { trid, acknowledge, payload });
    }

    fn handle_command(&mut self, now: Instant, command: ServerCommand) -> Result<(), SessionError> {
        match command {
            ServerCommand::UsrCallOk { trid, .. } | ServerCommand::AnsOk { trid } => {
                self.pending.take(trid);
                self.entered(now);
            }
            ServerCommand::CalRinging { trid, .. } => {
                self.pending.take(trid);
            }
            ServerCommand::Iro { email, machine, name, capabilities, .. }
            | ServerCommand::Joi { email, machine, name, capabilities } => {
                let machines = machine.into_iter().collect();
                self.joined(now, Member { email, machines, name: name.decode(), capabilities });
            }
            ServerCommand::Bye { email, machine, .. } if self.is_elsewhere_too(&email, machine.as_ref()) => {}
            ServerCommand::Bye { email, idle, .. } => self.left(email, idle),
            ServerCommand::Msg { sender, name, payload } => {
                self.received(now, &sender, name.decode(), &payload)
            }
            ServerCommand::Ack { trid } => {
                if let Some(Request::Message(Sent { handle, missed_by, .. })) = self.pending.take(trid) {
                    self.events.push_back(CallEvent::Delivered { handle, missed_by });
                }
            }
            ServerCommand::Nak { trid } => self.not_delivered(trid, SendFailure::NotDelivered),
            ServerCommand::Failed { code, trid } => self.failed(now, code, trid)?,
            ServerCommand::Out { reason } => return Err(SessionError::SignedOut(reason)),
            _ => {}
        }
        Ok(())
    }

    fn entered(&mut self, now: Instant) {
        self.opened = true;
        self.events.push_back(CallEvent::Opened);
        for email in std::mem::take(&mut self.to_invite) {
            self.invite(now, email);
        }
        self.check_gathered(now);
    }

    /// Once everybody who was called at the beginning has come or has not, what waited is sent; to nobody, it fails.
    fn check_gathered(&mut self, now: Instant) {
        if self.is_forming() {
            return;
        }
        self.gathering = false;
        self.fail_queue_if_alone();
        for queued in std::mem::take(&mut self.queue) {
            self.transmit(now, queued);
        }
    }

    fn joined(&mut self, now: Instant, member: Member) {
        self.invites.retain(|invite| invite.email != member.email);
        self.dropped.retain(|dropped| *dropped != member.email);
        // The own account is there too when another client of it takes part: nobody new.
        if member.email == self.own {
            return;
        }
        if let Some(known) = self.members.iter_mut().find(|known| known.email == member.email) {
            return known.add_machines(member.machines);
        }
        let Member { email, name, capabilities, .. } = member.clone();
        self.members.push(member);
        self.events.push_back(CallEvent::Joined { email, name, capabilities });
        self.check_gathered(now);
    }

    /// Whether somebody whose client on this machine has gone is still here with another one (§18.5).
    fn is_elsewhere_too(&mut self, email: &Email, machine: Option<&MachineId>) -> bool {
        let Some(machine) = machine else { return false };
        let Some(member) = self.members.iter_mut().find(|known| known.email == *email) else { return false };
        member.machines.retain(|known| known != machine);
        !member.machines.is_empty()
    }

    fn left(&mut self, email: Email, idle: bool) {
        let before = self.members.len();
        self.members.retain(|member| member.email != email);
        self.assemblers.retain(|(known, _)| *known != email);
        if self.members.len() < before {
            if idle && self.dropped.len() < MAX_DROPPED {
                self.dropped.push(email.clone());
            }
            self.missed(&email);
            self.events.push_back(CallEvent::Left { email, idle });
        }
    }

    /// Somebody has not read what is on its way. Once nobody is left, an acknowledgement proves nothing any more.
    fn missed(&mut self, email: &Email) {
        let is_message = |request: &Request| matches!(request, Request::Message(_));
        if self.members.is_empty() {
            for request in self.pending.take_all(is_message) {
                if let Request::Message(sent) = request {
                    self.events.push_back(CallEvent::Failed(sent.handle, SendFailure::Deserted));
                }
            }
            return;
        }
        for request in self.pending.iter_mut() {
            if let Request::Message(sent) = request {
                sent.missed_by.push(email.clone());
            }
        }
    }

    fn received(&mut self, now: Instant, sender: &str, name: String, payload: &Bytes) {
        let Ok(email) = Email::parse(sender) else { return };
        let envelope = match Envelope::parse(payload) {
            Ok(envelope) => envelope,
            Err(error) => {
                return tracing::warn!(%error, %email, bytes = payload.len(), "skipped a message");
            }
        };
        let Some(envelope) = self.assembler(&email).accept(now, envelope) else { return };
        match Content::parse(&envelope) {
            Ok(content) => self.events.push_back(CallEvent::Received { email, name, content }),
            Err(error) => {
                tracing::warn!(%error, %email, bytes = payload.len(), "skipped a message");
            }
        }
    }

    fn assembler(&mut self, email: &Email) -> &mut Assembler {
        let at = self.assemblers.iter().position(|(known, _)| known == email).unwrap_or_else(|| {
            // Only members can send; a server that invents senders makes us forget the oldest.
            if self.assemblers.len() > self.members.len() {
                self.assemblers.remove(0);
            }
            self.assemblers.push((email.clone(), Assembler::default()));
            self.assemblers.len() - 1
        });
        &mut self.assemblers[at].1
    }

    fn not_delivered(&mut self, trid: TrId, failure: SendFailure) {
        if let Some(Request::Message(sent)) = self.pending.take(trid) {
            self.events.push_back(CallEvent::Failed(sent.handle, failure));
        }
    }

    fn failed(&mut self, now: Instant, code: ErrorCode, trid: TrId) -> Result<(), SessionError> {
        match self.pending.take(trid) {
            Some(Request::Enter) => Err(SessionError::Refused(code)),
            // Already in the call: nothing is missing.
            Some(Request::Invite(email)) if code == ErrorCode::ALREADY_THERE => {
                self.invites.retain(|invite| invite.email != email);
                self.check_gathered(now);
                Ok(())
            }
            Some(Request::Invite(email)) => {
                self.invite_failed(now, &email, &InviteFailure::Refused(code));
                Ok(())
            }
            Some(Request::Message(sent)) => {
                self.events.push_back(CallEvent::Failed(sent.handle, SendFailure::Refused(code)));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn invite_failed(&mut self, now: Instant, email: &Email, failure: &InviteFailure) {
        self.invites.retain(|invite| invite.email != *email);
        self.last_failure = Some(failure.clone());
        let (email, failure) = (email.clone(), failure.clone());
        self.events.push_back(CallEvent::InviteFailed { email, failure });
        self.check_gathered(now);
    }

    fn fail_queue_if_alone(&mut self) {
        if self.is_forming() || !self.members.is_empty() {
            return;
        }
        let failure = self.last_failure.clone().unwrap_or(InviteFailure::NoAnswer);
        for queued in self.queue.drain(..) {
            let failure = SendFailure::NobodyThere(failure.clone());
            self.events.push_back(CallEvent::Failed(queued.handle, failure));
        }
    }
}

impl Machine for SwitchboardSession {
    type Event = CallEvent;

    fn handle_input(&mut self, now: Instant, bytes: &[u8]) -> Result<(), SessionError> {
        self.wire.push(bytes);
        while let Some(command) = self.wire.next_command()? {
            self.handle_command(now, command)?;
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        while let Some(request) = self.pending.take_overdue(now) {
            match request {
                Request::Enter => return Err(SessionError::TimedOut("the sign-in to the conversation")),
                Request::Invite(email) => self.invite_failed(now, &email, &InviteFailure::NoAnswer),
                Request::Message(sent) => {
                    self.events.push_back(CallEvent::Failed(sent.handle, SendFailure::Unconfirmed));
                }
            }
        }
        for request in self.pending.iter_mut() {
            if let Request::Message(sent) = request
                && sent.ack_by.is_some_and(|at| at <= now)
            {
                sent.ack_by = None;
                self.events.push_back(CallEvent::Overdue(sent.handle));
            }
        }
        while let Some(overdue) = self.invites.iter().position(|invite| invite.deadline <= now) {
            let invite = self.invites.remove(overdue);
            self.invite_failed(now, &invite.email, &InviteFailure::NoAnswer);
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.wire.poll_output()
    }

    fn poll_event(&mut self) -> Option<CallEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let invite = self.invites.iter().map(|invite| invite.deadline).min();
        let ack_by = |request: &Request| match request {
            Request::Message(sent) => sent.ack_by,
            _ => None,
        };
        let ack = self.pending.iter().filter_map(ack_by).min();
        [self.pending.deadline(), invite, ack].into_iter().flatten().min()
    }
}
