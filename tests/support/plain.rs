//! The core and the MSN side in this process, with a frontend of plain text and a store in memory: what people read is a
//! list of lines, and what they say comes from the test. No homeserver is needed to see what becomes of words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use msnbridge::bridge::body::{Body, RichText};
use msnbridge::bridge::event::{Author, LocalCommand, LocalEvent, LocalMessage};
use msnbridge::bridge::ids::{ConversationId, Leg, LoginId, PortalKey, UserId};
use msnbridge::bridge::login::Login;
use msnbridge::bridge::port::delivery::{Content, Delivery, DeliveryError, Display};
use msnbridge::bridge::port::frontend::{Frontend, FrontendTraits, Level, Outcome, Permissions, Signal};
use msnbridge::bridge::port::storage::{Batch, Row, Storage, StorageError, Table, Urgency};
use msnbridge::bridge::{Bridge, BridgeHandle, HoldLimits, Setup};
use msnbridge::connector::{
    DirectConfig, MsnConfig, MsnConnector, OfflinePolicy, OimConfig, RelayFormat, Transport,
};
use msnbridge::msn::dialect::Dialect;
use msnbridge::store::MediaDirectory;
use secrecy::SecretString;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::within;

type Rows = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// A store that forgets at the end of the test.
#[derive(Default)]
pub(crate) struct MemoryStorage {
    rows: Mutex<Rows>,
}

