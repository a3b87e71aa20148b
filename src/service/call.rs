//! The switchboard's commands: entering, calling, speaking, leaving (§6).

use std::time::Instant;

use bytes::Bytes;

use super::board::{Board, Member};
use super::effect::Effect;
use super::ids::{BoardId, ConnId};
use super::outgoing::answer;
use super::rules::COOKIE_LIFE;
use super::world::{Stage, World};
use crate::msn::command::{Acknowledge, ClientCommand, ErrorCode, ListKind, ServerCommand, Status};
use crate::msn::ids::{Cookie, Email, SessionId, TrId};
use crate::msn::message::{Content, Envelope, MAX_PAYLOAD};

/// Most people in one call.
const MAX_MEMBERS: usize = 20;

impl World {
    pub(super) fn switchboard_command(&mut self, now: Instant, conn: ConnId, command: ClientCommand) {
        match (command, self.stage(conn).cloned()) {
            (ClientCommand::UsrCall { trid, email, cookie }, Some(Stage::New)) => {
                self.enter_new(now, conn, trid, &email, &cookie);
            }
            (ClientCommand::Ans { trid, email, cookie, session }, Some(Stage::New)) => {
                self.enter_rung(now, conn, trid, &email, &cookie, &session);
            }
            (ClientCommand::Cal { trid, email }, Some(Stage::InBoard(caller, board))) => {
                self.ring(now, conn, trid, &caller, board, &email);
            }
            (ClientCommand::Msg { trid, acknowledge, payload }, Some(Stage::InBoard(sender, board))) => {
                self.relay(now, conn, trid, &sender, board, acknowledge, &payload);
            }
            (ClientCommand::Out, _) => self.close(conn),
            // Not signed in, and not signing in.
            (_, Some(Stage::New)) => self.close(conn),
            _ => {}
        }
    }

    /// Takes a cookie that opens `board` for `email`; it works once, whether or not it fits.
    fn take_pass(&mut self, now: Instant, email: &Email, cookie: &Cookie) -> Option<Option<BoardId>> {
        let pass = self.passes.remove(cookie.expose())?;
        (pass.email == *email && pass.until > now).then_some(pass.board)
    }

    fn enter_new(&mut self, now: Instant, conn: ConnId, trid: TrId, email: &Email, cookie: &Cookie) {
        if self.take_pass(now, email, cookie) != Some(None) {
            return self.turn_away(conn, trid);
        }
        let board = BoardId(self.next);
        self.next += 1;
        self.boards.insert(board, Board::new(now));
        self.seat(now, conn, email, board);
        let Some(account) = self.account(email) else { return };
        let (email, name) = (account.email.clone(), account.name.clone());
        self.send(conn, ServerCommand::UsrCallOk { trid, email, name });
    }

    fn turn_away(&mut self, conn: ConnId, trid: TrId) {
        self.fail(conn, trid, ErrorCode::AUTHENTICATION);
        self.close(conn);
    }

