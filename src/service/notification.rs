//! The notification server's commands once somebody is signed in: which part each of them concerns (§4, §5).
//!
//! Knows the small commands that no part owns: pings, challenges, pages, transfers to the switchboard. Lists, presence and
//! offline messages have rules of their own elsewhere.

use std::time::Instant;

use super::connections::Stage;
use super::handshake::number;
use super::ids::ConnId;
use super::refusal::Refusal;
use super::world::World;
use crate::msn::challenge::Product;
use crate::msn::command::{ClientCommand, ErrorCode, ServerCommand, Status};
use crate::msn::ids::{Email, TrId};
use crate::msn::wire::{Frame, Verb};

/// What `GCF Shields.xml` answers: nothing is blocked.
const SHIELDS: &str = r#"<config><shield><cli maj="7" min="0" minbld="0" maxbld="9999" deny=" " /></shield><block></block></config>"#;

impl World {
    /// A command to the dispatch or the notification server.
    ///
    /// # Errors
    /// The error line of a command that is refused, and the end for what ends a session: `OUT`, a message, a wrong answer to
    /// the challenge, signing in twice.
    pub(super) fn notification_command(
        &mut self,
        now: Instant,
        conn: ConnId,
        command: ClientCommand,
    ) -> Result<(), Refusal> {
        let email = match self.connections.stage(conn).cloned() {
            Some(Stage::SignedIn(email)) => email,
            Some(stage) => return self.handshake_command(now, conn, stage, command),
            None => return Ok(()),
        };
        match command {
            // A client never speaks to the notification server in messages (§5.4).
            ClientCommand::Out | ClientCommand::Msg { .. } => Err(Refusal::Close),
            ClientCommand::Png => self.pong(conn),
            ClientCommand::Qry { trid, product, answer } => {
                self.challenge_answered(conn, trid, &product, &answer)
            }
            ClientCommand::Xfr { trid, kind } => self.transfer(now, conn, trid, &email, &kind),
            ClientCommand::Gcf { trid, file } => self.configuration(conn, trid, file),
            ClientCommand::Url { trid, .. } => {
                let rest = ["/unused", "http://messenger.invalid/", "1"].map(str::to_owned).to_vec();
                self.connections.send(conn, ServerCommand::Url { trid, rest });
                Ok(())
            }
            ClientCommand::UsrInitial { trid, .. }
            | ClientCommand::UsrTicket { trid, .. }
            | ClientCommand::SsoInitial { trid, .. }
            | ClientCommand::SsoTicket { trid, .. } => {
                Err(Refusal::Error(trid, ErrorCode::ALREADY_LOGGED_IN))
            }
            ClientCommand::Ver { trid, .. } | ClientCommand::Cvr { trid, .. } => {
                Err(Refusal::Fatal(trid, ErrorCode::NOT_EXPECTED))
            }
            ClientCommand::UsrOther { trid, .. } | ClientCommand::Lst { trid, .. } => {
                Err(Refusal::Error(trid, ErrorCode::COMMAND_DISABLED))
            }
            ClientCommand::Page { verb, trid, target, data } => {
                self.page(conn, trid, &email, verb, &target, &data)
            }
            ClientCommand::Chg { .. } | ClientCommand::Uux { .. } => {
                self.presence_command(conn, &email, command)
            }
            ClientCommand::Unknown(frame) => self.old_command(conn, &frame),
            ClientCommand::UsrCall { .. } | ClientCommand::Cal { .. } | ClientCommand::Ans { .. } => Ok(()),
            other => match number(&other) {
                Some(trid) => self.roster(conn, trid, email).handle(other),
                None => Ok(()),
            },
        }
    }

    /// `PNG`: from MSNP9 on the answer says when the next one is due (§5.1).
    fn pong(&mut self, conn: ConnId) -> Result<(), Refusal> {
        let named = self.connections.dialect(conn).qng_has_interval();
        let seconds = named.then_some(self.rules.ping_seconds);
        self.connections.send(conn, ServerCommand::Qng { seconds });
        Ok(())
    }

    /// `CHG` and `UUX`: what a session shows, and to whom (§4.2, §4.5).
    fn presence_command(
        &mut self,
        conn: ConnId,
        email: &Email,
        command: ClientCommand,
    ) -> Result<(), Refusal> {
        match command {
            ClientCommand::Chg { trid, status: Status::Offline, .. } => {
                return Err(Refusal::Error(trid, ErrorCode::INVALID_PARAMETER));
            }
            ClientCommand::Chg { trid, status, capabilities, object } => {
                let change = self.presence.change(email, status, capabilities, object.clone());
                self.connections.send(conn, ServerCommand::Chg { trid, status, capabilities, object });
                if change.is_first {
                    self.first_status(conn, trid, email);
                }
                self.notifier().tell_contacts(email);
                if change.appears && !self.presence.personal(email).is_empty() {
                    self.notifier().tell_personal(email);
                }
            }
            ClientCommand::Uux { trid, data } => {
                self.presence.set_personal(email, data);
                self.connections.send(conn, ServerCommand::Uux { trid });
                self.notifier().tell_personal(email);
            }
            _ => {}
        }
        Ok(())
    }

