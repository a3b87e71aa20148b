//! Signing in: `VER CVR USR` and dispatch, up to the profile (§2).

use std::time::Instant;

use super::ids::{ConnId, Door};
use super::notice;
use super::offline::ticket_key;
use super::world::{HeldTicket, Stage, World};
use crate::msn::command::{ClientCommand, ErrorCode, ServerCommand, SignOut};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, Ticket, TrId};
use crate::msn::wire::UrlText;

/// What a client hands on to the login server, unchanged and unread.
pub(super) const POLICY: &str = "lc=1033,id=507,tw=40,fs=1,ru=http%3A%2F%2Fmessenger%2Emsn%2Ecom,ct=1062764229,kpp=1,kv=5,ver=2.1.0173.1,tpf=43f8a4c8ed940c04e3740be46c4d1619";

impl World {
    /// Commands before `USR OK`. A known command at the wrong time is 715 and the end, anything else just the end.
    pub(super) fn handshake_command(&mut self, now: Instant, conn: ConnId, command: ClientCommand) {
        let Some(stage) = self.stage(conn).cloned() else { return };
        match (command, stage) {
            (ClientCommand::Ver { trid, versions }, Stage::New) => self.agree(conn, trid, &versions),
            (ClientCommand::Ver { trid, .. }, _) => self.out_of_place(conn, trid),
            (_, Stage::New) => self.close(conn),
            (ClientCommand::Cvr { trid, info }, _) => {
                let version = info.client_version;
                let url = "http://messenger.invalid/";
                let rest = [version.as_str(), &version, &version, url, url].map(str::to_owned).to_vec();
                self.send(conn, ServerCommand::Cvr { trid, rest });
                if let Some(c) = self.connections.get_mut(&conn).filter(|c| c.stage == Stage::Versioned) {
                    c.stage = Stage::Described;
                }
            }
            (
                ClientCommand::UsrInitial { trid, email },
                Stage::Versioned | Stage::Described | Stage::Named(_),
            ) => {
                self.name(conn, trid, email);
            }
            (ClientCommand::UsrTicket { trid, ticket }, Stage::Named(email)) => {
                self.admit(now, conn, trid, &email, &ticket);
            }
            (ClientCommand::Out, _) => self.close(conn),
            (command, _) => match number(&command) {
                Some(trid) => self.out_of_place(conn, trid),
                None => self.close(conn),
            },
        }
    }

    fn out_of_place(&mut self, conn: ConnId, trid: TrId) {
        self.fail(conn, trid, ErrorCode::NOT_EXPECTED);
        self.close(conn);
    }

    fn agree(&mut self, conn: ConnId, trid: TrId, versions: &[String]) {
        let spoken = |d: &Dialect| self.rules.dialects.contains(d);
        let common: Vec<Dialect> = versions.iter().filter_map(|v| v.parse().ok()).filter(spoken).collect();
        let Some(&dialect) = common.first() else {
            self.send(conn, ServerCommand::Ver { trid, versions: vec!["0".into()] });
            return self.close(conn);
        };
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.dialect = dialect;
            connection.stage = Stage::Versioned;
        }
        // CVR0 is listed when it was asked for: an old client gives up without it.
        let cvr0 = versions.iter().filter(|v| *v == "CVR0").take(1).cloned();
        let versions = std::iter::once(dialect.to_string()).chain(cvr0).collect();
        self.send(conn, ServerCommand::Ver { trid, versions });
    }

    fn name(&mut self, conn: ConnId, trid: TrId, email: Email) {
        if !email.is_address() {
            self.fail(conn, trid, ErrorCode::AUTHENTICATION);
            return self.close(conn);
        }
        let door = self.connections.get(&conn).map(|c| c.door);
        if door == Some(Door::Dispatch) {
            let server = self.dispatch_to.clone().unwrap_or_else(|| self.notification.clone());
            let rest = vec!["0".to_owned(), server.to_string()];
            self.send(conn, ServerCommand::XfrNotification { trid, server, rest });
            return self.close(conn);
        }
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.stage = Stage::Named(email);
        }
        self.send(conn, ServerCommand::UsrPolicy { trid, policy: POLICY.into() });
    }

    fn admit(&mut self, now: Instant, conn: ConnId, trid: TrId, email: &Email, ticket: &Ticket) {
        let held = self.tickets.get(ticket_key(ticket.expose()));
        let fits =
            |held: &HeldTicket| held.text == ticket.expose() && held.owner == *email && held.until > now;
        if !held.is_some_and(fits) {
            self.fail(conn, trid, ErrorCode::AUTHENTICATION);
            return self.close(conn);
        }
        if let Some(other) = self.account(email).and_then(|account| account.session) {
            self.send(other, ServerCommand::Out { reason: SignOut::Elsewhere });
            self.close(other);
        }
        let dialect = self.dialect(conn);
        let Some(account) = self.account_mut(email) else { return };
        account.session = Some(conn);
        let (email, name) = (account.email.clone(), account.name.clone());
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        connection.stage = Stage::SignedIn(email.clone());
        let peer = connection.peer;
        let name = (!dialect.has_guids()).then_some(name);
        self.send(
            conn,
            ServerCommand::UsrOk { trid, email: email.clone(), name, verified: true, kids: false },
        );
        if dialect.has_personal_message() {
            self.send(conn, ServerCommand::Sbs { rest: vec!["0".into(), "null".into()] });
        }
        let payload = notice::profile(&email, ticket, peer, dialect).into();
        let sender = "Hotmail".to_owned();
        self.send(conn, ServerCommand::Msg { name: UrlText::from_wire(&sender), sender, payload });
    }
}

/// The request number of a command that this service knows, for an error reply.
pub(super) fn number(command: &ClientCommand) -> Option<TrId> {
    use ClientCommand as C;
    match command {
        C::Ver { trid, .. }
        | C::Cvr { trid, .. }
        | C::UsrInitial { trid, .. }
        | C::UsrTicket { trid, .. }
        | C::Xfr { trid, .. }
        | C::Syn { trid, .. }
        | C::Add { trid, .. }
        | C::Adc { trid, .. }
        | C::Rem { trid, .. }
        | C::Rea { trid, .. }
        | C::Prp { trid, .. }
        | C::Sbp { trid, .. }
        | C::Adg { trid, .. }
        | C::Reg { trid, .. }
        | C::Rmg { trid, .. }
        | C::Gtc { trid, .. }
        | C::Blp { trid, .. }
        | C::Lst { trid, .. }
        | C::Chg { trid, .. }
        | C::Uux { trid, .. }
        | C::Qry { trid, .. }
        | C::Url { trid, .. }
        | C::Gcf { trid, .. } => Some(*trid),
        _ => None,
    }
}
