//! The notification server's commands once somebody is signed in: who may say what, and where it goes.

use std::time::Instant;

use super::ids::{BoardId, ConnId};
use super::rules::COOKIE_LIFE;
use super::world::{Pass, Stage, World};
use crate::msn::challenge::Product;
use crate::msn::command::{ClientCommand, ErrorCode, ServerCommand, Status};
use crate::msn::ids::{Cookie, Email, TrId};
use crate::msn::wire::{Frame, Verb};

/// What `GCF Shields.xml` answers: nothing is blocked.
const SHIELDS: &str = r#"<config><shield><cli maj="7" min="0" minbld="0" maxbld="9999" deny=" " /></shield><block></block></config>"#;

impl World {
    pub(super) fn notification_command(&mut self, now: Instant, conn: ConnId, command: ClientCommand) {
        let email = match self.stage(conn) {
            Some(Stage::SignedIn(email)) => email.clone(),
            Some(_) => return self.handshake_command(now, conn, command),
            None => return,
        };
        match command {
            ClientCommand::Out => self.close(conn),
            ClientCommand::Png => {
                let interval = self.dialect(conn).qng_has_interval().then_some(self.rules.ping_seconds);
                self.send(conn, ServerCommand::Qng { seconds: interval });
            }
            ClientCommand::Qry { trid, product, answer } => {
                self.challenge_answered(conn, trid, &product, &answer)
            }
            ClientCommand::Xfr { trid, kind } => self.transfer(now, conn, trid, &email, &kind),
            ClientCommand::Gcf { trid, file } => self.configuration(conn, trid, file),
            ClientCommand::Url { trid, .. } => {
                let rest = ["/unused", "http://messenger.invalid/", "1"].map(str::to_owned).to_vec();
                self.send(conn, ServerCommand::Url { trid, rest });
            }
            ClientCommand::UsrInitial { trid, .. } | ClientCommand::UsrTicket { trid, .. } => {
                self.fail(conn, trid, ErrorCode::ALREADY_LOGGED_IN);
            }
            ClientCommand::Ver { trid, .. } | ClientCommand::Cvr { trid, .. } => {
                self.fail(conn, trid, ErrorCode::NOT_EXPECTED);
                self.close(conn);
            }
            // A client never speaks to the notification server in messages (§5.4).
            ClientCommand::Msg { .. } => self.close(conn),
            ClientCommand::UsrOther { trid, .. } | ClientCommand::Lst { trid, .. } => {
                self.fail(conn, trid, ErrorCode::COMMAND_DISABLED);
            }
            ClientCommand::Page { verb, trid, target, data } => {
                self.page(conn, trid, &email, verb, &target, &data);
            }
            ClientCommand::Chg { .. } | ClientCommand::Uux { .. } => {
                self.presence_command(conn, &email, command);
            }
            ClientCommand::Unknown(frame) => self.old_command(conn, &frame),
            ClientCommand::UsrCall { .. } | ClientCommand::Cal { .. } | ClientCommand::Ans { .. } => {}
            other => self.roster_command(conn, &email, other),
        }
    }

    /// A page to somebody who takes them: shown in their session, since there is no phone here (§5.7). A letter that
    /// invites somebody is taken, and sent nowhere.
    fn page(&mut self, conn: ConnId, trid: TrId, sender: &Email, verb: Verb, target: &[String], data: &[u8]) {
        if verb.as_str() == "SDC" {
            let line = Frame { verb, args: vec![trid.to_string(), "OK".into()], payload: None };
            return self.send(conn, ServerCommand::Unknown(line));
        }
        let to = target.first().and_then(|target| Email::parse(target).ok());
        let account = to.as_ref().and_then(|to| self.account(to)).filter(|account| account.allows(sender));
        let takes = account.filter(|a| a.properties.get("MOB").is_some_and(|value| value.as_wire() == "Y"));
        let Some(session) = takes.and_then(|account| account.session) else {
            return self.fail(conn, trid, ErrorCode::NO_PAGES);
        };
        let text = String::from_utf8_lossy(data);
        let from = quick_xml::escape::escape(sender.as_str());
        let page = format!(
            "<NOTIFICATION id=\"0\" siteid=\"111100400\" siteurl=\"http://mobile.msn.com/\"><FROM name=\"{from}\"/><MSG id=\"1\"><BODY>{text}</BODY></MSG></NOTIFICATION>"
        );
        self.send(session, ServerCommand::Ipg { data: page.into_bytes().into() });
    }