    /// Who is there, a challenge (§4.6), and the messages that wait.
    fn first_status(&mut self, conn: ConnId, trid: TrId, email: &Email) {
        self.notifier().initial_presence(conn, trid, email);
        if self.rules.challenge {
            let challenge = self.random.digits(20);
            if let Some(connection) = self.connections.get_mut(conn) {
                connection.challenge = Some(challenge.clone());
            }
            self.connections.send(conn, ServerCommand::Chl { challenge });
        }
        self.tell_offline(conn, email);
    }

    /// A page to somebody who takes them: shown in their session, since there is no phone here (§5.7). A letter that
    /// invites somebody is taken, and sent nowhere.
    fn page(
        &mut self,
        conn: ConnId,
        trid: TrId,
        sender: &Email,
        verb: Verb,
        target: &[String],
        data: &[u8],
    ) -> Result<(), Refusal> {
        if verb.as_str() == "SDC" {
            let line = Frame { verb, args: vec![trid.to_string(), "OK".into()], payload: None };
            self.connections.send(conn, ServerCommand::Unknown(line));
            return Ok(());
        }
        let to = target.first().and_then(|target| Email::parse(target).ok());
        let account = to.and_then(|to| self.directory.get(&to)).filter(|account| account.allows(sender));
        let takes = account.filter(|a| a.properties.get("MOB").is_some_and(|value| value.as_wire() == "Y"));
        let session = takes.and_then(|account| self.presence.session(&account.email));
        let session = session.ok_or(Refusal::Error(trid, ErrorCode::NO_PAGES))?;
        let text = String::from_utf8_lossy(data);
        let from = quick_xml::escape::escape(sender.as_str());
        let page = format!(
            "<NOTIFICATION id=\"0\" siteid=\"111100400\" siteurl=\"http://mobile.msn.com/\"><FROM name=\"{from}\"/><MSG id=\"1\"><BODY>{text}</BODY></MSG></NOTIFICATION>"
        );
        self.connections.send(session, ServerCommand::Ipg { data: page.into_bytes().into() });
        Ok(())
    }

    /// Commands of older and of rarer clients (§5.3). The others are left unanswered, as ever.
    fn old_command(&mut self, conn: ConnId, frame: &Frame) -> Result<(), Refusal> {
        let Some(number) = frame.args.first().and_then(|number| number.parse::<TrId>().ok()) else {
            return Ok(());
        };
        let mut reply = |args: &[&str]| {
            let args = std::iter::once(number.to_string()).chain(args.iter().map(|a| (*a).to_owned()));
            let line = Frame { verb: frame.verb, args: args.collect(), payload: None };
            self.connections.send(conn, ServerCommand::Unknown(line));
        };
        match (frame.verb.as_str(), frame.args.get(1).map(String::as_str)) {
            ("IMS", Some(setting @ ("ON" | "OFF"))) => reply(&["0", setting]),
            ("SND", _) => reply(&["OK"]),
            ("LKP" | "FND" | "INF", _) => return Err(Refusal::Error(number, ErrorCode::COMMAND_DISABLED)),
            _ => {}
        }
        Ok(())
    }

    /// `QRY`: the answer to the challenge of the first status; a wrong one, or one to none, ends the session (§4.6).
    fn challenge_answered(
        &mut self,
        conn: ConnId,
        trid: TrId,
        product: &str,
        answer: &[u8],
    ) -> Result<(), Refusal> {
        if !self.rules.challenge {
            return Ok(());
        }
        let dialect = self.connections.dialect(conn);
        let challenge = self.connections.get_mut(conn).and_then(|c| c.challenge.take());
        let expected = challenge.zip(Product::published(product, dialect));
        let expected = expected.map(|(challenge, product)| product.answer(&challenge, dialect));
        if expected.is_none_or(|expected| expected.as_bytes() != answer) {
            return Err(Refusal::Fatal(trid, ErrorCode::WRONG_CHALLENGE));
        }
        self.connections.send(conn, ServerCommand::Qry { trid });
        Ok(())
    }

    /// `XFR SB`: a cookie for a new call, to somebody whom others see (§6.1).
    fn transfer(
        &mut self,
        now: Instant,
        conn: ConnId,
        trid: TrId,
        email: &Email,
        kind: &str,
    ) -> Result<(), Refusal> {
        if kind != "SB" {
            return Err(Refusal::Error(trid, ErrorCode::INVALID_PARAMETER));
        }
        if !self.presence.is_visible(email) {
            return Err(Refusal::Error(trid, ErrorCode::HIDDEN));
        }
        let cookie = self.switchboards.issue_cookie(now, email, None, &mut self.random);
        let board = self.servers.switchboard.clone();
        self.connections.send(conn, ServerCommand::XfrSwitchboard { trid, board, cookie });
        Ok(())
    }

    /// `GCF`: a file of settings, from MSNP11 on and once the lists are there.
    fn configuration(&mut self, conn: ConnId, trid: TrId, file: String) -> Result<(), Refusal> {
        let synced = self.connections.get(conn).is_some_and(|connection| connection.synced);
        if !synced || !self.connections.dialect(conn).has_personal_message() {
            return Err(Refusal::Error(trid, ErrorCode::NOT_EXPECTED));
        }
        self.connections.send(conn, ServerCommand::Gcf { trid, file, data: SHIELDS.into() });
        Ok(())
    }
}
