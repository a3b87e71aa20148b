//! The notification session: signed in, with lists and presence, until it ends (§3 to §5).
//!
//! Knows which part each command belongs to: lists, changes, the own presence, pings, notices. Leaves to its caller:
//! tickets, opening switchboards, and what to show. Refuses to know what a part keeps.

mod book;
mod change;
mod channel;
mod event;
mod keepalive;
mod lists;
mod notices;
mod presence;
mod requests;
mod sign_in;

use std::time::Instant;

use super::login::{Identity, Login, Output};
use super::roster::Roster;
use super::{Machine, SessionError};
use crate::msn::challenge::Product;
use crate::msn::command::{ClientCommand, ErrorCode, ServerCommand, Status};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Capabilities, TrId};
use crate::msn::message::PersonalMessage;
use crate::msn::wire::UrlText;
pub use change::{Change, ChangeFailure, ChangeHandle};
use change::{Changes, new_group_id};
use channel::{Channel, Request};
pub use event::NotificationEvent;
use event::NotificationEvent as Event;
use keepalive::KeepAlive;
use lists::Lists;
use presence::OwnPresence;

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
    channel: Channel,
    state: State,
    /// When a ticket must be there.
    ticket_by: Option<Instant>,
    /// When the contact list must be there, where it is read over SOAP.
    book_by: Option<Instant>,
    lists: Lists,
    changes: Changes,
    presence: OwnPresence,
    keep_alive: KeepAlive,
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
        let mut channel = Channel::new(dialect);
        let mut number = || channel.pending.expect(now, Request::Login);
        let login = Login::start(&identity, Output { wire: &mut channel.wire, number: &mut number });
        Self {
            lists: Lists::new(identity.email.clone(), start.roster),
            changes: Changes::new(identity.email.clone()),
            identity,
            product: start.product,
            channel,
            state: State::SigningIn(login),
            ticket_by: None,
            book_by: None,
            presence: OwnPresence {
                status: start.status,
                capabilities: start.capabilities,
                object: start.object,
                personal: start.personal,
                is_announced: false,
            },
            keep_alive: KeepAlive::new(start.pings),
        }
    }

    /// The lists as they are known now: whole once `Loaded` was told.
    pub fn roster(&self) -> &Roster {
        &self.lists.roster
    }

    /// The dialect that both sides agreed on (§2.2).
    pub fn dialect(&self) -> Dialect {
        self.channel.dialect()
    }

    /// The own display name.
    pub fn name(&self) -> &str {
        &self.lists.name
    }

    pub fn status(&self) -> Status {
        self.presence.status
    }

    /// Whether `USR OK` has come: nothing but the sign-in is possible before.
    pub fn is_signed_in(&self) -> bool {
        matches!(self.state, State::SignedIn)
    }

    fn handle_command(&mut self, now: Instant, command: ServerCommand) -> Result<(), SessionError> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::SigningIn(login) => self.handle_login(now, login, command),
            State::SignedIn => {
                self.state = State::SignedIn;
                self.handle_traffic(now, command)
            }
            State::Ended => Ok(()),
        }
    }

    fn handle_traffic(&mut self, now: Instant, command: ServerCommand) -> Result<(), SessionError> {
        let Self { channel, keep_alive, .. } = self;
        match command {
            ServerCommand::Failed { code, trid } => self.failed(now, code, trid)?,
            ServerCommand::Out { reason } => return Err(SessionError::SignedOut(reason)),
            ServerCommand::Chl { challenge } => self.answer_challenge(now, &challenge),
            ServerCommand::Qng { seconds } => keep_alive.answered(now, seconds),
            ServerCommand::Qry { trid } | ServerCommand::Uux { trid } => {
                channel.pending.take(trid);
            }
            ServerCommand::Chg { trid, status, .. } => {
                channel.pending.take(trid);
                channel.emit(Event::StatusConfirmed(status));
            }
            ServerCommand::Msg { payload, .. } => channel.events.extend(notices::message(&payload)),
            ServerCommand::Not { data } => channel.events.extend(notices::alert(&data)),
            ServerCommand::Ipg { data } => channel.events.extend(notices::page(&data)),
            ServerCommand::XfrSwitchboard { trid, board, cookie } => {
                channel.pending.take(trid);
                channel.emit(Event::SwitchboardReady { request: trid, board, cookie });
            }
            ServerCommand::XfrNotification { server, .. } => channel.emit(Event::Redirected(server)),
            ServerCommand::Rng { session, board, cookie, email, name } => {
                let name = name.decode();
                channel.emit(Event::Rung { session, board, cookie, email, name });
            }
            ServerCommand::Adl { trid, data } => self.handle_listing(trid, data.as_deref(), true),
            ServerCommand::Rml { trid, data } => self.handle_listing(trid, data.as_deref(), false),
            other => self.handle_lists(now, other),
        }
        Ok(())
    }

    /// Applies a command about the lists; where it is the reply to a step of a change, the next step follows.
    fn handle_lists(&mut self, now: Instant, command: ServerCommand) {
        if let ServerCommand::Syn { trid, .. } = &command {
            self.channel.pending.take(*trid);
        }
        let is_step = change_reply(&command).is_some_and(|trid| self.channel.take_step(trid));
        let id = match &command {
            ServerCommand::Group { verb, rest, .. } if verb.as_str() == "ADG" => {
                new_group_id(rest, self.dialect().has_guids())
            }
            _ => None,
        };
        self.lists.handle(now, command, is_step, &mut self.channel);
        if is_step {
            self.changes.step_done(now, id, &mut self.lists, &mut self.channel);
        }
        self.check_loaded(now);
    }

    fn count_skipped(&mut self, now: Instant) {
        for verb in self.channel.wire.take_skipped() {
            self.lists.count_unreadable(now, verb.as_str());
            self.check_loaded(now);
        }
    }

    fn check_loaded(&mut self, now: Instant) {
        if self.lists.sync.take_complete() {
            self.lists_ready(now);
        }
    }

    /// The lists are there, as far as they come: the session announces itself.
    fn lists_ready(&mut self, now: Instant) {
        self.lists.report_loaded(&mut self.channel);
        self.presence.announce(now, &mut self.channel);
    }

    fn failed(&mut self, now: Instant, code: ErrorCode, trid: TrId) -> Result<(), SessionError> {
        let Self { channel, lists, changes, .. } = self;
        match channel.pending.take(trid) {
            None => {
                // A server that means the session closes it.
                tracing::info!(%code, trid = trid.0, "the server refused what nobody asked for");
                return Ok(());
            }
            Some(Request::Switchboard) => channel.emit(Event::SwitchboardRefused { request: trid, code }),
            Some(Request::Change) => changes.step_failed(now, code, lists, channel),
            Some(Request::Asked(what)) => channel.emit(Event::RequestRefused { what, code }),
            Some(Request::Sync) => return Err(SessionError::Refused(code)),
            Some(Request::Quiet(what)) => tracing::info!(what, %code, "the server refused a request"),
            Some(Request::Login) => {}
        }
        if code.ends_session() && code != ErrorCode::HIDDEN {
            return Err(SessionError::Refused(code));
        }
        Ok(())
    }

    fn answer_challenge(&mut self, now: Instant, challenge: &str) {
        let dialect = self.dialect();
        let id = if dialect.has_long_challenge() { "PROD0090YUAUV{2B" } else { "PROD0038W!61ZTF9" };
        let product = self.product.clone().or_else(|| Product::published(id, dialect));
        let Some(product) = product else { return };
        let answer = product.answer(challenge, dialect).into_bytes().into();
        // Servers exist that never confirm, so nobody waits for it; a wrong answer closes the session (540).
        let command = |trid| ClientCommand::Qry { trid, product: product.id, answer };
        self.channel.request(now, Request::Quiet("QRY"), command);
    }

    fn handle_overdue(&mut self, now: Instant, request: &Request) -> Result<(), SessionError> {
        match request {
            Request::Login => {
                let State::SigningIn(login) = &self.state else { return Ok(()) };
                Err(SessionError::TimedOut(login.expected()))
            }
            // Lines of the lists can come without an answer, and are worth waiting for.
            Request::Sync if self.lists.sync.has_begun() => Ok(()),
            Request::Sync => Err(SessionError::TimedOut("SYN")),
            Request::Change => {
                self.changes.step_unanswered(now, &mut self.lists, &mut self.channel);
                Ok(())
            }
            // Some servers never answer what they do not implement; a board is given up by its caller's own time-out.
            Request::Switchboard | Request::Asked(_) | Request::Quiet(_) => Ok(()),
        }
    }
}

