//! The bridge between the simulated parts: its lives, one after the other, and what is said in them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::faults::Steps;
use super::side::{Saying, Shown, SimFrontend, SimNetwork};
use super::storage::SimStorage;
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{ConnectionState, Ghost, RemoteEvent, RemoteKind};
use crate::bridge::ids::{ConversationId, GhostId, Leg, LoginId, PortalKey, UserId};
use crate::bridge::inbox::{Inbox, Item};
use crate::bridge::login::Login;
use crate::bridge::port::frontend::{Outcome, Permissions};
use crate::bridge::port::media::{Incoming, Media, MediaId};
use crate::bridge::port::storage::{Batch, StorageError};
use crate::bridge::{Bridge, BridgeHandle, HoldLimits, Setup};

/// The one login, its owner and the contact most tests need.
pub(crate) const ALICE: &str = "alice@x";
pub(crate) const ANN: &str = "@ann:x";
pub(crate) const BOB: &str = "bob@x";

/// What a test waits for comes within this, on the virtual clock.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Milliseconds that have passed in all lives.
#[derive(Debug, Default)]
struct Clock {
    before: AtomicU64,
    born: Mutex<Option<Instant>>,
}

impl Clock {
    fn now(&self) -> u64 {
        let lived = self.born.lock().unwrap().map_or(0, |born| born.elapsed().as_millis());
        self.before.load(Ordering::SeqCst) + u64::try_from(lived).unwrap_or(0)
    }

    fn begin(&self) {
        *self.born.lock().unwrap() = Some(Instant::now());
    }

    fn end(&self) {
        self.before.store(self.now(), Ordering::SeqCst);
        *self.born.lock().unwrap() = None;
    }
}

/// No file comes in this.
struct NoFiles;

impl Media for NoFiles {
    fn limit(&self) -> u64 {
        0
    }

    fn lower_limit(&self, _bytes: u64) {}

    fn begin(&self, _expected: u64) -> BoxFuture<'_, Result<Box<dyn Incoming>, StorageError>> {
        Box::pin(async { Err(StorageError("there is no room".into())) })
    }

    fn discard(&self, _media: &MediaId) {}

    fn path(&self, media: &MediaId) -> std::path::PathBuf {
        media.as_str().into()
    }
}

struct Everybody;

impl Permissions for Everybody {
    fn may_use(&self, _user: &UserId) -> bool {
        true
    }
}

/// What outlives the bridge.
pub(crate) struct World {
    pub(crate) disk: Arc<SimStorage>,
    pub(crate) msn: Arc<SimNetwork>,
    pub(crate) matrix: Arc<SimFrontend>,
    pub(crate) irc: Arc<SimFrontend>,
    pub(crate) steps: Arc<Steps>,
    pub(crate) hold: HoldLimits,
    has_irc: bool,
    clock: Arc<Clock>,
    numbers: Arc<AtomicU64>,
}

impl World {
    /// A bridge to Matrix, which can be asked what it has.
    pub(crate) fn new() -> Self {
        let steps = Arc::new(Steps::default());
        let disk = SimStorage::new(steps.clone());
        let password = SecretString::from("pw".to_owned());
        let mut login = Login::new(LoginId::new(ALICE), ALICE.into(), UserId::new(ANN), &password);
        login.confirmed = true;
        let mut batch = Batch::default();
        login.store(&mut batch);
        disk.holds(batch);
        Self {
            disk: Arc::new(disk),
            msn: Arc::new(SimNetwork::new(steps.clone())),
            matrix: Arc::new(SimFrontend::new(Leg::Matrix, true, steps.clone())),
            irc: Arc::new(SimFrontend::new(Leg::Irc, false, steps.clone())),
            steps,
            hold: HoldLimits { max_messages: 200, max_age: Duration::from_secs(7 * 24 * 3600) },
            has_irc: false,
            clock: Arc::default(),
            numbers: Arc::default(),
        }
    }

    /// The same with an IRC channel, which cannot be asked.
    pub(crate) fn relayed() -> Self {
        Self { has_irc: true, ..Self::new() }
    }

    /// One life of the bridge, which ends well when `scene` is over.
    pub(crate) fn live<T>(&self, scene: impl AsyncFnOnce(&Life) -> T) -> T {
        let result = self.run(async |life| {
            let result = scene(life).await;
            life.stop().await;
            result
        });
        self.disk.close();
        result
    }

