//! The bridge killed while everything else goes wrong too: windows are closed at random, switchboards fall silent, the
//! disk is full now and then, the way to MSN is the HTTP gateway. Takes minutes: `tests/run --long`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::Rng;
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc};

use crate::chat::{ACCOUNTS, World};
use crate::disk::{limit_files, restart};
use crate::irc::{CHANNEL, relay_config};
use crate::kills::{Bob, journaled_from_msn, numbers, speak_on_matrix};
use crate::support::cable::Cable;
use crate::support::irc::{Ngircd, Person};
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::service::MsnService;

const MESSAGES: usize = 600;
/// A gateway is asked every two seconds: words take their time there.
const OVER_GATEWAY: usize = 120;
const TROUBLES: usize = 30;
const PAUSE: Duration = Duration::from_millis(150);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Killed,
    WindowClosed,
    BoardSilent,
    DiskFull,
}

impl Trouble {
    const ALL: [Self; 4] = [Self::Killed, Self::WindowClosed, Self::BoardSilent, Self::DiskFull];
}

/// Both sides speak while trouble comes; gives what became of what was said.
struct Course {
    bob: Arc<Bob>,
    heard: mpsc::UnboundedReceiver<String>,
    room: String,
    closes: Arc<AtomicBool>,
}

impl Course {
    /// Bob and Alice have met.
    async fn begin(world: &mut World) -> Self {
        let (texts, heard) = mpsc::unbounded_channel();
        let peer = Mutex::new(Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await);
        let bob = Arc::new(Bob { peer, texts });
        let mut first = bob.call().await;
        let payload = text("hello");
        first.send("MSG", &format!("A {}\r\n{payload}", payload.len())).await;
        let room = world.user.message("hello").await["room_id"].as_str().unwrap().to_owned();
        Self { bob, heard, room, closes: Arc::new(AtomicBool::new(false)) }
    }

    /// Everything that Bob hears, until all numbers have come or nothing comes any more.
    async fn heard(&mut self, messages: usize) -> BTreeMap<usize, usize> {
        let mut heard: BTreeMap<usize, usize> = BTreeMap::new();
        while heard.len() < messages {
            let next = tokio::time::timeout(Duration::from_secs(180), self.heard.recv()).await;
            let Ok(Some(body)) = next else { break };
            if let Some(number) = body.strip_prefix('m').and_then(|n| n.parse().ok()) {
                *heard.entry(number).or_default() += 1;
            }
        }
        heard
    }
}