    fn seat(&mut self, now: Instant, conn: ConnId, email: &Email, board: BoardId) {
        // A call speaks the dialect of the account's session.
        let session = self.account(email).and_then(|account| account.session);
        let dialect = session.map(|session| self.dialect(session));
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.stage = Stage::InBoard(email.clone(), board);
            connection.dialect = dialect.unwrap_or(connection.dialect);
        }
        if let Some(board) = self.boards.get_mut(&board) {
            board.members.push(Member { conn, email: email.clone() });
            board.rung.retain(|(rung, _)| rung != email);
            board.last_traffic = now;
        }
    }

    fn enter_rung(
        &mut self,
        now: Instant,
        conn: ConnId,
        trid: TrId,
        email: &Email,
        cookie: &Cookie,
        session: &SessionId,
    ) {
        let board = self.take_pass(now, email, cookie).flatten();
        let Some(board) = board.filter(|b| b.0.to_string() == session.0 && self.boards.contains_key(b))
        else {
            return self.turn_away(conn, trid);
        };
        let present = self.boards.get(&board).map(|b| b.members.clone()).unwrap_or_default();
        self.seat(now, conn, email, board);
        let total = u32::try_from(present.len()).unwrap_or(u32::MAX);
        for (index, member) in (1..).zip(&present) {
            let Some(account) = self.account(&member.email) else { continue };
            let (email, name) = (account.email.clone(), account.name.clone());
            let capabilities = Some(account.capabilities);
            self.send(
                conn,
                ServerCommand::Iro { trid, index, total, email, machine: None, name, capabilities },
            );
        }
        self.send(conn, ServerCommand::AnsOk { trid });
        let Some(account) = self.account(email) else { return };
        let (email, name) = (account.email.clone(), account.name.clone());
        let capabilities = Some(account.capabilities);
        let joined = ServerCommand::Joi { email, machine: None, name, capabilities };
        present.iter().for_each(|member| self.send(member.conn, joined.clone()));
    }

    fn ring(&mut self, now: Instant, conn: ConnId, trid: TrId, caller: &Email, id: BoardId, target: &Email) {
        if let Err(code) = self.may_ring(now, caller, id, target) {
            return self.fail(conn, trid, code);
        }
        let cookie = self.issue_pass(now, target, Some(id));
        if let Some(board) = self.boards.get_mut(&id) {
            board.rung.push((target.clone(), now + COOKIE_LIFE));
        }
        let session = SessionId(id.0.to_string());
        self.send(conn, ServerCommand::CalRinging { trid, session: session.clone() });
        let rung = self.account(target).and_then(|account| account.session);
        let caller = self.account(caller).map(|account| (account.email.clone(), account.name.clone()));
        if let (Some(rung), Some((email, name))) = (rung, caller) {
            let board = self.switchboard.clone();
            self.send(rung, ServerCommand::Rng { session, board, cookie, email, name });
        }
    }

    fn may_ring(&self, now: Instant, caller: &Email, id: BoardId, target: &Email) -> Result<(), ErrorCode> {
        let board = self.boards.get(&id).ok_or(ErrorCode(280))?;
        if !target.is_address() {
            return Err(ErrorCode::INVALID_ACCOUNT);
        }
        if board.expects(now, target) {
            return Err(ErrorCode::ALREADY_THERE);
        }
        let account = self.account(target).ok_or(ErrorCode::NOT_ONLINE)?;
        let hidden = account.status.is_none_or(|status| status == Status::Hidden);
        if account.lists(caller).has(ListKind::Block) || !account.allows(caller) {
            return Err(ErrorCode::NOT_ON_LIST);
        }
        if hidden || account.session.is_none() {
            return Err(ErrorCode::NOT_ONLINE);
        }
        if board.members.len() + board.rung.len() >= MAX_MEMBERS {
            return Err(ErrorCode(713));
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "a message and where it stands")]
    fn relay(
        &mut self,
        now: Instant,
        conn: ConnId,
        trid: TrId,
        sender: &Email,
        id: BoardId,
        acknowledge: Acknowledge,
        payload: &Bytes,
    ) {
        if payload.len() > MAX_PAYLOAD {
            return self.close(conn);
        }
        if acknowledge == Acknowledge::Data && is_broken_packet(payload) {
            return self.fail(conn, trid, ErrorCode::MALFORMED_MESSAGE);
        }
        let Some(board) = self.boards.get_mut(&id) else { return };
        board.last_traffic = now;
        let others = board.others(conn);
        let Some(account) = self.account(sender) else { return };
        let message = ServerCommand::Msg {
            sender: account.email.to_string(),
            name: account.name.clone(),
            payload: payload.clone(),
        };
        if others.is_empty() {
            return answer(trid, acknowledge, false).into_iter().for_each(|nak| self.send(conn, nak));
        }
        let to = others.iter().map(|member| (member.conn, self.dialect(member.conn))).collect();
        let sender = (conn, self.dialect(conn));
        self.effects.push(Effect::Relay { to, message, sender, trid, wanted: acknowledge });
    }

    pub(super) fn left_board(&mut self, conn: ConnId, id: BoardId, email: &Email, idle: bool) {
        let Some(board) = self.boards.get_mut(&id) else { return };
        board.members.retain(|member| member.conn != conn);
        let left = board.members.clone();
        if left.is_empty() {
            self.boards.remove(&id);
        }
        for member in left {
            self.send(member.conn, ServerCommand::Bye { email: email.clone(), machine: None, idle });
        }
    }

    /// Members of calls without traffic are dropped, and those who are left can call them again (§6.3).
    pub(super) fn drop_idle_calls(&mut self, now: Instant) {
        let limit = self.rules.idle_call;
        let idle = |board: &Board| now.saturating_duration_since(board.last_traffic) >= limit;
        let dropped: Vec<(BoardId, Member)> = self
            .boards
            .iter_mut()
            .filter(|(_, board)| idle(board) && board.members.len() > 1)
            .filter_map(|(id, board)| {
                board.last_traffic = now;
                Some((*id, board.members.first()?.clone()))
            })
            .collect();
        for (id, member) in dropped {
            self.connections.remove(&member.conn);
            self.left_board(member.conn, id, &member.email, true);
            self.effects.push(Effect::Close(member.conn));
        }
    }
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
