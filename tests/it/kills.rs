//! The bridge killed again and again while messages flow both ways. Takes minutes: `tests/run --long`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::Rng;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Mutex, mpsc};

use crate::chat::World;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};

const MESSAGES: usize = 2000;
const KILLS: usize = 50;
/// Between two messages of one sender. The switchboard acknowledges what it has passed on, so only a sender who leaves
/// the bridge the few milliseconds of a sync is owed the promise of at most one message for each kill.
const PAUSE: Duration = Duration::from_millis(30);

/// What Bob's calls bring, all of them together.
#[derive(Debug)]
enum Heard {
    Line(String),
    Ended,
}

/// One of Bob's calls: what comes goes to `heard`.
pub(crate) struct Call {
    writer: OwnedWriteHalf,
    heard: mpsc::UnboundedReceiver<Heard>,
    number: u32,
}

async fn open(address: &str, texts: mpsc::UnboundedSender<String>) -> Call {
    let stream = TcpStream::connect(address).await.expect("the switchboard listens");
    stream.set_nodelay(true).expect("nodelay");
    let (reader, writer) = stream.into_split();
    let (hears, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut reader = BufReader::new(reader);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).await.unwrap_or(0) == 0 {
                let _ = hears.send(Heard::Ended); // nobody may listen any more
                return;
            }
            let line = line.trim_end().to_owned();
            if !line.starts_with("MSG ") {
                let _ = hears.send(Heard::Line(line));
                continue;
            }
            let length = line.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            let mut payload = vec![0; length];
            if reader.read_exact(&mut payload).await.is_err() {
                continue;
            }
            let payload = String::from_utf8_lossy(&payload).into_owned();
            if let Some((_, body)) = payload.split_once("\r\n\r\n").filter(|_| payload.contains("text/plain"))
            {
                let _ = texts.send(body.to_owned());
            }
        }
    });
    Call { writer, heard, number: 0 }
}

impl Call {
    async fn raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.writer.write_all(bytes).await
    }

    pub(crate) async fn send(&mut self, verb: &str, rest: &str) -> u32 {
        self.number += 1;
        let line = format!("{verb} {} {rest}\r\n", self.number);
        let _ = self.writer.write_all(line.as_bytes()).await; // the end comes by the reader
        self.number
    }

    /// The next line that starts like one of these; `None` when the call ends first.
    async fn line(&mut self, starts: &[&str]) -> Option<String> {
        loop {
            match tokio::time::timeout(Duration::from_secs(20), self.heard.recv()).await.ok()?? {
                Heard::Line(line) if starts.iter().any(|start| line.starts_with(start)) => return Some(line),
                Heard::Ended => return None,
                Heard::Line(_) => {}
            }
        }
    }
}

/// Bob's session: answers every ring and opens calls.
pub(crate) struct Bob {
    pub(crate) peer: Mutex<Peer>,
    pub(crate) texts: mpsc::UnboundedSender<String>,
}

