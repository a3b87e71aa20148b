//! The task of one login: one session after another, and what happens between them.
//!
//! Knows when to sign in, and answers what is asked while there is no session. Refuses to know what a session does, which
//! is in `session`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::bridge::event::{ConnectionState, RemoteEvent, RemoteKind};
use crate::bridge::ids::LoginId;
use crate::bridge::login::Credentials;
use crate::bridge::port::network::Request;
use crate::connector::context::Shared;
use crate::connector::error::ConnectError;
use crate::connector::handle::CallNotice;
use crate::connector::interrupted::Interrupted;
use crate::connector::login::calls::Calls;
use crate::connector::login::command::LoginCommand;
use crate::connector::login::gap::GapNotices;
use crate::connector::login::offline::Offline;
use crate::connector::login::pace::{SignInPace, Turn};
use crate::connector::login::reachable::Waiters;
use crate::connector::object::own_picture;
use crate::connector::translate::{convert, group};
use crate::measure;
use crate::msn::command::SignOut;
use crate::msn::ids::Email;
use crate::msn::session::SessionError;
use crate::retry::Retry;

/// A session that lived this long has earned a quick reconnect.
const STABLE: Duration = Duration::from_secs(60);

/// Whoever waits longer than this for their turn to sign in is told so.
const LONG_WAIT: Duration = Duration::from_secs(60);

/// How a session ended.
pub(in crate::connector) enum End {
    /// The bridge stops, or the login is no more.
    Stop,
    /// Somebody asked for a new one.
    Again,
    Failed(ConnectError),
}

/// How waiting without a session ends.
pub(in crate::connector) enum Meanwhile<T> {
    Done(T),
    /// Somebody wants a session now, with these.
    Connect(Credentials),
    /// It is all over.
    Stop,
}

/// What the tasks of all logins share.
#[derive(Clone)]
pub(in crate::connector) struct LoginContext {
    pub(in crate::connector) shared: Shared,
    pub(in crate::connector) pace: Arc<SignInPace>,
    pub(in crate::connector) interrupted: Interrupted,
}

/// The task of one login.
pub(in crate::connector) struct LoginTask {
    pace: Arc<SignInPace>,
    interrupted: Interrupted,
    pub(in crate::connector) shared: Shared,
    pub(in crate::connector) login: LoginId,
    pub(in crate::connector) credentials: Credentials,
    pub(in crate::connector) asks: mpsc::Receiver<LoginCommand>,
    pub(in crate::connector) cancel: CancellationToken,
    pub(in crate::connector) calls: Calls,
    /// What calls tell.
    pub(in crate::connector) news: mpsc::Receiver<CallNotice>,
    /// What waits for people, or for the session.
    pub(in crate::connector) waiters: Waiters,
    /// Offline messages.
    pub(in crate::connector) offline: Offline,
    /// What was said of lists that are not whole.
    pub(in crate::connector) gaps: GapNotices,
    /// The sign-in that is under way.
    pub(in crate::connector) turn: Option<Turn>,
    /// Why there is no session now.
    pub(in crate::connector) why_down: String,
}

fn backoff() -> Retry {
    Retry::new(Duration::from_secs(1), Duration::from_secs(120))
}

impl LoginTask {
    pub(in crate::connector) fn new(
        context: LoginContext,
        login: LoginId,
        credentials: Credentials,
        asks: mpsc::Receiver<LoginCommand>,
        cancel: CancellationToken,
    ) -> Self {
        let LoginContext { shared, pace, interrupted } = context;
        let (news_tx, news) = mpsc::channel(16);
        let email = Email::parse(login.as_str()).ok();
        let own_picture = email.and_then(|email| own_picture::load(&shared, &login, &email));
        let calls = Calls::new(shared.clone(), login.clone(), cancel.clone(), news_tx, own_picture);
        Self {
            pace,
            interrupted,
            shared,
            login,
            credentials,
            asks,
            cancel,
            calls,
            news,
            waiters: Waiters::default(),
            offline: Offline::default(),
            gaps: GapNotices::default(),
            turn: None,
            why_down: "signing in to MSN".to_owned(),
        }
    }

    /// Until the login is no more, or the bridge stops.
    pub(in crate::connector) fn run(self) -> impl Future<Output = ()> + Send {
        let span = tracing::info_span!(parent: None, "login", login = %self.login);
        self.live().instrument(span)
    }

    async fn live(mut self) {
        let mut delays = backoff();
        self.ensure_groups().await;
        self.interrupted.tell(&self.shared.bridge, &self.shared.storage, &self.login, &self.cancel).await;
        loop {
            self.turn = match self.take_turn().await {
                Some(turn) => Some(turn),
                None => return,
            };
            // What goes again by itself takes its turn like the others.
            self.credentials.at_once = false;
            self.tell(RemoteKind::State(ConnectionState::Connecting)).await;
            let begun = Instant::now();
            let ended = self.session().await;
            self.turn = None;
            let error = match ended {
                End::Stop => return,
                End::Again => {
                    delays = backoff();
                    continue;
                }
                End::Failed(error) => error,
            };
            tracing::warn!(%error, "the session ended");
            if error.is_silence() {
                measure::count(measure::DEAF, ("side", "msn"));
            }
            if begun.elapsed() >= STABLE {
                delays = backoff();
            }
            let reason = error.to_string();
            let flush = if error.needs_owner() {
                // They are not kept waiting: only the owner can end this.
                self.waiters.give_up();
                self.why_down = format!("signed out of MSN: {reason}");
                self.tell(RemoteKind::State(ConnectionState::SignedOut { reason })).await;
                self.wait(None).await
            } else {
                self.why_down = format!("MSN is not reachable now: {reason}");
                self.tell(RemoteKind::State(ConnectionState::Waiting { reason })).await;
                let delay = delays.next_pause();
                self.wait(Some(delay.max(asked_delay(&error)))).await
            };
            if !flush {
                return;
            }
        }
    }