    /// One life, which ends without a word when `scene` is over, or where [`Steps`] say. The machine has written `kept` of
    /// what was not synced.
    pub(crate) fn crash_after<T>(&self, kept: usize, scene: impl AsyncFnOnce(&Life) -> T) -> Option<T> {
        let stopped = self.steps.stopped();
        let result = self.run(async |life| {
            tokio::select! {
                biased;
                () = stopped.cancelled() => None,
                result = scene(life) => Some(result),
            }
        });
        self.disk.crash(kept);
        self.steps.never_stop();
        result
    }

    fn run<T>(&self, scene: impl AsyncFnOnce(&Life) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let result = runtime.block_on(async {
            self.clock.begin();
            let life = Life::start(self);
            let result = scene(&life).await;
            self.clock.end();
            result
        });
        // Every task ends where it is.
        drop(runtime);
        result
    }

    pub(crate) fn portal(contact: &str) -> PortalKey {
        PortalKey::new(LoginId::new(ALICE), ConversationId::new(contact))
    }

    /// What the room with a contact shows.
    pub(crate) fn room(&self, contact: &str) -> Vec<String> {
        texts(&self.matrix.arrived().borrow(), &Self::portal(contact))
    }

    pub(crate) fn channel(&self, contact: &str) -> Vec<String> {
        texts(&self.irc.arrived().borrow(), &Self::portal(contact))
    }

    /// What a contact has heard.
    pub(crate) fn heard(&self, contact: &str) -> Vec<String> {
        texts(&self.msn.arrived().borrow(), &Self::portal(contact))
    }

    /// What the owner reads where they and the bridge are among themselves.
    pub(crate) fn told(&self) -> Vec<String> {
        texts(&self.matrix.arrived().borrow(), &PortalKey::management(&UserId::new(ANN)))
    }

    /// What the sender of something on Matrix was told of it.
    pub(crate) fn reports_of(&self, reference: &str) -> Vec<Outcome> {
        let reports = self.matrix.reports();
        let all = reports.borrow();
        all.iter().filter(|(of, _)| of == reference).map(|(_, outcome)| outcome.clone()).collect()
    }
}

fn texts(shown: &[Shown], portal: &PortalKey) -> Vec<String> {
    shown.iter().filter(|shown| shown.portal == *portal).map(|shown| shown.text.clone()).collect()
}

/// The bridge while it runs.
pub(crate) struct Life {
    pub(crate) bridge: BridgeHandle,
    pub(crate) inbox: Arc<Inbox>,
    /// Of the channel.
    pub(crate) irc_inbox: Arc<Inbox>,
    pub(crate) broken: CancellationToken,
    cancel: CancellationToken,
    tasks: TaskTracker,
    clock: Arc<Clock>,
    numbers: Arc<AtomicU64>,
}

impl Life {
    fn start(world: &World) -> Self {
        let (bridge, core) = Bridge::channel();
        let inbox = Arc::new(Inbox::open(world.disk.clone(), Leg::Matrix).unwrap());
        let irc_inbox = Arc::new(Inbox::open(world.disk.clone(), Leg::Irc).unwrap());
        let (cancel, tasks, broken) =
            (CancellationToken::new(), TaskTracker::new(), CancellationToken::new());
        let (clock, numbers) = (world.clock.clone(), world.numbers.clone());
        let (now, name) = (clock.clone(), numbers.clone());
        let mut frontends: Vec<Arc<dyn crate::bridge::port::frontend::Frontend>> = vec![world.matrix.clone()];
        let mut inboxes = vec![inbox.clone()];
        if world.has_irc {
            frontends.push(world.irc.clone());
            inboxes.push(irc_inbox.clone());
        }
        core.start(Setup {
            storage: world.disk.clone(),
            network: world.msn.clone(),
            frontends,
            inboxes,
            permissions: Arc::new(Everybody),
            clock: Arc::new(move || now.now()),
            ghost_per_login: false,
            names: Arc::new(move || format!("n{}", name.fetch_add(1, Ordering::SeqCst))),
            heartbeat: Arc::new(|| {}),
            media: Arc::new(NoFiles),
            links: None,
            hold: world.hold,
            cancel: cancel.clone(),
            broken: broken.clone(),
            tasks: tasks.clone(),
        })
        .unwrap();
        Self { bridge, inbox, irc_inbox, broken, cancel, tasks, clock, numbers }
    }

    async fn stop(&self) {
        self.cancel.cancel();
        self.tasks.close();
        within("the bridge stops", self.tasks.wait()).await;
    }

    /// Alice's session is there.
    pub(crate) async fn sign_in(&self) {
        self.remote(RemoteKind::State(ConnectionState::Connected)).await;
    }