impl Storage for MemoryStorage {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.rows.lock().unwrap().get(&(table as u8, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let rows = self.rows.lock().unwrap();
        let start = (table as u8, after.unwrap_or(prefix).to_vec());
        let own = rows.range(start..).take_while(|((t, _), _)| *t == table as u8);
        let behind = own.filter(|((_, key), _)| {
            key.starts_with(prefix) && after.is_none_or(|after| key.as_slice() > after)
        });
        Ok(behind.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&self, batch: Batch, _urgency: Urgency) -> BoxFuture<'static, Result<(), StorageError>> {
        let mut rows = self.rows.lock().unwrap();
        for write in batch.0 {
            let key = (write.table as u8, write.key);
            match write.value {
                Some(value) => drop(rows.insert(key, value)),
                None => drop(rows.remove(&key)),
            }
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What was shown, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shown {
    /// Who said what, in which conversation, and when.
    Line { conversation: String, author: String, text: String, at: u64 },
    /// What became of something that was said: its reference, and a word.
    Outcome { reference: String, word: &'static str, reason: String },
}

#[derive(Default)]
struct Board {
    shown: Mutex<Vec<Shown>>,
    news: Notify,
}

impl Board {
    fn add(&self, shown: Shown) {
        self.shown.lock().unwrap().push(shown);
        self.news.notify_waiters();
    }
}

/// A third side beside those that the program has.
const PLAIN: Leg = Leg::frontend("plain");

struct PlainFrontend {
    board: Arc<Board>,
}

fn author(author: &Author) -> String {
    match author {
        Author::Ghost(ghost) => ghost.name.clone(),
        Author::Owner { .. } => "you".into(),
        Author::Relayed { name } => name.clone(),
        Author::Bridge => "bridge".into(),
    }
}

fn words(content: &Content) -> String {
    match content {
        Content::Said { body: Body::Text(text) } => text.text(),
        Content::Said { body: Body::Emote(text) } => format!("* {}", text.text()),
        Content::Said { body: Body::Notice { text, .. } } => text.clone(),
        Content::Said { body: Body::LiveNotice { text, is_first, .. } } => {
            if *is_first {
                text.clone()
            } else {
                format!("(changed) {text}")
            }
        }
        other => format!("{other:?}"),
    }
}

impl Frontend for PlainFrontend {
    fn leg(&self) -> Leg {
        PLAIN
    }

    fn traits(&self) -> FrontendTraits {
        FrontendTraits {
            name: "plain",
            carries_files: true,
            shows_titles: false,
            hosts_rooms: true,
            shows_users: false,
            speaks_in_lines: false,
            redaction_note: "",
        }
    }

    fn serves(&self, _portal: &PortalKey) -> bool {
        true
    }

    fn deliver(&self, delivery: Delivery, _display: Display) -> BoxFuture<'_, Result<(), DeliveryError>> {
        self.board.add(Shown::Line {
            conversation: delivery.portal.conversation.to_string(),
            author: author(&delivery.author),
            text: words(&delivery.content),
            at: delivery.at,
        });
        Box::pin(std::future::ready(Ok(())))
    }

    fn report(&self, _portal: &PortalKey, reference: &str, outcome: Outcome) -> BoxFuture<'_, ()> {
        let (word, reason) = match outcome {
            Outcome::Delivered => ("delivered", String::new()),
            Outcome::Pending { reason, .. } => ("pending", reason),
            Outcome::Held { reason } => ("held", reason),
            Outcome::Failed { reason } => ("failed", reason),
            Outcome::Refused { reason } => ("refused", reason),
        };
        self.board.add(Shown::Outcome { reference: reference.to_owned(), word, reason });
        Box::pin(std::future::ready(()))
    }

    fn show(&self, _signal: Signal) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn interpret<'a>(&'a self, _raw: &'a [u8]) -> BoxFuture<'a, Result<LocalEvent, DeliveryError>> {
        Box::pin(std::future::ready(Ok(LocalEvent::Ignored)))
    }

    fn redact<'a>(&'a self, _place: &'a str, _reference: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(true))
    }
}

pub(crate) struct Everybody;

impl Permissions for Everybody {
    fn level(&self, _user: &UserId) -> Level {
        Level::User
    }
}

/// What a bridge in this process is made with.
pub(crate) struct PlainConfig {
    pub(crate) msn: MsnConfig,
    pub(crate) hold: HoldLimits,
}

impl PlainConfig {
    pub(crate) fn new(server: &str, nexus: &str) -> Self {
        let msn = MsnConfig {
            transport: Transport::Direct,
            proxy: None,
            gateway: None,
            server: server.parse().expect("an address"),
            nexus: nexus.to_owned(),
            token_service: None,
            address_book: None,
            allow_insecure_login: false,
            dialects: vec![Dialect::Msnp11],
            client: "MSNMSGR".into(),
            client_version: "7.0.0813".into(),
            locale: "0x0409".into(),
            product: None,
            ask_above: u64::MAX,
            ffmpeg: None,
            offline: OfflinePolicy::Hold,
            oim: OimConfig::default(),
            relay: RelayFormat::default(),
            groups: Vec::new(),
            direct: DirectConfig { dial: false, allow: Vec::new(), announce: Vec::new(), ports: 0..=0 },
        };
        let hold = HoldLimits { max_messages: 200, max_age: Duration::from_secs(7 * 86_400) };
        Self { msn, hold }
    }
}

/// A bridge in this process, with Alice signed in to MSN.
pub(crate) struct PlainBridge {
    handle: BridgeHandle,
    board: Arc<Board>,
    said: AtomicU64,
    cancel: CancellationToken,
}

const LOGIN: &str = "alice@example.com";

impl PlainBridge {
    pub(crate) async fn start(directory: &Path, config: PlainConfig) -> Self {
        Self::start_on(Arc::new(MemoryStorage::default()), directory, config).await
    }

    /// The same on a store that another bridge has left.
    pub(crate) async fn start_on(storage: Arc<MemoryStorage>, directory: &Path, config: PlainConfig) -> Self {
        let media: PathBuf = directory.join("media");
        let media = Arc::new(MediaDirectory::open(&media, 1 << 30, 1 << 31).expect("a directory"));
        let (cancel, tasks, board) =
            (CancellationToken::new(), TaskTracker::new(), Arc::new(Board::default()));
        let (handle, bridge) = Bridge::channel();
        let connector = MsnConnector::new(
            config.msn,
            handle.clone(),
            storage.clone(),
            media.clone(),
            tasks.clone(),
            cancel.clone(),
        );
        let numbers = AtomicU64::new(0);
        let setup = Setup {
            storage,
            network: Arc::new(connector.expect("a connector")),
            frontends: vec![Arc::new(PlainFrontend { board: board.clone() })],
            inboxes: Vec::new(),
            permissions: Arc::new(Everybody),
            clock: Arc::new(time_of_day),
            ghost_per_login: false,
            names: Arc::new(move || {
                format!("n{}-{}", numbers.fetch_add(1, Ordering::Relaxed), rand::random::<u64>())
            }),
            heartbeat: Arc::new(|| {}),
            media,
            links: None,
            sign_in: None,
            hold: config.hold,
            cancel: cancel.clone(),
            broken: CancellationToken::new(),
            shutdown: CancellationToken::new(),
            tasks,
        };
        bridge.start(setup).expect("a core");
        let login = Login::new(
            LoginId::new(LOGIN),
            LOGIN.into(),
            UserId::new("ann"),
            &SecretString::from("alice-pw"),
        );
        handle.configure_login(login).await.expect("the core runs");
        Self { handle, board, said: AtomicU64::new(0), cancel }
    }

    fn portal(conversation: &str) -> PortalKey {
        PortalKey::new(LoginId::new(LOGIN), ConversationId::new(conversation))
    }

    /// The owner says something; gives its reference.
    pub(crate) async fn say(&self, conversation: &str, text: &str) -> String {
        self.say_body(conversation, Body::Text(RichText::plain(text))).await
    }

    pub(crate) async fn say_body(&self, conversation: &str, body: Body) -> String {
        self.say_at(conversation, body, time_of_day()).await
    }

    /// The same of something that they said before.
    pub(crate) async fn say_at(&self, conversation: &str, body: Body, at: u64) -> String {
        let reference = format!("said-{}", self.said.fetch_add(1, Ordering::Relaxed));
        let message = LocalMessage {
            portal: Self::portal(conversation),
            leg: PLAIN,
            author: Author::Owner { name: "ann".into() },
            reference: reference.clone(),
            body,
            at,
        };
        self.handle.local(LocalEvent::Message(message)).await.expect("the core runs");
        reference
    }

    /// The owner gives a command in a conversation, or to the bot.
    pub(crate) async fn command(&self, conversation: Option<&str>, text: &str) {
        let user = UserId::new("ann");
        let portal = conversation.map_or_else(|| PortalKey::management(&user), Self::portal);
        let reference = format!("said-{}", self.said.fetch_add(1, Ordering::Relaxed));
        let command = LocalCommand {
            user,
            text: text.to_owned().into(),
            leg: PLAIN,
            portal,
            reference,
            replaces: None,
            about: None,
            place: String::new(),
            typed: true,
            is_message: true,
        };
        self.handle.local(LocalEvent::Command(command)).await.expect("the core runs");
    }

    /// Everything shown so far.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        self.board.shown.lock().unwrap().clone()
    }

    /// Waits until something that `wanted` accepts was shown.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Shown) -> bool) -> Shown {
        within(what, async {
            loop {
                let news = self.board.news.notified();
                let found = self.board.shown.lock().unwrap().iter().find(|shown| wanted(shown)).cloned();
                match found {
                    Some(found) => return found,
                    None => news.await,
                }
            }
        })
        .await
    }

