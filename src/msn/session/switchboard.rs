//! One call: answer or invite, who is there, messages and what became of them (§6).
//!
//! Knows when a message may be sent and what its acknowledgement means: invites, members, requests and reception own
//! their state, and this session asks them. Refuses to know which conversation it serves.

mod event;
mod invites;
mod members;
mod reception;
mod requests;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

pub use self::event::{CallEvent, InviteFailure, MessageHandle, SendFailure};
use self::invites::Invites;
use self::members::{Member, Members};
use self::reception::Reception;
use self::requests::{Request, Requests, Sent};
use super::wire::ClientWire;
use super::{Machine, SessionError};
use crate::msn::command::{Acknowledge, ClientCommand, Context, ErrorCode, Link, ServerCommand};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Cookie, Email, SessionId, TrId};

/// Most messages queued before the first member joins.
const MAX_QUEUED: usize = 128;

/// A message that waits until somebody is there.
struct Queued {
    handle: MessageHandle,
    acknowledge: Acknowledge,
    payload: Bytes,
}

/// A client's connection to a switchboard.
pub struct SwitchboardSession {
    own: Email,
    wire: ClientWire,
    requests: Requests,
    invites: Invites,
    members: Members,
    reception: Reception,
    queue: VecDeque<Queued>,
    next_handle: u64,
    events: VecDeque<CallEvent>,
}

impl SwitchboardSession {
    /// Enters a board that we asked for, and calls `invitees` (§6.1). They have 25 seconds to join.
    pub fn call(now: Instant, dialect: Dialect, email: Email, cookie: Cookie, invitees: Vec<Email>) -> Self {
        let mut session = Self::new(dialect, email.clone(), invitees);
        let trid = session.requests.enter(now);
        session.wire.send(&ClientCommand::UsrCall { trid, email, cookie });
        session
    }

    /// Enters a board that somebody rang from, with the numbers of their `RNG` (§6.2).
    pub fn answer(
        now: Instant,
        dialect: Dialect,
        email: Email,
        cookie: Cookie,
        session_id: SessionId,
    ) -> Self {
        let mut session = Self::new(dialect, email.clone(), Vec::new());
        let trid = session.requests.enter(now);
        session.wire.send(&ClientCommand::Ans { trid, email, cookie, session: session_id });
        session
    }

    fn new(dialect: Dialect, own: Email, to_invite: Vec<Email>) -> Self {
        Self {
            own,
            wire: ClientWire::new(Context { link: Link::Switchboard, dialect }),
            requests: Requests::new(),
            invites: Invites::new(to_invite),
            members: Members::default(),
            reception: Reception::default(),
            queue: VecDeque::new(),
            next_handle: 0,
            events: VecDeque::new(),
        }
    }

    /// Who is in the call besides us, in the order in which they came.
    pub fn members(&self) -> impl Iterator<Item = &Email> {
        self.members.emails()
    }

    /// Whether anybody is here, and each of them announced this bit of the capabilities (§4.3).
    pub fn all_have(&self, capability: u32) -> bool {
        self.members.all_have(capability)
    }

    /// Calls one more person, at once or when the board has let us in (§6.1).
    pub fn invite(&mut self, now: Instant, email: Email) {
        if self.invites.add(now, &email) {
            let trid = self.requests.invite(now, email.clone());
            self.wire.send(&ClientCommand::Cal { trid, email });
        }
    }

    /// Sends a message, or keeps it until somebody has joined: at most 128 are kept. What became of it comes as an event
    /// with this handle, unless `acknowledge` asks for none (§6.4).
    pub fn send(&mut self, now: Instant, acknowledge: Acknowledge, payload: Bytes) -> MessageHandle {
        let handle = MessageHandle(self.next_handle);
        self.next_handle += 1;
        let queued = Queued { handle, acknowledge, payload };
        // Packets are for one who is here: nobody else is called for them, and they wait for nobody.
        let is_packet = acknowledge == Acknowledge::Data;
        if acknowledge != Acknowledge::Never && !is_packet {
            self.call_dropped(now);
        }
        if !self.members.is_empty() && (!self.invites.is_gathering() || is_packet) {
            self.transmit(now, queued);
        } else if acknowledge == Acknowledge::Never {
            // A typing notice for nobody is worth nothing later.
        } else if self.invites.is_forming() && self.queue.len() < MAX_QUEUED {
            self.queue.push_back(queued);
        } else {
            self.fail(handle, SendFailure::NobodyThere(self.invites.failure()));
        }
        handle
    }

    /// What is said is for everybody who was here (§6.3): those whom the server dropped are called again first.
    fn call_dropped(&mut self, now: Instant) {
        for email in self.members.take_dropped() {
            self.invites.gather();
            self.invite(now, email);
        }
    }

    /// Leaves the call (§5.2); the server closes.
    pub fn leave(&mut self) {
        self.wire.send(&ClientCommand::Out);
    }

    /// Fails everything that waits; the connection is gone. What was sent is unconfirmed, the rest was not sent.
    pub fn abandon(&mut self) {
        for handle in self.requests.drain() {
            self.fail(handle, SendFailure::Unconfirmed);
        }
        for queued in std::mem::take(&mut self.queue) {
            self.fail(queued.handle, SendFailure::NotSent);
        }
    }

    fn fail(&mut self, handle: MessageHandle, failure: SendFailure) {
        self.events.push_back(CallEvent::Failed(handle, failure));
    }

