//! One notification session of a login: from connecting to its end.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use crate::bridge::event::{ConnectionState, Ghost, RemoteEvent, RemoteKind};
use crate::bridge::ids::ConversationId;
use crate::bridge::sentence::sentence;
use crate::connector::call;
use crate::connector::call::resources::{Begin, CallResources};
use crate::connector::clock::now;
use crate::connector::context::names::{self, BoardName};
use crate::connector::error::{ConnectError, TicketError};
use crate::connector::handle::{CallHandle, CallNotice, OwnPicture};
use crate::connector::login::health::{Health, Verdict};
use crate::connector::login::pending::{Answer, Tickets, UnderWay};
use crate::connector::login::task::{End, LoginCommand, LoginTask, Meanwhile};
use crate::connector::login::{health, oim, requests};
use crate::connector::net::pump::Pump;
use crate::connector::translate::{convert, group};
use crate::msn::command::{ListKind, Status};
use crate::msn::gateway::Destination;
use crate::msn::ids::{Capabilities, Cookie, Email, HostPort, SessionId};
use crate::msn::message::{PersonalMessage, without_codes};
use crate::msn::session::{
    Contact, Identity, LoginFailure, NotificationEvent, NotificationSession, Roster, SessionError, Start,
};
use crate::msn::wire::UrlText;

/// Servers that may send us on before it is a circle.
const MAX_HOPS: u32 = 5;
/// What this bridge can do: messages in several parts, and it says that it is MSNC4 (7.0).
const CAPABILITIES: Capabilities = Capabilities(0x4000_0000 | Capabilities::MULTI_PACKET);

enum Next {
    GoOn,
    Redirected(HostPort),
}

impl LoginTask {
    pub(in crate::connector) async fn session(&mut self) -> End {
        let mut server = self.shared.config.server.clone();
        for _ in 0..=MAX_HOPS {
            let dialler = self.shared.dialler.clone();
            let connected = match self.meanwhile(dialler.open(Destination::Notification, &server)).await {
                Meanwhile::Done(connected) => connected,
                Meanwhile::Connect(credentials) => {
                    self.credentials = credentials;
                    return End::Again;
                }
                Meanwhile::Stop => return End::Stop,
            };
            let way = match connected {
                Ok(way) => way,
                Err(error) => return End::Failed(error),
            };
            let (mut pump, is_http) = match self.machine(way.is_http) {
                Ok(machine) => (Pump::new(machine, way.stream), way.is_http),
                Err(error) => return End::Failed(error),
            };
            let driven = self.drive(&mut pump).await;
            if matches!(driven, Err(End::Stop)) {
                // Whoever waits for the end must not wait for the core to take what follows: it may be the core.
                self.asks.close();
            }
            if is_http && matches!(driven, Err(End::Failed(_))) {
                self.shared.dialler.gateway_failed();
            }
            let seen = seen(&pump);
            if matches!(driven, Err(End::Stop | End::Again)) {
                // Before the core is told, which may have no room: nobody is to believe that we are still there.
                pump.machine.sign_out();
                pump.close().await;
            }
            self.contacts_offline(seen).await;
            match driven {
                Ok(redirected) => {
                    tracing::info!(server = %redirected, "sent on to another server");
                    server = redirected;
                }
                Err(end) => return end,
            }
        }
        let error: SessionError = LoginFailure::TooManyRedirects(MAX_HOPS).into();
        End::Failed(error.into())
    }

    /// Without a session nothing is known of anybody any more. Told also by a login that is being ended.
    async fn contacts_offline(&self, seen: Vec<Ghost>) {
        for ghost in seen {
            let event = RemoteEvent { login: self.login.clone(), kind: RemoteKind::PresenceLost(ghost) };
            if self.shared.bridge.remote(event).await.is_err() {
                return;
            }
        }
    }

    /// What is seen of each contact when the lists have come: that somebody is not there counts too.
    async fn initial_presence(&self, pump: &Pump<NotificationSession>) {
        // Others on the lists may be in conversations too.
        let others = pump.machine.roster().contacts().filter(|c| !c.lists.has(ListKind::Forward));
        let others: Vec<_> = others.map(|contact| names::ghost(&contact.email, &contact.name)).collect();
        self.tell(RemoteKind::Named(others)).await;
        let contacts = pump.machine.roster().contacts().filter(|c| c.lists.has(ListKind::Forward));
        for presence in contacts.map(convert::presence).collect::<Vec<_>>() {
            self.tell(RemoteKind::Presence(presence)).await;
        }
    }

    pub(in crate::connector) fn email(&self) -> Option<Email> {
        Email::parse(self.credentials.account.trim()).ok()
    }

