//! Everything the service knows, and the rules: commands in, effects out. One owner, no locks, no I/O, no clock.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::account::{Account, AccountLine};
use super::board::Board;
use super::effect::Effect;
use super::ids::{BoardId, ConnId, Door};
use super::rules::{HANDSHAKE, Rules};
use crate::msn::command::{ClientCommand, ErrorCode, ServerCommand, SignOut};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, HostPort, TrId};
use crate::msn::wire::DecodeError;

/// Where a connection stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    /// Before `VER`.
    New,
    Versioned,
    Described,
    /// A policy was sent; the ticket is awaited.
    Named(Email),
    SignedIn(Email),
    InBoard(Email, BoardId),
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) door: Door,
    pub(super) dialect: Dialect,
    pub(super) stage: Stage,
    pub(super) since: Instant,
    pub(super) peer: Option<std::net::SocketAddr>,
    pub(super) synced: bool,
    /// The challenge whose answer is awaited.
    pub(super) challenge: Option<String>,
}

/// What a cookie opens.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) email: Email,
    /// `None`: a new board.
    pub(super) board: Option<BoardId>,
    pub(super) until: Instant,
}

/// A ticket, and whose it is.
#[derive(Debug)]
pub(super) struct HeldTicket {
    pub(super) text: String,
    pub(super) owner: Email,
    pub(super) until: Instant,
    /// What whoever leaves words with it is to answer.
    pub(super) challenge: Option<String>,
}

pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) notification: HostPort,
    /// Where the dispatch server sends people, if not to our own notification server.
    pub(super) dispatch_to: Option<HostPort>,
    pub(super) switchboard: HostPort,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) connections: HashMap<ConnId, Connection>,
    pub(super) boards: BTreeMap<BoardId, Board>,
    pub(super) passes: HashMap<String, Pass>,
    /// By the part of them that counts.
    pub(super) tickets: HashMap<String, HeldTicket>,
    pub(super) effects: Vec<Effect>,
    pub(super) next: u64,
    random: StdRng,
}

impl World {
    pub(super) fn new(
        rules: Rules,
        accounts: Vec<AccountLine>,
        notification: HostPort,
        switchboard: HostPort,
        seed: u64,
    ) -> Self {
        let accounts = accounts.into_iter().map(|line| (line.email.to_key(), Account::new(line))).collect();
        Self {
            rules,
            notification,
            dispatch_to: None,
            switchboard,
            accounts,
            connections: HashMap::new(),
            boards: BTreeMap::new(),
            passes: HashMap::new(),
            tickets: HashMap::new(),
            effects: Vec::new(),
            next: 1,
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// Puts everybody and the robots on each other's lists: company without an introduction.
    pub(super) fn befriend(&mut self, robots: &[Email]) {
        let everybody: Vec<Email> = self.accounts.values().map(|account| account.email.clone()).collect();
        for (robot, other) in robots.iter().flat_map(|r| everybody.iter().map(move |e| (r, e))) {
            if robot != other {
                self.list_mutually(robot, other);
                self.list_mutually(other, robot);
            }
        }
    }

    /// Random lower-case hexadecimal digits.
    pub(super) fn random_hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from_digit(self.random.random_range(0..16), 16).unwrap_or('0')).collect()
    }

    pub(super) fn random_guid(&mut self) -> String {
        [8, 4, 4, 4, 12].map(|digits| self.random_hex(digits)).join("-")
    }

