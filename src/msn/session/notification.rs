//! The notification session: signed in, with lists and presence, until it ends (§3 to §5).
//!
//! Knows what a signed-in client must do by itself: synchronise, announce itself, answer challenges, ping. Leaves to
//! its caller: tickets, opening switchboards, and what to show.

mod changes;
mod requests;
mod traffic;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::login::{Identity, Login, Output, Step};
use super::pending::Pending;
use super::roster::{Contact, Roster};
use super::sync::{RosterGap, Sync};
use super::wire::ClientWire;
use super::{Machine, SessionError};
use crate::msn::challenge::Product;
use crate::msn::command::{ClientCommand, Context, ErrorCode, Link, ServerCommand, Status};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Capabilities, Cookie, Email, HostPort, SessionId, Ticket, TrId};
use crate::msn::message::PersonalMessage;
use crate::msn::oim::MailData;
use crate::msn::wire::UrlText;
pub use changes::{Change, ChangeFailure, ChangeHandle};

/// The first ping comes after this; `QNG` names the next interval (§5.1).
const PING_INTERVAL: Duration = Duration::from_secs(45);

/// A server that does not answer a ping for so long is deaf, whatever interval it named.
const PONG_TIMEOUT: Duration = Duration::from_secs(45);
/// How long the caller may take to bring a ticket: the sign-in pages have time-outs of their own below this.
const TICKET_TIMEOUT: Duration = Duration::from_secs(90);

/// What happened on the notification session.
#[derive(Debug, Clone, PartialEq)]
pub enum NotificationEvent {
    /// Reconnect there and sign in again from the start.
    Redirected(HostPort),
    /// Fetch a ticket with this policy and call [`NotificationSession::provide_ticket`].
    TicketWanted {
        policy: String,
    },
    SignedIn {
        dialect: Dialect,
    },
    /// The server sees us under this address.
    AddressLearned(IpAddr),
    /// The own display name as the server has it.
    NameLearned(String),
    /// The lists are complete, or what is missing is not waited for; read them with [`NotificationSession::roster`].
    RosterLoaded,
    /// They are not what the server announced.
    RosterIncomplete(RosterGap),
    /// A contact is online, changed, or went offline.
    PresenceChanged(Box<Contact>),
    /// A contact is called otherwise now: in our list, or by themselves.
    Named {
        email: Email,
        name: String,
    },
    /// The own status as the server confirmed it.
    StatusConfirmed(Status),
    /// Groups of contacts, or who is in them, are not what they were; read them with [`NotificationSession::roster`].
    GroupsChanged,
    /// Somebody put us on their list. `asks`: they wait for an answer, from now or from before we signed in.
    AddedBy {
        email: Email,
        name: String,
        asks: bool,
    },
    /// A contact is none any longer.
    Unlisted {
        email: Email,
    },
    /// What became of a change asked for by [`NotificationSession::change`].
    ChangeDone {
        handle: ChangeHandle,
        result: Result<(), ChangeFailure>,
    },
    RemovedBy {
        email: Email,
    },
    /// A call comes in: connect to the board and answer.
    Rung {
        session: SessionId,
        board: HostPort,
        cookie: Cookie,
        email: Email,
        name: String,
    },
    /// The switchboard asked for by [`NotificationSession::request_switchboard`].
    SwitchboardReady {
        request: TrId,
        board: HostPort,
        cookie: Cookie,
    },
    SwitchboardRefused {
        request: TrId,
        code: ErrorCode,
    },
    /// The server announced maintenance.
    GoingDown {
        minutes: u32,
    },
    Mail {
        from: String,
        subject: String,
    },
    UnreadMail {
        unread: u32,
        elsewhere: u32,
    },
    /// Offline messages wait to be fetched.
    OfflineMessages(MailData),
    /// An alert: calendar, news.
    Alert {
        text: String,
    },
    /// A page from somebody's phone.
    Paged {
        from: String,
        text: String,
    },
    /// A request that a person made was refused.
    RequestRefused {
        what: String,
        code: ErrorCode,
    },
}

