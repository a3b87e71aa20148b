//! How others reach the core: what it is put together from, and the channel into it.
//!
//! Knows the inputs and their order. Refuses to know what becomes of them. The channel holds [`EVENTS`] inputs; a sender
//! waits while it is full, and so does the socket that it reads from.

use std::sync::Arc;

use futures_util::FutureExt;
use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Router;
use super::reader::Reader;
use crate::bridge::BridgeError;
use crate::bridge::account::{AccountCall, AccountRequest, LoginState, SignInOutcome};
use crate::bridge::event::{LocalEvent, RemoteEvent, Timestamp};
use crate::bridge::ids::{GhostId, Leg, LoginId, PortalKey, UserId};
use crate::bridge::inbox::Inbox;
use crate::bridge::link::Links;
use crate::bridge::login::Login;
use crate::bridge::overview::Overview;
use crate::bridge::port::frontend::{Frontend, Permissions};
use crate::bridge::port::media::Media;
use crate::bridge::port::network::Network;
use crate::bridge::port::sign_in::SignInPage;
use crate::bridge::port::storage::{Batch, Storage};
use crate::bridge::portal::HoldLimits;
use crate::bridge::receipt::InboxReceipt;

/// Remote events waiting; full, the sessions that bring them wait, and so do their sockets.
const EVENTS: usize = 1024;

/// What the core is put together from.
pub struct Setup {
    pub storage: Arc<dyn Storage>,
    pub network: Arc<dyn Network>,
    pub frontends: Vec<Arc<dyn Frontend>>,
    pub inboxes: Vec<Arc<Inbox>>,
    pub permissions: Arc<dyn Permissions>,
    /// The time of day.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Whether each login has ghosts of its own.
    pub ghost_per_login: bool,
    /// Random text that names entries which have no name of their own.
    pub names: Arc<dyn Fn() -> String + Send + Sync>,
    /// Called when a loop turns, for the watchdog.
    pub heartbeat: Arc<dyn Fn() + Send + Sync>,
    pub media: Arc<dyn Media>,
    /// Where files are shared, if anywhere.
    pub links: Option<Arc<Links>>,
    /// Where users sign in, if not in their rooms.
    pub sign_in: Option<Arc<dyn SignInPage>>,
    /// How much waits for somebody who is away, and how long.
    pub hold: HoldLimits,
    pub cancel: CancellationToken,
    /// Cancelled when the core itself broke off: nothing is lost, and nothing goes on until the program starts again.
    pub broken: CancellationToken,
    /// Cancelled when an administrator ends the program.
    pub shutdown: CancellationToken,
    pub tasks: TaskTracker,
}

/// What the router is told.
#[derive(Debug, Clone)]
pub(in crate::bridge) enum Input {
    Remote(RemoteEvent),
    /// Something said that the network keeps until it is written down here, and what is true then.
    Kept {
        event: Box<RemoteEvent>,
        with: Batch,
        stored: mpsc::Sender<()>,
    },
    /// Something from a frontend, and what takes it out of the inbox, where there is one.
    Local {
        event: LocalEvent,
        receipt: InboxReceipt,
    },
    LegUp(Leg),
    /// The disk had failed, and works again.
    Recovered,
    /// A login from the configuration.
    Configured(Box<Login>),
    /// A portal from the configuration.
    Open(PortalKey),
    /// What a user asks of their logins outside their rooms.
    Account(AccountCall),
}

/// Brings events into the core.
#[derive(Clone)]
pub struct BridgeHandle {
    events: mpsc::Sender<Input>,
    overview: Overview,
}

impl BridgeHandle {
    /// What can be seen of the core without asking it.
    pub fn overview(&self) -> &Overview {
        &self.overview
    }

    /// Waits while the core is busy.
    ///
    /// # Errors
    /// The core has stopped; so of every method here.
    pub async fn remote(&self, event: RemoteEvent) -> Result<(), BridgeError> {
        // Room first: what waits for it, in every session, is the event alone.
        self.room().await?.send(Input::Remote(event));
        Ok(())
    }

    /// Something said that the network keeps until it is written down here. Resolves when that is on disk, together with
    /// `with`.
    ///
    /// # Errors
    /// It was not written down: the core has stopped, or knows no such login any more.
    pub async fn remote_kept(&self, event: RemoteEvent, with: Batch) -> Result<(), BridgeError> {
        let (stored, mut on_disk) = mpsc::channel(1);
        self.send(Input::Kept { event: Box::new(event), with, stored }).await?;
        on_disk.recv().await.ok_or(BridgeError::Stopped)
    }

    /// Something said where nobody waits for it to be written down. Waits while the core is busy.
    ///
    /// # Errors
    /// The core has stopped.
    pub async fn local(&self, event: LocalEvent) -> Result<(), BridgeError> {
        self.send(Input::Local { event, receipt: InboxReceipt::none() }).await
    }

    /// What held this leg may be over, in every portal.
    ///
    /// # Errors
    /// The core has stopped.
    pub async fn leg_up(&self, leg: Leg) -> Result<(), BridgeError> {
        self.send(Input::LegUp(leg)).await
    }

