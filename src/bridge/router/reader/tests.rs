use std::sync::Mutex;

use crate::bridge::port::delivery::Display;
use crate::bridge::testkit::{MATRIX, MATRIX_TRAITS, SimStorage};
use futures_util::future::BoxFuture;

use super::*;
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{Author, LocalMessage};
use crate::bridge::ids::{ConversationId, Leg, LoginId, PortalKey};
use crate::bridge::inbox::Item;
use crate::bridge::port::delivery::Delivery;
use crate::bridge::port::frontend::{FrontendTraits, Outcome, Signal};
use crate::bridge::port::storage::{Storage as _, Urgency};

/// A frontend whose items are `room number`, and which cannot read those of some rooms.
#[derive(Default)]
struct Rooms {
    failing: Mutex<HashSet<String>>,
    /// Those of which the homeserver says nothing to the bridge as a whole.
    shut: Mutex<HashSet<String>>,
    hanging: Mutex<HashSet<String>>,
    attempts: Mutex<HashMap<String, usize>>,
}

impl Frontend for Rooms {
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
        Box::pin(async { Ok(()) })
    }

    fn report(&self, _portal: &PortalKey, _reference: &str, _outcome: Outcome) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn show(&self, _signal: Signal) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn lane(&self, raw: &[u8]) -> String {
        String::from_utf8_lossy(raw).split(' ').next().unwrap_or_default().to_owned()
    }

    fn owner_of_item(&self, raw: &[u8]) -> Option<UserId> {
        Some(UserId::new(format!("@{}:x", &self.lane(raw)[..1])))
    }

    fn interpret<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Result<LocalEvent, DeliveryError>> {
        Box::pin(async move {
            let (text, room) = (String::from_utf8_lossy(raw).into_owned(), self.lane(raw));
            *self.attempts.lock().unwrap().entry(room.clone()).or_default() += 1;
            if self.hanging.lock().unwrap().contains(&room) {
                std::future::pending::<()>().await;
            }
            if self.failing.lock().unwrap().contains(&room) {
                return Err(DeliveryError::transient("the homeserver is down"));
            }
            if self.shut.lock().unwrap().contains(&room) {
                return Err(DeliveryError::LegDown { reason: "the token is not accepted".into() });
            }
            assert!(!text.contains("poison"), "a mistake of ours");
            let portal = PortalKey::new(LoginId::new("l"), ConversationId::new(room));
            Ok(LocalEvent::Message(LocalMessage {
                portal,
                leg: MATRIX,
                author: Author::Bridge,
                reference: text.clone(),
                body: Body::Text(RichText::plain(text)),
                at: 0,
            }))
        })
    }

    fn redact<'a>(&'a self, _place: &'a str, _reference: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async { false })
    }
}

struct Set {
    rooms: Arc<Rooms>,
    storage: Arc<SimStorage>,
    inbox: Arc<Inbox>,
    events: mpsc::Receiver<Input>,
    cancel: CancellationToken,
    /// What the core was told for people.
    told: Vec<(UserId, String)>,
}

impl Set {
    fn start() -> Self {
        Self::start_on(Arc::new(SimStorage::default()), Arc::new(Rooms::default()))
    }

    fn start_on(storage: Arc<SimStorage>, rooms: Arc<Rooms>) -> Self {
        let inbox = Arc::new(Inbox::open(storage.clone(), MATRIX, 0).unwrap());
        let (sender, events) = mpsc::channel(16);
        let cancel = CancellationToken::new();
        tokio::spawn(Reader::new(inbox.clone(), rooms.clone(), "MSN", sender).run(cancel.clone()));
        Self { rooms, storage, inbox, events, cancel, told: Vec::new() }
    }

    fn fail(&self, room: &str, fails: bool) {
        let mut failing = self.rooms.failing.lock().unwrap();
        if fails {
            failing.insert(room.to_owned())
        } else {
            failing.remove(room)
        };
    }

    async fn bring(&self, items: impl IntoIterator<Item = String>) {
        let items: Vec<Item> =
            items.into_iter().map(|text| Item { name: text.clone(), raw: text.into_bytes() }).collect();
        self.inbox.accept(&format!("{:?}", Instant::now()), items).await.unwrap();
    }

