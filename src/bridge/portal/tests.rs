//! A portal whose people stay away: what waits, for how long, and what is said of it.

use crate::bridge::port::delivery::{Display, Emoticons};
use crate::bridge::testkit::{MATRIX, MATRIX_TRAITS, NETWORK_TRAITS};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_util::sync::CancellationToken;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::task::TaskTracker;

use super::*;
use crate::bridge::body::RichText;
use crate::bridge::event::{Author, LocalEvent};
use crate::bridge::ghost_names::GhostNames;
use crate::bridge::ids::{ConversationId, EntryId, GhostId, LoginId};
use crate::bridge::journal::Origin;
use crate::bridge::login::Credentials;
use crate::bridge::port::frontend::Frontend;
use crate::bridge::port::frontend::{FrontendTraits, Signal};
use crate::bridge::port::network::{ContactLine, Network, NetworkTraits, Request};
use crate::bridge::port::storage::{Storage, Table};
use crate::bridge::report::Reports;
use crate::bridge::sides::Sides;
use crate::bridge::tests::{Memory, NoFiles};

const DAY: u64 = 24 * 3600 * 1000;

/// A network on which this happens to everything.
struct Fails(Mutex<Option<DeliveryError>>);

impl Network for Fails {
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

    fn disconnect<'a>(&'a self, _login: &'a LoginId) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn deliver(
        &self,
        _delivery: Delivery,
        _emoticons: Emoticons,
    ) -> BoxFuture<'_, Result<Delivered, DeliveryError>> {
        let failure = self.0.lock().unwrap().clone();
        Box::pin(async move { failure.map_or_else(|| Ok(Delivered::default()), Err) })
    }

    fn request<'a>(&'a self, _login: &'a LoginId, _request: Request) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn contacts<'a>(&'a self, _login: &'a LoginId) -> BoxFuture<'a, Result<Vec<ContactLine>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// A side that tells what it is told.
struct Shows(UnboundedSender<String>);

impl Frontend for Shows {
    fn leg(&self) -> Leg {
        MATRIX
    }

    fn traits(&self) -> FrontendTraits {
        MATRIX_TRAITS
    }

    fn serves(&self, _portal: &PortalKey) -> bool {
        true
    }

    fn deliver(&self, delivery: Delivery, _display: Display) -> BoxFuture<'_, Result<(), DeliveryError>> {
        let text = match delivery.content {
            Content::Said { body: Body::LiveNotice { text, .. } | Body::Notice { text, .. } } => text,
            other => format!("{other:?}"),
        };
        let _ = self.0.send(text);
        Box::pin(async { Ok(()) })
    }

    fn report(&self, _portal: &PortalKey, reference: &str, outcome: Outcome) -> BoxFuture<'_, ()> {
        let _ = self.0.send(format!("{reference}: {outcome:?}"));
        Box::pin(async {})
    }

    fn show(&self, _signal: Signal) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn interpret<'a>(&'a self, _raw: &'a [u8]) -> BoxFuture<'a, Result<LocalEvent, DeliveryError>> {
        Box::pin(async { Ok(LocalEvent::Ignored) })
    }

    fn redact<'a>(&'a self, _place: &'a str, _reference: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async { true })
    }
}

struct World {
    mailbox: mpsc::Sender<PortalInput>,
    releases: Arc<Releases>,
    network: Arc<Fails>,
    storage: Arc<Memory>,
    clock: Arc<AtomicU64>,
    told: UnboundedReceiver<String>,
    _failures: mpsc::Receiver<Undeliverable>,
}

fn away() -> DeliveryError {
    DeliveryError::Away { reason: "they are not online".into() }
}

