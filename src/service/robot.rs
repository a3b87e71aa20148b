//! Contacts that answer by themselves: company for the demo. They speak the same commands as anybody, only without a
//! socket, and list each other and everybody who lists them. To each other they say nothing: two that answer never end.

mod files;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::directory::AccountLine;
use super::feed::LIMITS;
use super::ids::{ConnId, Door};
use super::input::Input;
use super::outgoing::{Carrier, outbox};
use crate::msn::command::{
    Acknowledge, ClientCommand, ClientInfo, Context, Link, ListKind, ServerCommand, Status,
};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Capabilities, Cookie, Email, SessionId, Ticket, TrId};
use crate::msn::message::{Content, Envelope, PersonalMessage, TextStyle};
use crate::msn::p2p::is_for;
use crate::msn::wire::{Direction, Framer, UrlText};
use files::{Album, Exchange};

/// Received commands that wait for a robot; full, they wait in its outboxes like anybody's.
const EARS: usize = 512;
/// What robots speak.
const DIALECT: Dialect = Dialect::Msnp11;
/// How long a robot seems to type.
const TYPING: Duration = Duration::from_millis(700);
/// First words come so long after somebody who lists the robot is seen online.
const GREETING: Duration = Duration::from_secs(3);

/// What a robot's connections bring.
type Heard = (ConnId, ServerCommand);

/// One contact that answers by itself: its session, its calls, and whom it is yet to greet.
struct Robot {
    line: AccountLine,
    inputs: mpsc::Sender<Input>,
    heard: mpsc::Sender<Heard>,
    session: Option<ConnId>,
    /// Calls, and whom a call is to ring once it is open.
    calls: HashMap<ConnId, Option<Email>>,
    greeted: Vec<Email>,
    greet: Vec<Email>,
    /// When the next greeting is due, whatever is heard until then.
    greet_at: Instant,
    /// Everybody who answers by themselves.
    robots: Arc<[Email]>,
    numbers: u32,
    album: Album,
    exchanges: HashMap<ConnId, Exchange>,
}

/// Signs in and answers until the service stops.
pub(super) async fn run(
    line: AccountLine,
    robots: Arc<[Email]>,
    inputs: mpsc::Sender<Input>,
    cancel: CancellationToken,
) {
    let (heard, mut ears) = mpsc::channel(EARS);
    let mut robot = Robot::new(line, robots, inputs, heard);
    if robot.sign_in().await.is_none() {
        return;
    }
    loop {
        tokio::select! {
            heard = ears.recv() => match heard {
                Some((conn, command)) => drop(robot.hear(conn, command).await),
                None => return,
            },
            () = tokio::time::sleep_until(robot.greet_at), if !robot.greet.is_empty() => {
                robot.greet_at = Instant::now() + GREETING;
                let _ = robot.call_next().await; // the service stops
            }
            () = cancel.cancelled() => return,
        }
    }
}

impl Robot {
    fn new(
        line: AccountLine,
        robots: Arc<[Email]>,
        inputs: mpsc::Sender<Input>,
        heard: mpsc::Sender<Heard>,
    ) -> Self {
        Self {
            album: Album::new(&line.email),
            exchanges: HashMap::new(),
            line,
            robots,
            inputs,
            heard,
            session: None,
            calls: HashMap::new(),
            greeted: Vec::new(),
            greet: Vec::new(),
            greet_at: Instant::now(),
            numbers: 0,
        }
    }

    /// A connection without a socket; what it is sent is decoded in a task of its own.
    async fn connect(&self, door: Door) -> Option<ConnId> {
        let (outbox, mut outlet) = outbox(Carrier::Socket);
        let (id, conn) = oneshot::channel();
        self.inputs.send(Input::Connected { door, peer: None, outbox, id }).await.ok()?;
        let conn = conn.await.ok()?;
        let heard = self.heard.clone();
        let link = if door == Door::Switchboard { Link::Switchboard } else { Link::Notification };
        let context = Context { link, dialect: DIALECT };
        // Ends when the service lets go of the connection.
        tokio::spawn(async move {
            let mut framer = Framer::new(Direction::FromServer, LIMITS);
            while let Some(unit) = outlet.next().await {
                let mut batch = outlet.batch();
                batch.push(unit);
                framer.push(&batch.bytes);
                while let Ok(Some(frame)) = framer.next_frame() {
                    let Ok(command) = ServerCommand::decode(&frame, context) else { continue };
                    if heard.send((conn, command)).await.is_err() {
                        return;
                    }
                }
                batch.written();
            }
        });
        Some(conn)
    }

