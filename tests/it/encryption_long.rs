//! Encrypted rooms for a long time and with many people. Takes minutes: `tests/run --long`.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::chat::ACCOUNTS;
use crate::encrypted_rooms::{give, sessions};
use crate::encryption::{ENCRYPTED, World, talk};
use crate::hostile::memory;
use crate::support::bridge::Bridge;
use crate::support::element::Element;
use crate::support::files::{self, Way, noise, noise_digest};
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, Wire, text};
use crate::support::other_homeserver::OtherHomeserver;
use crate::support::service::MsnService;
use crate::support::stage::{Scenery, Stage};
use crate::support::synapse::{SERVER_NAME, Synapse};

/// Words each way.
const WORDS: usize = 1_000;
/// People in one group, and in conversations of two.
const GROUP: usize = 200;
const DIRECT: usize = 50;
const FILE: u64 = 30_000;

/// A file each way, whole.
async fn files_go_both_ways(person: &mut Element, call: &mut Wire, room: &str, name: &str) {
    let bytes = noise(0, usize::try_from(FILE).unwrap());
    give(call, &format!("from bob {name}"), &bytes).await;
    let shown = person.message(&format!("from bob {name}")).await;
    let opened = person.order("open", json!({"file": shown["content"]["file"]})).await;
    assert!(STANDARD.decode(opened["bytes"].as_str().unwrap()).unwrap() == bytes);
    let order = json!({"room": room, "name": format!("from ann {name}"), "type": "m.file", "bytes": STANDARD.encode(&bytes)});
    person.order("file", order).await;
    assert_eq!(files::offered(call).await.take(call, Way::Board).await, noise_digest(FILE));
}