impl World {
    fn start() -> Self {
        let (storage, clock) = (Arc::new(Memory::default()), Arc::new(AtomicU64::new(1)));
        let network = Arc::new(Fails(Mutex::new(Some(away()))));
        let (tells, told) = unbounded_channel();
        let frontends: Vec<Arc<dyn Frontend>> = vec![Arc::new(Shows(tells))];
        let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (undeliverable, failures) = mpsc::channel(64);
        let now = clock.clone();
        let around = PortalContext {
            storage: storage.clone(),
            network: network.clone(),
            reports: Reports::start(&frontends, &cancel, &tasks),
            sides: Sides::new(&*network, &frontends),
            frontends,
            undeliverable,
            quiet: mpsc::channel(1).0,
            clock: Arc::new(move || now.load(Ordering::SeqCst)),
            heartbeat: Arc::new(|| {}),
            media: Arc::new(NoFiles),
            links: None,
            hold: HoldLimits { max_messages: 200, max_age: Duration::from_secs(7 * 24 * 3600) },
            names: GhostNames::new(storage.clone(), false),
        };
        let key = PortalKey::new(LoginId::new("ann"), ConversationId::new("bob"));
        let (mailbox, inputs) = mpsc::channel(MAILBOX);
        let releases = Arc::new(Releases::default());
        tokio::spawn(run(key, vec![MATRIX, Leg::Remote], around, inputs, releases.clone()));
        Self { mailbox, releases, network, storage, clock, told, _failures: failures }
    }

    async fn say(&self, name: &str) {
        let entry = Entry {
            id: EntryId::new(name),
            author: Author::Owner { name: "Ann".into() },
            content: Content::Said { body: Body::Text(RichText::plain(name.to_owned())) },
            at: self.clock.load(Ordering::SeqCst),
            origin: Some(Origin { leg: MATRIX, reference: name.into() }),
            legs: vec![Leg::Remote],
            away: Vec::new(),
        };
        let input = PortalInput::Append { entry: Box::new(entry), with: Batch::default(), stored: None };
        self.mailbox.send(input).await.unwrap();
    }

    fn release(&self) {
        self.releases.add(Leg::Remote);
    }

    /// Waits until this is said; gives all that was said until then.
    async fn told(&mut self, part: &str) -> Vec<String> {
        let mut all = Vec::new();
        let waited = tokio::time::timeout(Duration::from_secs(60), async {
            while !all.last().is_some_and(|text: &String| text.contains(part)) {
                all.push(self.told.recv().await.unwrap());
            }
        });
        let in_time = waited.await.is_ok();
        assert!(in_time, "«{part}» is not said, but {all:?}");
        all
    }

    fn set_aside(&self) -> usize {
        self.storage.scan(Table::DeadLetters, &[], None, 100).unwrap().len()
    }
}

#[tokio::test(start_paused = true)]
async fn fault_08_words_that_waited_for_too_long_are_told_of_and_set_aside() {
    let mut world = World::start();
    world.say("$old").await;
    world.told("Your message waits").await;
    world.clock.fetch_add(6 * DAY, Ordering::SeqCst);
    world.say("$new").await;
    world.told("2 messages wait").await;
    assert_eq!(world.set_aside(), 0);
    // Eight days after the first of them they are still away: it goes, and the other stays.
    world.clock.fetch_add(2 * DAY, Ordering::SeqCst);
    world.release();
    let told = world.told("Your message waits").await.concat();
    assert!(told.contains("not delivered: they are not online, and that for more than 7 days."), "{told}");
    assert!(told.contains("$old: Failed"), "{told}");
    assert_eq!(world.set_aside(), 1);
    // And then the other.
    world.clock.fetch_add(7 * DAY, Ordering::SeqCst);
    world.release();
    let told = world.told("Nothing waits here any more.").await;
    assert!(!told.iter().any(|text| text.contains("was sent")), "{told:?}");
    assert_eq!(world.set_aside(), 2);
}

#[tokio::test(start_paused = true)]
async fn fault_08_words_that_waited_and_are_refused_then_wait_no_longer() {
    let mut world = World::start();
    world.say("$1").await;
    world.told("Your message waits").await;
    let refused = DeliveryError::permanent("it is too long");
    *world.network.0.lock().unwrap() = Some(refused);
    world.release();
    let told = world.told("Nothing waits here any more.").await;
    assert!(told.iter().any(|text| text.contains("not delivered")), "{told:?}");
    // The next one goes as if nobody had been away.
    *world.network.0.lock().unwrap() = None;
    world.say("$2").await;
    let told = world.told("$2: Delivered").await;
    assert_eq!(told.len(), 1, "{told:?}");
}