    /// Commands of older and of rarer clients (§5.3). The others are left unanswered, as ever.
    fn old_command(&mut self, conn: ConnId, frame: &Frame) {
        let Some(number) = frame.args.first().and_then(|number| number.parse::<TrId>().ok()) else { return };
        let mut reply = |args: &[&str]| {
            let args = std::iter::once(number.to_string()).chain(args.iter().map(|a| (*a).to_owned()));
            let line = Frame { verb: frame.verb, args: args.collect(), payload: None };
            self.send(conn, ServerCommand::Unknown(line));
        };
        match (frame.verb.as_str(), frame.args.get(1).map(String::as_str)) {
            ("IMS", Some(setting @ ("ON" | "OFF"))) => reply(&["0", setting]),
            ("SND", _) => reply(&["OK"]),
            ("LKP" | "FND" | "INF", _) => self.fail(conn, number, ErrorCode::COMMAND_DISABLED),
            _ => {}
        }
    }

    fn challenge_answered(&mut self, conn: ConnId, trid: TrId, product: &str, answer: &[u8]) {
        if !self.rules.challenge {
            return;
        }
        let dialect = self.dialect(conn);
        let challenge = self.connections.get_mut(&conn).and_then(|c| c.challenge.take());
        let expected = challenge.zip(Product::published(product, dialect));
        let expected = expected.map(|(challenge, product)| product.answer(&challenge, dialect));
        if expected.is_some_and(|expected| expected.as_bytes() == answer) {
            self.send(conn, ServerCommand::Qry { trid });
        } else {
            self.fail(conn, trid, ErrorCode::WRONG_CHALLENGE);
            self.close(conn);
        }
    }

    fn transfer(&mut self, now: Instant, conn: ConnId, trid: TrId, email: &Email, kind: &str) {
        if kind != "SB" {
            return self.fail(conn, trid, ErrorCode::INVALID_PARAMETER);
        }
        let visible = self.account(email).and_then(|a| a.status).is_some_and(|s| s != Status::Hidden);
        if !visible {
            return self.fail(conn, trid, ErrorCode::HIDDEN);
        }
        let cookie = self.issue_pass(now, email, None);
        let board = self.switchboard.clone();
        self.send(conn, ServerCommand::XfrSwitchboard { trid, board, cookie });
    }

    /// A cookie for `email`, to a board or to a new one.
    pub(super) fn issue_pass(&mut self, now: Instant, email: &Email, board: Option<BoardId>) -> Cookie {
        let text = format!("{}.{}", self.random_digits(10), self.random_digits(9));
        self.passes.insert(text.clone(), Pass { email: email.clone(), board, until: now + COOKIE_LIFE });
        Cookie::new(text)
    }

    fn configuration(&mut self, conn: ConnId, trid: TrId, file: String) {
        let synced = self.connections.get(&conn).is_some_and(|c| c.synced);
        if !synced || !self.dialect(conn).has_personal_message() {
            return self.fail(conn, trid, ErrorCode::NOT_EXPECTED);
        }
        self.send(conn, ServerCommand::Gcf { trid, file, data: SHIELDS.into() });
    }

    /// A session is over: its contacts see it go.
    pub(super) fn session_ended(&mut self, conn: ConnId, email: &Email) {
        let Some(account) = self.account_mut(email).filter(|a| a.session == Some(conn)) else { return };
        let was = account.status;
        let visible = was.is_some_and(|status| status != Status::Hidden);
        // Offline first, so that nobody is told anything but that.
        account.status = None;
        if visible {
            self.tell_contacts(email);
        }
        if let Some(account) = self.account_mut(email) {
            account.sign_out();
        }
    }
}