    /// What the configuration names can be spoken in from the beginning.
    async fn ensure_groups(&self) {
        for (_, members) in self.shared.config.groups.iter().filter(|(login, _)| *login == self.login) {
            if let Err(error) = group::ensure(&self.shared, &self.login, members).await {
                tracing::error!(%error, "a group of the configuration could not be written down");
            }
        }
    }

    /// Waits for the time or for somebody to ask; false when it is all over.
    async fn wait(&mut self, delay: Option<Duration>) -> bool {
        let until = delay.map(|delay| Instant::now() + delay);
        match self.meanwhile(sleep_until(until)).await {
            Meanwhile::Done(()) => true,
            Meanwhile::Connect(credentials) => {
                self.credentials = credentials;
                true
            }
            Meanwhile::Stop => false,
        }
    }

    /// Waits for something while there is no session. Whoever asks is answered meanwhile, and calls, which outlive
    /// sessions, are heard: they read no socket while they have something to tell.
    pub(in crate::connector) async fn meanwhile<T>(
        &mut self,
        awaited: impl Future<Output = T>,
    ) -> Meanwhile<T> {
        let mut awaited = std::pin::pin!(awaited);
        loop {
            tokio::select! {
                done = &mut awaited => return Meanwhile::Done(done),
                ask = self.asks.recv() => match ask {
                    Some(LoginCommand::Connect(credentials)) => return Meanwhile::Connect(credentials),
                    Some(ask) => self.answer_offline(ask),
                    None => return Meanwhile::Stop,
                },
                Some(news) = self.news.recv() => match news {
                    CallNotice::Named(named) => self.board_named(None, &named).await,
                    news => drop(self.calls.handle_notice(news)),
                },
                () = self.cancel.cancelled() => return Meanwhile::Stop,
            }
        }
    }

    /// Asked while there is no session.
    pub(in crate::connector) fn answer_offline(&mut self, ask: LoginCommand) {
        let why = self.why_down.clone();
        match ask {
            LoginCommand::Connect(credentials) => self.credentials = credentials,
            LoginCommand::OwnPicture(picture) => drop(self.calls.own_picture.send_replace(picture)),
            LoginCommand::Call { conversation, worn, reply } => {
                self.calls.put_away(worn);
                let open = self.calls.find(&conversation).ok_or(why);
                let _ = reply.send(open); // whoever asked may have gone
            }
            // Without a session the words wait.
            LoginCommand::Leave { .. } => {}
            LoginCommand::Examine { reply } => self.waiters.examine(reply),
            LoginCommand::Watch { conversation } => self.waiters.watch(conversation),
            LoginCommand::Request { request, reply } => {
                let _ = reply.send(self.remember(request).map_err(|()| why));
            }
            // Without an answer it is said that nothing is known.
            LoginCommand::About { reply, .. } => drop(reply),
            LoginCommand::Contacts { reply } => drop(reply.send(Err(why))),
        }
    }

    /// What can be done without a session: it is kept for the next one.
    fn remember(&mut self, request: Request) -> Result<(), ()> {
        match request {
            Request::Presence(word) if convert::parse_status(&word).is_some() => {
                self.credentials.presence = word;
                Ok(())
            }
            Request::PersonalMessage(text) => {
                self.credentials.personal_message = text;
                Ok(())
            }
            _ => Err(()),
        }
    }

    /// The own account.
    pub(in crate::connector) fn email(&self) -> Option<Email> {
        Email::parse(self.credentials.account.trim()).ok()
    }

    /// Waits for the turn to sign in; `None` when it is all over.
    async fn take_turn(&mut self) -> Option<Turn> {
        let pace = self.pace.clone();
        if self.credentials.at_once {
            return Some(pace.at_once());
        }
        let now = Instant::now();
        let at = pace.reserve(now);
        let wait = at.saturating_duration_since(now);
        if wait >= LONG_WAIT {
            let minutes = wait.as_secs().div_ceil(60);
            let reason =
                format!("many accounts are signing in, and its turn comes in about {minutes} minutes");
            self.why_down.clone_from(&reason);
            self.tell(RemoteKind::State(ConnectionState::Waiting { reason })).await;
        }
        let mut turn = std::pin::pin!(pace.turn(at));
        loop {
            match self.meanwhile(turn.as_mut()).await {
                Meanwhile::Done(turn) => return Some(turn),
                Meanwhile::Connect(credentials) => {
                    self.credentials = credentials;
                    if self.credentials.at_once {
                        return Some(pace.at_once());
                    }
                }
                Meanwhile::Stop => return None,
            }
        }
    }

    /// Waits while the core is busy, but not once it has stopped. Boxed: an idle login has no room in it for an event.
    pub(in crate::connector) fn tell(&self, kind: RemoteKind) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let event = RemoteEvent { login: self.login.clone(), kind };
            tokio::select! {
                _ = self.shared.bridge.remote(event) => {}
                () = self.cancel.cancelled() => {}
            }
        })
    }
}

/// The pause that the server itself asked for.
fn asked_delay(error: &ConnectError) -> Duration {
    match error {
        ConnectError::Session(SessionError::SignedOut(SignOut::ReconnectIn { minutes })) => {
            Duration::from_secs(u64::from((*minutes).min(60)) * 60)
        }
        ConnectError::Session(SessionError::SignedOut(SignOut::ShuttingDown)) => Duration::from_secs(10),
        _ => Duration::ZERO,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