impl Bob {
    /// Answers whoever rings. `close` is asked now and then whether the window that was opened last is closed.
    pub(crate) async fn answer_rings(self: Arc<Self>, stop: Arc<AtomicBool>, close: impl Fn() -> bool) {
        let mut calls = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            if close()
                && let Some(mut call) = calls.pop()
            {
                let _ = Call::raw(&mut call, b"OUT\r\n").await; // it may have ended
            }
            let ring = {
                let mut peer = self.peer.lock().await;
                tokio::time::timeout(Duration::from_millis(50), peer.wire.read()).await
            };
            let Ok(Some(unit)) = ring else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            if !unit.line.starts_with("RNG ") {
                continue;
            }
            let words: Vec<&str> = unit.line.split(' ').collect();
            let mut call = open(words[2], self.texts.clone()).await;
            call.send("ANS", &format!("bob@example.com {} {}", words[4], words[1])).await;
            calls.push(call);
        }
    }

    /// A call in which Alice is, however long it takes her to be there again.
    pub(crate) async fn call(&self) -> Call {
        loop {
            let assigned = {
                let mut peer = self.peer.lock().await;
                peer.wire.send("XFR", "SB").await;
                peer.wire.line("XFR").await.line
            };
            let words: Vec<&str> = assigned.split(' ').collect();
            let mut call = open(words[3], self.texts.clone()).await;
            call.send("USR", &format!("bob@example.com {}", words[5])).await;
            call.line(&["USR"]).await;
            call.send("CAL", "alice@example.com").await;
            if call.line(&["JOI", "217", "216"]).await.is_some_and(|line| line.starts_with("JOI")) {
                return call;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Says the numbers in order, each until it is acknowledged.
    pub(crate) async fn speak(self: Arc<Self>, messages: usize, pause: Duration) -> BTreeSet<usize> {
        let mut acknowledged = BTreeSet::new();
        let mut call = self.call().await;
        for number in 1..=messages {
            loop {
                let payload = text(&format!("b{number}"));
                let id = call.send("MSG", &format!("A {}\r\n{payload}", payload.len())).await;
                let (ack, nak) = (format!("ACK {id}"), format!("NAK {id}"));
                // `send` ends in a line break that belongs to no payload: the service skips empty lines.
                match call.line(&[&ack, &nak, "BYE alice"]).await {
                    Some(line) if line == ack => break,
                    _ => call = self.call().await,
                }
            }
            acknowledged.insert(number);
            tokio::time::sleep(pause).await;
        }
        acknowledged
    }
}

/// Entries of the portal with Bob that came from MSN and were on disk before a kill, as the log tells.
pub(crate) fn journaled_from_msn(log: &str) -> BTreeSet<String> {
    let (mut synced, mut written) = (BTreeSet::new(), Vec::new());
    for line in log.lines().filter(|line| line.contains("portal=bob@example.com of alice@example.com")) {
        let field = |name: &str| {
            let value = line.split(&format!(" {name}=")).nth(1)?;
            value.split(' ').next().map(str::to_owned)
        };
        if line.contains("journaling") {
            written.extend(field("entry"));
        } else if line.contains(" journaled ") {
            synced.extend(written.drain(..));
        } else if line.contains("the portal was opened") {
            written.clear();
        }
    }
    synced.into_iter().filter(|entry: &String| !entry.contains(':') && !entry.contains("-failed-")).collect()
}

pub(crate) fn numbers(history: &[Value], letter: char) -> Vec<usize> {
    let bodies = history.iter().filter_map(|event| event["content"]["body"].as_str());
    bodies.filter_map(|body| body.strip_prefix(letter)?.parse().ok()).collect()
}

pub(crate) async fn speak_on_matrix(
    mut user: MatrixUser,
    room: String,
    messages: usize,
    pause: Duration,
) -> MatrixUser {
    for number in 1..=messages {
        user.send(&room, &format!("m{number}")).await;
        tokio::time::sleep(pause).await;
    }
    user
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: tests/run --long"]
async fn nothing_is_lost_when_the_bridge_is_killed_fifty_times() {
    let mut world = World::start_in(tempfile::tempdir().unwrap(), "matrix: {status_events: false}\n").await;
    let (texts, mut heard) = mpsc::unbounded_channel();
    let peer = Mutex::new(Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await);
    let bob = Arc::new(Bob { peer, texts });
    let mut first = bob.call().await;
    let payload = text("hello");
    first.send("MSG", &format!("A {}\r\n{payload}", payload.len())).await;
    let room = world.user.message("hello").await["room_id"].as_str().unwrap().to_owned();
    let rooms = world.user.joined_rooms().await.len();

    let stop = Arc::new(AtomicBool::new(false));
    let rings = tokio::spawn(bob.clone().answer_rings(stop.clone(), || false));
    let on_msn = tokio::spawn(bob.clone().speak(MESSAGES, PAUSE));
    let on_matrix = tokio::spawn(speak_on_matrix(world.user, room.clone(), MESSAGES, PAUSE));
    for kill in 1..=KILLS {
        let pause = rand::rng().random_range(500..4500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        world.bridge.kill().await;
        world.bridge.start().await;
        if kill % 10 == 0 {
            println!("killed {kill} times");
        }
    }
    let acknowledged = on_msn.await.unwrap();
    let user = on_matrix.await.unwrap();
    println!("everything was said; waiting for what is still on its way");

    let mut on_msn: BTreeMap<usize, usize> = BTreeMap::new();
    while on_msn.len() < MESSAGES {
        let next = tokio::time::timeout(Duration::from_secs(120), heard.recv()).await;
        let Ok(Some(body)) = next else { break };
        if let Some(number) = body.strip_prefix('m').and_then(|n| n.parse().ok()) {
            *on_msn.entry(number).or_default() += 1;
        }
    }
    let synced = journaled_from_msn(&world.bridge.log());
    let mut history = user.history(&room).await;
    for _ in 0..120 {
        let last = numbers(&history, 'b').last().copied();
        if last == Some(MESSAGES) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        history = user.history(&room).await;
    }
    stop.store(true, Ordering::Relaxed);
    rings.await.unwrap();

    let shown = numbers(&history, 'b');
    let lost: Vec<usize> = acknowledged.iter().copied().filter(|n| !shown.contains(n)).collect();
    let repeated = on_msn.values().filter(|count| **count > 1).map(|count| count - 1).sum::<usize>();
    let missing: Vec<usize> = (1..=MESSAGES).filter(|n| !on_msn.contains_key(n)).collect();
    println!("MSN to Matrix: {} shown, {} acknowledged and not journaled: {lost:?}", shown.len(), lost.len());
    println!("Matrix to MSN: {} heard, {repeated} repeated, missing {missing:?}", on_msn.len());

    assert!(shown.is_sorted_by(|a, b| a < b), "out of order or twice");
    let ids: Vec<&str> =
        history.iter().filter_map(|event| event["content"]["msnbridge.id"].as_str()).collect();
    for entry in &synced {
        let times = ids.iter().filter(|id| id.split('/').next() == Some(entry)).count();
        assert_eq!(times, 1, "the journal held {entry}, it was shown {times} times");
    }
    println!("{} entries from MSN were on disk, each was shown once", synced.len());
    assert!(lost.len() <= KILLS, "more than one lost per kill");
    assert!(missing.is_empty(), "lost towards MSN");
    assert!(repeated <= KILLS, "more than one repeat per kill");
    assert_eq!(user.joined_rooms().await.len(), rooms);
}
