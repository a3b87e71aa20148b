//! The core between adapters that have all stopped answering: imitated are a homeserver that takes nothing, and sessions
//! that tell of a thousand contacts before they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::bridge::HoldLimits;
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{
    Author, Availability, Ghost, GhostPresence, LocalCommand, LocalEvent, LocalMessage, Picture, RemoteEvent,
    RemoteKind,
};
use crate::bridge::ids::{ConversationId, GhostId, Leg, LoginId, PortalKey, UserId};
use crate::bridge::inbox::{Inbox, Item};
use crate::bridge::login::{Credentials, Login};
use crate::bridge::port::delivery::{Delivered, Delivery, DeliveryError, Display, Emoticons};
use crate::bridge::port::frontend::{Frontend, FrontendTraits, Level, Outcome, Permissions, Signal};
use crate::bridge::port::media::MediaId;
use crate::bridge::port::network::{ContactLine, Network, NetworkTraits, Request};
use crate::bridge::port::storage::{Storage, Table};
use crate::bridge::testkit::{MATRIX, MATRIX_TRAITS, NETWORK_TRAITS, SimMedia, SimStorage};

/// More than any channel of the core holds.
const MANY: usize = 3_000;

/// A side that takes nothing and answers nothing.
struct Deaf;

impl Frontend for Deaf {
    fn leg(&self) -> Leg {
        MATRIX
    }

    fn traits(&self) -> FrontendTraits {
        MATRIX_TRAITS
    }

    fn serves(&self, _portal: &PortalKey) -> bool {
        true
    }

    fn deliver(&self, _delivery: Delivery, _display: Display) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(std::future::pending())
    }

    fn report(&self, _portal: &PortalKey, _reference: &str, _outcome: Outcome) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn show(&self, _signal: Signal) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn interpret<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Result<LocalEvent, DeliveryError>> {
        let text = String::from_utf8_lossy(raw).into_owned();
        Box::pin(async move {
            if text == "held" { std::future::pending().await } else { Ok(LocalEvent::Ignored) }
        })
    }

    fn lane(&self, raw: &[u8]) -> String {
        String::from_utf8_lossy(raw).into_owned()
    }

    fn redact<'a>(&'a self, _place: &'a str, _reference: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(std::future::pending())
    }
}

/// A network whose sessions tell the core of all their contacts before they end.
struct Talkative(BridgeHandle);

impl Network for Talkative {
    fn traits(&self) -> NetworkTraits {
        NETWORK_TRAITS
    }

    fn login_id(&self, account: &str) -> Result<LoginId, String> {
        Ok(LoginId::new(account))
    }

    fn direct_conversation(&self, contact: &str) -> Result<(GhostId, ConversationId), String> {
        Ok((GhostId::new(contact), ConversationId::new(contact)))
    }

    fn connect(&self, _login: LoginId, _credentials: Credentials) {}

    fn suspend(&self) {}

    fn resume(&self) {}

    fn disconnect<'a>(&'a self, login: &'a LoginId) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            for n in 0..MANY {
                let kind = RemoteKind::PresenceLost(ghost(n));
                self.0.remote(RemoteEvent { login: login.clone(), kind }).await.unwrap();
            }
        })
    }

    fn deliver(
        &self,
        _delivery: Delivery,
        _emoticons: Emoticons,
    ) -> BoxFuture<'_, Result<Delivered, DeliveryError>> {
        Box::pin(std::future::pending())
    }

    fn request<'a>(&'a self, _login: &'a LoginId, _request: Request) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(std::future::pending())
    }

    fn contacts<'a>(&'a self, _login: &'a LoginId) -> BoxFuture<'a, Result<Vec<ContactLine>, String>> {
        Box::pin(std::future::pending())
    }
}

struct Everybody;

impl Permissions for Everybody {
    fn level(&self, _user: &UserId) -> Level {
        Level::User
    }
}

fn ghost(n: usize) -> Ghost {
    Ghost { id: GhostId::new(format!("c{n}")), name: "C".into() }
}

fn ann() -> UserId {
    UserId::new("@ann:x")
}

