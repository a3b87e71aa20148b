//! The task of one login: one session after another, and what happens between them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connector::context::Shared;
use crate::connector::context::names::Names;
use crate::connector::context::people::Directory;
use crate::connector::error::ConnectError;
use crate::connector::file::offers::OfferRegistry;
use crate::connector::file::suspended::SuspendedTransfers;
use crate::connector::handle::{CallHandle, CallNotice, OwnPicture};
use crate::connector::interrupted::Interrupted;
use crate::connector::login::gap::GapNotices;
use crate::connector::login::offline::Offline;
use crate::connector::login::oim::LeaveError;
use crate::connector::login::pace::{SignInPace, Turn};
use crate::connector::object::own_picture;

use crate::bridge::event::{ConnectionState, RemoteEvent, RemoteKind};
use crate::bridge::ids::{ConversationId, LoginId};
use crate::bridge::login::Credentials;
use crate::bridge::port::network::{ContactLine, Request};
use crate::msn::command::SignOut;
use crate::msn::ids::Email;
use crate::msn::session::SessionError;
use crate::retry::Retry;

/// A session that lived this long has earned a quick reconnect.
const STABLE: Duration = Duration::from_secs(60);

/// Most files at once that old clients send: their streams outlive the calls they were offered in.
const MAX_STREAMS: usize = 16;
/// Most ports on which contacts are waited for at once.
const MAX_DOORS: usize = 4;
/// Most calls at once that others rang.
const MAX_RINGS: usize = 64;

/// What a login is asked.
pub(in crate::connector) enum LoginCommand {
    /// What the owner looks like, or nothing.
    OwnPicture(Option<Arc<OwnPicture>>),
    /// Connect now, with these.
    Connect(Credentials),
    /// A call that serves this conversation, or why there can be none.
    Call {
        conversation: ConversationId,
        /// A call that did not do: another is made.
        worn: Option<CallHandle>,
        reply: oneshot::Sender<Result<CallHandle, String>>,
    },
    /// A message was not confirmed. The reply comes when the session, or the next one, is known to work.
    Examine {
        reply: oneshot::Sender<()>,
    },
    /// Words for somebody who is away, to be left with the server.
    Leave {
        to: Email,
        text: String,
        reply: oneshot::Sender<Result<(), LeaveError>>,
    },
    /// Something waits until somebody of this conversation can be reached.
    Watch {
        conversation: ConversationId,
    },
    Request {
        request: Request,
        reply: oneshot::Sender<Result<(), String>>,
    },
    /// What is known of somebody, in words.
    About {
        who: Email,
        reply: oneshot::Sender<String>,
    },
    Contacts {
        reply: oneshot::Sender<Result<Vec<ContactLine>, String>>,
    },
}

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

