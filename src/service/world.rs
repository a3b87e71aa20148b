//! The service without sockets and clock: its parts, and which of them a command concerns. One owner, no locks, no I/O.
//!
//! Wires the directory, presence, switchboards, tickets and mailboxes to the connections. Refuses to know their rules, each
//! of which its part keeps.

use std::net::SocketAddr;
use std::time::Instant;

use super::book::{self, ShownBook};
use super::call::CallHandler;
use super::connections::{Connection, Connections, Stage};
use super::directory::{AccountLine, Directory};
use super::effect::Effect;
use super::ids::{BoardId, ConnId, Door};
use super::mailbox::Mailboxes;
use super::notifier::Notifier;
use super::presence::PresenceTable;
use super::random::Random;
use super::refusal::Refusal;
use super::roster::RosterHandler;
use super::rules::Rules;
use super::switchboards::Switchboards;
use super::tickets::{Issued, Tickets};
use crate::msn::command::{ClientCommand, ErrorCode};
use crate::msn::ids::{Email, HostPort, TrId};
use crate::msn::wire::DecodeError;

/// Where clients are told to go.
#[derive(Debug, Clone)]
pub(super) struct Servers {
    /// Where the dispatch server sends people (§2.5).
    pub(super) notification: HostPort,
    /// Where calls are held (§6.1).
    pub(super) switchboard: HostPort,
}

/// Every part of the service.
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) servers: Servers,
    pub(super) directory: Directory,
    pub(super) presence: PresenceTable,
    pub(super) switchboards: Switchboards,
    pub(super) tickets: Tickets,
    pub(super) mailboxes: Mailboxes,
    pub(super) connections: Connections,
    pub(super) random: Random,
}

impl World {
    /// A service with nobody signed in. The same seed gives the same tickets, cookies and GUIDs.
    pub(super) fn new(rules: Rules, accounts: Vec<AccountLine>, servers: Servers, seed: u64) -> Self {
        Self {
            rules,
            servers,
            directory: Directory::new(accounts),
            presence: PresenceTable::default(),
            switchboards: Switchboards::default(),
            tickets: Tickets::default(),
            mailboxes: Mailboxes::default(),
            connections: Connections::default(),
            random: Random::seeded(seed),
        }
    }

    /// Puts everybody and the robots on each other's lists.
    pub(super) fn befriend(&mut self, robots: &[Email]) {
        self.directory.befriend(robots, &mut self.random);
    }

    /// Takes in a connection to one of the servers; a robot has no address.
    pub(super) fn connected(&mut self, now: Instant, door: Door, peer: Option<SocketAddr>) -> ConnId {
        self.connections.open(now, door, peer)
    }

    /// The connection is gone, by whoever's doing: its session or its part in a call ends.
    pub(super) fn disconnected(&mut self, conn: ConnId) {
        let Some(Connection { stage, .. }) = self.connections.remove(conn) else { return };
        match stage {
            Stage::SignedIn(email) if self.presence.end(&email, conn) => {
                self.notifier().tell_contacts(&email);
            }
            Stage::InBoard(email, board) => self.left_board(conn, board, &email, false),
            _ => {}
        }
    }

    /// Takes somebody out of a call, and tells those who are left.
    fn left_board(&mut self, conn: ConnId, id: BoardId, email: &Email, idle: bool) {
        let left = self.switchboards.leave(id, conn);
        left.iter().for_each(|member| self.connections.send(member.conn, CallHandler::bye(email, idle)));
    }