    /// `None` while the service stops, as with everything that says something.
    async fn say(&mut self, conn: ConnId, command: ClientCommand) -> Option<()> {
        self.inputs.send(Input::Command(conn, Ok(command))).await.ok()
    }

    /// The next request number; one row for all connections.
    fn number(&mut self) -> TrId {
        self.numbers += 1;
        TrId(self.numbers)
    }

    /// As any client does: ticket, versions, `USR`, a first status with a face, and a personal message.
    async fn sign_in(&mut self) -> Option<()> {
        let (reply, ticket) = oneshot::channel();
        let (sign_in, password) =
            (self.line.email.to_string(), self.line.password.expose_secret().to_owned());
        self.inputs.send(Input::Ticket { sign_in, password, reply }).await.ok()?;
        let ticket = Ticket::new(ticket.await.ok()??.text);
        let conn = self.connect(Door::Notification).await?;
        self.session = Some(conn);
        let email = self.line.email.clone();
        let info = ClientInfo {
            locale: "0x0409".into(),
            os: "winnt".into(),
            os_version: "5.1".into(),
            architecture: "i386".into(),
            client: "MSNMSGR".into(),
            client_version: "7.0.0813".into(),
            family: "MSMSGS".into(),
            email: email.clone(),
        };
        let trid = self.number();
        self.say(conn, ClientCommand::Ver { trid, versions: vec![DIALECT.to_string()] }).await?;
        let trid = self.number();
        self.say(conn, ClientCommand::Cvr { trid, info }).await?;
        let trid = self.number();
        self.say(conn, ClientCommand::UsrInitial { trid, email }).await?;
        let trid = self.number();
        self.say(conn, ClientCommand::UsrTicket { trid, ticket }).await?;
        let trid = self.number();
        let capabilities = Some(Capabilities(0x4000_0020));
        let object = Some(UrlText::encode(self.album.face.as_xml()));
        self.say(conn, ClientCommand::Chg { trid, status: Status::Online, capabilities, object }).await?;
        let trid = self.number();
        let personal = PersonalMessage { text: "write to me, I answer".into(), media: None };
        self.say(conn, ClientCommand::Uux { trid, data: personal.encode().into() }).await
    }

    /// Acts on one command. `None` where it was not to be acted on, or the service stops.
    async fn hear(&mut self, conn: ConnId, command: ServerCommand) -> Option<()> {
        match command {
            ServerCommand::Adc { trid: TrId(0), list: ListKind::Reverse, email: Some(email), .. } => {
                self.befriend(&email).await
            }
            ServerCommand::Iln { presence, .. } | ServerCommand::Nln { presence } => {
                self.plan_greeting(presence.email);
                Some(())
            }
            ServerCommand::XfrSwitchboard { cookie, .. } => self.open_call(cookie).await,
            ServerCommand::UsrCallOk { .. } => {
                let email = self.calls.get(&conn).cloned().flatten()?;
                let trid = self.number();
                self.say(conn, ClientCommand::Cal { trid, email }).await
            }
            ServerCommand::Joi { email, .. } => self.joined(conn, &email).await,
            ServerCommand::Rng { session, cookie, .. } => self.answer(cookie, session).await,
            ServerCommand::Msg { sender, payload, .. } if Some(conn) != self.session => {
                self.reply(conn, &Email::parse(&sender).ok()?, &payload).await
            }
            ServerCommand::Ack { .. } => self.confirmed(conn).await,
            ServerCommand::Bye { .. } => {
                self.exchanges.remove(&conn);
                Some(())
            }
            _ => Some(()),
        }
    }

    /// Lists whoever has added the robot, and lets them see it.
    async fn befriend(&mut self, email: &Email) -> Option<()> {
        let conn = self.session?;
        for list in [ListKind::Allow, ListKind::Forward] {
            let (trid, email) = (self.number(), Some(email.clone()));
            self.say(conn, ClientCommand::Adc { trid, list, email, name: None, contact: None, group: None })
                .await?;
        }
        Some(())
    }

    /// Everybody who is seen online is greeted once.
    fn plan_greeting(&mut self, email: Email) {
        if !self.greeted.contains(&email) && !self.robots.contains(&email) {
            self.greet_at = Instant::now() + GREETING;
            self.greeted.push(email.clone());
            self.greet.push(email);
        }
    }

    /// Asks for a call, for the next greeting.
    async fn call_next(&mut self) -> Option<()> {
        let conn = self.session?;
        let trid = self.number();
        self.say(conn, ClientCommand::Xfr { trid, kind: "SB".into() }).await
    }