/// Waits until the last of what Bob said is in the room; gives the room's history.
async fn history(user: &MatrixUser, room: &str, messages: usize) -> Vec<serde_json::Value> {
    for _ in 0..240 {
        let history = user.history(room).await;
        if numbers(&history, 'b').last() == Some(&messages) {
            return history;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    user.history(room).await
}

/// What both sides must be able to say in the end.
fn judge(
    messages: usize,
    troubles: &BTreeMap<Trouble, usize>,
    on_msn: &BTreeMap<usize, usize>,
    history: &[serde_json::Value],
    log: &str,
) {
    let count: usize = troubles.values().sum();
    let repeated: usize = on_msn.values().map(|count| count - 1).sum();
    let missing: Vec<usize> = (1..=messages).filter(|n| !on_msn.contains_key(n)).collect();
    let failed = history
        .iter()
        .filter(|event| event["content"]["body"].as_str().is_some_and(|b| b.contains("was not delivered")))
        .count();
    println!(
        "{troubles:?}: to MSN {} heard, {repeated} repeated, missing {missing:?}, told {failed}",
        on_msn.len()
    );
    let ids: Vec<&str> =
        history.iter().filter_map(|event| event["content"]["msnbridge.id"].as_str()).collect();
    let synced = journaled_from_msn(log);
    for entry in &synced {
        let times = ids.iter().filter(|id| id.split('/').next() == Some(entry)).count();
        assert_eq!(times, 1, "the journal held {entry}, it was shown {times} times");
    }
    println!("to Matrix: {} entries were on disk, each was shown once", synced.len());
    assert!(missing.len() <= failed, "lost without a word: {missing:?}, told {failed}");
    assert!(repeated <= count, "more than one repeat for each trouble");
}

/// Everything that is said in the channel, up to the last of both sides.
async fn channel(mut eve: Person) -> Vec<String> {
    let mut said = Vec::new();
    let mut last = BTreeSet::from(["b", "m"].map(|side| format!("{side}{MESSAGES}")));
    while !last.is_empty() {
        let line = eve.line_that("the last of both sides on IRC", |line| line.contains(CHANNEL)).await;
        // As a puppet, or through the bot: «:b1», «:<Bob> b1».
        last.remove(line.rsplit([':', ' ']).next().unwrap_or_default());
        said.push(line);
    }
    said
}

/// Everything that the room has was said in the channel too, but for what the channel was told that it missed: it takes
/// only the last hundred of what was said while IRC could not be reached. What Bob said into a board that had fallen silent,
/// or just before a kill, has reached nobody.
fn judge_channel(said: &[String], history: &[serde_json::Value]) {
    let missed = |line: &String| {
        line.rsplit_once(" messages were missed")?.0.rsplit('(').next()?.parse::<usize>().ok()
    };
    let told: usize = said.iter().filter_map(missed).sum();
    for side in ['b', 'm'] {
        let spoken =
            said.iter().filter_map(|line| line.rsplit([':', ' ']).next()?.strip_prefix(side)?.parse().ok());
        let spoken: Vec<usize> = spoken.collect();
        let heard: BTreeSet<usize> = spoken.iter().copied().collect();
        let shown = numbers(history, side);
        let missing: Vec<usize> = shown.iter().copied().filter(|n| !heard.contains(n)).collect();
        println!(
            "{side}: {} in the room; in the channel: {} heard, {} repeated, missing {missing:?}, told {told}",
            shown.len(),
            heard.len(),
            spoken.len() - heard.len()
        );
        assert!(missing.len() <= told, "missing in the channel without a word: {missing:?}, told {told}");
        let firsts = heard.iter().filter_map(|n| spoken.iter().position(|number| number == n));
        assert!(firsts.is_sorted(), "said in another order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: tests/run --long"]
async fn nothing_is_lost_when_windows_close_boards_fall_silent_and_the_disk_is_full() {
    let directory = TempDir::new().unwrap();
    let irc = Ngircd::start(directory.path(), 0).await;
    let config =
        format!("matrix: {{status_events: false}}\n{}", relay_config(irc.port, &["bob@example.com"]));
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let cable = Cable::lay(&service).await;
    let notification = cable.notification.clone();
    let mut world = World::start_at(service, directory, &notification, &config).await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    world.bridge.stop().await;
    restart(&mut world.bridge).await;
    world.bridge.wait_for_log_times("state=Connected", 2).await;
    let eve = Person::join(irc.port, "eve", CHANNEL).await;
    let mut course = Course::begin(&mut world).await;

    let stop = Arc::new(AtomicBool::new(false));
    let closes = course.closes.clone();
    let close = move || closes.swap(false, Ordering::Relaxed);
    let rings = tokio::spawn(course.bob.clone().answer_rings(stop.clone(), close));
    let on_msn = tokio::spawn(course.bob.clone().speak(MESSAGES, PAUSE));
    let on_matrix = tokio::spawn(speak_on_matrix(world.user, course.room.clone(), MESSAGES, PAUSE));
    let on_irc = tokio::spawn(channel(eve));
    let mut troubles: BTreeMap<Trouble, usize> = BTreeMap::new();
    for n in 0..TROUBLES {
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(500..4000))).await;
        let trouble = Trouble::ALL[n % Trouble::ALL.len()];
        *troubles.entry(trouble).or_default() += 1;
        match trouble {
            Trouble::Killed => {
                world.bridge.kill().await;
                restart(&mut world.bridge).await;
            }
            Trouble::WindowClosed => course.closes.store(true, Ordering::Relaxed),
            Trouble::BoardSilent => cable.silence(),
            Trouble::DiskFull => {
                let works = world.bridge.log().matches("the disk works again").count();
                let fails = world.bridge.log().matches("leaving MSN").count();
                limit_files(world.bridge.pid(), "0");
                world.bridge.wait_for_log_times("leaving MSN", fails + 1).await;
                limit_files(world.bridge.pid(), "unlimited");
                world.bridge.wait_for_log_times("the disk works again", works + 1).await;
            }
        }
    }
    on_msn.await.unwrap();
    let user = on_matrix.await.unwrap();
    let heard = course.heard(MESSAGES).await;
    let history = history(&user, &course.room, MESSAGES).await;
    stop.store(true, Ordering::Relaxed);
    rings.await.unwrap();
    judge(MESSAGES, &troubles, &heard, &history, &world.bridge.log());
    judge_channel(&on_irc.await.unwrap(), &history);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: tests/run --long"]
async fn nothing_is_lost_over_the_gateway_when_the_bridge_is_killed() {
    let mut world = World::start_up(TempDir::new().unwrap(), "matrix: {status_events: false}\n").await;
    world.bridge.stop().await;
    world.bridge.add_to_section("msn", "transport", "http");
    let gateway = world.service.gateway.clone();
    world.bridge.add_to_section("msn", "gateway", &gateway);
    world.bridge.start().await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    let mut course = Course::begin(&mut world).await;
    let stop = Arc::new(AtomicBool::new(false));
    let closes = course.closes.clone();
    let close = move || closes.swap(false, Ordering::Relaxed);
    let rings = tokio::spawn(course.bob.clone().answer_rings(stop.clone(), close));
    let on_msn = tokio::spawn(course.bob.clone().speak(OVER_GATEWAY, PAUSE));
    let on_matrix = tokio::spawn(speak_on_matrix(world.user, course.room.clone(), OVER_GATEWAY, PAUSE));
    let mut troubles: BTreeMap<Trouble, usize> = BTreeMap::new();
    for n in 0..TROUBLES / 2 {
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(2000..6000))).await;
        let trouble = if n % 2 == 0 { Trouble::Killed } else { Trouble::WindowClosed };
        *troubles.entry(trouble).or_default() += 1;
        match trouble {
            Trouble::Killed => {
                world.bridge.kill().await;
                world.bridge.start().await;
            }
            _ => course.closes.store(true, Ordering::Relaxed),
        }
    }
    on_msn.await.unwrap();
    let user = on_matrix.await.unwrap();
    let heard = course.heard(OVER_GATEWAY).await;
    let history = history(&user, &course.room, OVER_GATEWAY).await;
    stop.store(true, Ordering::Relaxed);
    rings.await.unwrap();
    judge(OVER_GATEWAY, &troubles, &heard, &history, &world.bridge.log());
}