    /// A decoded command, or one that could not be.
    pub(super) fn command(
        &mut self,
        now: Instant,
        conn: ConnId,
        command: Result<ClientCommand, DecodeError>,
    ) {
        let Some(door) = self.connections.get(conn).map(|connection| connection.door) else { return };
        let done = match (command, door) {
            (Ok(command), Door::Switchboard) => self.call(now, conn).handle(command),
            (Ok(command), _) => self.notification_command(now, conn, command),
            (Err(error), Door::Switchboard) => Err(malformed_in_call(&error)),
            (Err(error), _) => Err(self.malformed(conn, &error)),
        };
        match done {
            Ok(()) => {}
            Err(Refusal::Error(trid, code)) => self.connections.fail(conn, trid, code),
            Err(Refusal::Fatal(trid, code)) => {
                self.connections.fail(conn, trid, code);
                self.close(conn);
            }
            Err(Refusal::Close) => self.close(conn),
        }
    }

    /// A line that is no command is 201 to a session; whoever has not signed in is not answered.
    fn malformed(&self, conn: ConnId, error: &DecodeError) -> Refusal {
        let signed_in = matches!(self.connections.stage(conn), Some(Stage::SignedIn(_)));
        match error.trid {
            Some(trid) if signed_in => Refusal::Error(trid, ErrorCode::INVALID_PARAMETER),
            _ => Refusal::Close,
        }
    }

    /// What a switchboard's connection says.
    fn call(&mut self, now: Instant, conn: ConnId) -> CallHandler<'_> {
        CallHandler {
            now,
            conn,
            server: &self.servers.switchboard,
            switchboards: &mut self.switchboards,
            directory: &self.directory,
            presence: &self.presence,
            connections: &mut self.connections,
            random: &mut self.random,
        }
    }

    /// What a session says about its lists.
    pub(super) fn roster(&mut self, conn: ConnId, trid: TrId, owner: Email) -> RosterHandler<'_> {
        RosterHandler {
            conn,
            trid,
            owner,
            dialect: self.connections.dialect(conn),
            directory: &mut self.directory,
            presence: &self.presence,
            connections: &mut self.connections,
            random: &mut self.random,
        }
    }

    /// Who is told of a change of presence.
    pub(super) fn notifier(&mut self) -> Notifier<'_> {
        Notifier { directory: &self.directory, presence: &self.presence, connections: &mut self.connections }
    }

    /// Closes a connection after what was already sent to it.
    pub(super) fn close(&mut self, conn: ConnId) {
        self.connections.push(Effect::Close(conn));
        self.disconnected(conn);
    }

    /// Every effect since this was asked last, in order.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        self.connections.take_effects()
    }

    /// What only time does: connections that never signed in, cookies, tickets, idle calls.
    pub(super) fn tick(&mut self, now: Instant) {
        self.connections.overdue(now).into_iter().for_each(|conn| self.close(conn));
        self.switchboards.expire(now);
        self.tickets.expire(now);
        for (board, member) in self.switchboards.idle(now, self.rules.idle_call) {
            self.connections.remove(member.conn);
            self.left_board(member.conn, board, &member.email, true);
            self.connections.push(Effect::Close(member.conn));
        }
    }

    /// Tells every session that the service goes down.
    pub(super) fn shut_down(&mut self) {
        self.connections.shut_down();
    }

    /// The contact list of whoever holds this ticket; `None` for a ticket that is nobody's.
    pub(super) fn show_book(&self, ticket: &str) -> Option<ShownBook> {
        book::show(&self.directory, &self.tickets, ticket)
    }

    /// Passport's part: a ticket for an account and its password.
    pub(super) fn issue_ticket(&mut self, now: Instant, sign_in: &str, password: &str) -> Option<Issued> {
        let owner = self.directory.authenticate(sign_in, password)?;
        Some(self.tickets.issue(now, owner, &mut self.random))
    }
}

fn malformed_in_call(error: &DecodeError) -> Refusal {
    match (error.verb.as_str(), error.trid) {
        // A bad account in CAL has a number of its own; anything else in a call closes it (§6.3, §6.4).
        ("CAL", Some(trid)) => Refusal::Error(trid, ErrorCode::INVALID_ACCOUNT),
        _ => Refusal::Close,
    }
}