/// The number of a reply that can answer a step of a change.
fn change_reply(command: &ServerCommand) -> Option<TrId> {
    match command {
        ServerCommand::Prp { trid, .. }
        | ServerCommand::Gtc { trid, .. }
        | ServerCommand::Blp { trid, .. } => *trid,
        ServerCommand::Rea { trid, .. }
        | ServerCommand::Sbp { trid, .. }
        | ServerCommand::Group { trid, .. }
        | ServerCommand::Add { trid, .. }
        | ServerCommand::Adc { trid, .. }
        | ServerCommand::Rem { trid, .. } => Some(*trid),
        _ => None,
    }
}

impl Machine for NotificationSession {
    type Event = NotificationEvent;

    fn handle_input(&mut self, now: Instant, bytes: &[u8]) -> Result<(), SessionError> {
        self.channel.wire.push(bytes);
        loop {
            let command = self.channel.wire.next_command()?;
            self.count_skipped(now);
            let Some(command) = command else { break };
            self.handle_command(now, command)?;
        }
        self.lists.report_groups(&mut self.channel);
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        while let Some(request) = self.channel.pending.take_overdue(now) {
            self.handle_overdue(now, &request)?;
        }
        if self.ticket_by.is_some_and(|deadline| deadline <= now) {
            return Err(SessionError::TimedOut("the question for a ticket"));
        }
        if self.book_by.is_some_and(|deadline| deadline <= now) {
            return Err(SessionError::TimedOut("the question for the contact list"));
        }
        if self.lists.sync.take_given_up(now) {
            self.lists_ready(now);
        }
        if self.keep_alive.take_due(now)? {
            self.channel.wire.send(&ClientCommand::Png);
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.channel.wire.poll_output()
    }

    fn poll_event(&mut self) -> Option<NotificationEvent> {
        self.channel.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [
            self.channel.pending.deadline(),
            self.keep_alive.deadline(),
            self.ticket_by,
            self.book_by,
            self.lists.sync.deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }
}