    /// Enters the call and remembers whom to ring.
    async fn open_call(&mut self, cookie: Cookie) -> Option<()> {
        let target = self.greet.pop()?;
        let conn = self.connect(Door::Switchboard).await?;
        self.calls.insert(conn, Some(target));
        let (trid, email) = (self.number(), self.line.email.clone());
        self.say(conn, ClientCommand::UsrCall { trid, email, cookie }).await
    }

    /// Comes when it is rung.
    async fn answer(&mut self, cookie: Cookie, session: SessionId) -> Option<()> {
        let conn = self.connect(Door::Switchboard).await?;
        self.calls.insert(conn, None);
        let (trid, email) = (self.number(), self.line.email.clone());
        self.say(conn, ClientCommand::Ans { trid, email, cookie, session }).await
    }

    /// The one who was called is there: say hello.
    async fn joined(&mut self, conn: ConnId, email: &Email) -> Option<()> {
        let slot = self.calls.get_mut(&conn)?;
        if slot.as_ref() != Some(email) {
            return Some(());
        }
        *slot = None;
        let name = &self.line.name;
        let text =
            format!("Hi! I am {name}. Write something, send me a nudge or a file, or ask for a picture.");
        self.text(conn, &text, TextStyle { color: 0x00_80_00, ..style() }).await
    }

    /// Answers what is said in a call: a picture, a nudge back, or an echo after some typing.
    async fn reply(&mut self, conn: ConnId, from: &Email, payload: &bytes::Bytes) -> Option<()> {
        let content = Content::parse(&Envelope::parse(payload).ok()?).ok()?;
        match content {
            Content::Peer { destination, packet } if is_for(destination.as_ref(), &self.line.email) => {
                self.packet(conn, from, &packet).await
            }
            _ if self.robots.contains(from) => Some(()),
            Content::Text { text, .. } if text.to_lowercase().contains("picture") => {
                self.text(conn, "Here is one:", style()).await?;
                self.offer_postcard(conn, from).await
            }
            Content::Text { text, .. } => {
                let typing = Content::typing(&self.line.email);
                self.message(conn, Acknowledge::Never, &typing).await?;
                tokio::time::sleep(TYPING).await;
                let bold = TextStyle { bold: true, color: 0x80_00_80, ..style() };
                self.text(conn, &format!("You said: {text}"), bold).await
            }
            Content::Nudge => {
                self.message(conn, Acknowledge::OnFailure, &Content::nudge()).await?;
                self.text(conn, "Ouch!", TextStyle { italic: true, ..style() }).await
            }
            _ => Some(()),
        }
    }

    async fn text(&mut self, conn: ConnId, text: &str, style: TextStyle) -> Option<()> {
        self.message(conn, Acknowledge::OnFailure, &Content::text(text, Some(&style))).await
    }

    async fn message(&mut self, conn: ConnId, acknowledge: Acknowledge, envelope: &Envelope) -> Option<()> {
        let (trid, payload) = (self.number(), envelope.encode().into());
        self.say(conn, ClientCommand::Msg { trid, acknowledge, payload }).await
    }
}

fn style() -> TextStyle {
    TextStyle { font: "Segoe UI".into(), ..TextStyle::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::directory::parse_accounts;

    /// Alice of the robots Alice and Bob, and what she says to the service.
    fn alice() -> (Robot, mpsc::Receiver<Input>) {
        let lines = parse_accounts("alice@x.y,pw,Alice\nbob@x.y,pw,Bob").unwrap();
        let robots = lines.iter().map(|line| line.email.clone()).collect();
        let (inputs, said) = mpsc::channel(EARS);
        let (heard, _) = mpsc::channel(EARS);
        (Robot::new(lines.into_iter().next().unwrap(), robots, inputs, heard), said)
    }

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn robots_neither_greet_nor_answer_each_other() {
        let (mut alice, mut said) = alice();
        alice.plan_greeting(email("bob@x.y"));
        alice.plan_greeting(email("ann@x.y"));
        assert_eq!(alice.greet, [email("ann@x.y")]);
        let hello = bytes::Bytes::from(Content::text("hello", None).encode());
        let nudge = bytes::Bytes::from(Content::nudge().encode());
        for words in [&hello, &nudge] {
            alice.reply(ConnId(1), &email("bob@x.y"), words).await;
            assert!(said.try_recv().is_err(), "two that answer each other never end");
            alice.reply(ConnId(1), &email("ann@x.y"), words).await;
            assert!(said.try_recv().is_ok() && said.try_recv().is_ok());
        }
    }
}