    fn transmit(&mut self, now: Instant, queued: Queued) {
        let Queued { handle, acknowledge, payload } = queued;
        let trid = self.requests.message(now, handle, acknowledge);
        self.wire.send(&ClientCommand::Msg { trid, acknowledge, payload });
    }

    fn handle_command(&mut self, now: Instant, command: ServerCommand) -> Result<(), SessionError> {
        match command {
            ServerCommand::UsrCallOk { trid, .. } | ServerCommand::AnsOk { trid } => {
                self.requests.take(trid);
                self.entered(now);
            }
            ServerCommand::CalRinging { trid, .. } => {
                self.requests.take(trid);
            }
            ServerCommand::Iro { email, machine, name, capabilities, .. }
            | ServerCommand::Joi { email, machine, name, capabilities } => {
                let machines = machine.into_iter().collect();
                self.joined(now, Member { email, machines, capabilities }, name.decode());
            }
            ServerCommand::Bye { email, machine, .. }
                if self.members.is_elsewhere_too(&email, machine.as_ref()) => {}
            ServerCommand::Bye { email, idle, .. } => self.left(email, idle),
            ServerCommand::Msg { sender, name, payload } => {
                self.received(now, &sender, name.decode(), &payload)
            }
            ServerCommand::Ack { trid } => {
                if let Some(Sent { handle, missed_by, .. }) = self.requests.take_message(trid) {
                    self.events.push_back(CallEvent::Delivered { handle, missed_by });
                }
            }
            ServerCommand::Nak { trid } => {
                if let Some(sent) = self.requests.take_message(trid) {
                    self.fail(sent.handle, SendFailure::NotDelivered);
                }
            }
            ServerCommand::Failed { code, trid } => self.failed(now, code, trid)?,
            ServerCommand::Out { reason } => return Err(SessionError::SignedOut(reason)),
            _ => {}
        }
        Ok(())
    }

    fn entered(&mut self, now: Instant) {
        self.events.push_back(CallEvent::Opened);
        for email in self.invites.open() {
            self.invite(now, email);
        }
        self.check_gathered(now);
    }

    /// Once everybody who was called at the beginning has come or has not, what waited is sent; to nobody, it fails.
    fn check_gathered(&mut self, now: Instant) {
        if !self.invites.check_gathered() {
            return;
        }
        for queued in std::mem::take(&mut self.queue) {
            if self.members.is_empty() {
                self.fail(queued.handle, SendFailure::NobodyThere(self.invites.failure()));
            } else {
                self.transmit(now, queued);
            }
        }
    }

    fn joined(&mut self, now: Instant, member: Member, name: String) {
        self.invites.settle(&member.email);
        self.members.forget_dropped(&member.email);
        let (email, capabilities) = (member.email.clone(), member.capabilities);
        // The own account is there too when another client of it takes part: nobody new.
        if email != self.own && self.members.join(member) {
            self.events.push_back(CallEvent::Joined { email, name, capabilities });
            self.check_gathered(now);
        }
    }

    fn left(&mut self, email: Email, idle: bool) {
        self.reception.forget(&email);
        if self.members.leave(&email, idle) {
            self.missed(&email);
            self.events.push_back(CallEvent::Left { email, idle });
        }
    }

    /// Somebody has not read what is on its way. Once nobody is left, an acknowledgement proves nothing any more.
    fn missed(&mut self, email: &Email) {
        if !self.members.is_empty() {
            return self.requests.missed(email);
        }
        for handle in self.requests.take_messages() {
            self.fail(handle, SendFailure::Deserted);
        }
    }

    fn received(&mut self, now: Instant, sender: &str, name: String, payload: &Bytes) {
        let Ok(email) = Email::parse(sender) else { return };
        if let Some(content) = self.reception.accept(now, self.members.len(), &email, payload) {
            self.events.push_back(CallEvent::Received { email, name, content });
        }
    }

    fn failed(&mut self, now: Instant, code: ErrorCode, trid: TrId) -> Result<(), SessionError> {
        match self.requests.take(trid) {
            Some(Request::Enter) => return Err(SessionError::Refused(code)),
            // Already in the call: nothing is missing.
            Some(Request::Invite(email)) if code == ErrorCode::ALREADY_THERE => {
                self.invites.settle(&email);
                self.check_gathered(now);
            }
            Some(Request::Invite(email)) => self.invite_failed(now, email, InviteFailure::Refused(code)),
            Some(Request::Message(sent)) => self.fail(sent.handle, SendFailure::Refused(code)),
            None => {}
        }
        Ok(())
    }

    fn invite_failed(&mut self, now: Instant, email: Email, failure: InviteFailure) {
        self.invites.fail(&email, failure.clone());
        self.events.push_back(CallEvent::InviteFailed { email, failure });
        self.check_gathered(now);
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
        while let Some(request) = self.requests.take_overdue(now) {
            match request {
                Request::Enter => return Err(SessionError::TimedOut("the sign-in to the conversation")),
                Request::Invite(email) => self.invite_failed(now, email, InviteFailure::NoAnswer),
                Request::Message(sent) => self.fail(sent.handle, SendFailure::Unconfirmed),
            }
        }
        for handle in self.requests.take_late(now) {
            self.events.push_back(CallEvent::Overdue(handle));
        }
        while let Some(email) = self.invites.take_overdue(now) {
            self.invite_failed(now, email, InviteFailure::NoAnswer);
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
        [self.requests.next_timeout(), self.invites.next_timeout()].into_iter().flatten().min()
    }
}