/// What a pending request was.
#[derive(Debug)]
enum Request {
    Login,
    Sync,
    Switchboard,
    /// The step of a change that is under way.
    Change,
    /// Something a person asked for, in words for them.
    Asked(String),
    /// Something the session did by itself; a refusal is only logged.
    Quiet(&'static str),
}

#[derive(Debug)]
enum State {
    SigningIn(Login),
    SignedIn,
    Ended,
}

/// A client's connection to the notification server.
#[derive(Debug)]
pub struct NotificationSession {
    identity: Identity,
    product: Option<Product>,
    wire: ClientWire,
    pending: Pending<Request>,
    changes: changes::Changes,
    state: State,
    roster: Roster,
    sync: Sync,
    /// When a ticket must be there.
    ticket_by: Option<Instant>,
    name: String,
    status: Status,
    object: Option<UrlText>,
    capabilities: Capabilities,
    personal: PersonalMessage,
    announced: bool,
    events: VecDeque<NotificationEvent>,
    next_ping: Option<Instant>,
    /// When the answer to a ping is overdue.
    pong_by: Option<Instant>,
    interval: Duration,
    pings: bool,
}

/// What a session starts with besides its identity.
#[derive(Debug, Clone)]
pub struct Start {
    /// Overrides the published product for the agreed dialect.
    pub product: Option<Product>,
    pub status: Status,
    pub capabilities: Capabilities,
    pub personal: PersonalMessage,
    /// The picture that is announced, in the wire form of its object.
    pub object: Option<UrlText>,
    /// A copy of the lists from an earlier session, empty for none.
    pub roster: Roster,
    /// Whether the session keeps itself alive; over HTTP it must not (§10).
    pub pings: bool,
}

impl NotificationSession {
    pub fn new(now: Instant, identity: Identity, start: Start) -> Self {
        let dialect = identity.dialects.first().copied().unwrap_or(Dialect::Msnp11);
        let mut wire = ClientWire::new(Context { link: Link::Notification, dialect });
        let mut pending = Pending::new();
        let mut number = || pending.expect(now, Request::Login);
        let login = Login::start(&identity, Output { wire: &mut wire, number: &mut number });
        Self {
            name: identity.email.to_string(),
            identity,
            product: start.product,
            wire,
            pending,
            changes: changes::Changes::default(),
            state: State::SigningIn(login),
            roster: start.roster,
            sync: Sync::default(),
            ticket_by: None,
            status: start.status,
            object: start.object,
            capabilities: start.capabilities,
            personal: start.personal,
            announced: false,
            events: VecDeque::new(),
            next_ping: None,
            pong_by: None,
            interval: PING_INTERVAL,
            pings: start.pings,
        }
    }

    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    pub fn dialect(&self) -> Dialect {
        self.wire.context.dialect
    }

    /// The own display name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn status(&self) -> Status {
        self.status
    }

    pub fn is_signed_in(&self) -> bool {
        matches!(self.state, State::SignedIn)
    }

    /// Hands over the ticket asked for by [`NotificationEvent::TicketWanted`].
    pub fn provide_ticket(&mut self, now: Instant, ticket: Ticket) {
        if let State::SigningIn(Login::AwaitTicket) = self.state {
            self.ticket_by = None;
            let mut number = || self.pending.expect(now, Request::Login);
            let out = Output { wire: &mut self.wire, number: &mut number };
            self.state = State::SigningIn(Login::ticket(out, ticket));
        }
    }

    fn handle_command(&mut self, now: Instant, command: ServerCommand) -> Result<(), SessionError> {
        if let Some(trid) = login_reply(&command) {
            self.pending.take(trid);
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::SigningIn(login) => self.handle_login(now, login, command),
            State::SignedIn => {
                self.state = State::SignedIn;
                self.handle_traffic(now, command)
            }
            State::Ended => Ok(()),
        }
    }