    /// Waits for a line with this in it.
    pub(crate) async fn line(&self, part: &str) -> Shown {
        self.until(part, |shown| matches!(shown, Shown::Line { text, .. } if text.contains(part))).await
    }

    /// Waits for so many lines with this in them.
    pub(crate) async fn until_lines(&self, part: &str, times: usize) {
        within(part, async {
            loop {
                let news = self.board.news.notified();
                if self.count(part) >= times {
                    return;
                }
                news.await;
            }
        })
        .await;
    }

    /// Waits until this became of something that was said; gives the reason.
    pub(crate) async fn outcome(&self, of: &str, wanted: &str) -> String {
        let is_it = |shown: &Shown| matches!(shown, Shown::Outcome { reference, word, .. } if reference == of && *word == wanted);
        match self.until(&format!("{of} to be {wanted}"), is_it).await {
            Shown::Outcome { reason, .. } => reason,
            Shown::Line { .. } => unreachable!("an outcome was asked for"),
        }
    }

    /// How many lines with this in them were shown.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.shown().iter().filter(|s| matches!(s, Shown::Line { text, .. } if text.contains(part))).count()
    }

    pub(crate) async fn signed_in(&self) {
        self.line("Signed in to MSN").await;
    }
}

impl Drop for PlainBridge {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

pub(crate) fn time_of_day() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("not that late")
}
