//! The switchboard's commands: entering, ringing, speaking (§6).
//!
//! Knows the lines of a call and who hears them. Who may come in and be rung, the switchboards know.

use std::time::Instant;

use bytes::Bytes;

use super::connections::{Connections, Stage};
use super::directory::{Account, Directory};
use super::effect::{Effect, answer};
use super::ids::{BoardId, ConnId};
use super::presence::PresenceTable;
use super::random::Random;
use super::refusal::Refusal;
use super::switchboards::{Member, Switchboards};
use crate::msn::command::{Acknowledge, ClientCommand, ErrorCode, ServerCommand};
use crate::msn::ids::{Cookie, Email, HostPort, SessionId, TrId};
use crate::msn::message::{Content, Envelope, MAX_PAYLOAD};
use crate::msn::wire::UrlText;

/// One command of a connection to the switchboard, and the parts that it may change.
pub(super) struct CallHandler<'w> {
    pub(super) now: Instant,
    pub(super) conn: ConnId,
    /// Where those who are rung are told to come.
    pub(super) server: &'w HostPort,
    pub(super) switchboards: &'w mut Switchboards,
    pub(super) directory: &'w Directory,
    pub(super) presence: &'w PresenceTable,
    pub(super) connections: &'w mut Connections,
    pub(super) random: &'w mut Random,
}

/// A message on its way into a call.
struct Spoken {
    trid: TrId,
    sender: Email,
    board: BoardId,
    wanted: Acknowledge,
    payload: Bytes,
}