    fn handle_login(
        &mut self,
        now: Instant,
        login: Login,
        command: ServerCommand,
    ) -> Result<(), SessionError> {
        if matches!(command, ServerCommand::Out { .. } | ServerCommand::Msg { .. }) {
            self.state = State::SigningIn(login);
            return self.handle_traffic(now, command);
        }
        let mut number = || self.pending.expect(now, Request::Login);
        let out = Output { wire: &mut self.wire, number: &mut number };
        match login.handle(command, &self.identity, out)? {
            Step::Continue(login) => self.state = State::SigningIn(login),
            Step::TicketWanted { policy } => {
                self.state = State::SigningIn(Login::AwaitTicket);
                self.ticket_by = Some(now + TICKET_TIMEOUT);
                self.events.push_back(NotificationEvent::TicketWanted { policy });
            }
            Step::Redirected(server) => self.events.push_back(NotificationEvent::Redirected(server)),
            Step::SignedIn { name } => self.signed_in(now, name),
        }
        Ok(())
    }

    fn signed_in(&mut self, now: Instant, name: Option<UrlText>) {
        self.state = State::SignedIn;
        if let Some(name) = name {
            self.learn_name(&name);
        }
        self.next_ping = self.pings.then(|| now + self.interval);
        self.events.push_back(NotificationEvent::SignedIn { dialect: self.dialect() });
        let stamp = self.roster.request_stamp(self.dialect());
        self.roster.expect();
        self.sync = Sync::begin(now);
        let trid = self.pending.expect(now, Request::Sync);
        self.wire.send(&ClientCommand::Syn { trid, stamp });
    }

    fn learn_name(&mut self, name: &UrlText) {
        self.name = name.decode();
        self.events.push_back(NotificationEvent::NameLearned(self.name.clone()));
    }

    fn handle_overdue(&mut self, now: Instant, request: &Request) -> Result<(), SessionError> {
        match request {
            Request::Login => {
                let State::SigningIn(login) = &self.state else { return Ok(()) };
                Err(SessionError::TimedOut(login.expected()))
            }
            // Lines of the lists can come without an answer, and are worth waiting for.
            Request::Sync if self.sync.has_begun() => Ok(()),
            Request::Sync => Err(SessionError::TimedOut("SYN")),
            Request::Change => {
                self.step_unanswered(now);
                Ok(())
            }
            // Some servers never answer what they do not implement; a board is given up by its caller's own time-out.
            Request::Switchboard | Request::Asked(_) | Request::Quiet(_) => Ok(()),
        }
    }
}

/// The number of a reply that only the login waits for.
fn login_reply(command: &ServerCommand) -> Option<TrId> {
    match command {
        ServerCommand::Ver { trid, .. }
        | ServerCommand::Cvr { trid, .. }
        | ServerCommand::UsrPolicy { trid, .. }
        | ServerCommand::UsrOk { trid, .. }
        | ServerCommand::XfrNotification { trid, .. } => Some(*trid),
        _ => None,
    }
}

impl Machine for NotificationSession {
    type Event = NotificationEvent;

    fn handle_input(&mut self, now: Instant, bytes: &[u8]) -> Result<(), SessionError> {
        self.wire.push(bytes);
        loop {
            let command = self.wire.next_command()?;
            self.count_skipped(now);
            let Some(command) = command else { break };
            self.handle_command(now, command)?;
        }
        if !self.sync.is_under_way() && self.roster.take_regrouped() {
            self.events.push_back(NotificationEvent::GroupsChanged);
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        while let Some(request) = self.pending.take_overdue(now) {
            self.handle_overdue(now, &request)?;
        }
        if self.ticket_by.is_some_and(|deadline| deadline <= now) {
            return Err(SessionError::TimedOut("the question for a ticket"));
        }
        if self.sync.take_given_up(now) {
            self.roster_ready(now);
        }
        if self.pong_by.is_some_and(|deadline| deadline <= now) {
            return Err(SessionError::TimedOut("PNG"));
        }
        if self.next_ping.is_some_and(|at| at <= now) {
            self.wire.send(&ClientCommand::Png);
            self.next_ping = Some(now + self.interval);
            self.pong_by.get_or_insert(now + PONG_TIMEOUT);
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.wire.poll_output()
    }

    fn poll_event(&mut self) -> Option<NotificationEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let deadlines =
            [self.pending.deadline(), self.next_ping, self.pong_by, self.ticket_by, self.sync.deadline()];
        deadlines.into_iter().flatten().min()
    }
}
