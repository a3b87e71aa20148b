//! The router: one task that knows every login and portal, and hands what happens to the right one.

mod commands;
mod ending;
mod finished;
mod inbound;
mod logins;
mod names;
mod offers;
mod presence;
mod reader;
mod roster;
mod saves;
mod signals;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::BridgeError;
use super::body::Body;
use super::border;
use super::clean;

use super::event::{Author, LocalEvent, RemoteEvent, Timestamp};
use super::ghost_names::GhostNames;
use super::ids::{EntryId, Leg, LoginId, PortalKey, UserId};
use super::inbox::Inbox;
use super::journal::{Entry, Origin};
use super::link::Links;
use super::login::Login;
use super::port::delivery::Content;
use super::port::frontend::{Frontend, Permissions};
use super::port::media::Media;
use super::port::network::Network;
use super::port::storage::{Batch, Storage, Table, disk_retry, until_it_works};
use super::portal::{HoldLimits, MAILBOX, Portal, PortalContext, PortalInput, Undeliverable};
use super::presence::Presences;
use super::prompt::Prompts;
use super::record::PortalRecord;
use super::report::Reports;
use super::sentence::sentence;
use super::sides::Sides;
use finished::Finished;
use logins::ConnectionStatus;
use reader::Reader;
use saves::Saves;
use signals::SignalSender;

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
    /// How much waits for somebody who is away, and how long.
    pub hold: HoldLimits,
    pub cancel: CancellationToken,
    /// Cancelled when the core itself broke off: nothing is lost, and nothing goes on until the program starts again.
    pub broken: CancellationToken,
    pub tasks: TaskTracker,
}

/// Brings events into the core.
#[derive(Clone)]
pub struct BridgeHandle {
    events: mpsc::Sender<Input>,
}

/// What the router is told.
#[derive(Debug, Clone)]
pub(super) enum Input {
    Remote(RemoteEvent),
    /// Something said that the network keeps until it is written down here, and what is true then.
    Kept {
        event: Box<RemoteEvent>,
        with: Batch,
        stored: mpsc::Sender<()>,
    },
    /// Something from a frontend that has no inbox.
    Local(LocalEvent),
    /// Something from an inbox, and what takes it out of there.
    Item {
        event: LocalEvent,
        with: Batch,
    },
    LegUp(Leg),
    /// The disk had failed, and works again.
    Recovered,
    /// A login from the configuration.
    Configured(Box<Login>),
    /// A portal from the configuration.
    Open(PortalKey),
}

