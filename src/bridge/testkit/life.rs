//! One life of the bridge, and what is said in it.

use super::{IRC, MATRIX};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::frontend::{Saying, SimFrontend};
use super::side::Shown;
use super::world::{ALICE, ANN, BOB, Clock, World};
use crate::bridge::body::{Attachment, Body, RichText};
use crate::bridge::event::{
    Author, ConnectionState, Ghost, LocalCommand, LocalEvent, LocalMessage, RemoteEvent, RemoteKind,
};
use crate::bridge::ids::{ConversationId, GhostId, Leg, LoginId, PortalKey, UserId};
use crate::bridge::inbox::{Inbox, Item};
use crate::bridge::port::frontend::{Outcome, Signal};
use crate::bridge::port::network::Request;
use crate::bridge::port::storage::Batch;
use crate::bridge::{Bridge, BridgeHandle, Setup};

/// What a test waits for comes within this, on the virtual clock.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// A contact under a name.
pub(crate) fn contact(id: &str, name: &str) -> Ghost {
    Ghost { id: GhostId::new(id), name: name.into() }
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
    pub(super) fn start(world: &World) -> Self {
        let (bridge, core) = Bridge::channel();
        let inbox = Arc::new(Inbox::open(world.disk.clone(), MATRIX, 0).unwrap());
        let irc_inbox = Arc::new(Inbox::open(world.disk.clone(), IRC, 1).unwrap());
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
        frontends.extend(world.others.iter().cloned());
        core.start(Setup {
            storage: world.disk.clone(),
            network: world.msn.clone(),
            frontends,
            inboxes,
            permissions: world.strangers.clone(),
            clock: Arc::new(move || now.now()),
            ghost_per_login: world.ghost_per_login,
            names: Arc::new(move || format!("n{}", name.fetch_add(1, Ordering::SeqCst))),
            heartbeat: Arc::new(|| {}),
            media: world.media.clone(),
            links: world.links.clone(),
            sign_in: world.sign_in.clone(),
            hold: world.hold,
            cancel: cancel.clone(),
            broken: broken.clone(),
            shutdown: world.shutdown.clone(),
            tasks: tasks.clone(),
        })
        .unwrap();
        Self { bridge, inbox, irc_inbox, broken, cancel, tasks, clock, numbers }
    }

    /// Tasks of the bridge that run now.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    pub(super) async fn stop(&self) {
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
        self.remote_of(ALICE, kind).await;
    }

    /// The same for a login.
    pub(crate) async fn remote_of(&self, login: &str, kind: RemoteKind) {
        self.bridge.remote(RemoteEvent { login: LoginId::new(login), kind }).await.unwrap();
    }

    pub(crate) fn message(&self, contact: &str, text: &str) -> RemoteKind {
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

    /// Ann gives the bot a command on a side that has no inbox.
    pub(crate) async fn asks(&self, reference: &str, text: &str) {
        self.bridge.local(Self::command(reference, text, None)).await.unwrap();
    }

    /// The same in place of something that Ann said before.
    pub(crate) async fn edits(&self, reference: &str, replaces: &str, text: &str) {
        self.bridge.local(Self::command(reference, text, Some(replaces.into()))).await.unwrap();
    }

    fn command(reference: &str, text: &str, replaces: Option<String>) -> LocalEvent {
        LocalEvent::Command(LocalCommand {
            user: UserId::new(ANN),
            text: text.to_owned().into(),
            leg: MATRIX,
            portal: PortalKey::management(&UserId::new(ANN)),
            reference: reference.into(),
            replaces,
            about: None,
            place: "!m:x".into(),
            typed: true,
            is_message: true,
        })
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

    /// Another user gives the bot a command.
    pub(crate) async fn commands_as(&self, user: &str, reference: &str, text: &str) -> bool {
        let key = PortalKey::management(&UserId::new(user));
        let (login, conversation) = (key.receiver.to_string(), key.conversation.to_string());
        let saying = Saying { user: user.into(), ..self.saying("", reference, text) };
        self.brings(&self.inbox, Saying { login, conversation, is_command: true, ..saying }).await
    }

    /// Something else happens on Matrix than words and commands.
    pub(crate) async fn happens(&self, world: &World, reference: &str, event: LocalEvent) -> bool {
        world.matrix.special.lock().unwrap().insert(reference.to_owned(), event);
        self.writes(BOB, reference, "").await
    }

    /// Ann sends a contact a file.
    pub(crate) async fn sends(&self, world: &World, contact: &str, reference: &str, name: &str) -> bool {
        let attachment = Attachment { source: reference.into(), name: name.into(), caption: None };
        let message = self.local(contact, reference, Body::Attachment(attachment));
        self.happens(world, reference, LocalEvent::Message(message)).await
    }

    /// Something that Ann says on Matrix.
    pub(crate) fn local(&self, contact: &str, reference: &str, body: Body) -> LocalMessage {
        LocalMessage {
            portal: World::portal(contact),
            leg: MATRIX,
            author: Author::Owner { name: ANN.into() },
            reference: reference.into(),
            body,
            at: self.clock.now(),
        }
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

    /// Waits until a frontend has been shown a signal.
    pub(crate) async fn until_signal(&self, frontend: &SimFrontend, is_so: impl Fn(&Signal) -> bool) {
        let mut signals = frontend.signals();
        within("a signal", signals.wait_for(|all| all.iter().any(&is_so))).await.map(drop).unwrap();
    }

    /// Waits until the network has been asked for something.
    pub(crate) async fn until_asked(&self, world: &World, wanted: &Request) {
        let mut asked = world.msn.asked();
        let is_there = |all: &Vec<(LoginId, Request)>| all.iter().any(|(_, request)| request == wanted);
        within("something to be asked", asked.wait_for(is_there)).await.map(drop).unwrap();
    }

    /// Waits until logins have been connected so many times.
    pub(crate) async fn until_connects(&self, world: &World, count: usize) {
        let mut sign_ins = world.msn.sign_ins();
        within("a sign-in", sign_ins.wait_for(|all| all.len() >= count)).await.map(drop).unwrap();
    }

    /// Waits until Ann has been told something.
    pub(crate) async fn until_ann_reads(&self, world: &World, part: &str) {
        let is_there = |all: &[Shown]| all.iter().any(|it| it.text.contains(part));
        self.until_that(&format!("«{part}»"), world.matrix.arrived(), is_there).await;
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