    /// What the core is given next, on its way out of the inbox.
    async fn next(&mut self) -> String {
        loop {
            let input = tokio::time::timeout(Duration::from_secs(86_400), self.events.recv()).await;
            match input.expect("something in a day").expect("the reader runs") {
                Input::Local { event, receipt } => {
                    self.storage.commit(receipt.into_batch(), Urgency::Now).await.unwrap();
                    match event {
                        LocalEvent::Message(message) => return message.reference,
                        LocalEvent::Told { user, text } => self.told.push((user, text)),
                        other => panic!("{other:?}"),
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn take(&mut self, count: usize) -> Vec<String> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.next().await);
        }
        all
    }

    /// Nothing comes for so long.
    async fn silent(&mut self, time: Duration) {
        let silent = tokio::time::timeout(time, self.next()).await;
        assert!(silent.is_err(), "{silent:?}");
    }
}

fn items(room: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("{room} {n}")).collect()
}

#[tokio::test(start_paused = true)]
async fn fault_05_what_cannot_be_read_for_hours_is_read_in_the_end_and_in_order() {
    let mut set = Set::start();
    set.fail("a", true);
    set.bring(items("a", 0..200)).await;
    set.silent(Duration::from_secs(3 * 3_600)).await;
    let attempts = set.rooms.attempts.lock().unwrap()["a"];
    assert!((150..2_000).contains(&attempts), "{attempts} attempts in three hours");
    // More comes while it is held.
    set.bring(items("a", 200..300)).await;
    set.fail("a", false);
    assert_eq!(set.take(300).await, items("a", 0..300));
    assert!(set.inbox.read(None, 10).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn fault_05_what_holds_one_up_holds_up_no_other() {
    let mut set = Set::start();
    set.fail("a", true);
    set.rooms.hanging.lock().unwrap().insert("h".into());
    let mixed = (0..500).flat_map(|n| ["a", "b", "h", "c"].map(|room| format!("{room} {n}")));
    let begun = Instant::now();
    set.bring(mixed).await;
    let others = set.take(1_000).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    for room in ["b", "c"] {
        let own: Vec<String> = others.iter().filter(|text| text.starts_with(room)).cloned().collect();
        assert_eq!(own, items(room, 0..500));
    }
    set.fail("a", false);
    set.rooms.hanging.lock().unwrap().clear();
    let late = set.take(1_000).await;
    for room in ["a", "h"] {
        let own: Vec<String> = late.iter().filter(|text| text.starts_with(room)).cloned().collect();
        assert_eq!(own, items(room, 0..500));
    }
    assert!(set.inbox.read(None, 10).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn fault_05_an_owner_hears_of_it_once() {
    let mut set = Set::start();
    for room in ["a1", "a2", "b1"] {
        set.fail(room, true);
    }
    set.bring(["a1 0", "a2 0", "b1 0"].map(str::to_owned)).await;
    set.silent(Duration::from_secs(55)).await;
    assert!(set.told.is_empty());
    set.silent(Duration::from_secs(3_600)).await;
    let mut users: Vec<&str> = set.told.iter().map(|(user, _)| user.as_str()).collect();
    users.sort_unstable();
    assert_eq!(users, ["@a:x", "@b:x"]);
    assert!(set.told[0].1.contains("the homeserver is down. It is kept"), "{}", set.told[0].1);
    for room in ["a1", "a2", "b1"] {
        set.fail(room, false);
    }
    set.take(3).await;
    // The next time is told of again.
    set.fail("a1", true);
    set.bring(["a1 1".to_owned()]).await;
    set.silent(Duration::from_secs(300)).await;
    assert_eq!(set.told.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn fault_05_any_number_of_conversations_can_be_held_in_bounded_memory() {
    let mut set = Set::start();
    let rooms: Vec<String> = (0..3_000).map(|n| format!("r{n}")).collect();
    rooms.iter().for_each(|room| set.fail(room, true));
    for chunk in rooms.chunks(100) {
        set.bring(chunk.iter().map(|room| format!("{room} 0"))).await;
    }
    set.silent(Duration::from_secs(600)).await;
    assert!(set.rooms.attempts.lock().unwrap().len() <= MAX_LANES);
    set.rooms.failing.lock().unwrap().clear();
    let mut all = set.take(3_000).await;
    all.sort_unstable();
    let mut expected: Vec<String> = rooms.iter().map(|room| format!("{room} 0")).collect();
    expected.sort_unstable();
    assert_eq!(all, expected);
}

#[tokio::test(start_paused = true)]
async fn fault_05_a_restart_begins_with_what_is_held_and_a_word_that_it_is_over_is_heeded() {
    let mut set = Set::start();
    set.fail("a", true);
    set.bring(["a 0", "b 0", "a 1"].map(str::to_owned)).await;
    assert_eq!(set.next().await, "b 0");
    set.cancel.cancel();
    let mut set = Set::start_on(set.storage.clone(), set.rooms.clone());
    set.silent(Duration::from_secs(600)).await;
    set.fail("a", false);
    let begun = Instant::now();
    set.inbox.retry();
    assert_eq!(set.take(2).await, ["a 0", "a 1"]);
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn fault_05_what_can_never_be_read_is_told_and_passed() {
    let mut set = Set::start();
    set.bring(["a poison", "a 1"].map(str::to_owned)).await;
    assert_eq!(set.next().await, "a 1");
    assert_eq!(set.told.len(), 1);
    assert!(set.told[0].1.contains("could not be carried to MSN"), "{}", set.told[0].1);
}

#[tokio::test(start_paused = true)]
async fn fault_05_a_homeserver_that_does_not_know_the_bridge_is_waited_for() {
    let mut set = Set::start();
    set.rooms.shut.lock().unwrap().insert("a".into());
    set.bring(["a 0", "b 0", "a 1"].map(str::to_owned)).await;
    assert_eq!(set.next().await, "b 0");
    set.silent(Duration::from_secs(3_600)).await;
    assert_eq!(set.told.len(), 1, "{:?}", set.told);
    set.rooms.shut.lock().unwrap().clear();
    assert_eq!(set.take(2).await, ["a 0", "a 1"]);
}