impl BridgeHandle {
    /// Waits while the core is busy.
    pub async fn remote(&self, event: RemoteEvent) -> Result<(), BridgeError> {
        self.send(Input::Remote(event)).await
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
    pub async fn local(&self, event: LocalEvent) -> Result<(), BridgeError> {
        self.send(Input::Local(event)).await
    }

    /// What held this leg may be over, in every portal.
    pub async fn leg_up(&self, leg: Leg) -> Result<(), BridgeError> {
        self.send(Input::LegUp(leg)).await
    }

    /// The disk had failed and works again: whoever left comes back.
    pub async fn recovered(&self) -> Result<(), BridgeError> {
        self.send(Input::Recovered).await
    }

    /// A login that the configuration asks for.
    pub async fn configure_login(&self, login: Login) -> Result<(), BridgeError> {
        self.send(Input::Configured(Box::new(login))).await
    }

    /// A portal that should exist whether or not anybody has said anything.
    pub async fn open(&self, portal: PortalKey) -> Result<(), BridgeError> {
        self.send(Input::Open(portal)).await
    }

    async fn send(&self, input: Input) -> Result<(), BridgeError> {
        self.events.send(input).await.map_err(|_| BridgeError::Stopped)
    }
}

/// The channel between those who bring events and the router, made before either.
pub struct Bridge {
    sender: mpsc::Sender<Input>,
    events: mpsc::Receiver<Input>,
}

impl Bridge {
    pub fn channel() -> (BridgeHandle, Self) {
        let (sender, events) = mpsc::channel(EVENTS);
        (BridgeHandle { events: sender.clone() }, Self { sender, events })
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
    pub fn start(self, setup: Setup) -> Result<(), BridgeError> {
        let tasks = setup.tasks.clone();
        let (inboxes, frontends, cancel) =
            (setup.inboxes.clone(), setup.frontends.clone(), setup.cancel.clone());
        let broken = setup.broken.clone();
        let network = setup.network.traits().name;
        let router = Router::load(setup)?;
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

struct Router {
    setup: Setup,
    around: PortalContext,
    failures: mpsc::Receiver<Undeliverable>,
    logins: HashMap<LoginId, Login>,
    statuses: HashMap<LoginId, ConnectionStatus>,
    /// Logins that the configuration names.
    configured: HashSet<LoginId>,
    saves: Saves,
    portals: HashMap<PortalKey, mpsc::Sender<PortalInput>>,
    /// Those whose record is on its way to the disk: nothing was said there since.
    new_portals: HashSet<PortalKey>,
    prompts: Prompts,
    /// Who was asked about, and may not be known to the disk yet.
    asked_about: HashSet<Vec<u8>>,
    /// The messages that were passwords, the last of them.
    passwords: std::collections::VecDeque<String>,
    signals: Vec<SignalSender>,
    presences: Presences,
    /// What owners say of themselves, as far as it was passed on.
    status_texts: HashMap<LoginId, String>,
    requests: JoinSet<Finished>,
    /// One change of a login's picture at a time.
    portraits: HashMap<LoginId, Arc<tokio::sync::Mutex<()>>>,
}

impl Router {
    fn load(setup: Setup) -> Result<Self, BridgeError> {
        let (undeliverable, failures) = mpsc::channel(64);
        let around = PortalContext {
            storage: setup.storage.clone(),
            network: setup.network.clone(),
            frontends: setup.frontends.clone(),
            undeliverable,
            reports: Reports::start(&setup.frontends, &setup.cancel, &setup.tasks),
            clock: setup.clock.clone(),
            heartbeat: setup.heartbeat.clone(),
            media: setup.media.clone(),
            links: setup.links.clone(),
            hold: setup.hold,
            names: GhostNames::new(setup.storage.clone(), setup.ghost_per_login),
            sides: Sides::new(&*setup.network, &setup.frontends),
        };
        let mut logins = Login::load_all(&*setup.storage)?;
        // Their owners have not been seen yet.
        logins.iter_mut().filter(|login| login.follows).for_each(|login| login.presence = "away".into());
        let signals = signals::start(&setup.frontends, &setup.cancel, &setup.tasks);
        let mut router = Self {
            around,
            failures,
            logins: logins.into_iter().map(|login| (login.id.clone(), login)).collect(),
            statuses: HashMap::new(),
            configured: HashSet::new(),
            saves: Saves::default(),
            portals: HashMap::new(),
            new_portals: HashSet::new(),
            prompts: Prompts::load(&*setup.storage)?,
            asked_about: HashSet::new(),
            passwords: std::collections::VecDeque::new(),
            signals,
            presences: Presences::new(setup.ghost_per_login),
            status_texts: HashMap::new(),
            requests: JoinSet::new(),
            portraits: HashMap::new(),
            setup,
        };
        for record in PortalRecord::load_all(&*router.setup.storage)? {
            router.meet(&record.key)?;
            let waiting = router.setup.storage.scan(Table::Journal, &record.key.to_key(), None, 1)?;
            if !waiting.is_empty() {
                router.open(&record.key)?;
            }
        }
        router.connect_all();
        Ok(router)
    }

    async fn run(mut self, mut events: mpsc::Receiver<Input>) {
        let cancel = self.setup.cancel.clone();
        let mut pulse = tokio::time::interval(std::time::Duration::from_secs(1));
        loop {
            let result = tokio::select! {
                event = events.recv() => match event {
                    Some(input) => self.take_surely(input).await,
                    None => break,
                },
                Some(failure) = self.failures.recv() => self.tell_of_failure(&failure).await,
                Some(done) = self.requests.join_next() => match done {
                    Ok(finished) => self.command_finished(finished).await,
                    Err(error) => { tracing::error!(%error, "a command broke off"); Ok(()) }
                },
                Some(id) = self.saves.failed() => {
                    self.save_again(&id).await;
                    Ok(())
                }
                _ = pulse.tick() => self.check_statuses().await,
                () = cancel.cancelled() => break,
            };
            (self.setup.heartbeat)();
            if let Err(error) = result {
                tracing::error!(%error, "the bridge could not act on an event");
            }
        }
        // Events that were brought already are written down before the portals stop listening.
        events.close();
        while let Some(input) = events.recv().await {
            if let Err(error) = self.take_surely(input).await {
                tracing::error!(%error, "an event was lost while stopping");
            }
        }
        while let Some(id) = self.saves.failed().await {
            tracing::error!(login = %id, "how a login stands could not be written down while stopping");
        }
    }

    /// Acts on an input, however long the disk takes: what it says is in no other place. Nothing more is taken meanwhile.
    async fn take_surely(&mut self, input: Input) -> Result<(), BridgeError> {
        let mut retry = disk_retry();
        loop {
            match self.take(input.clone()).await {
                Err(BridgeError::Storage(error)) => {
                    tracing::error!(%error, "the bridge could not act on an event, trying again");
                    let setup = &self.setup;
                    until_it_works(&*setup.storage, &*setup.heartbeat, &mut retry).await;
                }
                result => return result,
            }
        }
    }

    /// How a login stands is written down once the disk works.
    async fn save_again(&mut self, id: &LoginId) {
        let (setup, mut retry) = (&self.setup, disk_retry());
        until_it_works(&*setup.storage, &*setup.heartbeat, &mut retry).await;
        self.save_login(id);
    }

    async fn take(&mut self, input: Input) -> Result<(), BridgeError> {
        match input {
            Input::Remote(event) => self.remote(border::remote(event)).await,
            Input::Kept { event, with, stored } => {
                self.remote_kept(border::remote(*event), with, stored).await
            }
            Input::Local(event) => self.local(border::local(event), Batch::default()).await,
            Input::Item { event, with } => self.local(border::local(event), with).await,
            Input::LegUp(leg) => {
                self.setup.inboxes.iter().filter(|inbox| inbox.leg() == leg).for_each(|inbox| inbox.retry());
                self.release(leg, |_| true).await
            }
            Input::Recovered => self.recovered().await,
            Input::Configured(login) => {
                self.configured(*login);
                Ok(())
            }
            Input::Open(portal) => self.open(&portal).map(drop),
        }
    }

    /// Tells portals that a leg may be up again.
    async fn release(&mut self, leg: Leg, which: impl Fn(&PortalKey) -> bool) -> Result<(), BridgeError> {
        for (_, portal) in self.portals.iter().filter(|(key, _)| which(key)) {
            let _ = portal.send(PortalInput::LegUp(leg)).await; // a portal that stopped needs no release
        }
        Ok(())
    }

    /// The portal's task, started if it does not run.
    fn open(&mut self, key: &PortalKey) -> Result<mpsc::Sender<PortalInput>, BridgeError> {
        if let Some(portal) = self.portals.get(key).filter(|portal| !portal.is_closed()) {
            return Ok(portal.clone());
        }
        let legs = self.legs(key);
        let known = PortalRecord::load(&*self.setup.storage, key)?;
        if known.as_ref().is_none_or(|known| known.legs != legs) {
            let mut batch = Batch::default();
            let relays = known.is_some_and(|known| known.relays);
            PortalRecord { key: key.clone(), legs: legs.clone(), relays }.store(&mut batch);
            // On disk with the first entry at the latest: batches keep their order.
            drop(self.setup.storage.commit(batch, super::port::storage::Urgency::Soon));
            self.new_portals.insert(key.clone());
            self.meet(key)?;
        }
        let portal = Portal::open(key.clone(), &legs, self.around.clone())?;
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        self.setup.tasks.spawn(portal.run(mailbox));
        self.portals.insert(key.clone(), sender.clone());
        Ok(sender)
    }

    fn legs(&self, key: &PortalKey) -> Vec<Leg> {
        let serving = self.setup.frontends.iter().filter(|frontend| frontend.serves(key));
        let mut legs: Vec<Leg> = serving.map(|frontend| frontend.leg()).collect();
        if key.management_user().is_none() {
            legs.extend(Leg::NETWORK);
        }
        legs
    }

    /// Hands an entry to a portal, with changes that belong to it.
    async fn append(&mut self, key: &PortalKey, entry: Entry, with: Batch) -> Result<(), BridgeError> {
        self.hand_in(key, entry, with, None).await
    }

    /// An entry for every leg but the one it came from.
    fn entry(&self, key: &PortalKey, author: Author, content: Content, origin: Option<Origin>) -> Entry {
        let came_from = origin.as_ref().map(|origin| origin.leg);
        let id = match &origin {
            // The same on every reading, should this be interrupted.
            Some(origin) => EntryId::brought(origin.leg, &origin.reference),
            None => EntryId::new((self.setup.names)()),
        };
        let has_file = matches!(&content, Content::Said { body: Body::Attachment(_) });
        let is_for = |leg: &Leg| Some(*leg) != came_from && (*leg != Leg::Files || has_file);
        let legs = self.legs(key).into_iter().filter(is_for).collect();
        Entry { id, author, content, at: (self.setup.clock)(), origin, legs, away: Vec::new() }
    }

    /// Says something as the bridge, on one side of a portal.
    async fn say(
        &mut self,
        key: &PortalKey,
        leg: Leg,
        text: String,
        about: Option<String>,
        with: Batch,
    ) -> Result<(), BridgeError> {
        let content = Content::Said { body: Body::Notice { text: clean::words(&text), about } };
        let entry = Entry { legs: vec![leg], ..self.entry(key, Author::Bridge, content, None) };
        self.append(key, entry, with).await
    }

    /// Tells a user something, where they and the bridge are among themselves.
    async fn tell(&mut self, user: &UserId, text: impl Into<String>) -> Result<(), BridgeError> {
        self.tell_with(user, text, Batch::default()).await
    }

    /// The same, with changes that belong to it.
    async fn tell_with(
        &mut self,
        user: &UserId,
        text: impl Into<String>,
        with: Batch,
    ) -> Result<(), BridgeError> {
        let key = PortalKey::management(user);
        let content = Content::Said { body: Body::notice(clean::words(&text.into())) };
        let entry = self.entry(&key, Author::Bridge, content, None);
        self.append(&key, entry, with).await
    }

    async fn tell_of_failure(&mut self, failure: &Undeliverable) -> Result<(), BridgeError> {
        let Some(owner) = self.logins.get(&failure.portal.receiver).map(|login| login.owner.clone()) else {
            return Ok(());
        };
        let text = format!(
            "A message in the conversation with {} could not be shown on {}: {} It was set aside; later messages are not affected.",
            failure.portal.conversation,
            self.around.sides.name(&failure.leg),
            sentence(&failure.reason)
        );
        self.tell(&owner, text).await
    }
}

#[cfg(test)]
mod tests;
