//! One notification session of a login: from connecting to its end.
//!
//! Knows what each event of the machine means for the login and for the core. Refuses to know what happens between
//! sessions, which is in `task`, and in calls.

mod event;

use tokio::sync::oneshot;

use crate::bridge::event::{Ghost, RemoteEvent, RemoteKind};
use crate::bridge::ids::ConversationId;
use crate::connector::clock::now;
use crate::connector::context::names;
use crate::connector::handle::{CallHandle, CallNotice};
use crate::connector::login::command::LoginCommand;
use crate::connector::login::health::{Health, Verdict};
use crate::connector::login::pending::{Answer, UnderWay};
use crate::connector::login::task::{End, LoginTask, Meanwhile};
use crate::connector::login::{health, machine, notices};
use crate::connector::net::pump::Pump;
use crate::connector::translate::{convert, group};
use crate::msn::command::{ListKind, Status};
use crate::msn::gateway::Destination;
use crate::msn::ids::HostPort;
use crate::msn::message::PersonalMessage;
use crate::msn::session::{Contact, LoginFailure, NotificationEvent, NotificationSession, SessionError};

/// Servers that may send us on before it is a circle.
const MAX_HOPS: u32 = 5;
enum Next {
    GoOn,
    Redirected(HostPort),
}

impl LoginTask {
    pub(in crate::connector) async fn session(&mut self) -> End {
        let mut server = self.shared.config.server.clone();
        for _ in 0..=MAX_HOPS {
            let dialler = self.shared.dialler.clone();
            // Boxed, as its end: it is rarely under way, and a session lasts.
            let dialling = Box::pin(dialler.open(Destination::Notification, &server));
            let connected = match self.meanwhile(dialling).await {
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
            let (mut pump, is_http) = match machine::machine(
                &self.shared.config,
                &self.credentials,
                self.calls.own_picture.borrow().as_ref(),
                way.is_http,
            ) {
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
                Box::pin(pump.close()).await;
            }
            Box::pin(self.contacts_offline(seen)).await;
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

    pub(in crate::connector) fn personal_message(&self) -> PersonalMessage {
        convert::personal(&self.credentials.personal_message)
    }

    /// Runs until the session ends (`Err`) or sends us elsewhere (`Ok`).
    ///
    /// # Errors
    /// How the session ended.
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
                    Err(error) => {
                        let farewell = under_way.ready.then(|| notices::farewell(&error)).flatten();
                        self.notify_owner(farewell).await;
                        return Err(End::Failed(error));
                    }
                },
                ask = self.asks.recv() => match ask {
                    None => return Err(End::Stop),
                    Some(LoginCommand::Connect(credentials)) => {
                        self.credentials = credentials;
                        return Err(End::Again);
                    }
                    Some(LoginCommand::Examine { reply }) => {
                        self.waiters.examine(reply);
                        health.doubt();
                    }
                    Some(ask) => self.handle_command(pump, &mut under_way, ask),
                },
                Some(news) = self.news.recv() => {
                    if let CallNotice::Named(named) = &news {
                        self.board_named(Some(pump), named).await;
                    }
                    let broke = self.calls.handle_notice(news).filter(|_| under_way.ready);
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
                Verdict::Alive => self.session_works().await,
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
            Answer::Book(book) => {
                let book = book.map_err(|error| End::Failed(error.into()))?;
                pump.machine.provide_book(now(), *book);
            }
            Answer::Tokens(tokens) => {
                let (tokens, machine) = *tokens.map_err(|error| End::Failed(error.into()))?;
                pump.machine.provide_tokens(now(), &tokens, rand::random(), &machine);
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

    /// The call of a conversation, made where there is none: the server is asked for a board.
    ///
    /// # Errors
    /// Nobody is known to be in the conversation, in words for people.
    pub(in crate::connector) fn call(
        &mut self,
        pump: &mut Pump<NotificationSession>,
        under_way: &mut UnderWay,
        conversation: &ConversationId,
    ) -> Result<CallHandle, String> {
        if let Some(call) = self.calls.find(conversation) {
            return Ok(call);
        }
        let invitees = group::members(&self.shared, &self.login, conversation);
        let no_one = || "nobody is known to be in this conversation".to_owned();
        if invitees.is_empty() {
            return Err(no_one());
        }
        let own = self.email().ok_or_else(no_one)?;
        let (assignment, assigned) = oneshot::channel();
        let request = pump.machine.request_switchboard(now());
        under_way.expect_board(request, assignment);
        Ok(self.calls.begin(own, pump.machine.dialect(), conversation.clone(), invitees, assigned))
    }
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
