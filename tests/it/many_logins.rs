//! Many logins at once: they take turns, nobody stands still while one is written down, and an outage ends without a herd.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use msnbridge::bridge::event::{ConnectionState, Ghost, RemoteEvent, RemoteKind, Timestamp};
use msnbridge::bridge::ids::{ConversationId, GhostId, LoginId, UserId};
use msnbridge::bridge::login::{Credentials, Login};
use msnbridge::bridge::port::delivery::{Delivered, Delivery, DeliveryError, Emoticons};
use msnbridge::bridge::port::network::{ContactLine, Network, NetworkTraits, Request};
use msnbridge::bridge::port::storage::{Batch, Row, Storage, StorageError, Table, Urgency};
use msnbridge::bridge::{Bridge, BridgeHandle, HoldLimits, Setup};
use msnbridge::store::MediaDirectory;
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::bridge::Bridge as Daemon;
use crate::support::plain::{Everybody, MemoryStorage};
use crate::support::within;

/// What one sync of a disk takes.
const SYNC: Duration = Duration::from_millis(10);

/// A store on a disk that takes its time: a fault that a fast one does not show.
#[derive(Default)]
struct SlowDisk(MemoryStorage);

impl Storage for SlowDisk {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.0.read(table, key)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        self.0.scan(table, prefix, after, limit)
    }

    fn commit(&self, batch: Batch, urgency: Urgency) -> BoxFuture<'static, Result<(), StorageError>> {
        let written = self.0.commit(batch, urgency);
        Box::pin(async move {
            tokio::time::sleep(SYNC).await;
            written.await
        })
    }
}

/// A network on which everybody signs in at once. It stands for thousands of sessions, which need more than one machine.
struct Instantly {
    bridge: BridgeHandle,
    connected: Arc<AtomicUsize>,
}

impl Network for Instantly {
    fn traits(&self) -> NetworkTraits {
        NetworkTraits {
            name: "MSN",
            command_prefix: "!msn",
            account: "e-mail",
            presences: "online, busy, idle, brb, away, phone, lunch or hidden",
        }
    }

    fn login_id(&self, account: &str) -> Result<LoginId, String> {
        Ok(LoginId::new(account))
    }

    fn direct_conversation(&self, contact: &str) -> Result<(GhostId, ConversationId), String> {
        Ok((GhostId::new(contact), ConversationId::new(contact)))
    }

    fn connect(&self, login: LoginId, _credentials: Credentials) {
        let (bridge, connected) = (self.bridge.clone(), self.connected.clone());
        tokio::spawn(async move {
            let event = RemoteEvent { login, kind: RemoteKind::State(ConnectionState::Connected) };
            bridge.remote(event).await.expect("the core runs");
            connected.fetch_add(1, Ordering::SeqCst);
        });
    }

    fn suspend(&self) {}

    fn resume(&self) {}

    fn disconnect<'a>(&'a self, _login: &'a LoginId) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn deliver(
        &self,
        _delivery: Delivery,
        _emoticons: Emoticons,
    ) -> BoxFuture<'_, Result<Delivered, DeliveryError>> {
        Box::pin(std::future::pending())
    }

    fn request<'a>(&'a self, _login: &'a LoginId, _request: Request) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn contacts<'a>(&'a self, _login: &'a LoginId) -> BoxFuture<'a, Result<Vec<ContactLine>, String>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