    pub(in crate::connector) fn machine(&self, is_http: bool) -> Result<NotificationSession, ConnectError> {
        let config = &self.shared.config;
        let email = self.email().ok_or_else(|| {
            ConnectError::Ticket(TicketError::Rejected {
                reason: Some("the account is not an e-mail address".into()),
            })
        })?;
        let identity = Identity {
            email,
            dialects: config.dialects.clone(),
            client: config.client.clone(),
            client_version: config.client_version.clone(),
            locale: config.locale.clone(),
        };
        let start = Start {
            product: config.product.clone(),
            status: convert::parse_status(&self.credentials.presence).unwrap_or(Status::Online),
            capabilities: CAPABILITIES,
            personal: self.personal_message(),
            object: announced(&self.face),
            roster: Roster::default(),
            pings: !is_http,
        };
        Ok(NotificationSession::new(now(), identity, start))
    }

    pub(in crate::connector) fn personal_message(&self) -> PersonalMessage {
        convert::personal(&self.credentials.personal_message)
    }

    /// Runs until the session ends (`Err`) or sends us elsewhere (`Ok`).
    pub(in crate::connector) async fn drive(
        &mut self,
        pump: &mut Pump<NotificationSession>,
    ) -> Result<HostPort, End> {
        let mut under_way = UnderWay::default();
        let mut health = Health::new();
        let cancel = self.cancel.clone();
        loop {
            let quiet = under_way.ready && under_way.trial.is_none();
            tokio::select! {
                () = tokio::time::sleep_until(health.try_at()), if quiet => self.begin_trial(pump, &mut under_way),
                answer = under_way.next() => self.answered(pump, &mut health, answer).await?,
                event = pump.next() => match event {
                    Ok(event) => { if !is_answer(&event) { health.heard(); } match self.handle_event(pump, &mut under_way, event).await {
                        Next::GoOn => {}
                        Next::Redirected(server) => return Ok(server),
                    } }
                    Err(error) => return Err(End::Failed(error)),
                },
                ask = self.asks.recv() => match ask {
                    None => return Err(End::Stop),
                    Some(LoginCommand::Connect(credentials)) => {
                        self.credentials = credentials;
                        return Err(End::Again);
                    }
                    Some(LoginCommand::Examine { reply }) => {
                        self.examiners.push(reply);
                        health.doubt();
                    }
                    Some(ask) => self.asked(pump, &mut under_way, ask),
                },
                Some(news) = self.news.recv() => {
                    if let CallNotice::Named(named) = &news {
                        self.board_named(Some(pump), named).await;
                    }
                    let broke = self.heard_of(news).filter(|_| under_way.ready);
                    broke.inspect(|conversation| self.call_anew(pump, &mut under_way, conversation));
                }
                () = cancel.cancelled() => return Err(End::Stop),
            }
        }
    }

    async fn answered(
        &mut self,
        pump: &mut Pump<NotificationSession>,
        health: &mut Health,
        answer: Answer,
    ) -> Result<(), End> {
        match answer {
            Answer::Tried(works) => match health.tried(works) {
                Verdict::Alive => self.examined().await,
                Verdict::TryAgain => {}
                Verdict::Replace => {
                    let error = SessionError::TimedOut("a conversation that was tried");
                    return Err(End::Failed(error.into()));
                }
            },
            Answer::Ticket(ticket) => {
                let ticket = ticket.map_err(|error| End::Failed(error.into()))?;
                self.offline.has_ticket(&ticket);
                pump.machine.provide_ticket(now(), ticket);
            }
        }
        Ok(())
    }

    /// Asks for a switchboard only to see whether one comes.
    fn begin_trial(&self, pump: &mut Pump<NotificationSession>, under_way: &mut UnderWay) {
        let Some(email) = self.email() else { return };
        let (assignment, assigned) = oneshot::channel();
        let request = pump.machine.request_switchboard(now());
        under_way.expect_board(request, assignment);
        under_way.trial = Some(Box::pin(health::try_board(
            self.shared.dialler.clone(),
            assigned,
            email,
            pump.machine.dialect(),
        )));
    }

