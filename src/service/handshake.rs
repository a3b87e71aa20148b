//! Signing in: `VER CVR USR` and dispatch, up to the profile (§2).
//!
//! Knows the order of the commands before `USR OK`. Passwords are the directory's, tickets are checked where they are kept.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::connections::Stage;
use super::ids::{ConnId, Door};
use super::notice;
use super::refusal::Refusal;
use super::tickets::{NONCE, POLICY, PROOF_POLICY};
use super::world::World;
use crate::msn::command::{ClientCommand, ClientInfo, ErrorCode, ServerCommand, SignOut};
use crate::msn::dialect::{Dialect, SignIn};
use crate::msn::endpoint::MachineId;
use crate::msn::ids::{Email, Ticket, TrId};
use crate::msn::wire::UrlText;
use crate::msn::xml::Element;

impl World {
    /// Commands before `USR OK`.
    ///
    /// # Errors
    /// A known command at the wrong time is 715 and the end, anything else just the end; 911 and the end for somebody who is
    /// not let in.
    pub(super) fn handshake_command(
        &mut self,
        now: Instant,
        conn: ConnId,
        stage: Stage,
        command: ClientCommand,
    ) -> Result<(), Refusal> {
        let proves = matches!(command, ClientCommand::SsoInitial { .. });
        match (command, stage) {
            (ClientCommand::Ver { trid, versions }, Stage::New) => self.agree(conn, trid, &versions),
            (ClientCommand::Ver { trid, .. }, _) => Err(Refusal::Fatal(trid, ErrorCode::NOT_EXPECTED)),
            (_, Stage::New) => Err(Refusal::Close),
            (ClientCommand::Cvr { trid, info }, stage) => {
                self.describe(conn, trid, &stage, info);
                Ok(())
            }
            (
                ClientCommand::UsrInitial { trid, email } | ClientCommand::SsoInitial { trid, email },
                Stage::Versioned | Stage::Described | Stage::Named(_) | Stage::Challenged(..),
            ) => self.name(conn, trid, email, proves),
            (ClientCommand::UsrTicket { trid, ticket }, Stage::Named(email)) => {
                self.admit(now, conn, trid, &email, &ticket)
            }
            (ClientCommand::SsoTicket { trid, ticket, proof, machine }, Stage::Challenged(email, nonce)) => {
                self.check_proof(conn, trid, &ticket, &nonce, proof.as_deref(), machine.as_deref())?;
                self.admit(now, conn, trid, &email, &ticket)
            }
            (ClientCommand::Out, _) => Err(Refusal::Close),
            (command, _) => Err(match number(&command) {
                Some(trid) => Refusal::Fatal(trid, ErrorCode::NOT_EXPECTED),
                None => Refusal::Close,
            }),
        }
    }

    /// `VER`: the first of the client's dialects that is spoken here; `0` and the end for none (§2.2).
    fn agree(&mut self, conn: ConnId, trid: TrId, versions: &[String]) -> Result<(), Refusal> {
        let spoken = |d: &Dialect| self.rules.dialects.contains(d);
        let common: Vec<Dialect> = versions.iter().filter_map(|v| v.parse().ok()).filter(spoken).collect();
        let Some(&dialect) = common.first() else {
            self.connections.send(conn, ServerCommand::Ver { trid, versions: vec!["0".into()] });
            return Err(Refusal::Close);
        };
        if let Some(connection) = self.connections.get_mut(conn) {
            connection.dialect = dialect;
            connection.stage = Stage::Versioned;
        }
        // CVR0 is listed when it was asked for: an old client gives up without it.
        let cvr0 = versions.iter().filter(|v| *v == "CVR0").take(1).cloned();
        let versions = std::iter::once(dialect.to_string()).chain(cvr0).collect();
        self.connections.send(conn, ServerCommand::Ver { trid, versions });
        Ok(())
    }

    /// `CVR`: the client's own version is as good as any (§2.3).
    fn describe(&mut self, conn: ConnId, trid: TrId, stage: &Stage, info: ClientInfo) {
        let version = info.client_version;
        let url = "http://messenger.invalid/";
        let rest = [version.as_str(), &version, &version, url, url].map(str::to_owned).to_vec();
        self.connections.send(conn, ServerCommand::Cvr { trid, rest });
        if *stage == Stage::Versioned {
            self.set_stage(conn, Stage::Described);
        }
    }