#[tokio::test(start_paused = true)]
async fn fault_27_a_thousand_sign_ins_do_not_wait_for_the_disk_one_after_the_other() {
    const LOGINS: usize = 1000;
    let directory = tempfile::tempdir().unwrap();
    let media = MediaDirectory::open(&directory.path().join("media"), 1 << 20, 1 << 20).unwrap();
    let (handle, bridge) = Bridge::channel();
    let (connected, storage) = (Arc::new(AtomicUsize::new(0)), Arc::new(SlowDisk::default()));
    let network = Instantly { bridge: handle.clone(), connected: connected.clone() };
    let names = AtomicUsize::new(0);
    let cancel = CancellationToken::new();
    let setup = Setup {
        storage: storage.clone(),
        network: Arc::new(network),
        frontends: Vec::new(),
        inboxes: Vec::new(),
        permissions: Arc::new(Everybody),
        clock: Arc::new(Timestamp::default),
        ghost_per_login: false,
        names: Arc::new(move || format!("n{}", names.fetch_add(1, Ordering::Relaxed))),
        heartbeat: Arc::new(|| {}),
        media: Arc::new(media),
        links: None,
        sign_in: None,
        hold: HoldLimits { max_messages: 200, max_age: Duration::from_secs(86_400) },
        cancel: cancel.clone(),
        broken: CancellationToken::new(),
        shutdown: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    bridge.start(setup).unwrap();
    let begun = tokio::time::Instant::now();
    for n in 0..LOGINS {
        let (id, owner) = (LoginId::new(format!("u{n}@example.com")), UserId::new(format!("@u{n}:x")));
        let login = Login::new(id.clone(), id.to_string(), owner, &SecretString::from("pw"));
        handle.configure_login(login).await.unwrap();
    }
    while connected.load(Ordering::SeqCst) < LOGINS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Taken behind all of them, and refused: nobody has this login.
    let (sender, body) = (ghost(), msnbridge::bridge::body::Body::Nudge);
    let kind = RemoteKind::Message { conversation: ConversationId::new("x"), sender, body, at: 0 };
    let last = RemoteEvent { login: LoginId::new("nobody"), kind };
    handle.remote_kept(last, Batch::default()).await.unwrap_err();
    // One after the other they would take twenty seconds: a sync for each that is taken up, and one for each that is in.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // And all of them are written down.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let rows = storage.scan(Table::Logins, b"", None, 2 * LOGINS).unwrap();
    assert_eq!(rows.len(), LOGINS);
    let confirmed =
        rows.iter().filter(|(_, row)| String::from_utf8_lossy(row).contains("\"confirmed\":true"));
    assert_eq!(confirmed.count(), LOGINS);
    cancel.cancel();
}

fn ghost() -> Ghost {
    Ghost { id: GhostId::new("x"), name: "x".into() }
}

/// A server that is up and lets nobody in: everybody comes back, again and again. Gives when each connection came.
async fn closing_server() -> (String, Arc<Mutex<Vec<Instant>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let came = Arc::new(Mutex::new(Vec::new()));
    let seen = came.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.lock().unwrap().push(Instant::now());
            tokio::spawn(async move {
                // Its first words, and then it is gone.
                let _ = BufReader::new(stream).lines().next_line().await;
            });
        }
    });
    (address, came)
}

#[tokio::test]
async fn fault_27_logins_take_turns_at_the_start_and_after_an_outage() {
    const LOGINS: usize = 60;
    const RATE: usize = 10;
    let directory = tempfile::tempdir().unwrap();
    let (server, came) = closing_server().await;
    let mut bridge = Daemon::configure(
        directory.path(),
        "http://127.0.0.1:1",
        &server,
        "http://127.0.0.1:1/rdr/pprdr.asp",
    );
    bridge.add_to_section("msn", "sign_ins_per_second", &RATE.to_string());
    let login =
        |n| format!("  - {{account: u{n}@example.com, owner: '@u{n}:test.localhost', password: pw}}\n");
    bridge.append_config(&format!("logins:\n{}", (0..LOGINS).map(login).collect::<String>()));
    bridge.spawn();
    within("everybody to have come twice", async {
        while came.lock().unwrap().len() < 2 * LOGINS {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let came = came.lock().unwrap().clone();
    let in_a_second = |from: &Instant| {
        came.iter().filter(|at| **at >= *from && at.duration_since(*from) < Duration::from_secs(1)).count()
    };
    let most = came.iter().map(in_a_second).max().unwrap_or_default();
    // A second's worth may go at once, and is followed by the next.
    assert!(most <= 2 * RATE + 2, "{most} in one second");
}