    async fn handle_event(
        &mut self,
        pump: &mut Pump<NotificationSession>,
        under_way: &mut UnderWay,
        event: NotificationEvent,
    ) -> Next {
        use NotificationEvent as Event;
        match event {
            Event::Redirected(server) => return Next::Redirected(server),
            Event::TicketWanted { policy } => under_way.tickets = self.ticket(policy),
            Event::OfflineMessages(waiting) => self.fetch_offline(waiting).await,
            Event::SignedIn { dialect } => tracing::info!(%dialect, "signed in"),
            Event::RosterLoaded => {
                under_way.ready = true;
                self.turn = None;
                self.watched.clear();
                self.initial_presence(pump).await;
                self.answer_examiners();
                self.tell(RemoteKind::State(ConnectionState::Connected)).await;
                for conversation in self.suspended.conversations() {
                    self.call_anew(pump, under_way, &conversation);
                }
            }
            Event::RosterIncomplete(gap) => {
                tracing::warn!(?gap, "the contact list is not what was announced");
                if let Some(text) = self.gaps.words(&gap) {
                    self.tell(RemoteKind::Notice { text }).await;
                }
            }
            Event::GroupsChanged => {
                self.tell(RemoteKind::Groups(convert::groups(pump.machine.roster()))).await;
            }
            Event::PresenceChanged(contact) => {
                let capabilities = contact.capabilities.0;
                tracing::debug!(email = %contact.email, capabilities, "presence");
                self.directory.note(&contact);
                let presence = convert::presence(&contact);
                if !presence.ghost.name.is_empty() {
                    self.names.set(&contact.email, &presence.ghost.name);
                }
                self.tell(RemoteKind::Presence(presence)).await;
                if contact.status != Status::Offline {
                    self.appeared(&contact.email).await;
                }
            }
            Event::Named { email, name } => {
                self.names.set(&email, &name);
                self.tell(RemoteKind::Named(vec![names::ghost(&email, &name)])).await;
            }
            Event::StatusConfirmed(status) if status != Status::Hidden => self.all_reachable().await,
            Event::Rung { session, board, cookie, email, .. } => {
                self.rung(pump, &email, board, cookie, session);
                self.appeared(&email).await;
            }
            Event::SwitchboardReady { request, board, cookie } => {
                under_way.assign(request, Ok((board, cookie)));
            }
            Event::SwitchboardRefused { request, code } => {
                under_way.assign(request, Err(code));
            }
            Event::AddedBy { email, name, asks: true } => {
                self.tell(RemoteKind::ContactRequest(names::ghost(&email, &name))).await;
            }
            Event::RemovedBy { email } => {
                self.tell(RemoteKind::ContactRequestGone(names::account(&email))).await;
            }
            Event::Unlisted { email } => {
                self.tell(RemoteKind::PresenceLost(names::account(&email))).await;
            }
            Event::ChangeDone { handle, result } => {
                under_way.changed(handle, result.map_err(|failure| failure.to_string()));
            }
            other => self.tell_owner(other).await,
        }
        Next::GoOn
    }

    /// A board calls somebody otherwise than before: everybody hears what they are called by all that is known.
    pub(in crate::connector) async fn board_named(
        &self,
        pump: Option<&mut Pump<NotificationSession>>,
        named: &BoardName,
    ) {
        let Some(name) = named.newest(pump.as_ref().map(|pump| pump.machine.roster())) else { return };
        if let Some(pump) = pump {
            pump.machine.note_name(&named.email, &name);
        }
        self.names.set(&named.email, &name);
        self.tell(RemoteKind::Met(names::ghost(&named.email, &name))).await;
    }

    /// Things that are only for the owner to read.
    async fn tell_owner(&self, event: NotificationEvent) {
        use NotificationEvent as Event;
        let text = match event {
            Event::GoingDown { minutes } => {
                format!("The MSN server goes down in {minutes} minutes. The bridge connects again by itself.")
            }
            Event::Mail { from, subject } => format!("New mail from {from}: {subject}"),
            Event::UnreadMail { unread, elsewhere: 0 } => {
                format!("You have {unread} unread messages in your MSN mailbox.")
            }
            Event::UnreadMail { unread, elsewhere } => format!(
                "You have {unread} unread messages in your MSN mailbox, and {elsewhere} in other folders."
            ),
            Event::Alert { text } => format!("MSN alert: {text}"),
            Event::Paged { from, text } => format!("Page from {from}: {text}"),
            Event::AddedBy { email, name, asks: false } => {
                format!(
                    "{} <{email}> has added you to their contacts. «chat {email}» opens a conversation.",
                    without_codes(&name)
                )
            }
            Event::RequestRefused { what, code } => {
                format!("MSN refused to {what}: {}", sentence(&code.to_string()))
            }
            _ => return,
        };
        self.tell(RemoteKind::Notice { text }).await;
    }

    fn ticket(&mut self, policy: String) -> Tickets {
        let (passport, password) = (self.shared.passport.clone(), self.credentials.password.clone());
        let email = self.email()?;
        self.offline.begin(
            &self.shared,
            oim::Tickets::new(passport.clone(), email.clone(), password.clone(), policy.clone()),
        );
        Some(Box::pin(async move { passport.ticket(&email, &password, &policy).await }))
    }