struct World {
    bridge: BridgeHandle,
    storage: Arc<SimStorage>,
    inbox: Arc<Inbox>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl World {
    fn start() -> Self {
        let storage = Arc::new(SimStorage::default());
        let inbox = Arc::new(Inbox::open(storage.clone(), MATRIX, 0).unwrap());
        let (bridge, core) = Bridge::channel();
        let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
        let names = AtomicU64::new(0);
        core.start(Setup {
            storage: storage.clone(),
            network: Arc::new(Talkative(bridge.clone())),
            frontends: vec![Arc::new(Deaf)],
            inboxes: vec![inbox.clone()],
            permissions: Arc::new(Everybody),
            clock: Arc::new(|| 1),
            ghost_per_login: false,
            names: Arc::new(move || names.fetch_add(1, Ordering::Relaxed).to_string()),
            heartbeat: Arc::new(|| {}),
            media: Arc::new(SimMedia::default()),
            links: None,
            sign_in: None,
            hold: HoldLimits { max_messages: 200, max_age: Duration::from_secs(3_600) },
            cancel: cancel.clone(),
            broken: CancellationToken::new(),
            shutdown: CancellationToken::new(),
            tasks: tasks.clone(),
        })
        .unwrap();
        Self { bridge, storage, inbox, cancel, tasks }
    }

    async fn login(&self, name: &str) {
        let login = Login::new(LoginId::new(name), name.into(), ann(), &SecretString::from("pw".to_owned()));
        self.bridge.configure_login(login).await.unwrap();
    }

    async fn remote(&self, login: &str, kind: RemoteKind) {
        self.bridge.remote(RemoteEvent { login: LoginId::new(login), kind }).await.unwrap();
    }

    async fn says(&self, login: &str, n: usize) {
        let body = Body::Text(RichText::plain(n.to_string()));
        let conversation = ConversationId::new("c1");
        self.remote(login, RemoteKind::Message { conversation, sender: ghost(1), body, at: 1 }).await;
    }

    /// A login's owner says something on the deaf side.
    async fn hears(&self, portal: PortalKey, n: usize) {
        let message = LocalMessage {
            portal,
            leg: MATRIX,
            author: Author::Owner { name: ann().to_string() },
            reference: format!("$m{n}"),
            body: Body::Text(RichText::plain(n.to_string())),
            at: 1,
        };
        self.bridge.local(LocalEvent::Message(message)).await.unwrap();
    }

    async fn command(&self, text: String) {
        let event = LocalEvent::Command(LocalCommand {
            user: ann(),
            text: text.into(),
            leg: MATRIX,
            portal: PortalKey::management(&ann()),
            reference: "$1".into(),
            replaces: None,
            about: None,
            place: "!m:x".into(),
            typed: true,
            is_message: true,
        });
        self.bridge.local(event).await.unwrap();
    }

    /// Entries of a conversation that are written down.
    fn journaled(&self, portal: &PortalKey) -> usize {
        self.storage.count(Table::Journal, &portal.to_key())
    }

    /// Waits for an entry of a conversation that holds this text; each is looked at once.
    async fn wait_for_words(&self, portal: &PortalKey, text: &str) {
        let mut seen: Option<Vec<u8>> = None;
        loop {
            let rows =
                self.storage.scan(Table::Journal, &portal.to_key(), seen.as_deref(), usize::MAX).unwrap();
            if rows.iter().any(|(_, row)| str::from_utf8(row).is_ok_and(|row| row.contains(text))) {
                return;
            }
            seen = rows.into_iter().next_back().map(|(key, _)| key).or(seen);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn wait_for(&self, portal: &PortalKey, count: usize) {
        while self.journaled(portal) < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Fills one thing after the other, and everything that is said is written down all the same.
async fn fill(world: &World) {
    let portal = |login: &str| PortalKey::new(LoginId::new(login), ConversationId::new("c1"));
    world.login("alice").await;
    world.login("bob").await;
    // Signals, which a deaf side does not take.
    for n in 0..MANY {
        let presence =
            GhostPresence { ghost: ghost(n), availability: Availability::Online, text: String::new() };
        world.remote("alice", RemoteKind::Presence(presence)).await;
        let picture = Some(Picture { media: MediaId::new("m").unwrap(), digest: "d".into(), size: 1 });
        world.remote("alice", RemoteKind::Picture { ghost: ghost(n), picture }).await;
    }
    // A conversation whose every leg is stuck.
    for n in 0..MANY {
        world.says("alice", n).await;
    }
    world.wait_for(&portal("alice"), MANY).await;
    // Questions that the network never answers, and items that the homeserver never explains.
    for n in 0..200 {
        world.command("contacts --login=alice".into()).await;
        let item = |name: String, raw: &str| Item { name, raw: raw.as_bytes().to_vec() };
        let items = vec![item(format!("$h{n}"), "held"), item(format!("$f{n}"), "free")];
        world.inbox.accept(&n.to_string(), items).await.unwrap();
    }
    // Words that nobody can be told of any more: more than reports of them can wait.
    for n in 0..MANY / 2 {
        world.hears(portal("alice"), n).await;
    }
    // A login that ends while its session, and another, tell of everything.
    world.command("logout --login=alice".into()).await;
    for n in 0..MANY {
        world.says("bob", n).await;
    }
    world.wait_for(&portal("bob"), MANY).await;
    // Its end is told, too: behind what cannot be told now.
    world.wait_for(&PortalKey::management(&ann()), 1).await;
    // And its conversations still answer, all of what waited in them having been given up.
    world.hears(portal("alice"), MANY).await;
    world.wait_for_words(&portal("alice"), "nobody is signed in").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_30_with_every_channel_full_the_core_takes_what_is_said() {
    let world = World::start();
    let filled = tokio::time::timeout(Duration::from_secs(60), fill(&world)).await;
    assert!(filled.is_ok(), "somebody waits for what only they can bring");
    // And it stops.
    world.cancel.cancel();
    world.tasks.close();
    let stopped = tokio::time::timeout(Duration::from_secs(60), world.tasks.wait()).await;
    assert!(stopped.is_ok(), "something does not stop");
}