async fn a_thousand_words(trusts_signed_only: bool) {
    let begun = Instant::now();
    let mut world = World::start(ENCRYPTED, trusts_signed_only).await;
    let (mut bob, mut call, room) = talk(&mut world).await;
    let half = WORDS / 2;
    files_go_both_ways(&mut world.ann, &mut call, &room, "before.bin").await;
    for n in 0..half {
        call.say(&text(&format!("from bob {n}."))).await;
        world.ann.send(&room, &format!("from ann {n}.")).await;
    }
    // What the MSN service has given to the bridge and nobody has on disk is gone with a power cut; Ann's words are not.
    world.ann.message(&format!("from bob {}.", half - 1)).await;
    let first_half = begun.elapsed();
    world.bridge.kill().await;
    call.line("BYE alice@example.com").await;
    let mut other = Element::log_in(&world.synapse.url(), "ann", trusts_signed_only).await;
    other.send(&room, "while it was away").await;
    world.bridge.start().await;
    let mut again = bob.answer().await;
    again.message("while it was away").await;
    for n in half..WORDS {
        again.say(&text(&format!("from bob {n}."))).await;
        // The newest device has signed itself alone: isolated, the other is silent from then on.
        let is_others = trusts_signed_only || n.is_multiple_of(2);
        let speaker = if is_others { &mut other } else { &mut world.ann };
        speaker.send(&room, &format!("from ann {n}.")).await;
    }
    again.message(&format!("from ann {}.", WORDS - 2)).await;
    again.message(&format!("from ann {}.", WORDS - 1)).await;
    files_go_both_ways(&mut other, &mut again, &room, "after.bin").await;

    let mut twice = 0;
    for n in 0..WORDS {
        if n != half - 1 {
            world.ann.message(&format!("from bob {n}.")).await;
        }
        if n >= half {
            other.message(&format!("from bob {n}.")).await;
        }
        let heard = call.kept(&format!("from ann {n}.")) + again.kept(&format!("from ann {n}."));
        let heard = heard + usize::from(n >= WORDS - 2);
        assert!(heard > 0, "from ann {n}: lost");
        twice += heard - 1;
    }
    let unreadable = world.ann.unreadable(&world.plain.id);
    assert!(unreadable.is_empty(), "{unreadable:?}");
    let said = world.bridge.log().matches("an encrypted event was not read").count();
    assert_eq!(said, 0, "words of hers that the bridge could not read");
    println!(
        "{WORDS} words each way, signed devices only {trusts_signed_only}: {:.0} s, {:.0} s of it before the kill; \
         {twice} heard twice; {} MB of memory",
        begun.elapsed().as_secs_f64(),
        first_half.as_secs_f64(),
        memory(world.bridge.pid()) >> 20
    );
    assert!(world.bridge.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: tests/run --long"]
async fn a_thousand_words_each_way_are_read_over_a_kill_and_a_new_device() {
    a_thousand_words(false).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: tests/run --long"]
async fn a_thousand_words_each_way_are_read_where_unsigned_devices_are_isolated() {
    a_thousand_words(true).await;
}

/// What has a program believe that thirty days have passed; how much time passes in it is as it is.
fn later(command: &mut Command) -> &mut Command {
    let folders = std::fs::read_dir("/usr/lib").expect("libraries").flatten();
    let library = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let library = library.into_iter().find(|library| library.exists()).expect("tests/run --long installs it");
    command.env("LD_PRELOAD", library).env("FAKETIME", "+30d").env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

/// The bridge is away for thirty days, and then so is everybody else.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs another clock: tests/run --long"]
async fn after_thirty_days_of_silence_old_keys_are_good_and_old_sessions_are_not() {
    let mut world = World::start(ENCRYPTED, true).await;
    let (_bob, call, room) = talk(&mut world).await;
    let before = sessions(&world.plain, &room).await;
    assert!(world.bridge.stop().await.success());
    drop(call);
    world.synapse.kill().await;
    world.synapse.restart_with(later).await;
    world.bridge.spawn_with(later);
    world.bridge.wait_for_log_times("both ways", 2).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    world.ann.send(&room, "in the session of last month").await;
    let mut call = bob.answer().await;
    call.message("in the session of last month").await;
    // By a key that was made a month ago, and that nobody has asked for since.
    let mut other = Element::log_in(&world.synapse.url(), "ann", true).await;
    other.send(&room, "by a key of last month").await;
    call.message("by a key of last month").await;
    call.say(&text("a month later")).await;
    world.ann.message("a month later").await;
    other.message("a month later").await;
    let after = sessions(&world.plain, &room).await;
    assert!(after.len() > before.len() && !before.contains(after.last().unwrap()), "{before:?} {after:?}");
    let mut third = Element::log_in(&world.synapse.url(), "ann", true).await;
    third.send(&room, "by a key of this month").await;
    call.message("by a key of this month").await;
}

fn account(number: usize) -> String {
    format!("contact{number}@example.com")
}

/// Ann with Element's SDK, before an MSN server that the test directs; requests of the bridge are counted.
struct Crowd {
    stage: Stage,
    counted: OtherHomeserver,
    bridge: Bridge,
    ann: Element,
    _service: MsnService,
    _synapse: Synapse,
    _directory: tempfile::TempDir,
}

impl Crowd {
    async fn gather() -> Self {
        let stage = Stage::start(Scenery::default()).await;
        let directory = tempfile::tempdir().unwrap();
        let service = MsnService::start(directory.path(), ACCOUNTS).await;
        let mut bridge =
            Bridge::configure(directory.path(), "http://127.0.0.1:1", &stage.address, &service.nexus);
        // Ann joins a room that two hundred ghosts have joined a moment before.
        let more = "rc_joins_per_room: {per_second: 1000, burst_count: 1000}\n";
        let synapse =
            Synapse::start_with(&directory.path().join("synapse"), &bridge.registration(), more).await;
        let counted = OtherHomeserver::start(synapse.url()).await;
        counted.unchanged();
        bridge.append_config(ENCRYPTED);
        bridge.set_homeserver(&counted.url());
        bridge.spawn_with(|command| command.env("RUST_LOG", "msnbridge=info"));
        bridge.wait_for_log("both ways").await;
        MatrixUser::register(&synapse.url(), "ann").await;
        let mut ann = Element::log_in(&synapse.url(), "ann", true).await;
        let management = ann.start_chat(&format!("@msnbot:{SERVER_NAME}")).await;
        ann.message("login").await;
        ann.send(&management, "login alice@example.com").await;
        ann.message("password").await;
        ann.send(&management, "alice-pw").await;
        ann.message("Signed in").await;
        counted.forget();
        Self { stage, counted, bridge, ann, _service: service, _synapse: synapse, _directory: directory }
    }

    async fn restart(&mut self) {
        self.bridge.stop().await;
        self.stage.begin_anew();
        self.bridge.spawn_with(|command| command.env("RUST_LOG", "msnbridge=info"));
        self.bridge.wait_for_log_times("both ways", 2).await;
        self.counted.forget();
    }

    /// Everything that was said could be read.
    async fn end(mut self) {
        let unread = |event: &Value| event["failure"].is_string();
        assert_eq!(self.ann.seen_so_far(unread), 0);
        assert!(self.bridge.stop().await.success());
    }

    fn report(&self, what: &str, first: Duration, all: Duration) {
        println!(
            "{what}: the first word after {first:.1?}, all after {all:.1?}; {} devices made, {} key queries, {} claims, {} \
             requests with keys, {} requests in all; {} MB of memory",
            self.counted.count("PUT /_matrix/client/v3/devices/"),
            self.counted.count("/keys/query"),
            self.counted.count("/keys/claim"),
            self.counted.count("/sendToDevice/"),
            self.counted.count(""),
            memory(self.bridge.pid()) >> 20
        );
        self.counted.forget();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: tests/run --long"]
async fn two_hundred_ghosts_in_one_room_are_read() {
    let mut crowd = Crowd::gather().await;
    let members: Vec<String> = (0..GROUP).map(|n| format!("{} Contact%20{n}", account(n))).collect();
    let present: Vec<&str> = members.iter().map(String::as_str).collect();
    for round in ["first", "second", "third"] {
        if round == "third" {
            crowd.restart().await;
        }
        let begun = Instant::now();
        let mut board = crowd.stage.ring(&account(0), "Contact%200", &present).await;
        let mut first = Duration::ZERO;
        for n in 0..GROUP {
            board.text(&account(n), "Contact", &format!("{round} word of {n}.")).await;
        }
        for n in 0..GROUP {
            crowd.ann.message(&format!("{round} word of {n}.")).await;
            if n == 0 {
                first = begun.elapsed();
            }
        }
        crowd.report(&format!("{GROUP} ghosts in one room, the {round} time"), first, begun.elapsed());
        drop(board);
    }
    crowd.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: tests/run --long"]
async fn fifty_who_speak_for_the_first_time_at_once_in_rooms_of_their_own_are_read() {
    let mut crowd = Crowd::gather().await;
    let mut boards = Vec::new();
    let begun = Instant::now();
    for n in GROUP..GROUP + DIRECT {
        let member = format!("{} Contact%20{n}", account(n));
        let mut board = crowd.stage.ring(&account(n), "Contact", &[&member]).await;
        board.text(&account(n), "Contact", &format!("direct word of {n}.")).await;
        boards.push(board);
    }
    let mut first = Duration::ZERO;
    for n in GROUP..GROUP + DIRECT {
        crowd.ann.message(&format!("direct word of {n}.")).await;
        if n == GROUP {
            first = begun.elapsed();
        }
    }
    crowd.report(&format!("{DIRECT} rooms of their own"), first, begun.elapsed());
    crowd.end().await;
}