    fn rung(
        &mut self,
        pump: &Pump<NotificationSession>,
        caller: &Email,
        board: HostPort,
        cookie: Cookie,
        session: SessionId,
    ) {
        let Ok(permit) = self.rings.clone().try_acquire_owned() else {
            return tracing::warn!(%caller, "too many calls ring at once, one was not answered");
        };
        let conversation = convert::direct(caller);
        let Some(of) = self.of(pump, std::slice::from_ref(caller)) else { return };
        let call = call::start(of, conversation.clone(), Begin::Rung { board, cookie, session, permit });
        // The call that rang last is the one they look at.
        self.calls.insert(conversation, call);
    }

    fn of(&self, pump: &Pump<NotificationSession>, members: &[Email]) -> Option<CallResources> {
        Some(CallResources {
            shared: self.shared.clone(),
            login: self.login.clone(),
            email: self.email()?,
            dialect: pump.machine.dialect(),
            people: self.directory.about(members.to_vec()),
            own_picture: self.face.subscribe(),
            streams: self.streams.clone(),
            doors: self.doors.clone(),
            offers: self.offers.clone(),
            names: self.names.clone(),
            suspended: self.suspended.clone(),
            news: self.tellers.clone(),
            cancel: self.cancel.clone(),
        })
    }

    fn asked(&mut self, pump: &mut Pump<NotificationSession>, under_way: &mut UnderWay, ask: LoginCommand) {
        if !under_way.ready {
            return self.answer_offline(ask);
        }
        match ask {
            LoginCommand::Connect(credentials) => self.credentials = credentials,
            LoginCommand::OwnPicture(face) => {
                if self.face.send_replace(face.clone()) != face {
                    pump.machine.set_object(now(), announced(&self.face));
                }
            }
            LoginCommand::Call { conversation, worn, reply } => {
                self.put_away(worn);
                let call = match self.examiners.is_empty() {
                    true => self.call(pump, under_way, &conversation),
                    false => Err("MSN does not confirm what is sent; the connection is being tried".into()),
                };
                let _ = reply.send(call); // whoever asked may have gone
            }
            LoginCommand::Leave { to, text, reply } => {
                self.leave_offline(pump.machine.name().to_owned(), to, text, reply)
            }
            LoginCommand::Examine { reply } => self.examiners.push(reply),
            LoginCommand::Watch { conversation } => drop(self.watched.insert(conversation)),
            LoginCommand::Request { request, reply } => self.requested(pump, under_way, request, reply),
            LoginCommand::About { who, reply } => self.about(pump, under_way, &who, reply),
            LoginCommand::Contacts { reply } => {
                drop(reply.send(Ok(requests::contacts(pump.machine.roster()))))
            }
        }
    }

    /// A call broke under a file.
    fn call_anew(
        &mut self,
        pump: &mut Pump<NotificationSession>,
        under_way: &mut UnderWay,
        conversation: &ConversationId,
    ) {
        match self.call(pump, under_way, conversation) {
            Ok(call) => call.take_up(),
            Err(reason) => tracing::info!(reason, "a call that broke is not made again"),
        }
    }

    pub(in crate::connector) fn call(
        &mut self,
        pump: &mut Pump<NotificationSession>,
        under_way: &mut UnderWay,
        conversation: &ConversationId,
    ) -> Result<CallHandle, String> {
        if let Some(call) = self.open_call(conversation) {
            return Ok(call);
        }
        let invitees = group::members(&self.shared, &self.login, conversation);
        let no_one = || "nobody is known to be in this conversation".to_owned();
        if invitees.is_empty() {
            return Err(no_one());
        }
        let of = self.of(pump, &invitees).ok_or_else(no_one)?;
        let (assignment, assigned) = oneshot::channel();
        let request = pump.machine.request_switchboard(now());
        under_way.expect_board(request, assignment);
        let call = call::start(of, conversation.clone(), Begin::Calling { assigned, invitees });
        self.calls.insert(conversation.clone(), call.clone());
        Ok(call)
    }
}

/// The picture of the owner, as it is announced.
fn announced(face: &watch::Sender<Option<Arc<OwnPicture>>>) -> Option<UrlText> {
    face.borrow().as_ref().map(|face| UrlText::encode(face.object.as_xml()))
}

/// Whom the session showed something of.
fn seen(pump: &Pump<NotificationSession>) -> Vec<Ghost> {
    let seen = |c: &&Contact| c.lists.has(ListKind::Forward) || c.status != Status::Offline;
    let contacts = pump.machine.roster().contacts().filter(seen);
    contacts.map(|contact| names::ghost(&contact.email, &contact.name)).collect()
}

/// Answers to what we asked prove less than what comes by itself.
fn is_answer(event: &NotificationEvent) -> bool {
    matches!(event, NotificationEvent::SwitchboardReady { .. } | NotificationEvent::SwitchboardRefused { .. })
}