pub(in crate::connector) struct LoginTask {
    pub(in crate::connector) pace: Arc<SignInPace>,
    interrupted: Interrupted,
    pub(in crate::connector) shared: Shared,
    pub(in crate::connector) login: LoginId,
    pub(in crate::connector) credentials: Credentials,
    pub(in crate::connector) asks: mpsc::Receiver<LoginCommand>,
    pub(in crate::connector) cancel: CancellationToken,
    /// Calls outlive sessions: a switchboard does not need the notification server.
    pub(in crate::connector) calls: HashMap<ConversationId, CallHandle>,
    /// One for each call that somebody rang: nobody can make us hold any number.
    pub(in crate::connector) rings: Arc<Semaphore>,
    /// One for each file that comes by a stream.
    pub(in crate::connector) streams: Arc<Semaphore>,
    pub(in crate::connector) news: mpsc::Receiver<CallNotice>,
    pub(in crate::connector) tellers: mpsc::Sender<CallNotice>,
    /// What broken calls have set aside.
    pub(in crate::connector) suspended: SuspendedTransfers,
    /// One for each port on which a contact is waited for: no login's contacts hold them all.
    pub(in crate::connector) doors: Arc<Semaphore>,
    /// Files that wait for the owner's word.
    pub(in crate::connector) offers: OfferRegistry,
    /// What people in calls are called.
    pub(in crate::connector) names: Names,
    /// What calls ask about contacts.
    pub(in crate::connector) directory: Directory,
    /// What is shown of the owner.
    pub(in crate::connector) face: watch::Sender<Option<Arc<OwnPicture>>>,
    /// Those who wait for a session that is known to work. While there are any, everything is held.
    pub(in crate::connector) examiners: Vec<oneshot::Sender<()>>,
    /// Offline messages.
    pub(in crate::connector) offline: Offline,
    /// Conversations whose people are waited for.
    pub(in crate::connector) watched: HashSet<ConversationId>,
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
        let (tellers, news) = mpsc::channel(16);
        let why_down = "signing in to MSN".to_owned();
        let (calls, rings) = (HashMap::new(), Arc::new(Semaphore::new(MAX_RINGS)));
        let email = Email::parse(login.as_str()).ok();
        let face = watch::Sender::new(email.and_then(|email| own_picture::load(&shared, &login, &email)));
        let streams = Arc::new(Semaphore::new(MAX_STREAMS));
        let offers = OfferRegistry::default();
        let directory = Directory::default();
        Self {
            pace,
            interrupted,
            shared,
            login,
            credentials,
            asks,
            cancel,
            calls,
            rings,
            streams,
            news,
            tellers,
            suspended: SuspendedTransfers::default(),
            doors: Arc::new(Semaphore::new(MAX_DOORS)),
            offers,
            directory,
            names: Names::default(),
            face,
            examiners: Vec::new(),
            offline: Offline::default(),
            watched: HashSet::new(),
            gaps: GapNotices::default(),
            turn: None,
            why_down,
        }
    }

    #[tracing::instrument(name = "login", skip_all, fields(login = %self.login))]
    pub(in crate::connector) async fn run(mut self) {
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
            if begun.elapsed() >= STABLE {
                delays = backoff();
            }
            let reason = error.to_string();
            let flush = if error.needs_owner() {
                // They are not kept waiting: only the owner can end this.
                self.examiners.clear();
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
            if let Err(error) =
                crate::connector::translate::group::ensure(&self.shared, &self.login, members).await
            {
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
                    news => drop(self.heard_of(news)),
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
            LoginCommand::OwnPicture(face) => drop(self.face.send_replace(face)),
            LoginCommand::Call { conversation, worn, reply } => {
                self.put_away(worn);
                let open = self.open_call(&conversation).ok_or(why);
                let _ = reply.send(open); // whoever asked may have gone
            }
            // Without a session the words wait.
            LoginCommand::Leave { .. } => {}
            LoginCommand::Examine { reply } => self.examiners.push(reply),
            LoginCommand::Watch { conversation } => drop(self.watched.insert(conversation)),
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
            Request::Presence(word)
                if crate::connector::translate::convert::parse_status(&word).is_some() =>
            {
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

    pub(in crate::connector) fn open_call(&mut self, conversation: &ConversationId) -> Option<CallHandle> {
        self.calls.retain(|_, call| call.is_open());
        self.calls.get(conversation).cloned()
    }

    /// A call that did not do serves nobody any more.
    pub(in crate::connector) fn put_away(&mut self, worn: Option<CallHandle>) {
        if let Some(worn) = worn {
            self.calls.retain(|_, call| !call.is_same(&worn));
            worn.retire();
        }
    }

    /// A call has news; gives the conversation that another is to be made for.
    pub(in crate::connector) fn heard_of(&mut self, news: CallNotice) -> Option<ConversationId> {
        match news {
            CallNotice::Moved { to, call } => {
                self.calls.retain(|_, known| !known.is_same(&call));
                self.calls.insert(to, call);
                None
            }
            CallNotice::Detached(call) => {
                self.calls.retain(|_, known| !known.is_same(&call));
                None
            }
            // Told where the lists are at hand.
            CallNotice::Named(_) => None,
            // Without a session it is looked for again once there is one.
            CallNotice::Broke(conversation) => Some(conversation),
        }
    }

    /// Waits while the core is busy, but not once it has stopped.
    pub(in crate::connector) async fn tell(&self, kind: RemoteKind) {
        let event = RemoteEvent { login: self.login.clone(), kind };
        tokio::select! {
            _ = self.shared.bridge.remote(event) => {}
            () = self.cancel.cancelled() => {}
        }
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