    pub(super) fn random_digits(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from_digit(self.random.random_range(0..10), 10).unwrap_or('0')).collect()
    }

    pub(super) fn connected(
        &mut self,
        now: Instant,
        door: Door,
        peer: Option<std::net::SocketAddr>,
    ) -> ConnId {
        let id = ConnId(self.next);
        self.next += 1;
        let connection = Connection {
            door,
            dialect: Dialect::Msnp8,
            stage: Stage::New,
            since: now,
            peer,
            synced: false,
            challenge: None,
        };
        self.connections.insert(id, connection);
        id
    }

    /// The connection is gone, by whoever's doing.
    pub(super) fn disconnected(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.remove(&conn) else { return };
        match connection.stage {
            Stage::SignedIn(email) => self.session_ended(conn, &email),
            Stage::InBoard(email, board) => self.left_board(conn, board, &email, false),
            _ => {}
        }
    }

    /// A decoded command, or one that could not be.
    pub(super) fn command(
        &mut self,
        now: Instant,
        conn: ConnId,
        command: Result<ClientCommand, DecodeError>,
    ) {
        let Some(door) = self.connections.get(&conn).map(|c| c.door) else { return };
        match (command, door) {
            (Ok(command), Door::Switchboard) => self.switchboard_command(now, conn, command),
            (Ok(command), _) => self.notification_command(now, conn, command),
            (Err(error), Door::Switchboard) => self.malformed_in_call(conn, &error),
            (Err(error), _) => self.malformed(conn, &error),
        }
    }

    fn malformed(&mut self, conn: ConnId, error: &DecodeError) {
        let signed_in = matches!(self.stage(conn), Some(Stage::SignedIn(_)));
        match error.trid {
            Some(trid) if signed_in => self.fail(conn, trid, ErrorCode::INVALID_PARAMETER),
            _ => self.close(conn),
        }
    }

    fn malformed_in_call(&mut self, conn: ConnId, error: &DecodeError) {
        match (error.verb.as_str(), error.trid) {
            // A bad account in CAL has a number of its own; anything else in a call closes it (§6.3, §6.4).
            ("CAL", Some(trid)) => self.fail(conn, trid, ErrorCode::INVALID_ACCOUNT),
            _ => self.close(conn),
        }
    }

    pub(super) fn stage(&self, conn: ConnId) -> Option<&Stage> {
        self.connections.get(&conn).map(|c| &c.stage)
    }

    pub(super) fn dialect(&self, conn: ConnId) -> Dialect {
        self.connections.get(&conn).map_or(Dialect::Msnp8, |c| c.dialect)
    }

    pub(super) fn account(&self, email: &Email) -> Option<&Account> {
        self.accounts.get(&email.to_key())
    }

    pub(super) fn account_mut(&mut self, email: &Email) -> Option<&mut Account> {
        self.accounts.get_mut(&email.to_key())
    }

    pub(super) fn send(&mut self, conn: ConnId, command: ServerCommand) {
        let dialect = self.dialect(conn);
        self.effects.push(Effect::Send(conn, dialect, command));
    }

    pub(super) fn fail(&mut self, conn: ConnId, trid: TrId, code: ErrorCode) {
        self.send(conn, ServerCommand::Failed { code, trid });
    }

    /// Closes a connection after what was already sent to it.
    pub(super) fn close(&mut self, conn: ConnId) {
        self.effects.push(Effect::Close(conn));
        self.disconnected(conn);
    }

    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// What only time does: connections that never signed in, cookies, tickets, idle calls.
    pub(super) fn tick(&mut self, now: Instant) {
        let late = |c: &Connection| !matches!(c.stage, Stage::SignedIn(_) | Stage::InBoard(..));
        let overdue = |c: &Connection| late(c) && now.saturating_duration_since(c.since) >= HANDSHAKE;
        let late: Vec<ConnId> =
            self.connections.iter().filter(|(_, c)| overdue(c)).map(|(id, _)| *id).collect();
        late.into_iter().for_each(|conn| self.close(conn));
        self.passes.retain(|_, pass| pass.until > now);
        self.tickets.retain(|_, ticket| ticket.until > now);
        self.drop_idle_calls(now);
    }

    /// Tells every session that the service goes down.
    pub(super) fn shut_down(&mut self) {
        let all: Vec<(ConnId, Door)> = self.connections.iter().map(|(id, c)| (*id, c.door)).collect();
        for (conn, door) in all {
            if door == Door::Notification {
                self.send(conn, ServerCommand::Out { reason: SignOut::ShuttingDown });
            }
            self.effects.push(Effect::Close(conn));
        }
    }

    /// Passport's part: a ticket for an account and its password.
    pub(super) fn issue_ticket(&mut self, now: Instant, sign_in: &str, password: &str) -> Option<String> {
        let email = Email::parse(sign_in).ok()?;
        let account = self.account(&email).filter(|account| account.password_matches(password))?;
        let email = account.email.clone();
        let key = self.random_hex(32);
        let text = format!("t={key}&p={}", self.random_hex(16));
        let held = HeldTicket {
            text: text.clone(),
            owner: email,
            until: now + super::rules::TICKET_LIFE,
            challenge: None,
        };
        self.tickets.insert(key, held);
        Some(text)
    }
}