    /// `USR TWN I` and `USR SSO I`: a policy for the login page or the token service, or at the dispatch server another
    /// server (§2.4, §2.5, §18.1). The way of signing in is the dialect's: the other one closes.
    fn name(&mut self, conn: ConnId, trid: TrId, email: Email, proves: bool) -> Result<(), Refusal> {
        let dialect = self.connections.get(conn).map(|connection| connection.dialect);
        if dialect.is_some_and(|dialect| proves != (dialect.sign_in() == SignIn::Proof)) {
            return Err(Refusal::Close);
        }
        if !email.is_address() {
            return Err(Refusal::Fatal(trid, ErrorCode::AUTHENTICATION));
        }
        if self.connections.get(conn).is_some_and(|connection| connection.door == Door::Dispatch) {
            let server = self.servers.notification.clone();
            let rest = vec!["0".to_owned(), server.to_string()];
            self.connections.send(conn, ServerCommand::XfrNotification { trid, server, rest });
            return Err(Refusal::Close);
        }
        if dialect.is_some_and(Dialect::pushes_policies) {
            let data = Element::new("Policies").to_fragment().into();
            self.connections.send(conn, ServerCommand::Gcf { trid: TrId(0), file: String::new(), data });
        }
        if proves {
            let nonce = STANDARD.encode(self.random.bytes::<NONCE>());
            self.set_stage(conn, Stage::Challenged(email, nonce.clone()));
            let policy = PROOF_POLICY.into();
            self.connections.send(conn, ServerCommand::SsoPolicy { trid, policy, nonce });
        } else {
            self.set_stage(conn, Stage::Named(email));
            self.connections.send(conn, ServerCommand::UsrPolicy { trid, policy: POLICY.into() });
        }
        Ok(())
    }

    /// A ticket counts with the proof that its holder has its secret, and from MSNP16 on with a machine (§18.4, §18.5).
    fn check_proof(
        &self,
        conn: ConnId,
        trid: TrId,
        ticket: &Ticket,
        nonce: &str,
        proof: Option<&str>,
        machine: Option<&str>,
    ) -> Result<(), Refusal> {
        let dialect = self.connections.get(conn).map(|connection| connection.dialect);
        let needs_machine = dialect.is_some_and(Dialect::has_endpoints);
        let has_machine = machine.and_then(MachineId::parse).is_some() || !needs_machine;
        let is_proved = proof.is_some_and(|proof| self.tickets.proves(ticket.expose(), nonce, proof));
        match is_proved && has_machine {
            true => Ok(()),
            false => Err(Refusal::Fatal(trid, ErrorCode::AUTHENTICATION)),
        }
    }

    fn set_stage(&mut self, conn: ConnId, stage: Stage) {
        if let Some(connection) = self.connections.get_mut(conn) {
            connection.stage = stage;
        }
    }

    /// `USR TWN S`: a session begins, and an older one of the account ends (§2.4, §2.7).
    fn admit(
        &mut self,
        now: Instant,
        conn: ConnId,
        trid: TrId,
        email: &Email,
        ticket: &Ticket,
    ) -> Result<(), Refusal> {
        if !self.tickets.admits(now, ticket.expose(), email) {
            return Err(Refusal::Fatal(trid, ErrorCode::AUTHENTICATION));
        }
        if let Some(other) = self.presence.session(email) {
            self.connections.send(other, ServerCommand::Out { reason: SignOut::Elsewhere });
            self.close(other);
        }
        let Some(account) = self.directory.get(email) else { return Ok(()) };
        let (email, name) = (account.email.clone(), account.name.clone());
        self.presence.begin(&email, conn);
        self.set_stage(conn, Stage::SignedIn(email.clone()));
        self.welcome(conn, trid, email, name, ticket);
        Ok(())
    }

    /// `USR OK`, mobile credits from MSNP11 on, and the profile (§2.7, §5.4).
    fn welcome(&mut self, conn: ConnId, trid: TrId, email: Email, name: UrlText, ticket: &Ticket) {
        let Some(connection) = self.connections.get(conn) else { return };
        let (dialect, peer) = (connection.dialect, connection.peer);
        let payload = notice::profile(&email, ticket, peer, dialect).into();
        let name = (!dialect.has_guids()).then_some(name);
        self.connections.send(conn, ServerCommand::UsrOk { trid, email, name, verified: true, kids: false });
        if dialect.has_personal_message() {
            self.connections.send(conn, ServerCommand::Sbs { rest: vec!["0".into(), "null".into()] });
        }
        let sender = "Hotmail".to_owned();
        let name = UrlText::from_wire(&sender);
        self.connections.send(conn, ServerCommand::Msg { name, sender, payload });
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
        | C::SsoInitial { trid, .. }
        | C::SsoTicket { trid, .. }
        | C::Xfr { trid, .. }
        | C::Syn { trid, .. }
        | C::Add { trid, .. }
        | C::Adc { trid, .. }
        | C::Rem { trid, .. }
        | C::Adl { trid, .. }
        | C::Rml { trid, .. }
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
