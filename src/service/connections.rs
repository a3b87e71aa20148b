//! Connections, and what they are to be sent: the delivery, apart from the rules that decide about it.
//!
//! Knows where each connection stands (§2, §6) and queues effects in order. Refuses to know accounts, lists and calls.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::effect::Effect;
use super::ids::{BoardId, ConnId, Door};
use super::rules::HANDSHAKE;
use crate::msn::command::{ErrorCode, ServerCommand, SignOut};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, TrId};

/// Where a connection stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    /// Before `VER`, or before `USR` or `ANS` on a switchboard.
    New,
    /// The dialect is agreed on.
    Versioned,
    /// `CVR` has come.
    Described,
    /// A policy was sent; the ticket is awaited.
    Named(Email),
    /// A policy and this nonce were sent; the ticket is awaited with a proof for it (§18.4).
    Challenged(Email, String),
    /// A session of this account (§2.7).
    SignedIn(Email),
    /// Part of a call, as this account (§6).
    InBoard(Email, BoardId),
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// The server that it reached.
    pub(super) door: Door,
    /// MSNP8 until something else is agreed on.
    pub(super) dialect: Dialect,
    pub(super) stage: Stage,
    /// When it came; see [`HANDSHAKE`].
    since: Instant,
    /// Its client's address; a robot has none, and one behind the gateway has port 0.
    pub(super) peer: Option<SocketAddr>,
    /// Whether `SYN` has been answered.
    pub(super) synced: bool,
    /// The 20 digits of a `CHL` whose answer is awaited (§4.6).
    pub(super) challenge: Option<String>,
}

/// Every connection, and the effects that were not taken yet.
#[derive(Debug, Default)]
pub(super) struct Connections {
    table: HashMap<ConnId, Connection>,
    effects: Vec<Effect>,
    last: u64,
}

impl Connections {
    /// The next number, counted from 1: connections and switchboards are numbered in one row.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Takes in a new connection.
    pub(super) fn open(&mut self, now: Instant, door: Door, peer: Option<SocketAddr>) -> ConnId {
        let id = ConnId(self.number());
        let connection = Connection {
            door,
            dialect: Dialect::Msnp8,
            stage: Stage::New,
            since: now,
            peer,
            synced: false,
            challenge: None,
        };
        self.table.insert(id, connection);
        id
    }

    /// Forgets a connection, and gives where it stood to whoever ends what it took part in.
    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Connection> {
        self.table.remove(&conn)
    }

    /// `None` once it is closed.
    pub(super) fn get(&self, conn: ConnId) -> Option<&Connection> {
        self.table.get(&conn)
    }

    /// `None` once it is closed.
    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        self.table.get_mut(&conn)
    }

    /// Where it stands; `None` once it is closed.
    pub(super) fn stage(&self, conn: ConnId) -> Option<&Stage> {
        self.get(conn).map(|connection| &connection.stage)
    }

    /// What it speaks; MSNP8 where nothing is known of it.
    pub(super) fn dialect(&self, conn: ConnId) -> Dialect {
        self.get(conn).map_or(Dialect::Msnp8, |connection| connection.dialect)
    }

    /// Sends one command, in the connection's dialect.
    pub(super) fn send(&mut self, conn: ConnId, command: ServerCommand) {
        let dialect = self.dialect(conn);
        self.effects.push(Effect::Send(conn, dialect, command));
    }

    /// Sends an error line with the number of its request (§1.6).
    pub(super) fn fail(&mut self, conn: ConnId, trid: TrId, code: ErrorCode) {
        self.send(conn, ServerCommand::Failed { code, trid });
    }

    /// Queues an effect behind the others.
    pub(super) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Every effect since this was asked last, in order.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Connections that have not signed in nor entered a call in time.
    pub(super) fn overdue(&self, now: Instant) -> Vec<ConnId> {
        let late = |c: &Connection| !matches!(c.stage, Stage::SignedIn(_) | Stage::InBoard(..));
        let overdue = |c: &Connection| late(c) && now.saturating_duration_since(c.since) >= HANDSHAKE;
        self.table.iter().filter(|(_, c)| overdue(c)).map(|(id, _)| *id).collect()
    }

    /// Tells every session that the server goes down (§5.2), and closes every connection.
    pub(super) fn shut_down(&mut self) {
        let all: Vec<(ConnId, Door)> = self.table.iter().map(|(id, c)| (*id, c.door)).collect();
        for (conn, door) in all {
            if door == Door::Notification {
                self.send(conn, ServerCommand::Out { reason: SignOut::ShuttingDown });
            }
            self.push(Effect::Close(conn));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connections_that_have_not_signed_in_are_overdue() {
        let (now, mut connections) = (Instant::now(), Connections::default());
        let [new, session] = [(); 2].map(|()| connections.open(now, Door::Notification, None));
        let email = Email::parse("a@b.c").unwrap();
        connections.get_mut(session).unwrap().stage = Stage::SignedIn(email);
        assert_eq!(connections.overdue(now), []);
        assert_eq!(connections.overdue(now + HANDSHAKE), [new]);
    }

    #[test]
    fn sessions_are_told_of_the_end_and_calls_are_only_closed() {
        let (now, mut connections) = (Instant::now(), Connections::default());
        let session = connections.open(now, Door::Notification, None);
        connections.shut_down();
        let told = connections.take_effects();
        assert!(
            matches!(told[..], [Effect::Send(to, _, ServerCommand::Out { .. }), Effect::Close(end)] if to == session && end == session)
        );
        let call = connections.open(now, Door::Switchboard, None);
        connections.remove(session);
        connections.shut_down();
        assert!(matches!(connections.take_effects()[..], [Effect::Close(end)] if end == call));
    }
}