    /// The disk had failed and works again: whoever left comes back.
    ///
    /// # Errors
    /// The core has stopped.
    pub async fn recovered(&self) -> Result<(), BridgeError> {
        self.send(Input::Recovered).await
    }

    /// A login that the configuration asks for.
    ///
    /// # Errors
    /// The core has stopped.
    pub async fn configure_login(&self, login: Login) -> Result<(), BridgeError> {
        self.send(Input::Configured(Box::new(login))).await
    }

    /// A portal that should exist whether or not anybody has said anything.
    ///
    /// # Errors
    /// The core has stopped.
    pub async fn open(&self, portal: PortalKey) -> Result<(), BridgeError> {
        self.send(Input::Open(portal)).await
    }

    /// How each login of a user stands, in the order of their names.
    ///
    /// # Errors
    /// The core has stopped.
    pub async fn logins(&self, user: &UserId) -> Result<Vec<LoginState>, BridgeError> {
        let (answer, answered) = mpsc::channel(1);
        self.account(user, AccountRequest::Logins { answer }, answered).await
    }

    /// Signs an account in, as its user asked with this password. Resolves when the network has taken it or not, which may
    /// be never: the caller has to bound that. What becomes of it is told in the user's room too.
    ///
    /// # Errors
    /// The core has stopped, or the login was forgotten meanwhile.
    pub async fn sign_in(
        &self,
        user: &UserId,
        account: &str,
        password: SecretString,
    ) -> Result<SignInOutcome, BridgeError> {
        let ((answer, answered), account) = (mpsc::channel(1), account.to_owned());
        self.account(user, AccountRequest::SignIn { account, password, answer }, answered).await
    }

    /// Has the room of a conversation made, where there is none yet. False where the login is not the user's.
    ///
    /// # Errors
    /// The core has stopped.
    pub async fn open_chat(
        &self,
        user: &UserId,
        portal: PortalKey,
        ghost: GhostId,
    ) -> Result<bool, BridgeError> {
        let (answer, answered) = mpsc::channel(1);
        self.account(user, AccountRequest::OpenChat { portal, ghost, answer }, answered).await
    }

    /// Signs a login out and forgets it, which its user's room hears. False where the user has no such login.
    ///
    /// # Errors
    /// The core has stopped.
    pub async fn sign_out(&self, user: &UserId, login: LoginId) -> Result<bool, BridgeError> {
        let (answer, answered) = mpsc::channel(1);
        self.account(user, AccountRequest::SignOut { login, answer }, answered).await
    }

    async fn account<A>(
        &self,
        user: &UserId,
        request: AccountRequest,
        mut answered: mpsc::Receiver<A>,
    ) -> Result<A, BridgeError> {
        self.send(Input::Account(AccountCall { user: user.clone(), request })).await?;
        answered.recv().await.ok_or(BridgeError::Stopped)
    }

    async fn send(&self, input: Input) -> Result<(), BridgeError> {
        self.room().await?.send(input);
        Ok(())
    }

    async fn room(&self) -> Result<mpsc::Permit<'_, Input>, BridgeError> {
        self.events.reserve().await.map_err(|_| BridgeError::Stopped)
    }
}

/// The channel between those who bring events and the router, made before either.
pub struct Bridge {
    sender: mpsc::Sender<Input>,
    events: mpsc::Receiver<Input>,
    overview: Overview,
}

impl Bridge {
    pub fn channel() -> (BridgeHandle, Self) {
        let (sender, events) = mpsc::channel(EVENTS);
        let overview = Overview::default();
        let handle = BridgeHandle { events: sender.clone(), overview: overview.clone() };
        (handle, Self { sender, events, overview })
    }

    /// What was brought in, in place of the router.
    #[cfg(test)]
    pub(crate) async fn next_remote(&mut self) -> Option<RemoteEvent> {
        loop {
            if let Input::Remote(event) = self.events.recv().await? {
                return Some(event);
            }
        }
    }

    /// Loads what is stored, takes up what was interrupted, and starts the task.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn start(self, setup: Setup) -> Result<(), BridgeError> {
        let tasks = setup.tasks.clone();
        let (inboxes, frontends, cancel) =
            (setup.inboxes.clone(), setup.frontends.clone(), setup.cancel.clone());
        let broken = setup.broken.clone();
        let network = setup.network.traits().name;
        let router = Router::load(setup, self.overview)?;
        for inbox in inboxes {
            let Some(frontend) = frontends.iter().find(|f| f.leg() == inbox.leg()).cloned() else { continue };
            let reader = Reader::new(inbox, frontend, network, self.sender.clone());
            tasks.spawn(vital(reader.run(cancel.clone()), broken.clone()));
        }
        tasks.spawn(vital(router.run(self.events), broken));
        Ok(())
    }
}

/// Without this task the bridge would only seem to work.
async fn vital(task: impl Future<Output = ()>, broken: CancellationToken) {
    if std::panic::AssertUnwindSafe(task).catch_unwind().await.is_err() {
        tracing::error!("a task that the bridge cannot do without broke off");
        broken.cancel();
    }
}