impl CallHandler<'_> {
    /// Carries a command out; one that a call does not know is passed over.
    ///
    /// # Errors
    /// The error line of a command that the rules refuse, and the end: for `OUT`, for anybody who is not let in, and for a
    /// message of more than 1,664 bytes.
    pub(super) fn handle(&mut self, command: ClientCommand) -> Result<(), Refusal> {
        match (command, self.connections.stage(self.conn).cloned()) {
            (ClientCommand::UsrCall { trid, email, cookie }, Some(Stage::New)) => {
                self.open(trid, &email, &cookie).map_err(|code| Refusal::Fatal(trid, code))
            }
            (ClientCommand::Ans { trid, email, cookie, session }, Some(Stage::New)) => {
                self.join(trid, &email, &cookie, &session).map_err(|code| Refusal::Fatal(trid, code))
            }
            (ClientCommand::Cal { trid, email }, Some(Stage::InBoard(caller, board))) => {
                self.ring(trid, &caller, board, &email).map_err(|code| Refusal::Error(trid, code))
            }
            (
                ClientCommand::Msg { trid, acknowledge: wanted, payload },
                Some(Stage::InBoard(sender, board)),
            ) => self.relay(Spoken { trid, sender, board, wanted, payload }),
            (ClientCommand::Out, _) => Err(Refusal::Close),
            // Not signed in, and not signing in.
            (_, Some(Stage::New)) => Err(Refusal::Close),
            _ => Ok(()),
        }
    }

    fn member(&self, email: &Email) -> Member {
        Member { conn: self.conn, email: email.clone() }
    }

    /// From now on the connection is part of a call, and speaks the dialect of the account's session.
    fn seat(&mut self, email: &Email, board: BoardId) {
        let session = self.presence.session(email);
        let dialect = session.map(|session| self.connections.dialect(session));
        if let Some(connection) = self.connections.get_mut(self.conn) {
            connection.stage = Stage::InBoard(email.clone(), board);
            connection.dialect = dialect.unwrap_or(connection.dialect);
        }
    }

    /// `USR`: a call begins (§6.1).
    fn open(&mut self, trid: TrId, email: &Email, cookie: &Cookie) -> Result<(), ErrorCode> {
        let member = self.member(email);
        let Self { switchboards, connections, now, .. } = self;
        let board = switchboards.open(*now, member, cookie, || BoardId(connections.number()))?;
        self.seat(email, board);
        if let Some((email, name)) = self.directory.get(email).map(identity) {
            self.connections.send(self.conn, ServerCommand::UsrCallOk { trid, email, name });
        }
        Ok(())
    }

    /// `ANS`: somebody who was rung comes, and hears who is there (§6.2).
    fn join(
        &mut self,
        trid: TrId,
        email: &Email,
        cookie: &Cookie,
        session: &SessionId,
    ) -> Result<(), ErrorCode> {
        let member = self.member(email);
        let (board, present) = self.switchboards.join(self.now, member, cookie, session)?;
        self.seat(email, board);
        let total = u32::try_from(present.len()).unwrap_or(u32::MAX);
        for (index, member) in (1..).zip(&present) {
            let Some((email, name)) = self.directory.get(&member.email).map(identity) else { continue };
            let capabilities = Some(self.presence.capabilities(&email));
            let line = ServerCommand::Iro { trid, index, total, email, machine: None, name, capabilities };
            self.connections.send(self.conn, line);
        }
        self.connections.send(self.conn, ServerCommand::AnsOk { trid });
        let Some((email, name)) = self.directory.get(email).map(identity) else { return Ok(()) };
        let capabilities = Some(self.presence.capabilities(&email));
        let joined = ServerCommand::Joi { email, machine: None, name, capabilities };
        present.iter().for_each(|member| self.connections.send(member.conn, joined.clone()));
        Ok(())
    }

    /// `CAL`: somebody's session hears a ring (§6.3).
    fn ring(&mut self, trid: TrId, caller: &Email, board: BoardId, target: &Email) -> Result<(), ErrorCode> {
        let Self { switchboards, directory, presence, random, now, .. } = self;
        let (cookie, rung) = switchboards.ring(*now, board, caller, target, directory, presence, random)?;
        let session = SessionId(board.0.to_string());
        let ringing = ServerCommand::CalRinging { trid, session: session.clone() };
        self.connections.send(self.conn, ringing);
        if let Some((email, name)) = self.directory.get(caller).map(identity) {
            let board = self.server.clone();
            self.connections.send(rung, ServerCommand::Rng { session, board, cookie, email, name });
        }
        Ok(())
    }

    /// `MSG`: everybody else in the call hears it (§6.4); alone, its sender is told so.
    fn relay(&mut self, spoken: Spoken) -> Result<(), Refusal> {
        let Spoken { trid, sender, board, wanted, payload } = spoken;
        if payload.len() > MAX_PAYLOAD {
            return Err(Refusal::Close);
        }
        if wanted == Acknowledge::Data && is_broken_packet(&payload) {
            return Err(Refusal::Error(trid, ErrorCode::MALFORMED_MESSAGE));
        }
        let Some(others) = self.switchboards.speak(self.now, board, self.conn) else { return Ok(()) };
        let Some((email, name)) = self.directory.get(&sender).map(identity) else { return Ok(()) };
        if others.is_empty() {
            answer(trid, wanted, false).into_iter().for_each(|nak| self.connections.send(self.conn, nak));
            return Ok(());
        }
        let message = ServerCommand::Msg { sender: email.to_string(), name, payload };
        let with_dialect = |conn| (conn, self.connections.dialect(conn));
        let to = others.iter().map(|member| with_dialect(member.conn)).collect();
        let sender = with_dialect(self.conn);
        self.connections.push(Effect::Relay { to, message, sender, trid, wanted });
        Ok(())
    }

    /// What those who are left hear of somebody who left; `idle` says that the server dropped them (§6.3).
    pub(super) fn bye(email: &Email, idle: bool) -> ServerCommand {
        ServerCommand::Bye { email: email.clone(), machine: None, idle }
    }
}

fn identity(account: &Account) -> (Email, UrlText) {
    (account.email.clone(), account.name.clone())
}

/// No message at all, or a peer-to-peer packet without room for its header and footer (§9.1). Anything else that asks to
/// be acknowledged like one is relayed, as the recorded server does.
fn is_broken_packet(payload: &Bytes) -> bool {
    let envelope = Envelope::parse(payload);
    match envelope.ok().and_then(|envelope| Content::parse(&envelope).ok()) {
        Some(Content::Peer { packet, .. }) => packet.len() < 52,
        Some(_) => false,
        None => true,
    }
}