    /// Something happens on the network.
    pub(crate) async fn remote(&self, kind: RemoteKind) {
        self.bridge.remote(RemoteEvent { login: LoginId::new(ALICE), kind }).await.unwrap();
    }

    fn message(&self, contact: &str, text: &str) -> RemoteKind {
        RemoteKind::Message {
            conversation: ConversationId::new(contact),
            sender: Ghost { id: GhostId::new(contact), name: String::new() },
            body: Body::Text(RichText::plain(text)),
            at: self.clock.now(),
        }
    }

    /// A contact says something.
    pub(crate) async fn says(&self, contact: &str, text: &str) {
        self.remote(self.message(contact, text)).await;
    }

    /// The same, and it is on disk when this returns.
    pub(crate) async fn says_surely(&self, contact: &str, text: &str) {
        let event = RemoteEvent { login: LoginId::new(ALICE), kind: self.message(contact, text) };
        self.bridge.remote_kept(event, Batch::default()).await.unwrap();
    }

    /// Ann writes to a contact on Matrix; true when the homeserver hears that it was taken.
    pub(crate) async fn writes(&self, contact: &str, reference: &str, text: &str) -> bool {
        self.brings(&self.inbox, self.saying(contact, reference, text)).await
    }

    /// Somebody writes in the channel.
    pub(crate) async fn writes_on_irc(&self, contact: &str, reference: &str, text: &str) -> bool {
        self.brings(&self.irc_inbox, self.saying(contact, reference, text)).await
    }

    /// Ann gives the bot a command.
    pub(crate) async fn commands(&self, reference: &str, text: &str) -> bool {
        let key = PortalKey::management(&UserId::new(ANN));
        let (login, conversation) = (key.receiver.to_string(), key.conversation.to_string());
        let saying = self.saying("", reference, text);
        self.brings(&self.inbox, Saying { login, conversation, is_command: true, ..saying }).await
    }

    /// Ann gives a command in the room with a contact.
    pub(crate) async fn commands_in(&self, contact: &str, reference: &str, text: &str) -> bool {
        let saying = self.saying(contact, reference, text);
        self.brings(&self.inbox, Saying { is_command: true, ..saying }).await
    }

    fn saying(&self, contact: &str, reference: &str, text: &str) -> Saying {
        Saying {
            reference: reference.into(),
            user: ANN.into(),
            login: ALICE.into(),
            conversation: contact.into(),
            text: text.into(),
            at: self.clock.now(),
            is_command: false,
        }
    }

    async fn brings(&self, inbox: &Inbox, saying: Saying) -> bool {
        let transaction = format!("t{}", self.numbers.fetch_add(1, Ordering::SeqCst));
        let item = Item { name: saying.reference.clone(), raw: serde_json::to_vec(&saying).unwrap() };
        inbox.accept(&transaction, vec![item]).await.is_ok()
    }

    /// What held a leg may be over.
    pub(crate) async fn leg_up(&self, leg: Leg) {
        self.bridge.leg_up(leg).await.unwrap();
    }

    /// A contact, or everybody, can be reached again.
    pub(crate) async fn reachable(&self, contact: Option<&str>) {
        self.remote(RemoteKind::Reachable { conversation: contact.map(ConversationId::new) }).await;
    }

    /// Waits until one side has `count` things in all.
    pub(crate) async fn until(&self, arrived: tokio::sync::watch::Receiver<Vec<Shown>>, count: usize) {
        let mut arrived = arrived;
        let all = arrived.wait_for(|all| all.len() >= count);
        within(&format!("{count} things to arrive"), all).await.map(drop).unwrap();
    }

    /// Waits until what arrived at one side satisfies a condition.
    pub(crate) async fn until_that(
        &self,
        what: &str,
        arrived: tokio::sync::watch::Receiver<Vec<Shown>>,
        is_so: impl Fn(&[Shown]) -> bool,
    ) {
        let mut arrived = arrived;
        within(what, arrived.wait_for(|all| is_so(all))).await.map(drop).unwrap();
    }

    /// Waits until the sender of something on Matrix has heard the last of it.
    pub(crate) async fn until_told(&self, world: &World, reference: &str, wanted: impl Fn(&Outcome) -> bool) {
        let mut reports = world.matrix.reports();
        let is_told =
            |all: &Vec<(String, Outcome)>| all.iter().any(|(of, what)| of == reference && wanted(what));
        within(&format!("a report of {reference}"), reports.wait_for(is_told)).await.map(drop).unwrap();
    }

    /// Lets a while go by.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Fails the test when something does not come within a day of the virtual clock.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(ARRIVAL_TIMEOUT, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited a day for {what}"),
    }
}
